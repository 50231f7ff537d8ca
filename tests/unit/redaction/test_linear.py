"""No text makes a rule slow: time grows with length, not with its square."""

import re
import time

import pytest
from shipped_rules import BOOK

from logship.pipeline.redaction.marks import Marks
from logship.pipeline.redaction.redactor import PatternRule

SHORT, LONG = 10_000, 40_000
#: Four times the length may cost this many times as much: linear is 4, quadratic 16.
LIMIT = 9
#: Seconds that are too short to tell anything; what is quadratic takes longer on the long text.
NOTHING = 0.01
CLASSIC = [
    "a", "0", "1 ", "4-", " ", "\n", "\\", '"', "'", '\\"', "=", ":", "://", "x://", "@", "a@", "a.", ".", "-", "--",
    "_", "/", "/e/", "%3D", "%26", "\\n", "\\u0026", "&a=", "?token=", "token", "token=", 'token="', "token='a",
    "token:", "password: a ", "password=a,", "password=a;", "password=a&", "password=[", 'password=["a",', "api_key",
    "key", "_KEY=", "authorization: ", "Authorization: a b ", "Authorization: digest a=", "cookie: a=", "cookie: ",
    "cookie", "a=b; ", "eyJ", "eyJaaaaaaaa.", "sk-", "sk-a", "Bearer ", "bearer a1", "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMIIEMIIEMIIE ", "MIIEMIIE\n", "curl ", "curl a ", "mysql a ", "mysql -",
    "redis-cli x ", "(", "[", "{", "<", "<token>", "<a", "auth=('", "IDENTIFIED BY ", "identified with a ",
    "PASSWORD ", "AKIA", "AKIAAAAAAAAAAAAAAAAA ", "xoxb-", "1.1.1.", "1.1.1.1 ", "a:", ":a@", "http://a:b", "密码",
    "：",
    "13800000000", "11010519491231002X", "4111 1111 1111 1111 ", "SecretStr(", "token: str = ", "--password ",
    "Request Body:", "\U000f0000", "[password:0123ab]", "SG.", "0123456789abcdef", "0123456789abcdef.", 'f"{',
    "**token**", "token is ", "cookies={", "cookies={'a': 'b'", "name: token, value: ", "password is ",
    "INSERT INTO t (token) VALUES (", "into t (token) values ('a'),", "token in (", "token in ('a', ", "Key (token)=(",
    "parameters: $1 = 'a', ", "[parameters: (", "Failing row contains (a, ", "[SQL: ? token = ?", "mysql -p",
    "curl -u a:",     "mysql -pa ", "['curl', '-u', ", "密码是", "密码 a", "password: |\n  ", "dbPass=", "roOTPassword",
    "['X-Api-Key', ",
    "X-Amz-Signature=", "password for a", "echo a | ", "ACL SETUSER a ", "$2b$12$", '"k":"', "user a on ", "::", "1:",
    "ak=", "EXAMPLEexample0123456789/" * 3 + "\nE ", "E E", "MIIEMIIE MIIEMIIEMIIEMIIE\n-----END PRIVATE KEY-----\n",
    "-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nE ", "MIIEMIIEMIIEMIIE ", "Private-Lines: 1\nMIIEMIIE\n",
]  # fmt: skip


def _seconds(call, text, times=3):
    best = float("inf")
    for _ in range(times):
        begin = time.process_time()
        call(text)
        best = min(best, time.process_time() - begin)
    return best


def _ratio(call, unit, tail=""):
    short, long = ((unit * (size // len(unit)) + tail) for size in (SHORT, LONG))
    if _seconds(call, long, times=1) < NOTHING:
        return 0
    return _seconds(call, long) / max(_seconds(call, short), NOTHING / 4)


@pytest.mark.parametrize("unit", CLASSIC)
def test_redaction_is_linear(strict, unit):
    """A long run of any beginning of a secret costs time in proportion."""
    assert _ratio(strict.redact, unit) < LIMIT


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.name)
def test_every_pattern_is_linear_on_its_own_beginnings(rule):
    """A pattern meets long runs of what its samples begin with, without a gate before it."""
    compiled = PatternRule(rule, "hash")

    def find(text):
        return sum(1 for _ in compiled.find(text, Marks(b"k")))

    starts = {"a", "0", " ", "\\", "A1"}
    for sample in rule.samples.changed:
        before, _, rest = sample.partition("«")
        starts |= {before[-20:] or rest[:8], before[-6:] + rest[:1], rest[:4] or "a", before + rest[:12]}
    for unit in sorted(starts - {""}):
        assert _ratio(find, unit) < LIMIT, unit
        assert _ratio(find, unit, "\n!") < LIMIT, unit


def test_patterns_repeat_nothing_without_an_end(redactor):
    """No pattern nests an unbounded repeat in another, which is how exponential time begins."""
    for rule in BOOK.rules:
        assert not re.search(r"[^\\][+*]\)[+*]", rule.pattern), rule.name
    assert redactor.redact("") == ("", {})


def test_a_mebibyte_is_redacted_in_proportion(strict):
    """A text as long as the agent allows costs as much as its parts."""
    line = "2025-11-20 08:00:07.412 INFO [x.py:8] - api_key=EXAMPLE0123 at https://u:example@h/ 4111 1111 1111 1111\n"
    parts = _seconds(lambda text: [strict.redact(text) for _ in range(64)], line * (16_384 // len(line)))
    whole = _seconds(strict.redact, line * (1_048_576 // len(line)))
    assert whole < 3 * parts
