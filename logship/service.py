"""The agent as a service: it runs until told to stop, and begins anew with a changed configuration (SIGHUP)."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from logship import systemd
from logship.agent import Agent, OnBatch
from logship.config.settings import Settings
from logship.errors import LedgerDamaged, LedgerError, LogshipError

#: Seconds after which the next agent begins, when a ledger's trouble ended one.
_PAUSE = 2.0

log = structlog.get_logger()


class Service:
    """
    Runs one agent after another in this process: the next when a reload brought other settings.

    `check` raises what is wrong with settings without touching the state directory, `make` puts an agent together,
    `recover` makes a new ledger of one that was found damaged while it was used.
    A configuration that is wrong is said, and the agent goes on with the one it has.
    """

    def __init__(
        self,
        load: Callable[[], Settings],
        check: Callable[[Settings], None],
        make: Callable[[Settings], Agent],
        recover: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self._load = load
        self._check = check
        self._make = make
        self._recover = recover
        #: Ends the agent that runs; with `_next` set, another one begins.
        self._stop = stop
        self._asked = threading.Event()
        self._next: Settings | None = None
        self._agent: Agent | None = None
        self._over = False

    def reload(self) -> None:
        """Ask for the configuration to be read anew; returns at once, also in a signal handler."""
        self._asked.set()

    def run(self, settings: Settings, on_batch: OnBatch | None, ended: Callable[[], bool]) -> None:
        """Run agents until `ended` is true after `stop` was set; raises the first error that ended one."""
        listener = threading.Thread(target=self._listen, daemon=True)
        self._agent = self._make(settings)
        listener.start()
        try:
            while True:
                again = self._run_one(self._agent, on_batch)
                following, self._next = self._next, None
                if not (again or following) or ended():
                    return
                self._agent, settings = self._successor(following or settings, settings)
        finally:
            self._over = True
            self._asked.set()

    def _run_one(self, agent: Agent, on_batch: OnBatch | None) -> bool:
        """Run an agent to its end; True when trouble with the ledger ended it, and another one may do better."""
        try:
            agent.run(self._stop, on_batch)
        except LedgerError as error:
            log.error("the agent begins anew", reason=str(error), hint=error.hint)
            if isinstance(error, LedgerDamaged):
                self._recover(str(error))
            self._stop.clear()
            self._stop.wait(_PAUSE)
            self._stop.clear()
            return True
        self._stop.clear()
        return False

    def _successor(self, settings: Settings, before: Settings) -> tuple[Agent, Settings]:
        """Make the next agent, trying as long as it is the ledger that does not let it; raises what else is wrong."""
        while True:
            try:
                return self._make(settings), settings
            except LedgerError as error:
                log.error("the agent waits for its ledger", reason=str(error), hint=error.hint)
                if self._stop.wait(_PAUSE):
                    raise
            except LogshipError as error:
                if settings is before:
                    raise
                log.error("configuration not applied; the one before goes on", reason=str(error), hint=error.hint)
                settings = before

    def _listen(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._over:
                return
            systemd.reloading()
            try:
                settings = self._load()
                self._check(settings)
            except LogshipError as error:
                log.error("configuration not applied; the one before goes on", reason=str(error), hint=error.hint)
                systemd.notify("READY=1", "STATUS=the changed configuration is wrong and was not applied")
                continue
            log.info("configuration read; the agent begins anew with it")
            if self._agent is not None:
                self._agent.make_way()
            self._next = settings
            self._stop.set()
