"""Tracebacks: the part of an event's text that is one, and what was raised."""

from __future__ import annotations

import re

_PYTHON = re.compile(r"^[ |+]*(?:Exception Group )?Traceback \(most recent call last\):", re.MULTILINE)
_PYTHON_RAISED = re.compile(r"(?P<type>[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?:: ?(?P<message>.*))?")
_JAVA = re.compile(
    r"^(?P<cause>Caused by: )?(?P<type>(?:[a-z_][\w$]*\.)+[A-Z][\w$]*)(?:: (?P<message>.*))?$", re.MULTILINE
)
_JAVA_FRAME = re.compile(r"^\s+at [\w.$<>/ @-]+\(", re.MULTILINE)
_NODE = re.compile(r"(?P<type>\b(?:[A-Z]\w*)?(?:Error|Exception|Warning))(?: \[\w+\])?(?:: (?P<message>.*))?")
_NODE_FRAME = re.compile(r"^\s+at .+", re.MULTILINE)
_GO = re.compile(r"^(?:panic|fatal error|runtime error): (?P<message>.*)$", re.MULTILINE)
_GO_FRAME = re.compile(r"^goroutine \d+ \[", re.MULTILINE)


def split(kind: str, text: str) -> tuple[str, dict[str, str]]:
    """
    Return the text before a traceback, and `error.type`, `error.message`, `error.stack_trace`.

    The type and message are those of the last exception of a chain, as that is
    the one that was not handled; a text without a traceback comes back whole.
    """
    if kind == "python":
        return _python(text)
    if kind == "java":
        return _frames(text, _JAVA_FRAME, _JAVA)
    if kind == "node":
        return _frames(text, _NODE_FRAME, _NODE)
    return _go(text)


def _python(text: str) -> tuple[str, dict[str, str]]:
    begin = _PYTHON.search(text)
    if not begin:
        return text, {}
    message, trace = text[: begin.start()].rstrip("\n"), text[begin.start() :]
    return message, {"error.stack_trace": trace, **raised(trace)}


def raised(trace: str) -> dict[str, str]:
    """Return type and message of the last exception in a Python traceback."""
    last = list(_PYTHON.finditer(trace))
    if not last:
        return {}
    # The outermost exception of a group stands at the least indent; blocks further in belong to its members.
    outer = min(_indent(found[0]) for found in last)
    begin = [found for found in last if _indent(found[0]) == outer][-1]
    prefix = re.match(r"[ |+]*", begin[0])
    margin = len(prefix[0]) if prefix else 0
    lines = [line[margin:] if not line[:margin].strip(" |+") else line for line in trace[begin.end() :].split("\n")[1:]]
    for number, line in enumerate(lines):
        if not line or line[0] in " \t|+":
            continue
        found = _PYTHON_RAISED.fullmatch(line)
        if not found:
            continue
        more = []
        for text in lines[number + 1 :]:
            if not text.strip() or text.lstrip(" ").startswith(("+-", "|")):
                break
            more.append(text)
        message = "\n".join([found["message"] or "", *more]).strip()
        return {"error.type": found["type"]} | ({"error.message": message} if message else {})
    return {}


def _indent(header: str) -> int:
    return len(header) - len(header.lstrip(" |+"))


def _frames(text: str, frame: re.Pattern[str], head: re.Pattern[str]) -> tuple[str, dict[str, str]]:
    first = frame.search(text)
    if not first:
        return text, {}
    found = list(head.finditer(text))
    if not found:
        return text[: first.start()].rstrip("\n"), {"error.stack_trace": text[first.start() :].lstrip("\n")}
    last = found[-1] if head is _JAVA else found[0]
    begin = text.rfind("\n", 0, found[0].start()) + 1
    message = text[:begin].rstrip("\n") or text[: first.start()].strip()
    error = {"error.stack_trace": text[begin:], "error.type": last["type"]}
    return message, error | ({"error.message": last["message"]} if last["message"] else {})


def _go(text: str) -> tuple[str, dict[str, str]]:
    first, head = _GO_FRAME.search(text), _GO.search(text)
    if not first or not head:
        return text, {}
    message = text[: head.start()].rstrip("\n") or head[0]
    return message, {"error.type": "panic", "error.message": head["message"], "error.stack_trace": text[head.start() :]}
