"""The demo itself: start the stack and the agent, show the stream, search, and check that nothing was lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from logship.demo import report
from logship.demo.dify import SECRET
from logship.demo.stack import SERVICES, Stack, end
from logship.errors import AccountingError, LedgerError, LogshipError
from logship.ledger.status import Status, status
from logship.store.search import Scope, Search

#: Seconds until the agent must have read all, once nothing is written any more.
PATIENCE = 30.0
#: Seconds between two looks.
_LOOK = 0.2


def run_demo(once: bool, seconds: float | None = None) -> int:
    """
    Write logs, ship them, show them, search them, account for them.

    With `once` nothing is shown live and the files are removed at the end. Raises AccountingError when the books do
    not close, or when the events found are not the events written.
    """
    seconds = seconds or (4 if once else 20)
    stack = Stack(Path(tempfile.mkdtemp(prefix="logship-demo-")))
    stack.prepare()
    report.begin(stack, seconds, live=not once)
    interrupted = False
    with _agent(stack, "none" if once else "text") as agent:
        with stack.running(seconds, long_lines=once) as engine:
            try:
                _watch(agent, engine, stack, seconds)
            except KeyboardInterrupt:
                interrupted = True
        written = stack.written()
        books = _settle(stack, agent, sum(written.values()))
        code = end(agent)
    if code != 0:
        raise LogshipError(f"the agent ended with exit code {code}\n{_said(stack)}", f"its files are in {stack.root}")
    _check(stack, books, written, interrupted=interrupted, examples=not once)
    if once:
        shutil.rmtree(stack.root)
    return 0


def _watch(agent: subprocess.Popen[bytes], engine: subprocess.Popen[bytes], stack: Stack, seconds: float) -> None:
    """Wait until the stack has ended by itself; raises LogshipError when either ends as it should not."""
    deadline = time.monotonic() + seconds + PATIENCE
    while engine.poll() is None:
        if agent.poll() is not None:
            raise LogshipError(f"the agent ended too soon\n{_said(stack)}", f"its files are in {stack.root}")
        if time.monotonic() > deadline:
            raise LogshipError("the demo's stack does not end", f"its files are in {stack.root}")
        with suppress(subprocess.TimeoutExpired):
            engine.wait(_LOOK)
    if engine.returncode != 0:
        complaint = engine.stderr.read().decode("utf-8", "replace") if engine.stderr else ""
        raise LogshipError(f"the demo's stack failed\n{complaint[-2000:]}", f"its files are in {stack.root}")


@contextmanager
def _agent(stack: Stack, output: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the real agent as its own process, its own log in a file."""
    # Settings of this machine's own agent are none of the demo's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOGSHIP_", "LOG_"))}
    command = [sys.executable, "-m", "logship", "tail", "--config", str(stack.config), "--output", output]
    with (stack.root / "agent.log").open("wb") as log:
        agent = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
    try:
        yield agent
    finally:
        end(agent)


def _settle(stack: Stack, agent: subprocess.Popen[bytes], expected: int) -> Status | None:
    """Wait until the agent has accounted for every byte, and for as many events as were written."""

    def settled(books: Status) -> bool:
        waiting = any(one.lag_bytes or one.bytes_pending for one in books.files)
        return not waiting and books.documents >= expected

    return _until(lambda: status(stack.state), settled, lambda: agent.poll() is None)


def _until(look: Callable[[], Status], done: Callable[[Status], bool], alive: Callable[[], bool]) -> Status | None:
    deadline = time.monotonic() + PATIENCE
    books: Status | None = None
    while time.monotonic() < deadline and alive():
        with suppress(LedgerError):  # not there yet
            books = look()
            if done(books):
                return books
        time.sleep(_LOOK)
    return books


def _check(
    stack: Stack, books: Status | None, written: dict[str, int], *, interrupted: bool, examples: bool
) -> None:
    """Compare what was written with what is found, print it, and raise AccountingError if they differ."""
    if books is None:
        raise AccountingError("the agent kept no books", f"its files are in {stack.root}")
    search = Search(stack.state)
    found = {service: search.count("*", Scope(services=(service,))) for service in SERVICES}
    leaked = search.count(f"*{SECRET.rpartition('-')[2]}*")
    if examples:
        report.searches(stack)
        report.redaction(search)
    report.accounting(books, written, found, leaked)
    problems = differences(books, written, found, leaked)
    if problems:
        raise AccountingError("\n".join(problems), f"its files are in {stack.root}")
    report.end(stack if examples else None, interrupted=interrupted)


def differences(books: Status, written: Mapping[str, int], found: Mapping[str, int], leaked: int) -> list[str]:
    """Return, in words, all that does not add up."""
    problems = list(books.problems)
    problems += [
        f"{service}: {count} events were written, {found.get(service, 0)} are found"
        for service, count in written.items()
        if count != found.get(service, 0)
    ]
    if leaked:
        problems.append(f"a key was found in clear text in {leaked} documents")
    return problems


def _said(stack: Stack) -> str:
    """Return the end of the agent's own log."""
    with suppress(OSError):
        lines = (stack.root / "agent.log").read_text("utf-8", "replace")[-2000:].splitlines()
        return "\n".join(line.removeprefix("error: ") for line in lines)
    return ""
