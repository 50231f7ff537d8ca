"""
Two hours of a Dify stack, the same every time: a busy morning with a failing model, an attack on the login and a
workflow that reaches for what it may not.
"""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGIN = datetime(2025, 11, 20, 8, 0, tzinfo=UTC)
END = datetime(2025, 11, 20, 10, 0, tzinfo=UTC)

TENANT = "aaaaaaaa-1111-4222-8333-444455556666"
ALICE, BOB, EVE = (f"77777777-1111-4222-8333-94445555666{number}" for number in (1, 2, 3))
CHATBOT, REPORTS = "0b5c7a10-1111-4222-8333-944455556666", "0b5c7a10-2222-4222-8333-944455556666"
WORKFLOW, RUN = "0b5c7a10-4444-4222-8333-944455556666", "0b5c7a10-5555-4222-8333-944455556666"
#: The request whose run failed.
TRACE = "6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b"
ATTACKER = "198.51.100.23"
OPENAI, SEARCH = "langgenius/openai:0.2.1@6b494d16", "acme/websearch:0.0.2@aa01bb02"

_ROUTES = (
    ("POST", "/v1/chat-messages", 200, 900), ("GET", "/console/api/apps", 200, 22), ("GET", "/v1/messages", 200, 30),
    ("POST", f"/console/api/apps/{CHATBOT}/workflows/publish", 200, 130), ("POST", "/v1/workflows/run", 200, 2400),
    ("GET", "/console/api/datasets", 200, 45), ("PATCH", f"/console/api/datasets/{REPORTS}", 200, 60),
)  # fmt: skip
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5)", "python-requests/2.32.3")
_TASKS = (
    "schedule.workflow_schedule_task.poll_workflow_schedules", "tasks.document_indexing_task.document_indexing_task",
    "tasks.mail_invite_member_task.send_invite_member_mail_task",
)  # fmt: skip
_TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/app/api/core/model_manager.py", line 312, in invoke\n'
    "    return self._round_robin_invoke(self.provider, **kwargs)\n"
    "{type}: {text}"
)
_MODEL_ERROR = ("core.model_runtime.errors.invoke.InvokeRateLimitError", "[openai] Rate limit reached for gpt-4o")


class Stack:
    """Lines of every service, in the order of their times."""

    def __init__(self) -> None:
        self.chance = random.Random("a Dify stack")
        self.lines: dict[str, list[tuple[datetime, str]]] = {}

    def write(self, service: str, at: datetime, line: str) -> None:
        """Write a line of a service."""
        self.lines.setdefault(service, []).append((at, line))

    def trace(self) -> str:
        """Return a trace id that is new."""
        return f"{self.chance.getrandbits(128):032x}"

    def api(self, at, message, *, trace="", user="", level="INFO", error=None, **context):
        """Write a line of the api, set to JSON."""
        record = {
            "ts": stamp(at), "severity": level, "service": "langgenius/dify", "caller": "ext_request_logging.py:73",
            "message": message,
        }  # fmt: skip
        if trace:
            record["trace_id"] = trace
        if user:
            record["identity"] = {"tenant_id": TENANT, "user_id": user, "user_type": "account"}
        if context:
            record["context"] = context
        if error:
            record |= {"error_source": "system", "stack_trace": _TRACEBACK.format(type=error[0], text=error[1])}
        self.write("api", at, json.dumps(record))

    def text(self, service, at, message, *, trace="", level="INFO", caller="app.py:875", error=None):
        """Write a line of the workers and the websocket service, set to text."""
        tail = "\n" + _TRACEBACK.format(type=error[0], text=error[1]) if error else ""
        self.write(service, at, f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} {level} [Dummy-1] [{caller}] "
                                f"{trace} - {message}{tail}")  # fmt: skip

    def nginx(self, at, method, path, status, milliseconds, *, client, trace="", agent=_AGENTS[0], size=512):
        """Write an access line in the JSON format that `pipelines/nginx.yaml` recommends."""
        self.write("nginx", at, json.dumps({
            "time": at.strftime("%Y-%m-%dT%H:%M:%S+00:00"), "remote_addr": client, "remote_user": "",
            "request": f"{method} {path} HTTP/1.1", "method": method, "uri": path, "status": str(status),
            "body_bytes_sent": str(size), "request_length": "412", "request_time": f"{milliseconds / 1000:.3f}",
            "upstream_addr": "172.18.0.9:5001", "upstream_status": str(status),
            "upstream_response_time": f"{milliseconds / 1000:.3f}", "scheme": "https", "host": "dify.example.com",
            "request_id": self.trace(), "trace_id": trace, "referer": "", "user_agent": agent, "x_forwarded_for": "",
        }))  # fmt: skip

    def plugin(self, at, text, *, level="INFO", trace=""):
        """Write a line of the plugin daemon: place in the code, then the text."""
        tail = f" trace_id={trace} tenant_id={TENANT}" if trace else ""
        place, _, rest = text.partition(" ")
        self.write("plugin_daemon", at, f"{stamp(at)} {level} dify-plugin-daemon {place}{tail} {rest}")


