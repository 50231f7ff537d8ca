"""
Create the documents of a batch in a data stream, one bulk request a batch.

A document sent twice conflicts with itself (409), which is how we know that
the first attempt arrived; so repeating is always safe. Statuses and errors:
Elasticsearch reference, "Bulk API", and answers of 8.19 and 9.5.
"""

from __future__ import annotations

import math
import re
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import structlog
from elastic_transport import TlsError, TransportError
from isal import igzip

from logship.delivery.bulk import Document, documents, marked, pack, unpacked_size
from logship.delivery.lookup import present
from logship.delivery.pace import Pace
from logship.delivery.repair import fitted, moved
from logship.delivery.sink import SinkUnavailable
from logship.elastic.client import Answer, Client, unsent
from logship.model import Receipt, Rejected, StoredBatch

log = structlog.get_logger("logship.courier")

#: How long to leave a server alone that refuses who we are.
_REFUSED_PAUSE = 60.0
_NO_TEMPLATE = "the index template is missing: run `logship setup`"
#: Parameters that an older server or OpenSearch may not know.
_OPTIONAL = {"require_data_stream": "true", "include_source_on_error": "false"}
_FILTER = ",".join(
    ["took", "errors", "items.*.status", "items.*.failure_store"]
    + [f"items.*.error.{part}" for part in ("type", "reason", "caused_by")]
)
_UNKNOWN_PARAMETER = re.compile(r"unrecognized parameters?: (.*)")
#: A document that is there.
_SOME = re.compile(rb'"status": ?(?:20[01]|409)\b')
#: How many batches are remembered of which something was taken: more than can be without an outcome.
_TAKEN = 256
#: Where an error text begins to quote the document.
_QUOTES = re.compile(r"(?s)(\. Preview of field's value: |For input string: |: \[truncated|\n at \[Source: ).*")
#: What an error text may quote: between the first and the last sign of a kind, or in brackets.
_QUOTED = re.compile(r"(?s)'.*'|\".*\"|\[[^\[\]]*\]|\(.*\)")
_NUMBER = re.compile(r"\[\d{1,3}\]")
_REASON_LIMIT = 500
#: How many fields of a document may be moved before it is rejected.
_REPAIRS = 3
_IN_FAILURE_STORE = "put into the failure store, where searches do not look"


