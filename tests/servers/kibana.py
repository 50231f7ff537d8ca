"""
What Kibana's and Grafana's HTTP interfaces promise, as far as `logship setup` uses them; neither program can run here.

This is no Kibana: it holds objects in memory and checks requests by the forms
that the tests have written down (`views.forms_*`), references and the header
that Kibana insists on. Answers have the shapes of Elastic's and Grafana's
references.
"""

import json
import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from pydantic import TypeAdapter, ValidationError
from views import forms_api, forms_objects

OBJECT = TypeAdapter(forms_objects.AnyObject)


class Kibana:
    """Objects by type and id, and the answers to requests."""

    def __init__(self, version: str = "9.5.1"):
        self.version = version
        self.objects = {}
        #: When each was written last, by the clock that every write advances.
        self.times = {}
        self._clock = count()
        #: Method and path of every request.
        self.seen = []
        #: Answer everything with this status, if set.
        self.refuses = 0

    def touch(self, kind, name):
        """Say that an object was written now, as whenever somebody saves it."""
        now = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=next(self._clock))
        self.times[kind, name] = f"{now:%Y-%m-%dT%H:%M:%S}.000Z"

    def answer(self, method, path, headers, body):
        """Return status and body of the answer."""
        self.seen.append((method, path))
        if self.refuses:
            return self.refuses, {"statusCode": self.refuses, "error": "Refused", "message": "by the test"}
        if method != "GET" and "kbn-xsrf" not in headers:
            return 400, {"statusCode": 400, "error": "Bad Request", "message": "request must contain kbn-xsrf"}
        path = path.partition("?")[0]
        if path == "/api/status":
            return 200, {"version": {"number": self.version}, "status": {"overall": {"level": "available"}}}
        if (method, path) == ("POST", "/api/saved_objects/_import"):
            return self._import(headers, body)
        if (method, path) == ("POST", "/api/saved_objects/_export"):
            return self._export(json.loads(body)["objects"])
        kind, name = self._place(path)
        if not kind or (kind == "dashboard" and "dashboards" in path and self.version < "9.5"):
            return 404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"}
        there = (kind, name) in self.objects
        if method in {"GET", "DELETE"} and not there:
            return 404, {"statusCode": 404, "error": "Not Found", "message": f"Saved object [{kind}/{name}] not found"}
        if method == "DELETE":
            del self.objects[kind, name]
            return (204, None) if kind == "alert" else (200, {})
        if method == "GET":
            return 200, {"id": name, **self.objects[kind, name]}
        form = {"dashboard": forms_api.ApiDashboard, "alert": forms_api.Rule}[kind]
        try:
            form.model_validate(json.loads(body))
        except ValidationError as error:
            return 400, {"statusCode": 400, "error": "Bad Request", "message": str(error)}
        if kind == "alert" and there:
            return 409, {"statusCode": 409, "error": "Conflict", "message": f"Saved object [alert/{name}] conflict"}
        self.objects[kind, name] = json.loads(body)
        self.touch(kind, name)
        return (200 if there or kind == "alert" else 201), {"id": name}

    @staticmethod
    def _place(path):
        if match := re.fullmatch(r"/api/alerting/rule/([\w-]+)", path):
            return "alert", match[1]
        if match := re.fullmatch(r"/api/dashboards/([\w-]+)", path):
            return "dashboard", match[1]
        match = re.fullmatch(r"/api/saved_objects/([\w-]+)/([\w-]+)", path)
        return (match[1], match[2]) if match else ("", "")

    def _export(self, asked):
        keys = [(one["type"], one["id"]) for one in asked]
        error = {"statusCode": 404, "error": "Not Found", "message": "not found"}
        gone = [key for key in keys if key not in self.objects]
        missing = [{"type": kind, "id": name, "error": error} for kind, name in gone]
        if missing:
            refusal = {"statusCode": 400, "error": "Bad Request", "message": "Error fetching objects to export"}
            return 400, refusal | {"attributes": {"objects": missing}}
        return 200, b"".join(json.dumps(self._exported(*key)).encode() + b"\n" for key in keys)

    def _exported(self, kind, name):
        one = self.objects[kind, name]
        references = one.get("references", [{"type": "tag", "id": tag, "name": tag} for tag in one.get("tags", [])])
        exported = {"type": kind, "id": name, "attributes": one.get("attributes", {}), "references": references}
        return exported | {"updated_at": self.times.get((kind, name), "2025-01-01T00:00:00.000Z")}

    def _import(self, headers, body):
        boundary = headers["content-type"].partition("boundary=")[2]
        parts = body.split(f"--{boundary}".encode())
        head, _, content = parts[1].partition(b"\r\n\r\n")
        if b'name="file"; filename="' not in head or b".ndjson" not in head or parts[2].strip() != b"--":
            return 400, {"statusCode": 400, "error": "Bad Request", "message": "expected a file"}
        found = [json.loads(line) for line in content.removesuffix(b"\r\n").splitlines()]
        there = self.objects.keys() | {(one["type"], one["id"]) for one in found}
        errors, done = [], []
        for one in found:
            OBJECT.validate_python(one)
            missing = [ref for ref in one["references"] if (ref["type"], ref["id"]) not in there]
            if missing:
                error = {"type": "missing_references", "references": missing}
                errors.append({"type": one["type"], "id": one["id"], "error": error})
                continue
            known = {"overwrite": True} if (one["type"], one["id"]) in self.objects else {}
            done.append({"type": one["type"], "id": one["id"], **known})
        for one in [] if errors else found:
            self.objects[one["type"], one["id"]] = one
            self.touch(one["type"], one["id"])
        answer = {"success": not errors, "successCount": len(done), "successResults": done}
        return 200, answer | ({"errors": errors} if errors else {})