def stamp(at: datetime) -> str:
    """Return a time as Dify's JSON has it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def build() -> Stack:
    """Return the two hours."""
    stack, at, number = Stack(), BEGIN + timedelta(seconds=3), 0
    while at < END - timedelta(seconds=30):
        _traffic(stack, at, number)
        at, number = at + timedelta(seconds=stack.chance.uniform(4, 16)), number + 1
    _start(stack)
    _model_trouble(stack)
    _failed_run(stack)
    _login_attack(stack)
    _forbidden_targets(stack)
    _deletion(stack)
    return stack


def _traffic(stack, at, number):
    method, path, status, usual = stack.chance.choice(_ROUTES)
    trace, took = stack.trace(), usual * stack.chance.lognormvariate(0, 0.5)
    user, client = stack.chance.choice((ALICE, BOB)), f"203.0.113.{stack.chance.randrange(1, 30)}"
    busy = timedelta(minutes=40) < at - BEGIN < timedelta(minutes=60)
    if busy and number % 3 == 0:
        status, took = 504, 60_000 + took
        stack.write("nginx", at, f"{at:%Y/%m/%d %H:%M:%S} [error] 29#29: *{number} upstream timed out (110: Operation "
            f"timed out) while reading response header from upstream, client: {client}, server: _, request: \"{method} "
            f"{path} HTTP/1.1\", upstream: \"http://172.18.0.9:5001{path}\", host: \"dify.example.com\"")  # fmt: skip
    stack.nginx(at, method, path, status, took, client=client, trace=trace, agent=stack.chance.choice(_AGENTS),
                size=stack.chance.randrange(90, 9000))  # fmt: skip
    if status != 504:
        stack.api(at, f"{method} {path} {status} {took:.3f} ", trace=trace, user=user)
    if path.startswith("/v1/"):
        _model(stack, at, trace, took)
    if number % 4 == 0:
        _task(stack, at, number)
    if number % 5 == 0:
        stack.text("api_websocket", at, f"GET /socket.io/ 200 {stack.chance.uniform(1, 9):.3f} ", trace=trace)
    if number % 7 == 0:
        _sandbox(stack, at, number)
    if number % 40 == 9:
        milliseconds = at.microsecond // 1000
        stack.write("redis", at, f"{45 + number}:C {at:%d %b %Y %H:%M:%S}.{milliseconds:03d} * DB saved on disk")
        stack.write("db_postgres", at, f"{stamp(at).replace('T', ' ')[:-1]} UTC [27] LOG:  checkpoint starting: time")


def _model(stack, at, trace, took):
    later = at + timedelta(milliseconds=20)
    served = f"HTTP request status=200 latency_ms={took * 0.8:.0f} client_ip=172.18.0.9 method=POST"
    stack.plugin(later, f"middleware.go:83 {served} path=/plugin/{TENANT}/dispatch/llm/invoke", trace=trace)
    output = f'plugin instance log plugin={OPENAI} instance=0a1b message="tokens counted"'
    stack.plugin(later, f"subprocess.go:90 {output}", trace=trace)
    asked = 'HTTP Request: POST https://api.openai.com/v1/chat/completions "HTTP/1.1 200 OK"'
    stack.text("worker", later, asked, trace=trace, caller="_client.py:1025")
    tunnel = "172.20.0.4 TCP_TUNNEL/200 4512 CONNECT api.openai.com:443 - HIER_DIRECT/93.184.216.34 -"
    stack.write("ssrf_proxy", later, f"{later.timestamp():.3f} {took * 0.7:6.0f} {tunnel}")


def _task(stack, at, number):
    name, task = stack.chance.choice(_TASKS), f"4824e735-1111-4222-8333-{stack.chance.getrandbits(48):012x}"
    stack.text("worker", at, f"Task {name}[{task}] received", caller="strategy.py:161")
    done = at + timedelta(milliseconds=stack.chance.uniform(10, 2900))
    if number % 24 == 8:
        stack.text("worker", done, f"Task {name}[{task}] raised unexpected: ValueError('document has no segments')",
                   level="ERROR", caller="trace.py:267", error=("ValueError", "document has no segments"))  # fmt: skip
    elif number % 24 == 16:
        stack.text("worker", done, f"Task {name}[{task}] retry: Retry in 60s", caller="trace.py:144")
    else:
        took = (done - at).total_seconds()
        stack.text("worker", done, f"Task {name}[{task}] succeeded in {took:.4f}s: None", caller="trace.py:128")


def _sandbox(stack, at, number):
    status = 500 if number % 35 == 14 else 200
    stack.write("sandbox", at, f"[GIN] {at:%Y/%m/%d - %H:%M:%S} | {status} | {stack.chance.uniform(40, 900):8.1f}ms | "
                '     172.20.0.4 | POST     "/v1/sandbox/run"')  # fmt: skip
    if status == 500:
        stack.write("sandbox", at, json.dumps({
            "time": stamp(at), "level": "ERROR", "msg": "process finished with error", "err": "signal: killed",
            "trace_id": stack.trace(), "tenant_id": TENANT}))  # fmt: skip


def _start(stack):
    at = BEGIN + timedelta(seconds=1)
    stack.plugin(at, f"logger.go:15 local runtime starting plugin={OPENAI}")
    for minute in (2, 4, 8):
        later = BEGIN + timedelta(minutes=minute)
        text = f'local runtime start failed plugin={SEARCH} error="exit status 1"'
        stack.plugin(later, f"logger.go:24 {text}", level="ERROR")
        text = "ModuleNotFoundError: No module named requests"
        stack.plugin(later, f'subprocess.go:90 plugin instance log plugin={SEARCH} instance=0c2d message="{text}"')
    for minute in (5, 25, 45):
        stack.write("nginx", BEGIN + timedelta(minutes=minute), "something that is no access line at all")
    stack.write("sandbox", BEGIN + timedelta(minutes=30), "something of a script")
    stack.write("web", at, " ▲ Next.js 15.5.4")


def _model_trouble(stack):
    """From 8:40 on the model's provider limits us for a while."""
    for number in range(18):
        at, trace = BEGIN + timedelta(minutes=41, seconds=37 * number), stack.trace()
        stack.text("worker", at, 'HTTP Request: POST https://api.openai.com/v1/chat/completions "HTTP/1.1 429 Too Many '
                   'Requests"', trace=trace, caller="_client.py:1025")  # fmt: skip
        stack.api(at, "Failed to invoke the model", level="ERROR", trace=trace, user=BOB, error=_MODEL_ERROR,
                  app_id=CHATBOT if number % 3 else REPORTS)  # fmt: skip
    at = BEGIN + timedelta(minutes=47)
    stack.text("api_websocket", at, "Exception on /v1/chat-messages [POST]", level="ERROR",
               error=("sqlalchemy.exc.OperationalError", "(psycopg2.OperationalError) connection refused"))  # fmt: skip


