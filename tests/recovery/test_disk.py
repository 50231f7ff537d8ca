"""A disk that is full, read-only or failing: the agent waits for it with all files open, and goes on."""

import subprocess
from collections import Counter

import pytest
from conformance.harness import mounted, until

LINE = "2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - {}\n"
WAITS = "nothing can be written, and nothing is read until it can"


def test_a_full_disk_is_waited_for(service):
    """With space again it goes on where it was; a file that was deleted meanwhile is read to its end."""
    with mounted(service.folder / "state", "-o", "size=1m"):
        service.start()
        lines = [f"{number} {'x' * 50} {number * 7919}" for number in range(60_000)]
        log = service.logs / "a.log"
        with log.open("a") as file:
            file.write("".join(map(LINE.format, lines)))
            file.flush()
            until(lambda: service.log(WAITS))
            log.unlink()
            file.write(LINE.format("last"))
        assert service.process.poll() is None
        subprocess.run(["mount", "-o", "remount,size=200m", str(service.state)], check=True)
        until(lambda: service.messages().total() == len(lines) + 1)
        assert 0 == service.stop()
        assert Counter([*lines, "last"]) == service.messages()


@pytest.mark.parametrize("way", ["abort"])
def test_a_file_system_that_turned_read_only_is_said(service, way):
    """As ext4 does after an error: the agent goes on running, says what fails, and loses nothing."""
    image = service.folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    log = service.logs / "a.log"
    with mounted(service.state, "-o", "loop", kind="ext4", device=str(image)):
        log.write_text(LINE.format("before"))
        service.start()
        until(lambda: service.messages())
        subprocess.run(["mount", "-o", f"remount,{way}", str(service.state)], check=False)
        with log.open("a") as file:
            file.write(LINE.format("after"))
        until(lambda: service.log(WAITS))
        assert service.process.poll() is None
        assert 0 == service.stop() or service.process.returncode == 4
    subprocess.run(["fsck.ext4", "-y", str(image)], check=False, capture_output=True)
    with mounted(service.state, "-o", "loop", kind="ext4", device=str(image)):
        service.start()
        until(lambda: service.messages().total() == 2)
        assert 0 == service.stop()
        assert Counter(["before", "after"]) == service.messages()
