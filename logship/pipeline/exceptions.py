"""Tracebacks: the part of an event's text that is one, and what was raised."""

from __future__ import annotations

import re

_PYTHON = "Traceback (most recent call last):"
_PYTHON_GROUP = "Exception Group "
_PYTHON_INSIDE = re.compile(r"Traceback \(most recent call last\):\n")
#: The rest of a traceback whose beginning was cut off.
_PYTHON_REST = re.compile(r" +File \"[^\"\n]+\", line \d+")
_PYTHON_RAISED = re.compile(r"(?P<type>[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?:: ?(?P<message>.*))?")
#: The same at the beginning of a line: to look for the newline is quicker than to try every place.
_PYTHON_RAISED_LINE = re.compile(rf"\n{_PYTHON_RAISED.pattern}(?=\n|\Z)")
_JAVA = re.compile(
    r"^(?P<cause>Caused by: |Exception in thread \"[^\"\n]*\" |uncaught exception in thread \[[^\]\n]*\] )?"
    r"(?P<type>(?:[a-z_][\w$]*\.)+[A-Z][\w$]*)(?::(?: (?P<message>.*))?)?$",
    re.MULTILINE,
)
_JAVA_INSIDE = re.compile(
    r"(?P<type>(?:(?<![\w.$])[a-z_][\w$]*\.)(?:[a-z_][\w$]*\.)*[A-Z][\w$]*)(?:: (?P<message>.*))?$"
)
_JAVA_FRAME = re.compile(r"^[^\S\n]+at (?:[\w.$<>/ @-]|\[)+\(", re.MULTILINE)
_JAVA_SOURCE = re.compile(
    r"^[^\S\n]+at .*\((?:[\w$]+\.(?:java|kt|scala|groovy)\b|Native Method|Unknown Source)", re.MULTILINE
)
_NODE = re.compile(
    r"(?P<type>\b(?:[A-Z]\w*)?(?:Error|Exception|Warning))(?: \[\w+\])?(?:: (?P<message>.*?)|:)?(?:\] \{|\]| \{)?$",
    re.MULTILINE,
)
_NODE_FRAME = re.compile(r"^[^\S\n]+at .+", re.MULTILINE)
_GO = re.compile(r"^(?:panic|fatal error|runtime error):(?: (?P<message>.*))?$", re.MULTILINE)
_GO_FRAME = re.compile(r"^goroutine \d+ (?:gp=\S+ m=\S+ )?(?:mp=\S+ )?\[", re.MULTILINE)
#: `debug.Stack` and errors that carry a stack print it without a head: a function, then its file behind a tab.
_GO_STACK = re.compile(
    r"^[\w./*()\[\]{}~-]++(?:[^\w\n][^\n]*+(?<=[\w)]))?\n\t\S+\.(?:go|s):\d+", re.MULTILINE
)
#: gin's recovery: what was raised, then `/file.go:12 (0x476858)` for each frame.
_GO_RECOVERED = re.compile(r"^(?P<message>[^\n]+)\n/\S+\.go:\d+ \(0x", re.MULTILINE)
_RECOVERED = "panic recovered:"
_RUST = re.compile(
    r"^thread '[^'\n]*'(?: \(\d+\))? panicked at (?:'(?P<old>.*?)', \S+:\d+:\d+$|\S+:\d+:\d+:\n(?P<message>.*))",
    re.MULTILINE,
)
_RUST_FRAMES = re.compile(r"^(?:stack backtrace:$|[^\S\n]+0: )", re.MULTILINE)


def split(kind: str, text: str) -> tuple[str, dict[str, str]]:
    """
    Return the text before a traceback, and `error.type`, `error.message`, `error.stack_trace`.

    The type and message are those of the last exception of a chain, as that is
    the one that was not handled; a text without a traceback comes back whole.
    The kind `any` takes what is found first: Python's, Java's or Node's, Go's, Rust's.
    """
    if kind == "python":
        return _python(text)
    if kind == "java":
        return _java(text)
    if kind == "node":
        return _node(text)
    if kind == "any":
        return _any(text)
    return _rust(text) if kind == "rust" else _go(text)


def _error(type_: str, message: str | None, trace: str) -> dict[str, str]:
    error = {"error.type": type_, "error.message": (message or "").strip(), "error.stack_trace": trace}
    return {name: value for name, value in error.items() if value}