class Grafana:
    """Folders, data sources and dashboards by uid."""

    def __init__(self, *, old=False):
        #: Grafana 9: a bare list of versions, and nothing that counts what is in a folder.
        self.old = old
        self.objects = {}
        #: Of every dashboard, what was said at each save; the newest first.
        self.messages = {}
        #: In which folder each dashboard is.
        self.folders = {}
        #: Other things in our folder, by their kind.
        self.others = {}
        self.seen = []
        self.refuses = 0

    def answer(self, method, path, headers, body):
        """Return status and body of the answer."""
        self.seen.append((method, path))
        if self.refuses or headers.get("authorization") != "Bearer glsa_1":
            return self.refuses or 401, {"message": "Unauthorized"}
        content = json.loads(body) if body else None
        if method == "POST" and path in {"/api/folders", "/api/datasources", "/api/dashboards/db"}:
            one = content.get("dashboard", content)
            if path.endswith("db") and ("folders", content["folderUid"]) not in self.objects:
                return 400, {"message": "folder not found"}
            kind = path.split("/")[2]
            if (kind, one["uid"]) in self.objects and not content.get("overwrite"):
                return 412 if kind == "folders" else 409, {"message": "already exists"}
            self.objects[kind, one["uid"]] = one
            if kind == "dashboards":
                self.save(one["uid"], content["message"], content["folderUid"])
            return 200, {"uid": one["uid"]}
        path = path.partition("?")[0]
        if match := re.fullmatch(r"/api/dashboards/uid/([\w-]+)/versions", path):
            said = self.messages.get(match[1], [])
            rows = [{"version": len(said) - place, "message": text} for place, text in enumerate(said)]
            return 200, rows if self.old else {"continueToken": "", "versions": rows}
        if re.fullmatch(r"/api/folders/logship/counts", path) and not self.old:
            return 200, {"folder": 0, "dashboard": list(self.folders.values()).count("logship")} | self.others
        match = re.fullmatch(r"/api/(folders|datasources|dashboards)/(?:uid/)?([\w-]+)", path)
        if not match or match.groups() not in self.objects:
            return 404, {"message": "not found"}
        found = self.objects[match.groups()]
        if method == "DELETE":
            del self.objects[match.groups()]
            self.folders.pop(match[2], None)
        if method == "PUT":
            self.objects[match.groups()] = content
        if match[1] == "dashboards":
            return 200, {"dashboard": found, "meta": {"folderUid": self.folders.get(match[2], "")}}
        told = {name: value for name, value in found.items() if name != "secureJsonData"}
        return 200, {"uid": match[2], "basicAuth": False, "basicAuthUser": ""} | told

    def save(self, name, message="", folder="logship"):
        """Save a dashboard, as the browser does too."""
        self.messages.setdefault(name, []).insert(0, message)
        self.folders[name] = folder


@contextmanager
def running(program):
    """Serve a program on loopback; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, found = program.answer(self.command, self.path, headers, body)
            data = found if isinstance(found, bytes) else b"" if found is None else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("content-type", "application/ndjson" if found is data else "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  # the names are the library's

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
