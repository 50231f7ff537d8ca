"""What the tests' container prints, and the compose project it belongs to."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine import Engine

#: Today's: what is older than the retention would be gone again.
NOW = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
#: A traceback as Python 3.12 prints it, chained, with empty lines inside.
TRACEBACK = f"""\
{NOW}.020 ERROR [Dummy-21] [app.py:875] 1111c1d2e3f40516273849a0b1c2d3e4 - Exception on /console [POST]
Traceback (most recent call last):
  File "/app/api/pool.py", line 12, in connect
    raise ConnectionRefusedError(111, "Connection refused")
ConnectionRefusedError: [Errno 111] Connection refused

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/api/app.py", line 917, in full_dispatch_request
    rv = self.dispatch_request()
         ^^^^^^^^^^^^^^^^^^^^^^^
sqlalchemy.exc.OperationalError: connection to server at "db_postgres" failed
"""
#: Numbered lines on each of the two streams: with the long line and the traceback beside them, 10,002 events.
EACH = 5000
LONG = 300_000
SCRIPT = f"""\
p='{NOW}.001 INFO [Dummy-7] [app.py:88] 6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b - '
i=0
while [ $i -lt {EACH} ]; do
  i=$((i+1))
  echo "${{p}}out $i"
  echo "${{p}}err $i" >&2
  if [ $i = 1000 ]; then printf '%slong ' "$p"; head -c {LONG} /dev/zero | tr '\\0' x; echo; fi
  if [ $i = 2000 ]; then printf '%s' "$TRACEBACK"; fi
done
"""


@dataclass(frozen=True, slots=True)
class Compose:
    """A compose project."""

    engine: Engine
    project: str
    files: list[Path]
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        """Run `docker compose …` on it."""
        files = [word for file in self.files for word in ("--file", str(file))]
        return self.engine.run("compose", "--project-name", self.project, *files, *arguments, **self.environment)

    def container(self, service: str) -> dict:
        """Return what the engine knows of a service's container."""
        return self.engine.inspect(f"{self.project}-{service}-1")

    @property
    def query(self) -> str:
        """Return the query that finds the documents of its api."""
        return f'container.name:"{self.project}-api-1"'
