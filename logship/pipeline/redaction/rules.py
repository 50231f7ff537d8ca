"""Redaction rules as data: `pipelines/redaction.yaml`, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from logship.errors import PipelineError
from logship.pipeline.redaction.judge import CHECKS

Policy = Literal["keep", "mask", "hash", "drop"]

#: Parts that patterns share, written `<NAME>`.
MACROS = {
    # Nothing before that belongs to the same word; `\n`, `\0`, `%3D`, `\u003d` and a written colour end words too;
    # `\n` is never split.
    "<B>": r"(?:(?<![A-Za-z0-9\\])|(?<=\\[nrtbf0])|(?<=\\u[0-9a-fA-F]{4})|(?<=\\x[0-9a-fA-F]{2})|(?<=%[0-9A-F]{2})"
    r"|(?<=\[\dm)|(?<=\[\d\dm)|(?<=\d;\dm)|(?<=\d;\d\dm))",
    "<E>": r"(?![A-Za-z0-9])",
    # White space, also as JSON writes it.
    "<S>": r"(?:\s|\\{1,7}[nrt])",
    "<Q>": r"\\{0,7}[\"'`]",
    "<SLASH>": r"(?:\\{0,7}/|%2[fF])",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Samples(_Strict):
    """Texts that prove a rule; «» stand around what must not survive."""

    changed: list[str] = []
    kept: list[str] = []


class Rule(_Strict):
    """Secrets that are known by a pattern."""

    name: str
    #: What the first, loose look searches: Hyperscan's syntax, at least as wide as `pattern`, also on escaped text.
    scan: list[str]
    #: Python's; each attempt must end within bounds.
    pattern: str
    #: The part that is replaced.
    group: int | str = 1
    #: A check of that part, by name.
    check: str | None = None
    #: What before it says that it is something else: a size, an id.
    not_after: str | None = None
    #: Tried after what is known by its name: a signature that is a part of an Authorization header.
    late: bool = False
    #: The personal data it stands for; an operator chooses what happens.
    policy: str | None = None
    samples: Samples = Samples()

    def compiled(self) -> re.Pattern[str]:
        """Return the pattern, ready to use."""
        return compile_pattern(self.pattern)


class Family(_Strict):
    """Secrets that are known by the name they are given: `password=…`, `"api_key": "…"`."""

    name: str
    #: Regular expressions of words in the name, in lower case, each beginning with a plain letter.
    words: list[str]
    #: What must stand just before the word: `api_` before `key`.
    after: str | None = None
    #: Digits alone are a value (a password), not a count (tokens).
    numbers: bool = False
    #: A word before the name can say that it counts or describes: `primary_key`.
    described: bool = False
    #: One plain word can be a value.
    plain: bool = False
    samples: Samples = Samples()


class Fields(_Strict):
    """Names and values."""

    families: list[Family]
    #: Last words of names that hold no secret themselves: `token_count`, `password_file`.
    harmless: list[str]
    #: Words before a name's core that say it counts or describes: `primary_key`.
    describing: list[str]
    scan: list[str]


class Command(_Strict):
    """A command whose arguments hold secrets."""

    names: list[str]
    #: Options whose argument is a secret.
    secrets: list[str] = []
    #: Options whose argument is `user:secret`.
    pairs: list[str] = []
    #: Short options that a secret follows without a space, and only so: `-ppassword`.
    glued: list[str] = []
    #: Short options may stand together: `-su user:secret`.
    clustered: bool = False
    #: The last argument that is no option is a secret, if there are at least so many.
    last: int = 0


class Reader(Samples):
    """Secrets that code finds: private keys, and what is in URLs, cookies, bodies."""

    scan: list[str]


class CommandReader(Reader):
    """Secrets among the arguments of commands."""

    table: list[Command]


class RuleBook(_Strict):
    """The whole file."""

    policies: dict[str, Policy]
    rules: list[Rule]
    fields: Fields
    private_keys: Reader
    urls: Reader
    cookies: Reader
    bodies: Reader
    sql: Reader
    commands: CommandReader
    #: Texts that match are suspects, whatever else is in them.
    escapes: list[str]
    #: Texts that no rule changes.
    ordinary: list[str] = []


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the rules; ASCII only, so that it and Hyperscan mean the same."""
    for name, text in MACROS.items():
        pattern = pattern.replace(name, text)
    return re.compile(pattern, re.ASCII)


def read_rules(path: Path) -> RuleBook:
    """Read a rule file; raises PipelineError."""
    try:
        loaded: Any = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # safe
        book = RuleBook.model_validate(loaded)
        for rule in book.rules:
            if rule.check and rule.check not in CHECKS:
                raise PipelineError(f"{path}: rule {rule.name}: no check named {rule.check!r}")
            rule.compiled()
            re.compile(rule.not_after or "")
    except OSError as error:
        raise PipelineError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, ValidationError, re.error) as error:
        raise PipelineError(f"{path}: {error}") from error
    return book


def effective_policies(book: RuleBook, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return what happens to each kind of personal data; raises PipelineError for what no rule knows."""
    for name, policy in chosen.items():
        if name not in book.policies:
            raise PipelineError(f"no policy named {name!r}; one of {', '.join(book.policies)}")
        if policy not in {"keep", "mask", "hash", "drop"}:
            raise PipelineError(f"policy {name}: {policy!r} is none of keep, mask, hash, drop")
    return {**book.policies, **chosen}
