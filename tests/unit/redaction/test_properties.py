"""What must hold for any text: no exception, idempotence, suspects name all that would change, JSON stays JSON."""

import json

import pytest
import secret_texts
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from shipped_rules import BOOK, KEY

from logship.pipeline.redaction import Redactor
from logship.pipeline.redaction.redactor import PatternRule

CORPUS = list(secret_texts.texts(seed=20, count=6))
SAMPLES = [
    text.replace("«", "").replace("»", "")
    for owner in (*BOOK.rules, *BOOK.fields.families, BOOK.private_keys, BOOK.urls, BOOK.cookies, BOOK.bodies)
    for samples in [getattr(owner, "samples", owner)]
    for text in samples.changed + samples.kept
]


def _words(text):
    return text.split()


_PIECES = st.sampled_from(
    [
        *_words(
            r"""password token api_key secret key Authorization Cookie Bearer Basic = : => " ' \" \\\" \n \u0026
            \u003d &
            ? ; , [ ] { } ( ) @ :// / \/ % %3D %26 - -- . _ * < > </ sk- app- eyJ 4111
            13800000000 example hunter2 None null 1 12345678 [password:0123ab] [email] ： 密码 é 😀"""
        ),
        *("\0", "\n", " ", "\t", "\U000f0001"),
    ]
)
TEXTS = st.one_of(
    st.text(),
    st.lists(_PIECES, max_size=25).map("".join),
    st.lists(st.one_of(_PIECES, st.sampled_from(SAMPLES)), max_size=8).map(" ".join),
    st.tuples(st.sampled_from(SAMPLES), st.text(max_size=5), st.sampled_from(SAMPLES)).map("".join),
)
FUZZ = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(text=TEXTS)
def test_any_text_is_redacted_without_an_exception_and_only_once(strict, text):
    """Redacting what was redacted changes nothing more, and says so."""
    once, _ = strict.redact(text)
    assert (once, {}) == strict.redact(once)


@FUZZ
@given(text=TEXTS)
def test_what_would_change_is_a_suspect(strict, text):
    """The first look never misses what the exact rules would replace."""
    if strict.redact(text)[0] != text:
        assert 0 in strict.suspects([text])


@FUZZ
@given(text=TEXTS, level=st.integers(1, 3))
def test_what_would_change_is_a_suspect_behind_escapes(strict, text, level):
    """A secret in a JSON string is seen in the raw line, however often that string was encoded."""
    if strict.redact(text)[0] != text:
        assert 0 in strict.suspects([secret_texts.escaped(text, level)])


@FUZZ
@given(texts=st.lists(TEXTS, max_size=6))
def test_suspects_are_the_same_alone_and_among_others(strict, texts):
    """Joining texts for one scan names the right ones, NULs inside or not."""
    alone = [index for index, text in enumerate(texts) if strict.suspects([text])]
    assert set(alone) <= set(strict.suspects(texts))


@FUZZ
@given(text=TEXTS)
def test_every_rule_is_tried_where_it_would_find_something(strict, text):
    """A rule's scan names all texts in which its pattern finds a secret."""
    named = strict._scanner.rules(text)
    for rule in BOOK.rules:
        found = PatternRule(rule, "hash").find(text, lambda *_: "")
        assert rule.name in named or not any(True for _ in found)


@FUZZ
@given(text=TEXTS, name=st.sampled_from(["message", "password", "api_key", "x"]))
@example(text="----BEGIN PRIVATE KEY----00000000", name="message")
def test_json_stays_json(strict, text, name):
    """A JSON text that holds secrets is still JSON without them, and holds the same keys."""
    document = json.dumps({name: text, "n": 1, "list": [text]}, ensure_ascii=False)
    redacted, _ = strict.redact(document)
    assert [name, "n", "list"] == list(json.loads(redacted))


@pytest.mark.parametrize("level", range(4))
def test_secrets_of_common_forms_do_not_survive(redactor, level):
    """Neither a secret nor half of it is left, at any level of JSON, and JSON stays JSON."""
    survivors = []
    for text, secret, depth in CORPUS:
        if depth == level:
            redacted, counts = redactor.redact(text)
            if not counts or secret in redacted or secret_texts.escaped(secret, level) in redacted:
                survivors.append((text, redacted))
            elif level:
                json.loads(redacted)
    assert [] == survivors


def test_corpus_is_suspect_and_stays_redacted(redactor):
    """Every text of the corpus is named by one scan, and is redacted once."""
    texts = [text for text, _, _ in CORPUS]
    assert list(range(len(texts))) == list(redactor.suspects(texts))
    for text in texts[::3]:
        once, _ = redactor.redact(text)
        assert (once, {}) == redactor.redact(once)


def test_marks_depend_on_the_key_alone(redactor):
    """Equal secrets have equal marks under one key, and different marks under another."""
    other = Redactor(BOOK, policies={}, key=KEY + b"!")
    first, _ = redactor.redact("password=example-1 and again password=example-1")
    mark = first.split("=")[1].split(" ")[0]
    assert f"password={mark} and again password={mark}" == first
    assert other.redact("password=example-1")[0] != f"password={mark}"
