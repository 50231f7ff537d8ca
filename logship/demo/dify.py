"""What Dify's api, api_websocket and worker write: requests, logins, tasks, and tracebacks of real exceptions."""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import uuid
from datetime import UTC, datetime

from logship.demo import dify_logging
from logship.demo.dify_logging import Identity

#: Made up for this demo; it must never be seen in the store.
SECRET = "sk-proj-" + "DEMOtqT3kVbnR8xYw2LmZ5cJ7pHs9dGf"

_TENANT = "aaaaaaaa-1111-4222-8333-444455556666"
_PEOPLE = (
    Identity(_TENANT, "77777777-1111-4222-8333-944455556666"),
    Identity(_TENANT, "88888888-1111-4222-8333-944455556666"),
    Identity(_TENANT, "99999999-1111-4222-8333-944455556666", "end_user"),
)
_ROUTES = (
    ("POST", "/v1/chat-messages", 200, 900.0),
    ("GET", "/console/api/apps", 200, 22.0),
    ("POST", "/console/api/apps/0b5c7a10-1111-4222-8333-944455556666/workflows/publish", 200, 130.0),
    ("DELETE", "/console/api/apps/0b5c7a10-2222-4222-8333-944455556666", 204, 31.0),
    ("POST", "/v1/workflows/run", 200, 2400.0),
    ("GET", "/console/api/datasets?page=1", 200, 45.0),
)
_TASKS = (
    "schedule.workflow_schedule_task.poll_workflow_schedules",
    "tasks.document_indexing_task.document_indexing_task",
    "tasks.mail_invite_member_task.send_invite_member_mail_task",
)


class OperationalError(Exception):
    """Stands for the database driver's own, and is printed as such."""

    __module__ = "sqlalchemy.exc"


class _Process:
    """A process of the api image: a logger whose records say where they come from, and a seeded source of chance."""

    def __init__(self) -> None:
        self.chance = random.Random(type(self).__name__)  # noqa: S311  # not for secrets
        self._logger = logging.getLogger("dify")

    def say(
        self, level: int, caller: str, message: str, *arguments: object, error: BaseException | None = None
    ) -> int:
        """Write one record; returns 1, the number of events."""
        name, _, line = caller.partition(":")
        exc_info = (type(error), error, error.__traceback__) if error else None
        record = self._logger.makeRecord(
            self._logger.name, level, f"/app/api/{name}", int(line), message, arguments, exc_info
        )
        self._logger.handle(record)
        return 1

    def new_id(self) -> str:
        """Return a random identifier."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def enter(self, who: Identity | None = None) -> None:
        """Begin a request or task."""
        dify_logging.request_id.set(f"{self.chance.getrandbits(40):010x}")
        dify_logging.identity.set(who)


class Api(_Process):
    """The api: gunicorn's lines on stderr, the application's on stdout."""

    #: Longer than the 16 KiB that Docker keeps in one piece; not for a stream that somebody reads.
    _long_lines = bool(os.environ.get("DEMO_LONG_LINES"))

    def start(self) -> int:
        """Write what gunicorn says when it starts."""
        self.gunicorn("Starting gunicorn 23.0.0")
        self.gunicorn("Listening at: http://0.0.0.0:5001 (1)")
        return 2 + self.say(logging.WARNING, "ext_mail.py:51", "mail is not configured")

    @staticmethod
    def gunicorn(message: str) -> None:
        """Write a line as gunicorn does, on stderr."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
        sys.stderr.write(f"[{stamp}] [1] [INFO] {message}\n")
        sys.stderr.flush()

    def step(self, number: int) -> tuple[int, float]:
        """Handle a request; every so often a login fails, a key leaks, or the database is gone."""
        self.enter(self.chance.choice(_PEOPLE))
        pause = self.chance.uniform(0.05, 0.22)
        if number % 9 == 3:
            self.enter()
            return self._login_failure(), pause
        if number % 13 == 5:
            return self._database_gone(), pause
        if number % 17 == 7:
            return self._leak(), pause
        if number % 29 == 11 and self._long_lines:
            return self._long_answer(), pause
        return self._request(), pause

    def _request(self) -> int:
        method, path, status, duration = self.chance.choice(_ROUTES)
        took = duration * self.chance.uniform(0.6, 1.8)
        return self.say(
            logging.INFO, "ext_request_logging.py:73", "%s %s %s %.3f ", method, path.partition("?")[0], status, took
        )

    def _login_failure(self) -> int:
        reason = self.chance.choice(["invalid_credentials", "account_not_found", "login_rate_limited"])
        return self.say(
            logging.WARNING,
            "login.py:412",
            "Console login failed: email=%s reason=%s ip_address=%s",
            "eve@example.com",
            reason,
            "203.0.113.9",
        )

    def _leak(self) -> int:
        return self.say(
            logging.ERROR,
            "model_provider_service.py:188",
            "provider credentials rejected: {'provider': 'openai', 'api_key': '%s'}",
            SECRET,
        )

    def _long_answer(self) -> int:
        text = "The quick brown fox jumps over the lazy dog. " * 900
        body = json.dumps({"event": "workflow_finished", "outputs": {"text": text}})
        return self.say(logging.INFO, "workflow_app_runner.py:231", "workflow finished, outputs: %s", body)

    def _database_gone(self) -> int:
        try:
            _execute("SELECT 1")
        except OperationalError as error:
            return self.say(logging.ERROR, "app.py:875", "Exception on /console/api/apps [POST]", error=error)
        return 0


class Websocket(Api):
    """The api once more, set to LOG_OUTPUT_FORMAT=json; even then gunicorn's lines are text."""

    def step(self, number: int) -> tuple[int, float]:
        """Handle a request, more rarely than the api."""
        events, pause = super().step(number)
        return events, pause * 2.5


class Worker(_Process):
    """The Celery worker: tasks that are received, succeed or raise."""

    def start(self) -> int:
        """Write what Celery says when it is ready."""
        return self.say(logging.INFO, "mingle.py:40", "mingle: searching for neighbors") + self.say(
            logging.INFO, "worker.py:175", "celery@worker ready."
        )

    def step(self, number: int) -> tuple[int, float]:
        """Run a task."""
        task, identifier = self.chance.choice(_TASKS), self.new_id()
        dify_logging.request_id.set("")
        events = self.say(logging.INFO, "strategy.py:161", "Task %s[%s] received", task, identifier)
        self.enter()
        if number % 6 == 4:
            try:
                _index(self.new_id())
            except ValueError as error:
                events += self.say(
                    logging.ERROR,
                    "trace.py:267",
                    "Task %s[%s] raised unexpected: %r",
                    task,
                    identifier,
                    error,
                    error=error,
                )
        else:
            events += self.say(
                logging.INFO,
                "trace.py:128",
                "Task %s[%s] succeeded in %ss: None",
                task,
                identifier,
                f"{self.chance.uniform(0.01, 3):.4f}",
            )
        return events, self.chance.uniform(0.2, 0.6)


def _execute(statement: str) -> None:
    try:
        raise ConnectionRefusedError(111, "Connection refused")
    except ConnectionRefusedError as error:
        raise OperationalError(
            f'connection to server at "db_postgres" (172.18.0.4), port 5432 failed\n\n[SQL: {statement}]'
        ) from error


_segments: dict[str, int] = {}


def _index(document: str) -> None:
    try:
        _segments[document]
    except KeyError:
        raise ValueError(f"document {document} has no segments") from None
