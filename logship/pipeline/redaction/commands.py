"""Secrets among the arguments of commands: `curl -u user:password`, `mysql -ppassword`, `sshpass -p password`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from logship.pipeline.redaction import judge
from logship.pipeline.redaction.marks import Marks, is_mark
from logship.pipeline.redaction.quotes import is_json
from logship.pipeline.redaction.rules import Command
from logship.pipeline.redaction.values import Found

#: Characters of a command line that are read.
_READ = 400
#: What separates arguments: white space, also a line that goes on.
_GAP = r"(?:[ \t]|\\\r?\n){1,40}"
#: One argument of a shell: quoted, an option with a quoted value, or bare.
_ARGUMENT = re.compile(
    rf"{_GAP}(?:(?P<quote>\\{{0,7}}[\"'])(?P<inside>[^\"'\\\n]{{1,200}})(?P=quote)"
    r"|(?P<option>-[A-Za-z-]{1,30}=?)(?P<mark>\\{0,7}[\"'])(?P<value>[^\s\"'\\,]{1,200})(?P=mark)"
    r"|(?P<bare>[^\s\"'\\|;&<>`)]{1,200}))",
    re.ASCII,
)
#: In a JSON text, quotation marks without a backslash are those of the text itself.
_ARGUMENT_IN_JSON = re.compile(_ARGUMENT.pattern.replace(r"\\{0,7}[\"']", r"(?:\\{1,7}\"|\\{0,7}')"), re.ASCII)
#: The next item of a list: `['curl', '-u', …]`.
_ITEM = re.compile(r",[ \t]{0,4}(?P<quote>\\{0,7}[\"'])(?P<inside>[^\"'\\\n]{1,200})(?=(?P=quote))", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Argument:
    text: str
    start: int
    #: An option's own value, `-p'x'`, begins here in `text`; 0 when there is none.
    value: int = 0


class CommandLines:
    """Finds the secrets that commands are given."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._commands = {name: command for command in commands for name in command.names}
        names = "|".join(re.escape(name) for name in sorted(self._commands, key=len, reverse=True))
        self._name = re.compile(
            rf"(?:(?<![A-Za-z0-9_.\\-])|(?<=\\[nrt]))(?:{names})(?=[ \t\\]|(?P<quote>\\{{0,7}}[\"']),)", re.ASCII
        )

    def find(self, text: str, mark: Marks) -> Iterator[Found]:
        """Yield the secrets of a text's commands, in order."""
        position = 0
        while match := self._name.search(text, position):
            position = match.end()
            for start, end in self._secrets(self._commands[match[0]], self._arguments(text, match)):
                value = text[start:end]
                if start >= position and judge.given(value) and not is_mark(value):
                    position = end
                    yield Found(start, end, "command", mark("command", value))

    def _arguments(self, text: str, match: re.Match[str]) -> Iterator[_Argument]:
        position, end = match.end(), match.end() + _READ
        form = _ARGUMENT_IN_JSON if is_json(text) else _ARGUMENT
        if match["quote"]:
            form, position = _ITEM, position + len(match["quote"])
        while argument := form.match(text, position, end):
            position = argument.end() + (len(argument["quote"]) if match["quote"] else 0)
            if argument["inside"] is not None:
                yield _Argument(argument["inside"], argument.start("inside"))
            elif argument["option"] is not None:
                value = len(argument["option"]) + len(argument["mark"])
                yield _Argument(text[argument.start("option") : argument.end("value")], argument.start("option"), value)
            elif argument["bare"] in self._commands:
                return
            else:
                yield _Argument(argument["bare"], argument.start("bare"))

    def _secrets(self, command: Command, arguments: Iterator[_Argument]) -> Iterator[tuple[int, int]]:
        wanted = ""
        plain: list[_Argument] = []
        for argument in arguments:
            text, end = argument.text, argument.start + len(argument.text)
            if wanted:
                yield from _part(argument, 0, wanted)
                wanted = ""
                continue
            if not text.startswith("-"):
                plain.append(argument)
                continue
            name, separator, _ = text.partition("=")
            if name in command.secrets or name in command.pairs or (command.clustered and _ends(text, command.pairs)):
                wanted = "secret" if name in command.secrets else "pair"
                if separator:
                    yield from _part(argument, len(name) + 1, wanted)
                    wanted = ""
            elif text[:2] in command.glued and len(text) > 2:
                yield argument.start + (argument.value or 2), end
            elif text[:2] in command.pairs:
                yield from _part(argument, argument.value or 2, "pair")
        if command.last and len(plain) >= command.last:
            yield plain[-1].start, plain[-1].start + len(plain[-1].text)


def _ends(text: str, flags: Sequence[str]) -> bool:
    """Return whether short options stand together and the last takes a value: `-sku`."""
    return text[1:2] != "-" and text.isascii() and text[1:].isalpha() and f"-{text[-1]}" in flags


def _part(argument: _Argument, begin: int, kind: str) -> Iterator[tuple[int, int]]:
    end = argument.start + len(argument.text)
    begin = max(begin, argument.value)
    if kind == "pair":
        user, separator, _ = argument.text[begin:].partition(":")
        if not separator:
            return
        begin += len(user) + 1
    if argument.start + begin < end:
        yield argument.start + begin, end
