"""
Whatever moment the agent is killed at, every line is in Elasticsearch and in the search once.

Between the kills files are rotated, answers of Elasticsearch are lost, and it is away now and then. The seed is
printed; LOGSHIP_TEST_SEED repeats it. `make soak` kills 1,000 times.
"""

import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest
from crash.agent import AgentProcess

from logship.ledger.status import status
from logship.store.search import search

KILLS = int(os.environ.get("LOGSHIP_TEST_KILLS", "200"))
#: What becomes of the answers between two kills (`servers.proxy`): mostly nothing, some lost or halved, an outage.
WEATHER = ("", "", "", "ccc", "phc", "pchpnp", "n" * 40)

#: More than a slow machine leaves unread between two kills: what a writer destroys unread is lost, and a gap; that is
#: tested elsewhere.
_BACKUPS = 400


class Writer(threading.Thread):
    """Appends numbered lines, some with tracebacks, and rotates by renaming, as Python's handler does."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self._path = folder / "server.log"
        self._chance = random.Random(seed)
        self._stopped = threading.Event()
        self.written: list[str] = []

    def run(self) -> None:
        """Write until told to stop."""
        file = self._path.open("a")
        while not self._stopped.wait(self._chance.random() * 0.1):
            for _ in range(self._chance.randrange(1, 20)):
                number = len(self.written)
                self.written.append(f"event {number}")
                file.write(f"2025-11-20 08:00:07.{number % 1000:03d} INFO [T] [a.py:1]  - event {number}\n")
                if number % 17 == 0:
                    file.write('Traceback (most recent call last):\n  File "a", line 1\n\nValueError: boom\n')
                if self._chance.random() < 0.1:
                    file.flush()
            file.flush()
            if file.tell() > 20_000:
                file.close()
                for backup in range(_BACKUPS - 1, 0, -1):
                    old = self._path.with_name(f"server.log.{backup}")
                    if old.exists():
                        old.rename(self._path.with_name(f"server.log.{backup + 1}"))
                self._path.rename(self._path.with_name("server.log.1"))
                file = self._path.open("a")
        file.close()

    def stop(self) -> None:
        """Finish the line and end."""
        self._stopped.set()
        self.join()


def in_elasticsearch(client, stream: str) -> Counter:
    """Count the messages of every document of a data stream, one scroll."""
    client.request("POST", f"/{stream}/_refresh")
    body = orjson.dumps({"size": 5000, "_source": ["message"], "sort": ["_doc"]})
    answer = client.request("POST", f"/{stream}/_search?scroll=1m", body).json()
    found: Counter = Counter()
    while hits := answer.get("hits", {}).get("hits"):
        found.update(hit["_source"]["message"] for hit in hits)
        more = orjson.dumps({"scroll": "1m", "scroll_id": answer["_scroll_id"]})
        answer = client.request("POST", "/_search/scroll", more).json()
    return found


@pytest.mark.timeout(7200)
def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path, proxy, elasticsearch, namespace):
    """The multiset of documents equals the multiset of lines written, after many kills with rotation and outages."""
    seed = int(os.environ.get("LOGSHIP_TEST_SEED", str(random.randrange(1 << 32))))
    sys.stderr.write(f"seed {seed}; LOGSHIP_TEST_SEED={seed} repeats it\n")
    chance = random.Random(seed)
    (tmp_path / "logs").mkdir()
    writer = Writer(tmp_path / "logs", seed)
    agent = AgentProcess(tmp_path, proxy.url, namespace, LOGSHIP_STORE__ENABLED="true")
    writer.start()
    for number in range(KILLS):
        proxy.play(chance.choice(WEATHER))
        agent.start()
        # From before the ledger is open to well into delivery; the moment is the point of the test.
        time.sleep(chance.choice([chance.uniform(0.2, 1.2), chance.uniform(0.8, 2.5)]))
        agent.kill()
        if number == KILLS * 3 // 4:
            writer.stop()
    proxy.play("")
    agent.run_once()
    expected = Counter(writer.written)
    found = in_elasticsearch(elasticsearch, f"logs-dify.api-{namespace}")
    assert not expected - found, "lost in Elasticsearch"
    assert not found - expected, "doubled in Elasticsearch"
    # Gaps (files that came and went while it was dead, perhaps with something unread) are documents of their own.
    hits = search(agent.state, "event.dataset:dify.api", limit=len(writer.written) * 2)
    local = Counter(hit.document["message"] for hit in hits)
    assert expected == local
    books = status(agent.state)
    assert books.closes, books.problems
    assert len(writer.written) > 1000
