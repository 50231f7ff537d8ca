"""JSON as programs write it: Python's own encoder writes NaN, Infinity and half a character, which JSON has not."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

#: Whole numbers of 64 bits, with a sign or without, and the characters they have at most.
_LEAST, _MOST, _DIGITS = -(1 << 63), (1 << 64) - 1, 20


def read(text: str) -> Any:  # noqa: ANN401  # JSON
    """
    Return what a JSON text says; raises ValueError where it is none.

    A number that is none or too large becomes a text, half of a character a question mark.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        if text.rstrip()[-1:] not in {"}", "]"}:
            raise
    try:
        value = json.loads(text, parse_constant=str, parse_float=_number, parse_int=_number)
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except RecursionError as error:
        raise ValueError(str(error)) from error


def _number(digits: str) -> float | str:
    if len(digits) <= _DIGITS and digits.lstrip("-").isdecimal() and _LEAST <= (whole := int(digits)) <= _MOST:
        return whole
    number = float(digits)
    return number if math.isfinite(number) else digits