def _failed_run(stack):
    at = BEGIN + timedelta(minutes=70)
    where = {"app_id": REPORTS, "workflow_id": WORKFLOW, "workflow_run_id": RUN, "node_id": "code-1"}
    stack.nginx(at, "POST", "/v1/workflows/run", 500, 3120, client="203.0.113.9", trace=TRACE)
    stack.api(at, "POST /v1/workflows/run 500 3120.000 ", trace=TRACE, user=ALICE)
    error = ("core.workflow.nodes.code.exc.CodeNodeError", "The code took too long")
    stack.api(at, "Node code-1 failed", level="ERROR", trace=TRACE, user=ALICE, error=error, **where)
    killed = {"level": "ERROR", "msg": "process timed out", "err": "signal: killed"}
    stack.write("sandbox", at, json.dumps({"time": stamp(at)} | killed | {"trace_id": TRACE, "tenant_id": TENANT}))
    stack.plugin(at, "middleware.go:83 HTTP request status=200 latency_ms=88 client_ip=172.18.0.9 method=POST "
                     f"path=/plugin/{TENANT}/dispatch/tool/invoke", trace=TRACE)  # fmt: skip
    stack.text("worker", at, "workflow_based_app_execution_task run with params: "
               f"app_id='{REPORTS}' workflow_id='{WORKFLOW}' tenant_id='{TENANT}' workflow_run_id='{RUN}'", trace=TRACE,
               caller="workflow_execute_task.py:283")  # fmt: skip