def _python(text: str) -> tuple[str, dict[str, str]]:
    heads = _heads(text)
    if not heads:
        inside = _PYTHON_INSIDE.search(text)
        if not inside:
            if _PYTHON_REST.match(text):
                return "", {"error.stack_trace": text, **raised(f"{_PYTHON}\n{text}")}
            return text, {}
        heads = [(inside.start(), 0, inside.end() - 1)]
    begin = heads[0][0]
    return text[:begin].rstrip(), {"error.stack_trace": text[begin:], **raised(text[begin:])}


def _heads(text: str) -> list[tuple[int, int, int]]:
    """Return where the lines that head a traceback begin, how far they are indented, and where they end."""
    heads = []
    at = text.find(_PYTHON)
    while at >= 0:
        begin = text.rfind("\n", 0, at) + 1
        margin = text[begin:at].removesuffix(_PYTHON_GROUP)
        if not margin.strip(" |+"):
            heads.append((begin, len(margin), at + len(_PYTHON)))
        at = text.find(_PYTHON, at + 1)
    return heads


def raised(trace: str) -> dict[str, str]:
    """Return type and message of the last exception in a Python traceback."""
    heads = _heads(trace)
    if not heads:
        return {}
    # The outermost exception of a group stands at the least indent; blocks further in belong to its members.
    margin = min(indent for _, indent, _ in heads)
    body = trace[[end for _, indent, end in heads if indent == margin][-1] :]
    if margin:
        lines = [line[margin:] if not line[:margin].strip(" |+") else line for line in body.split("\n")]
        body = "\n".join(lines)
    found = _PYTHON_RAISED_LINE.search(body)
    if not found:
        return {}
    more = []
    for text in body[found.end() + 1 :].split("\n") if found["message"] is not None else ():
        if not text.strip() or text.lstrip(" ").startswith(("+-", "|")) or " <Greenlet at " in text:
            break
        more.append(text)
    message = "\n".join([found["message"] or "", *more]).strip()
    return {"error.type": found["type"]} | ({"error.message": message} if message else {})


def _java(text: str) -> tuple[str, dict[str, str]]:
    first = _JAVA_FRAME.search(text)
    if not first:
        return text, {}
    found = list(_JAVA.finditer(text))
    begin = found[0].start() if found else first.start()
    line = text.rfind("\n", 0, max(first.start() - 1, 0)) + 1
    head = None if found and begin <= line else _JAVA_INSIDE.search(text[line : first.start()].rstrip("\n"))
    if head:  # the exception stands at the end of the message's own line
        begin = line + head.start()
    last = found[-1] if found else head
    message, trace = text[:begin].rstrip("\n ") or text[: first.start()].strip(), text[begin:].lstrip("\n")
    return message, _error(last["type"] if last else "", last["message"] if last else "", trace)


def _node(text: str) -> tuple[str, dict[str, str]]:
    first = _NODE_FRAME.search(text)
    if not first:
        return text, {}
    found = _NODE.search(text)
    if not found:
        return text[: first.start()].rstrip("\n"), {"error.stack_trace": text[first.start() :].lstrip("\n")}
    begin = text.rfind("\n", 0, found.start()) + 1
    message = text[:begin].rstrip("\n") or text[: first.start()].strip()
    return message, _error(found["type"], found["message"], text[begin:])


def _go(text: str) -> tuple[str, dict[str, str]]:
    if _RECOVERED in text and (found := _GO_RECOVERED.search(text)):
        message = text[: text.index(_RECOVERED) + len(_RECOVERED)]
        return message, _error("panic", found["message"], text[len(message) :].lstrip("\n"))
    frames, head = _GO_FRAME.search(text), _GO.search(text)
    stack = frames or _GO_STACK.search(text)
    if frames and head and head.start() < frames.start():
        message = text[: head.start()].rstrip("\n") or head[0]
        return message, _error("panic", head["message"], text[head.start() :])
    if not stack:
        return text, {}
    message = text[: stack.start()].rstrip("\n")
    return message or text.partition("\n")[0], {"error.stack_trace": text[stack.start() :]}


def _rust(text: str) -> tuple[str, dict[str, str]]:
    head, frames = _RUST.search(text), _RUST_FRAMES.search(text)
    if head:
        return text[: head.start()].rstrip("\n") or head[0], _error(
            "panic", head["old"] or head["message"], text[head.start() :]
        )
    if not frames:
        return text, {}
    return text[: frames.start()].rstrip("\n"), {"error.stack_trace": text[frames.start() :]}


def _any(text: str) -> tuple[str, dict[str, str]]:
    frames = (_java,) if _JAVA_SOURCE.search(text) else (_node,)
    for one in (_python, *frames, _go, _rust):
        message, error = one(text)
        if error:
            return message, error
    return text, {}