class ElasticsearchSink:
    """
    Deliver to `logs-<dataset>-<namespace>`; several threads may send.

    `doubtful` names batches that an earlier run may have sent without seeing
    the answer. `reader` may read the streams: it looks up, before such a batch
    is sent again, which of its documents arrived before a rollover.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str = "default",
        name: str = "elasticsearch",
        in_flight: int = 1,
        reader: Client | None = None,
        doubtful: Iterable[int] = (),
    ) -> None:
        self.in_flight = in_flight
        self._client = client
        self._reader = reader or client
        self._namespace = namespace
        self._name = name
        self._parameters = dict(_OPTIONAL)
        #: Bodies of this size (before compression) were refused with 413.
        self._too_large: float = math.inf
        self._pace = Pace()
        self._doubtful = set(doubtful)
        #: Batches that are being sent, and the last of which something was taken.
        self._sending: set[int] = set()
        self._taken: deque[int] = deque(maxlen=_TAKEN)
        #: In each thread: `some`, whether the server took any of the batch that is being sent.
        self._here = threading.local()

    @property
    def name(self) -> str:
        """Name of the sink's cursor."""
        return self._name

    @property
    def doubtful(self) -> frozenset[int]:
        """Batches that may be there, in whole or in part."""
        return frozenset(self._doubtful | self._sending | set(self._taken))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        if self._reader is not self._client:
            self._reader.close()

    def send(self, batch: StoredBatch, only: frozenset[str] | None) -> Receipt:
        """Send a batch as it lies, or some of its documents."""
        stream = f"logs-{batch.dataset}-{self._namespace}"
        self._sending.add(batch.seq)
        self._here.some = False
        try:
            receipt = self._send(stream, batch, only)
        except SinkUnavailable as error:
            if error.unknown or self._here.some:
                self._doubtful.add(batch.seq)
            raise
        except BaseException:
            self._doubtful.add(batch.seq)
            raise
        finally:
            self._sending.discard(batch.seq)
        self._doubtful.discard(batch.seq)
        if self._here.some:
            self._taken.append(batch.seq)
        return receipt

    def _send(self, stream: str, batch: StoredBatch, only: frozenset[str] | None) -> Receipt:
        if batch.seq in self._doubtful:
            return self._send_again(stream, documents(batch, only))
        if only is None and unpacked_size(batch.body) <= self._limit():
            answer = self._post(stream, batch.body)
            if _all_created(answer, batch.count):
                self._pace.faster()
                return Receipt(delivered=batch.count)
            return self._judge(stream, documents(batch), answer)
        return self._portions(stream, documents(batch, only))

    def _send_again(self, stream: str, pairs: list[Document]) -> Receipt:
        """Send what may have arrived: what did is a duplicate, what cannot be looked up is marked."""
        try:
            known = present(self._reader, stream, [name for name, _ in pairs])
        except TransportError as error:
            raise _not_reached(error) from error
        if known is None:
            log.warning("sent again, and may be there twice after a rollover", documents=len(pairs), stream=stream)
            return _sum(Receipt(redelivered=len(pairs)), self._portions(stream, marked(pairs)))
        there = [name for name, _ in pairs if name in known]
        rest = [pair for pair in pairs if pair[0] not in known]
        return _sum(Receipt(duplicate=there), self._portions(stream, rest) if rest else Receipt())

    def _limit(self) -> float:
        return min(self._pace.limit, self._too_large - 1)

    def _portions(self, stream: str, pairs: list[Document]) -> Receipt:
        """Send documents in requests of the size that the server takes now, until it puts one off."""
        receipt = Receipt()
        while pairs:
            count = _portion(pairs, self._limit())
            part, pairs = pairs[:count], pairs[count:]
            receipt = _sum(receipt, self._judge(stream, part, self._post(stream, pack(part))))
            if receipt.deferred and pairs:
                return _sum(receipt, Receipt(deferred=[name for name, _ in pairs], reason=receipt.reason))
        return receipt

    def _judge(self, stream: str, pairs: list[Document], answer: Answer, repairs: int = _REPAIRS) -> Receipt:
        """Give each document its outcome, taking the request apart where the server refused it as a whole."""
        if answer.status == 200:
            receipt = _outcomes(pairs, answer)
            if receipt.deferred:
                self._pace.slower(_size(pairs))
            else:
                self._pace.faster()
            # An audit event is taken as it is or refused: what was moved would not be what was sealed.
            if receipt.rejected and repairs and ".audit-" not in stream:
                return self._repair(stream, receipt, repairs)
            return receipt
        if answer.status == 429:
            self._pace.slower(_size(pairs))
            return Receipt(deferred=[name for name, _ in pairs], reason=answer.error())
        if answer.status == 413:
            if len(pairs) == 1:
                return _refused(pairs[0], answer.status, "too large for the server (http.max_content_length)")
            self._too_large = min(self._too_large, _size(pairs))
            return self._halves(stream, pairs)
        if answer.status == 400 and "require_data_stream" not in answer.error():
            if not self._takes_any(stream):
                raise SinkUnavailable(answer.error(), pause=5.0)
            if len(pairs) == 1:
                return _refused(pairs[0], answer.status, answer.error())
            return self._halves(stream, pairs)
        raise _unavailable(answer.status, answer.error())

    def _repair(self, stream: str, receipt: Receipt, repairs: int) -> Receipt:
        """Send again, with the field moved that did not fit, what the mapping refused or the failure store took."""
        refused = {one.id: one for one in receipt.rejected}
        fixed = [(one.id, _repaired(one)) for one in receipt.rejected]
        pairs = [(name, document) for name, document in fixed if document is not None]
        if not pairs:
            return receipt
        again = self._judge(stream, pairs, self._post(stream, pack(pairs)), repairs - 1)
        known = {name for name, _ in pairs}
        rest = [one for one in receipt.rejected if one.id not in known] + [refused[one.id] for one in again.rejected]
        return _sum(replace(receipt, rejected=[]), replace(again, rejected=rest))

    def _halves(self, stream: str, pairs: list[Document]) -> Receipt:
        """Send the halves one after the other; what is too large by itself ends as rejected."""
        middle = (len(pairs) + 1) // 2
        receipt = Receipt()
        for part in filter(None, (pairs[:middle], pairs[middle:])):
            if len(part) > 1 and _size(part) >= self._too_large:
                found = self._halves(stream, part)
            else:
                found = self._judge(stream, part, self._post(stream, pack(part)))
            receipt = _sum(receipt, found)
        return receipt

    def _post(self, stream: str, body: bytes) -> Answer:
        used = dict(self._parameters)
        query = "&".join(f"{key}={value}" for key, value in {**used, "filter_path": _FILTER}.items())
        path = f"/{quote(stream)}/_bulk?{query}"
        try:
            answer = self._client.request("POST", path, body, media_type="application/x-ndjson", gzipped=True)
            if answer.status == 400 and self._forget(answer, used):
                return self._post(stream, body)
            if answer.status == 200 and _SOME.search(answer.body):
                self._here.some = True
            return answer
        except TransportError as error:
            raise _not_reached(error) from error

    def _forget(self, answer: Answer, used: Iterable[str]) -> bool:
        """Leave out from now on the parameters that the server does not know; False if it was not sent any such."""
        found = _UNKNOWN_PARAMETER.search(answer.error())
        unknown = [name for name in used if found and f"[{name}]" in found[1]]
        # Another request may have found it out meanwhile.
        self._parameters = {name: value for name, value in self._parameters.items() if name not in unknown}
        return bool(unknown)

    def _takes_any(self, stream: str) -> bool:
        """
        Ask whether the server takes bulk requests at all, before a document is blamed for a refusal.

        A deletion of what is not there is answered item by item and changes nothing.
        """
        return self._post(stream, igzip.compress(b'{"delete":{"_id":"logship"}}\n', 1)).status == 200


