"""One LOG_FILE that several processes rotate, as Dify's workers do."""

import contextlib
import subprocess
import sys
from collections import Counter

from conformance.harness import Site

WRITERS, RECORDS = 8, 1500
WRITER = """
import logging, logging.handlers, random, sys, time
path, number, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
logging.raiseExceptions = False  # a rollover that another process won raises, and its record is never written
logger = logging.Logger("writer")
logger.addHandler(logging.handlers.RotatingFileHandler(path, maxBytes=20_000, backupCount=5))
for record in range(count):
    logger.info("writer %d record %05d %s", number, record, "x" * 40)
    time.sleep(random.random() * 0.004)
"""


def there(site: Site) -> set[str]:
    """Return the whole lines of every file that is there now."""
    found: set[str] = set()
    for path in site.logs.iterdir():
        with contextlib.suppress(FileNotFoundError):
            data = path.read_bytes()
            found.update(data[: data.rfind(b"\n") + 1].decode().splitlines())
    return found


def test_every_record_of_a_file_that_existed_for_a_scan_is_delivered_once(site):
    """Eight processes share a LOG_FILE of 20 KB with five backups: what outlived a scan is delivered, nothing twice."""
    command = [sys.executable, "-c", WRITER, str(site.logs / "server.log")]
    writers = [subprocess.Popen([*command, str(number), str(RECORDS)]) for number in range(WRITERS)]
    sure: set[str] = set()
    try:
        with site.agent(log_file={"path": site.logs / "server.log", "service": "web"}) as agent:
            while any(writer.poll() is None for writer in writers):
                before = there(site)
                agent.poll(0.1)
                sure |= before & there(site)
            agent.rest()
            sure |= there(site)
    finally:
        for writer in writers:
            writer.wait(timeout=60)
    delivered = Counter(site.messages())
    assert 1 == max(delivered.values()), "delivered twice"
    assert set() == sure - set(delivered)
    assert len(sure) > WRITERS * RECORDS // 4
    site.check_books()
