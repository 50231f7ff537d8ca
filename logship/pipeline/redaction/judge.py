"""Whether a value is a secret: code, placeholders, prose and counters are not, whatever their name says."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable

from logship.pipeline.redaction.marks import is_mark


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Values that say something about a secret instead of being one.
WORDS = _words(
    """
    a an and any are array at bad basic be bearer been bool boolean bytes can cannot changed char character
    check checking could created decode decoding default deleted denied deprecated dict did digest disabled do
    does either empty enabled error errors exception exceeded exhausted expected expire expired expires expiry
    fail failed failure false file float for forbidden found from generated generating got has have header he id
    if in incorrect input int integer invalid is it its key length limit list long longer malformed may mask
    masked match mismatch missing must n/a na name nan new nil no non none not null number ok object of off ok
    on only optional or output parameter provided read rejected removed request required reset returned revoked
    rotated saved service set setting short should signature some string str success successful the there this
    to token tokens too true type unable unauthorized undefined unexpected unknown unset unsupported updated use
    used user using valid validation value varchar verification verified verify was were when while will with
    wrong yes you your text uuid union literal self cls args kwargs redacted hidden filtered text-input select
    secret-input apikey please enter enters entered enabling resets resetting retry retrying again then than
    more many other another same different old current previous next first last yet still just also but see via
    per under over into within without here now soon flag argument option instead include omit same-origin
    """
)
_PROSE = _words(
    """
    is are was were not must should cannot can't invalid expired required missing failed incorrect please doesn't least
    unable error does
    """
)
#: Placeholders: stars, dots, templates, shell variables, angle brackets.
_PLACEHOLDER = re.compile(
    r"[*•xX.…_\-#?]{1,80}|%\(?\w{0,40}\)?[sdr]|\$(?-i:[A-Z_][A-Z0-9_]{0,60})|\$\{\w{1,60}(?::?-)?\}?"
    r"|\$\d{1,3}|(?:your|my)[-_ ]?(?:[a-z]{1,20}[-_ ]?){0,4}(?:key|token|secret|password)(?:[-_ ]?here)?"
    r"|\{\{?[\w.\[\]'\" ]{0,80}\}?\}?|<[^<>]{0,80}>|&lt;.{0,80}"
    r"|\[(?:redacted|hidden|masked|filtered|secret|removed)[^\]]{0,20}\]?|\*{2,}.{0,4}|.{0,4}\*{3,}.{0,4}",
    re.IGNORECASE,
)
_CALL = re.compile(r"[A-Za-z_$]\w{0,60}(?:\??\.[A-Za-z_]\w{0,60}){0,8}[(\[]")
_ATTRIBUTE = re.compile(r"[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,8}")
_NUMBER = re.compile(r"[-+]?\d[\d.,_]{0,30}(?:[kKmM%]|ms|s)?|\d{1,12}[/:]\d{1,12}|0x[0-9a-fA-F]{1,4}")
#: Ids and hashes: hexadecimal, decimal or a UUID; and stamps.
_ID = re.compile(r"[0-9a-fA-F]{1,128}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[\d .,:T+Z-]{1,40}")
_LETTERS = re.compile(r"[A-Za-z][A-Za-z'-]{0,30}[,.;:!?)]{0,3}")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,60}")
_CODE_BEFORE = re.compile(r'  File "[^"\n]{1,300}", line \d+')
#: What an attribute is mostly taken of, in Dify's code and elsewhere.
_ROOTS = _words(
    """
    self cls this args kwargs config configs settings setting dify_config app_config conf cfg os sys request req
    response resp params parameters options opts data payload body credentials credential model user account app
    obj result env environ environment process ctx context session client provider tenant node form cmd builder
    inputs json current_app current_user flask redis_client db auth state props event message row item entity
    secret
    """
)


def letters(value: str) -> bool:
    """Return whether a value is one word of prose."""
    return _LETTERS.fullmatch(value) is not None


def harmless(value: str) -> bool:
    """Return whether a value says that there is no secret: it is empty, a mark, a placeholder, `null`, `expired`."""
    if not value or is_mark(value):
        return True
    stripped = value.strip(" \t\"'`,.;:!?()[]{}")
    return not stripped or stripped.lower() in WORDS or _PLACEHOLDER.fullmatch(value) is not None


def number(value: str) -> bool:
    """Return whether a value is a count, a share or a duration."""
    return _NUMBER.fullmatch(value) is not None


def prose(value: str) -> bool:
    """Return whether a quoted value is a sentence about a secret."""
    words = value.lower().split()
    return len(words) >= 3 and not _PROSE.isdisjoint(words)


def sentence(value: str) -> bool:
    """Return whether a value is words only, at least three."""
    words = value.split()
    return len(words) >= 3 and all(map(letters, words))


def code(value: str) -> bool:
    """Return whether a bare value is an expression: a call, an index or an attribute."""
    if call := _CALL.match(value):
        name = call[0][:-1]
        return "." in name or (len(name) > 2 and not any(map(str.isdigit, name)))
    bare = value.rstrip(",)]}:;")
    if not _ATTRIBUTE.fullmatch(bare) or any(map(str.isdigit, bare)):
        return False
    root, _, last = bare.lower().rpartition(".")
    return root.partition(".")[0] in _ROOTS or any(word in last for word in ("password", "token", "key", "secret"))


def identifier(value: str) -> bool:
    """Return whether a value can be a variable's name."""
    return _IDENTIFIER.fullmatch(value) is not None


