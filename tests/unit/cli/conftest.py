"""A state directory with documents in it, and a way to call the command line."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from logship.cli import main
from logship.ledger.ledger import Ledger
from logship.model import Batch, Progress, Rejected, Source

DOCUMENTS = [
    {
        "@timestamp": "2025-11-20T08:00:07.412Z",
        "message": "cache warmed",
        "log": {"level": "info"},
        "service": {"name": "api"},
    },
    {
        "@timestamp": "2025-11-20T08:05:00.020Z",
        "message": "Exception on /console/api/apps [POST]",
        "log": {"level": "error"},
        "service": {"name": "api"},
        "error": {"stack_trace": "Traceback (most recent call last):\nValueError: boom"},
    },
    {
        "@timestamp": "2025-11-20T08:06:00.000Z",
        "message": "任务超时 \x1b[31mred\x07",
        "log": {"level": "warning"},
        "service": {"name": "worker"},
    },
]


@pytest.fixture
def run():
    """Give a call of `logship`; LOGSHIP_ variables can be given as `env`."""

    def call(*arguments: object, **options):
        return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)

    return call


@pytest.fixture
def state(tmp_path) -> Path:
    """Give a state directory with three documents, of which a sink took two and refused one."""
    directory = tmp_path / "state"
    with Ledger.open(directory) as ledger:
        row = ledger.register(path=Path("/logs/api.log"), device=1, inode=2, head=b"first line\n", source=Source("api"))
        ids = [f"{row.ref.key}-{place}" for place in range(3)]
        body = b"".join(
            b'{"create":{"_id":"%b"}}\n%b\n' % (one.encode(), orjson.dumps(document))
            for one, document in zip(ids, DOCUMENTS, strict=True)
        )
        stamps = [document["@timestamp"] for document in DOCUMENTS]
        made = Batch("dify.api", body, 3, stamps[0], stamps[-1], {row.ref.id: 3})
        ledger.follow("elasticsearch")
        ledger.commit([made], [Progress(row.ref.id, 90, {}, 90, b"x", lines=4, events=3, bytes_documents=90)])
        refused = Rejected(ids[1], orjson.dumps(DOCUMENTS[1]), 400, "document_parsing_exception: no such field")
        ledger.settle(
            "elasticsearch",
            ledger.after(0)[0],
            delivered={row.ref.id: 2},
            duplicate={},
            rejected=[refused],
        )
    return directory
