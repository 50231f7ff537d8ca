"""The redactor: suspects by one scan of a batch, then exact rules on those alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from logship.pipeline.redaction import bodies, cookies, private_keys, urls
from logship.pipeline.redaction.commands import CommandLines
from logship.pipeline.redaction.fields import NamedSecrets
from logship.pipeline.redaction.judge import CHECKS, harmless
from logship.pipeline.redaction.marks import Marks, is_mark
from logship.pipeline.redaction.rules import Rule, RuleBook, effective_policies, read_rules
from logship.pipeline.redaction.scan import Scanner
from logship.pipeline.redaction.sql import SqlSecrets
from logship.pipeline.redaction.values import Found

Counts = dict[str, int]
Find = Callable[[str, Marks], Iterator[Found]]
_COOKIE = re.compile(r"(?:set[-_])?cookies?", re.IGNORECASE)
#: Characters of a key of known shape, at least.
_SHORTEST = 16
#: A mark may let the text beside it be read differently; more than two passes have not been seen.
_PASSES = 5


class PatternRule:
    """One rule of the file, compiled: the pattern, then the check."""

    def __init__(self, rule: Rule, policy: str) -> None:
        self.name = rule.name
        self.late = rule.late or rule.policy is not None
        self._pattern = rule.compiled()
        self._group = rule.group if self._pattern.groups else 0
        self._check: Callable[[str], bool] = CHECKS[rule.check] if rule.check else lambda _: True
        self._not_after = re.compile(f"(?:{rule.not_after})$", re.ASCII | re.IGNORECASE) if rule.not_after else None
        self._policy = policy

    def find(self, text: str, mark: Marks) -> Iterator[Found]:
        """Yield what the rule replaces."""
        for match in self._pattern.finditer(text):
            value = match[self._group]
            if not value or is_mark(value) or not self._check(value):
                continue
            start, end = match.span(self._group)
            if self._not_after and self._not_after.search(text[max(0, start - 32) : start]):
                continue
            yield Found(start, end, self.name, self._replaced(value, mark))

    def _replaced(self, value: str, mark: Marks) -> str:
        if self._policy == "mask":
            return mark.plain(f"[{self.name}]")
        return "" if self._policy == "drop" else mark(self.name, value)


class Redactor:
    """Takes secrets and personal data out of texts; loaded once, used by one thread or many."""

    def __init__(self, book: RuleBook, *, policies: Mapping[str, str], key: bytes, cache: Path | None = None) -> None:
        chosen = effective_policies(book, policies)
        self._key = key
        active = [rule for rule in book.rules if rule.policy is None or chosen[rule.policy] != "keep"]
        rules = [PatternRule(rule, chosen[rule.policy] if rule.policy else "hash") for rule in active]
        named = NamedSecrets(book.fields)
        # In this order: keys of known shape keep their own name inside `api_key=…`, personal data comes last.
        self._steps: list[tuple[str, Find]] = [(rule.name, rule.find) for rule in rules if not rule.late]
        self._steps += [("urls", urls.find), ("urls", urls.find_go), ("cookies", cookies.find)]
        commands, sql = CommandLines(book.commands.table), SqlSecrets(named.family)
        self._steps += [("commands", commands.find), ("sql", sql.find), ("fields", named.find)]
        self._steps += [(rule.name, rule.find) for rule in rules if rule.late]
        self._family, self._describes = named.family, named.describes
        scans = {rule.name: rule.scan for rule in active}
        readers = {"private_keys": book.private_keys.scan, "urls": book.urls.scan, "cookies": book.cookies.scan}
        readers |= {"fields": book.fields.scan, "sql": book.sql.scan, "commands": book.commands.scan}
        if chosen["bodies"] != "keep":
            readers["bodies"] = book.bodies.scan
            self._steps.insert(0, ("bodies", bodies.find))
        self._scanner = Scanner({**scans, **readers, "escapes": book.escapes}, cache)

    @classmethod
    def load(cls, path: Path, *, policies: Mapping[str, str], key: bytes, cache: Path | None = None) -> Redactor:
        """Read the rules, and what was compiled of them before from the file `cache`; raises PipelineError."""
        return cls(read_rules(path), policies=policies, key=key, cache=cache)

    def suspects(self, texts: Sequence[str]) -> Collection[int]:
        """Return the indexes of texts that may hold a secret: all that `redact` would change, and some more."""
        found = self._scanner.find(texts) if texts else []
        alone = private_keys.alone(texts)
        return found if not alone else sorted({*found, *alone})

    def hits(self, data: bytes) -> list[int]:
        """Return which texts are suspects, plain or JSON-escaped; a NUL stands before, between and after them."""
        return self._scanner.hits(data)

    def redact(self, text: str) -> tuple[str, Counts]:
        """Return a text without its secrets, and how many there were by rule."""
        counts: Counts = {}
        marks = Marks(self._key)
        current = marks.hide(text)
        for _ in range(_PASSES):
            changed = self._pass(current, marks, counts)
            if changed == current:
                break
            current = changed
        return (marks.show(current), counts) if counts else (text, counts)

    def redact_keys(self, text: str) -> tuple[str, Counts]:
        """Return a text without its private keys alone, which a format may split between its fields."""
        counts: Counts = {}
        marks = Marks(self._key)
        text = _apply(marks.hide(text), private_keys.find(text, marks), counts)
        return marks.show(text), counts

    def redact_value(self, name: str, value: Any, counts: Counts | None = None) -> Any:  # noqa: ANN401
        """
        Return a JSON value without secrets; a key that names a secret hides the whole value.

        With `counts`, what was found is added there by rule.
        """
        counts = {} if counts is None else counts
        if isinstance(value, dict):
            clean_members: dict[str, Any] = {}
            for key, one in value.items():
                _put(clean_members, self._key_of(key, counts), self._member(name, key, one, counts))
            return clean_members
        if isinstance(value, list):
            return [self.redact_value(name, one, counts) for one in value]
        if value is None or isinstance(value, bool):
            return value
        clean, found = self._leaf(name, value)
        for rule, count in found.items():
            counts[rule] = counts.get(rule, 0) + count
        return clean if found else value

    def _member(self, name: str, key: str, value: Any, counts: Counts) -> Any:  # noqa: ANN401
        """Redact a member: inside of what is a secret by its name all is, but what describes it."""
        secret = self._family(name) or _COOKIE.fullmatch(name)
        inherits = secret and not self._family(key) and not self._describes(key)
        return self.redact_value(name if inherits else key, value, counts)

    def _key_of(self, key: str, counts: Counts) -> str:
        """Redact a key, which may be a secret itself."""
        if len(key) < _SHORTEST:
            return key
        clean, found = self.redact(key)
        for rule, count in found.items():
            counts[rule] = counts.get(rule, 0) + count
        return clean

    def _leaf(self, name: str, value: str | float) -> tuple[str, Counts]:
        """Redact a text or number by its own content, then by the name of its key."""
        clean, found = self.redact(value) if isinstance(value, str) else (str(value), {})
        family = self._family(name)
        if _COOKIE.fullmatch(name) and not found:
            header, found = self.redact(f"Cookie: {clean}")
            clean = header.removeprefix("Cookie: ")
        if not family or harmless(clean) or (clean.isdigit() and not family.numbers):
            return clean, found
        marks = Marks(self._key)
        scheme, space, secret = clean.partition(" ") if family.name == "authorization" else ("", "", clean)
        if not secret:
            scheme, secret = "", clean
        hidden = marks.hide(secret)
        if not is_mark(hidden):
            found = {**found, family.name: found.get(family.name, 0) + 1}
            hidden = marks(family.name, hidden)
        return scheme + space + marks.show(hidden), found

    def _pass(self, text: str, marks: Marks, counts: Counts) -> str:
        text = _apply(text, private_keys.find(text, marks), counts)
        needed = self._scanner.rules(text)
        for name, find in self._steps:
            if name in needed:
                text = _apply(text, find(text, marks), counts)
        return text


def _apply(text: str, found: Iterable[Found], counts: Counts) -> str:
    pieces: list[str] = []
    position = 0
    for one in found:
        pieces += (text[position : one.start], one.text)
        position = one.end
        counts[one.rule] = counts.get(one.rule, 0) + 1
    return "".join(pieces) + text[position:] if pieces else text


def _put(members: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401
    """Put a member beside others; masked keys may be alike."""
    free, number = key, 2
    while free in members:
        free, number = f"{key} {number}", number + 1
    members[free] = value
