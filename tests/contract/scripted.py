"""
A sink in memory that behaves by a script, one letter for each call.

d  everything is delivered
U  unavailable: nothing is taken
L  reply lost: everything is taken, and nobody is told
4  the first document is put off (429), the rest is taken
r  the first document is refused (400), the rest is taken

When the script is used up, everything is delivered.
"""

from logship.delivery.bulk import documents
from logship.delivery.sink import SinkUnavailable
from logship.model import Receipt, Rejected


class ScriptedSink:
    """Takes documents into `taken`, by id."""

    name = "scripted"

    def __init__(self, script: str = "", taken: dict[str, bytes] | None = None) -> None:
        self.script = script
        self.taken = {} if taken is None else taken
        #: Ids of the documents of each call, taken or not.
        self.calls: list[list[str]] = []

    def close(self) -> None:
        """Do nothing."""

    def send(self, batch, only):
        """Play the next letter."""
        letter, self.script = self.script[:1] or "d", self.script[1:]
        pairs = documents(batch, only)
        self.calls.append([name for name, _ in pairs])
        if letter == "U":
            raise SinkUnavailable("connection refused")
        rejected, deferred = [], []
        if letter == "r" and pairs[0][0] not in self.taken:
            rejected = [Rejected(*pairs.pop(0), 400, "document_parsing_exception")]
        elif letter == "4":
            deferred = [pairs.pop(0)[0]]
        duplicate = [name for name, _ in pairs if name in self.taken]
        self.taken |= dict(pairs)
        if letter == "L":
            raise SinkUnavailable("the connection was closed without an answer")
        return Receipt(len(pairs) - len(duplicate), duplicate, rejected, deferred, "HTTP 429" if deferred else "")