def _login_attack(stack):
    for number in range(36):
        at = BEGIN + timedelta(minutes=80, seconds=9 * number)
        reason = "account_not_found" if number % 4 else "invalid_credentials"
        if number >= 30:
            reason = "login_rate_limited"
        stack.nginx(at, "POST", "/console/api/login", 401, 40, client=ATTACKER, agent="python-requests/2.32.3", size=97)
        stack.text("api_websocket", at, f"Console login failed: email=user{number % 5}@example.com reason={reason} "
                   f"ip_address={ATTACKER}", level="WARNING", caller="login.py:412")  # fmt: skip
    at = BEGIN + timedelta(minutes=30)
    stack.nginx(at, "POST", "/console/api/login", 401, 40, client="203.0.113.9")
    stack.text("api_websocket", at, "Web login failed: email=bob@example.com reason=invalid_credentials "
               "ip_address=203.0.113.9", level="WARNING", caller="login.py:412")  # fmt: skip


def _forbidden_targets(stack):
    for number, target in enumerate(("http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/admin",
                                     "http://169.254.169.254/latest/user-data", "http://redis:6379/")):  # fmt: skip
        at = BEGIN + timedelta(minutes=95, seconds=20 * number)
        stack.write("ssrf_proxy", at, f"{at.timestamp():.3f}      1 172.20.0.4 TCP_DENIED/403 3448 GET {target} - "
                    "HIER_NONE/- text/html")  # fmt: skip


def _deletion(stack):
    at, trace = BEGIN + timedelta(minutes=100), stack.trace()
    path = f"/console/api/apps/{CHATBOT}"
    stack.nginx(at, "DELETE", path, 204, 31, client="203.0.113.77", trace=trace, size=0)
    stack.api(at, f"DELETE {path} 204 31.000 ", trace=trace, user=EVE)
    stack.api(at + timedelta(minutes=1), "POST /console/api/workspaces/current/members/invite-email 201 44.000 ",
              user=EVE)  # fmt: skip
    stack.text("worker", at + timedelta(seconds=61), "Start send invite member mail to mallory@example.org in "
               "workspace Sales", caller="mail_invite_member_task.py:30")  # fmt: skip


def write(folder: Path) -> list[tuple[str, Path]]:
    """Write the lines to a file for each service; returns service and path of each."""
    found = []
    for service, lines in sorted(build().lines.items()):
        path = folder / f"{service}.log"
        path.write_text("".join(f"{line}\n" for _, line in sorted(lines, key=lambda pair: pair[0])), encoding="utf-8")
        found.append((service, path))
    return found
