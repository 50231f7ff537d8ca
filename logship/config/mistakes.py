"""What is wrong with a setting, in one line: where, what, what is allowed, and the nearest right name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from logship.config.layers import Layer
from logship.config.options import MASK, Loc, annotation, is_secret, names_at, nearest

#: Values that people may look for, and what there is instead.
_INSTEAD: dict[Loc, str] = {
    ("state", "when_full", "spill"): "there is no spilling, for what waits is on disk already: put state_dir on a "
    "larger disk, or use drop_oldest with store.enabled, which drops only what segments hold",
}


def explain(error: ValidationError, merged: Layer) -> Iterator[str]:
    """Yield one line for each mistake."""
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        while len(loc) > 1 and annotation(loc) is None and detail["type"] != "extra_forbidden":
            loc = loc[:-1]  # pydantic adds the tried member of a union; users know options only
        origin = _origin(loc, merged)
        yield f"{origin}: {_what(loc, detail)}" if origin else _what(loc, detail)


def dotted(loc: Loc) -> str:
    """Write a place as users read it: `files[0].path`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in loc).lstrip(".")


def _origin(loc: Loc, merged: Layer) -> str:
    for size in range(len(loc), 0, -1):
        if found := merged.origins.get(loc[:size]):
            return found
    return ""


def _what(loc: Loc, detail: ErrorDetails) -> str:
    name = dotted(loc)
    kind = detail["type"]
    if kind == "extra_forbidden":
        allowed = names_at(loc[:-1])
        guess = nearest(str(loc[-1]), allowed)
        place = f" ({dotted(loc[:-1])} has {', '.join(allowed)})" if loc[:-1] and allowed else ""
        return f"{name} is not an option" + (f"; did you mean {guess}?" if guess else place)
    if kind == "missing":
        return f"{name} is missing"
    must = _must(detail)
    if kind == "value_error" and names_at(loc):
        return f"{name} {must}"
    value = detail["input"]
    if isinstance(value, str) and (instead := _INSTEAD.get((*loc, value))):
        return f"{name} is {value}; {must}; {instead}"
    shown = MASK if is_secret(loc) else _short(value)
    guess = ""
    if isinstance(value, str) and kind in ("literal_error", "enum"):
        guess = nearest(value, re.findall(r"'([^']+)'", must))
    return f"{name} is {shown}; {must}" + (f"; did you mean {guess}?" if guess else "")


def _must(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail.get("ctx", {}).get("error", detail["msg"]))
    if detail["type"].startswith("byte_size"):
        return "must be a size such as 20MiB, 1GB or a number of bytes"
    text = detail["msg"].replace("Input should be", "must be")
    for models, users in {
        "a valid boolean, unable to interpret input": "true or false",
        "a valid boolean": "true or false",
        "a valid integer, unable to parse string as an integer": "a whole number",
        "a valid integer": "a whole number",
        "a valid number, unable to parse string as a number": "a number",
        "a valid number": "a number",
        "a valid string": "text (quote it if it looks like a number or a date)",
        "a valid list": "a list",
        "a valid dictionary": "a mapping of names to values",
        "True or False": "true or false",
    }.items():
        if models in text:
            text = text.replace(models, users)
            break
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a mapping of names to values"
    return text[:1].lower() + text[1:]


def _short(value: object) -> str:
    text = re.sub(r"://[^/@\s]*@", f"://{MASK}@", repr(value))
    return text if len(text) <= 80 else f"{text[:77]}…"
