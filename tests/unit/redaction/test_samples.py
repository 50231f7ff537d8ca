"""Every rule's own samples: what must go goes, what must stay stays."""

import json
import re

import pytest
from shipped_rules import BOOK

MARK = re.compile(r"\[[a-z][a-z0-9-]*:[0-9a-f]{6}\]")
_OWNERS = [*BOOK.rules, *BOOK.fields.families]
SOURCES = [(owner.name, getattr(owner, "policy", None), owner.samples) for owner in _OWNERS]
SOURCES += [(name, None, getattr(BOOK, name)) for name in ("private_keys", "urls", "cookies", "bodies")]
CHANGED = [
    pytest.param(policy, text, id=f"{name}: {text[:50]}") for name, policy, own in SOURCES for text in own.changed
]
KEPT = [pytest.param(policy, text, id=f"{name}: {text[:50]}") for name, policy, own in SOURCES for text in own.kept]


@pytest.mark.parametrize(("policy", "text"), CHANGED)
def test_secrets_go_and_all_else_stays(redactors, policy, text):
    """A positive sample loses exactly what stands between its quotation marks."""
    redacted, counts = redactors(policy).redact(text.replace("«", "").replace("»", ""))
    assert re.sub("(?s)«.*?»", "…", text) == MARK.sub("…", redacted)
    assert len(re.findall("«", text)) == sum(counts.values())


@pytest.mark.parametrize(("policy", "text"), CHANGED)
def test_positive_samples_are_suspects(redactors, policy, text):
    """The first look names every positive sample, also among others."""
    plain = text.replace("«", "").replace("»", "")
    assert 1 in redactors(policy).suspects(["nothing here", plain, "nor here"])


@pytest.mark.parametrize(("policy", "text"), CHANGED)
def test_positive_samples_are_suspects_in_the_record_of_an_engine(redactors, policy, text):
    """A line is looked at as it lies in Docker's file, before it is decoded."""
    plain = text.replace("«", "").replace("»", "")
    record = json.dumps({"log": plain + "\n", "stream": "stdout", "time": "2025-11-20T08:00:07.412Z"})
    assert [1] == redactors(policy).hits(f'\0{{"log":"nothing here\\n"}}\0{record}\0'.encode())


@pytest.mark.parametrize(("policy", "text"), KEPT)
def test_ordinary_text_is_unharmed(redactors, policy, text):
    """A negative sample is not changed."""
    assert (text, {}) == redactors(policy).redact(text)


@pytest.mark.parametrize("text", BOOK.ordinary)
def test_ordinary_lines_are_no_suspects(redactor, text):
    """Ordinary lines do not even cost the exact rules."""
    assert [] == list(redactor.suspects([text]))
    assert (text, {}) == redactor.redact(text)


def test_every_rule_has_samples_of_both_kinds():
    """A rule without proof is not shipped."""
    assert [] == [name for name, _, own in SOURCES if not own.changed or not own.kept]