def source_line(text: str, position: int) -> bool:
    """Return whether a position lies in a line of Python that a traceback shows."""
    line = text.rfind("\n", max(0, position - 1000), position)
    if line < 0:
        return False
    before = text.rfind("\n", max(0, line - 1000), line)
    return _CODE_BEFORE.match(text, before + 1, line) is not None


def luhn(value: str) -> bool:
    """Check a card number's last digit."""
    digits = [int(char) for char in value if char.isdigit()]
    if len(digits) not in range(13, 20) or len(set(digits)) < 2:
        return False
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(odd) + sum(2 * digit - 9 * (digit > 4) for digit in even)) % 10 == 0


def chinese_id(value: str) -> bool:
    """Check the last character of a Chinese identity number (ISO 7064, MOD 11-2)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(value, weights, strict=False))
    return "10X98765432"[total % 11] == value[17].upper()


def random(value: str) -> bool:
    """Return whether a value looks generated: a digit among letters, long, or letters of both cases in disorder."""
    if any(map(str.isdigit, value)):
        return any(map(str.isalpha, value)) or len(value) > 8
    return scrambled(value)


def scrambled(value: str) -> bool:
    """Return whether about every other letter is a capital: generated, where words have few."""
    if len(value) < 16 or not value.isascii():
        return False
    capitals = sum(map(str.isupper, value))
    return 0.35 * len(value) <= capitals <= 0.7 * len(value) and any(map(str.islower, value))


def cased(value: str) -> bool:
    """Return whether a value has digits and letters of both cases."""
    return any(map(str.isdigit, value)) and any(map(str.islower, value)) and any(map(str.isupper, value))


def generated(value: str) -> bool:
    """Return whether a value is long and looks generated, and is no id, hash or number that logs are full of."""
    return len(value) >= 16 and random(value) and not _ID.fullmatch(value) and " " not in value


def mixed(value: str) -> bool:
    """Return whether a value is no plain word or number: digits with letters, or mixed case inside."""
    if value.isdigit():
        return len(value) >= 6
    return random(value) or (value[1:].lower() != value[1:] and value.upper() != value) or len(value) > 24


def basic(value: str) -> bool:
    """Return whether a value is base64 of `user:password`."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def octets(value: str) -> bool:
    """Check the numbers of an IPv4 address."""
    return all(int(part) < 256 for part in value.split("."))


def ipv6(value: str) -> bool:
    """Check an IPv6 address; a time or two names with colons between them is none."""
    try:
        return value.count(":") > 1 and ipaddress.ip_address(value).version == 6 and any(map(str.isdigit, value))
    except ValueError:
        return False


def given(value: str) -> bool:
    """Return whether a value is given at all: neither empty nor a placeholder, null or code."""
    return not harmless(value) and not code(value)


def shaped(value: str) -> bool:
    """Return whether a key of known shape looks generated: a digit, capitals in disorder, or one very long word."""
    if not any(map(str.isdigit, value)) and not scrambled(value):
        return len(value) > 40 and not any(mark in value[8:] for mark in "-_.")
    return not _PLACEHOLDER.fullmatch(value)


CHECKS: dict[str, Callable[[str], bool]] = {
    "luhn": luhn,
    "chinese_id": chinese_id,
    "random": random,
    "mixed": mixed,
    "basic": basic,
    "octets": octets,
    "given": given,
    "shaped": shaped,
    "generated": generated,
    "cased": cased,
    "ipv6": ipv6,
}
