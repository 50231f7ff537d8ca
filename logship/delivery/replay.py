"""Send rejected documents again that someone asked for, when a courier has nothing else to do."""

from __future__ import annotations

from isal import igzip

from logship.delivery.sink import Sink
from logship.ledger import rejects
from logship.ledger.ledger import Ledger
from logship.model import StoredBatch


class Replay:
    """The rejected documents of one sink."""

    def __init__(self, ledger: Ledger, sink: Sink) -> None:
        self._ledger = ledger
        self._sink = sink

    def step(self) -> bool:
        """Send the next documents, if any; raises SinkUnavailable."""
        rows = rejects.to_replay(self._ledger, self._sink.name)
        if not rows:
            return False
        body = b"".join(b'{"create":{"_id":"%b"}}\n%b\n' % (row.id.encode(), row.document) for row in rows)
        batch = StoredBatch(0, rows[0].dataset, len(rows), "", "", {}, igzip.compress(body, 1))
        receipt = self._sink.send(batch, None)
        duplicate = set(receipt.duplicate)
        refused = {item.id: item.reason for item in receipt.rejected}
        for row in rows:
            if row.id in receipt.deferred:
                continue
            if row.id in refused:
                rejects.replayed(self._ledger, row, "rejected", refused[row.id])
            else:
                rejects.replayed(self._ledger, row, "duplicate" if row.id in duplicate else "delivered")
        return True
