"""Colours and other control sequences of terminals (ECMA-48), which are no text."""

from __future__ import annotations

import re

from logship.model import Lines

_SEQUENCE = r"\[[0-?]*[ -/]*[@-~]"
_RUN = re.compile(rf"()(?:\x1b{_SEQUENCE})+")
#: The same inside a JSON text.
_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)(?:\\u001[bB]\[[0-?]*[ !#-/]*[@-\[\]-~])+")  # not beyond a quote
#: What begins a key of a known shape: behind a letter it would be taken for the middle of a word.
_KEY = re.compile(
    r"(?:app|dataset|ds|[spr]k|gh[pousr]|github_pat|hf|AIza|A[KS]IA|eyJ|xox[a-z]|glpat|gsk|xai|pplx|tvly|nvapi|npm|pypi"
    r"|LTAI|AKID|AKLT|SG|ntn|jina|r8|fc|pat|secret|dfo[ae])[-_.A-Za-z0-9]{12}"
)


def without_colours(lines: Lines, data: bytes) -> Lines:
    """Take control sequences out of lines, of which `data` is all that was read."""
    if b"\x1b" in data or b"\\u001" in data:
        lines.texts = [_plain(text) if "\x1b" in text or "\\u001" in text else text for text in lines.texts]
    return lines


def _plain(text: str) -> str:
    return _ESCAPED.sub(_between, _RUN.sub(_between, text))


def _between(sequences: re.Match[str]) -> str:
    """Return what is to stand in place of control sequences: a space where they kept a letter and a key apart."""
    text, start = sequences.string, sequences.start()
    glued = text[start - 1 : start].isalnum() and not sequences[1] and _KEY.match(text, sequences.end())
    return " " if glued else sequences[1]