def _portion(pairs: list[Document], limit: float) -> int:
    """Return how many documents go into one request: as many as the limit takes, and at least one."""
    size = 0
    for count, pair in enumerate(pairs):
        size += _size([pair])
        if size > limit and count:
            return count
    return len(pairs)


def _repaired(refused: Rejected) -> bytes | None:
    if refused.status == 400:
        return moved(refused.document, refused.reason)
    return fitted(refused.document) if refused.reason.startswith(_IN_FAILURE_STORE) else None


def _not_reached(error: TransportError) -> SinkUnavailable:
    if isinstance(error, TlsError):
        hint = "check the CA file or the fingerprint"
        return SinkUnavailable(str(error.message), hint=hint, pause=_REFUSED_PAUSE, alarm=True)
    return SinkUnavailable(f"{type(error).__name__}: {error.message}", unknown=not unsent(error))


def _all_created(answer: Answer, count: int) -> bool:
    """Look for the common answer without parsing it: every document created, none of them elsewhere."""
    body = answer.body
    return (
        answer.status == 200
        and body.count(b'"status":201') == count
        and b'"errors":false' in body
        and b'"failure_store"' not in body
        and body.endswith(b"}")
    )


def _outcomes(pairs: list[Document], answer: Answer) -> Receipt:
    """Read the answer item by item; items stand in the order of the documents."""
    body = answer.json()
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list) or len(items) != len(pairs):
        hint = "is there a proxy in between?"
        raise SinkUnavailable("the answer is not that of a bulk request", hint=hint, unknown=True)
    delivered = 0
    duplicate: list[str] = []
    rejected: list[Rejected] = []
    deferred: list[str] = []
    reason = ""
    for pair, item in zip(pairs, items, strict=True):
        result: dict[str, Any] = (item.get("create") if isinstance(item, dict) else None) or {}
        status = result.get("status", 0)
        if not status:
            raise SinkUnavailable("the answer lacks the status of a document", unknown=True)
        if status in (200, 201):
            if result.get("failure_store"):
                note = f"{_IN_FAILURE_STORE} ({result['failure_store']})"
                rejected.append(Rejected(*pair, status, note))
            else:
                delivered += 1
        elif status == 409:
            duplicate.append(pair[0])
        elif status == 429 or status >= 500:
            deferred.append(pair[0])
            reason = reason or f"HTTP {status} {_reason(result)}"
        elif status in (401, 403, 404) or "require_data_stream" in _reason(result):
            raise _unavailable(status, f"HTTP {status} {_reason(result)}")
        else:
            rejected.append(Rejected(*pair, status, _reason(result)))
    return Receipt(delivered, duplicate, rejected, deferred, reason)


def _unavailable(status: int, reason: str) -> SinkUnavailable:
    reason = reason[:_REASON_LIMIT]
    if status in (401, 403):
        hint = "the key needs create_doc and auto_configure on the data streams, and no write block may be set"
        return SinkUnavailable(reason, hint=hint, pause=_REFUSED_PAUSE, alarm=True)
    if status == 404 or "require_data_stream" in reason:
        return SinkUnavailable(reason, hint=_NO_TEMPLATE, pause=5.0, alarm=True)
    return SinkUnavailable(reason, unknown=status >= 500)


def _reason(result: dict[str, Any]) -> str:
    """Say why, without the parts of an error text that quote the document."""
    error = result.get("error")
    if not isinstance(error, dict):
        return str(error or "no reason given")[:_REASON_LIMIT]
    reason = _QUOTES.sub("", f"{error.get('type')}: {error.get('reason')}")
    return f"{reason}{_innermost(error, reason)}"[:_REASON_LIMIT]


def _innermost(error: dict[str, Any], reason: str) -> str:
    """Say what is at the bottom of an error, without what it quotes that the reason does not."""
    cause = error
    while isinstance(inner := cause.get("caused_by"), dict):
        cause = inner
    if cause is error:
        return ""
    text = _QUOTES.sub("", str(cause.get("reason")))
    text = _QUOTED.sub(lambda quoted: quoted[0] if quoted[0] in reason or _NUMBER.fullmatch(quoted[0]) else "[…]", text)
    return f"; caused by {cause.get('type')}: {text}"


def _refused(pair: Document, status: int, reason: str) -> Receipt:
    return Receipt(rejected=[Rejected(*pair, status, _QUOTES.sub("", reason)[:_REASON_LIMIT])])


def _sum(one: Receipt, other: Receipt) -> Receipt:
    return Receipt(
        one.delivered + other.delivered,
        one.duplicate + other.duplicate,
        one.rejected + other.rejected,
        one.deferred + other.deferred,
        one.reason or other.reason,
        one.redelivered + other.redelivered,
    )


def _size(pairs: list[Document]) -> int:
    """Return the size of a body before compression."""
    return sum(len(name) + len(document) + 23 for name, document in pairs)
