"""No regular expression of the product can be made slow: time grows with the length of a text, not with its square."""

import importlib
import inspect
import pkgutil
import re
import time

import pytest
from attacks import SUFFIXES, attacks

import logship.lines
import logship.pipeline
from logship.data import data_path
from logship.lines.join import compile_starts
from logship.pipeline.encoder import further_lines
from logship.pipeline.escaped import record_pattern
from logship.pipeline.formats import RegexFormat
from logship.pipeline.logformat import understand
from logship.pipeline.redaction.rules import read_rules
from logship.pipeline.spec import Pipelines

SHORT, LONG = 4_000, 16_000
#: Four times the length may cost this many times as much: linear is 4, quadratic 16.
LIMIT = 9
#: Seconds for the short text that are too few to tell anything; what is quadratic takes longer.
NOTHING = 0.003
#: Patterns whose texts the product itself makes or bounds.
OURS = {
    "logship.pipeline.recognise._SYNTAX": "reads patterns of pipeline files",
    "logship.pipeline.escaped._PART": "reads patterns of pipeline files",
    "logship.pipeline.escaped._CLASSES": "reads patterns of pipeline files",
    "logship.pipeline.escaped._HEX": "reads patterns of pipeline files",
    "logship.pipeline.fastpath._AFTER_TIME": "reads patterns of pipeline files",
    "logship.pipeline.fastpath._BEYOND": "reads patterns of pipeline files",
    "logship.pipeline.members._NAMED": "reads patterns of pipeline files",
    "logship.pipeline.members._PLAIN": "reads patterns of pipeline files",
    "logship.pipeline.members._TOKEN": "reads patterns of pipeline files",
    "logship.pipeline.formats._WHOLE": "reads patterns of pipeline files",
    "logship.pipeline.cells._SLOT": "reads templates of the product",
    "logship.pipeline.cells._NUMBER": "reads templates of the product",
    "logship.pipeline.template._SLOT": "reads templates of the product",
    "logship.pipeline.enrichment.origin._DIFY": "reads the name of an image",
    "logship.pipeline.redaction.fields._FLAGGED": "reads 60 characters",
    "logship.pipeline.redaction.fields._LISTED": "reads 60 characters",
    "logship.pipeline.redaction.fields._TUPLE": "reads 60 characters",
    "logship.pipeline.redaction.fields._ITEM": "reads 60 characters",
    "logship.pipeline.redaction.fields._PREVIOUS": "reads 24 characters",
}
PIPELINES = Pipelines.load([data_path("pipelines")])
#: LOG_FORMATs whose parts end in what they may hold themselves.
LAYOUTS = [
    "%(asctime)s %(threadName)s %(levelname)s %(name)s - %(message)s",
    "%(threadName)-30s - %(colour)s - %(levelname)8s - %(message)s - %(pathname)s - %(funcName)s %(lineno)d",
    "%(message)s (%(filename)s:%(lineno)d)",
    "%(name)s: %(message)r",
]
RULES = read_rules(data_path("pipelines") / "redaction.yaml")


def _pipeline_patterns():
    for spec in PIPELINES.specs.values():
        for kind, patterns in (("starts", spec.starts), ("alone", spec.alone)):
            for number, pattern in enumerate(patterns):
                yield f"{spec.name} {kind} {number}", re.compile(pattern, re.ASCII), {"match"}
            if patterns:
                yield f"{spec.name} {kind}", compile_starts(patterns).__self__, {"match"}
        if spec.before_further:
            yield f"{spec.name} further lines", further_lines(spec), {"sub"}
        for form in spec.formats:
            if form.match:
                yield f"{spec.name} {form.name}", RegexFormat(form, "UTC")._match.__self__, {"match"}
                match = form.match if "(?P<message>" in form.match else f"(?P<message>{form.match})"
                if record := record_pattern(match):
                    yield f"{spec.name} {form.name} in a record", record, {"lines"}
        for name, rules in spec.messages.items():
            for rule in rules:
                yield f"{spec.name} {name} {rule.name}", re.compile(rule.match, re.ASCII), {"match"}
        for rule in spec.drop:
            if rule.match:
                yield f"{spec.name} drop {rule.name}", re.compile(rule.match, re.ASCII), {"match"}
            for field, pattern in rule.where.items():
                yield f"{spec.name} drop {rule.name} {field}", re.compile(pattern, re.ASCII), {"fullmatch"}


def _layout_patterns():
    for layout in LAYOUTS:
        spec = understand(PIPELINES, layout, "%c").specs["api"]
        (form,) = [one for one in spec.formats if one.name == "log_format"]
        yield f"{layout} starts", re.compile(spec.starts[0], re.ASCII), {"match"}
        yield layout, RegexFormat(form, "UTC")._match.__self__, {"match"}
        if record := record_pattern(form.match):
            yield f"{layout} in a record", record, {"lines"}


def _module_patterns():
    for package in (logship.lines, logship.pipeline):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            source = inspect.getsource(module)
            for name, value in vars(module).items():
                full = f"{found.name}.{name}"
                if (
                    isinstance(value, re.Pattern)
                    and full not in OURS
                    and re.search(rf"^{name}\b.*= ?re\.", source, re.MULTILINE)
                ):
                    used = set(re.findall(rf"\b{name}\.(match|fullmatch|search|finditer|findall|sub|split)\b", source))
                    yield full, value, used or {"match", "search"}


def _redaction_patterns():
    for rule in RULES.rules:
        yield f"redaction {rule.name}", rule.compiled(), {"finditer"}


PATTERNS = [*_pipeline_patterns(), *_layout_patterns(), *_module_patterns(), *_redaction_patterns()]


def _seconds(pattern, methods, text):
    if isinstance(pattern.pattern, bytes):
        text = text.encode()
    begin = time.process_time()
    for method in methods & {"match", "fullmatch", "search"}:
        getattr(pattern, method)(text)
    if "lines" in methods:
        pattern.findall(text + b"\n")
    if methods & {"finditer", "findall", "sub", "split"}:
        for _ in pattern.finditer(text):
            pass
    return time.process_time() - begin


def _slow(pattern, methods, text):
    """Return why a text is one too many, or an empty text; `text` gives it in any length."""
    for length, limit in ((24, 0.2), (40, 0.2), (64, 0.2), (120, 0.2), (240, 0.2), (600, 0.4)):
        if _seconds(pattern, methods, text(length)) > limit and _seconds(pattern, methods, text(length)) > limit:
            return f"more than {limit} s for {length} characters"
    if _seconds(pattern, methods, text(SHORT)) < NOTHING:
        return ""
    for _ in range(3):
        short = min(_seconds(pattern, methods, text(SHORT)) for _ in range(3))
        ratio = _seconds(pattern, methods, text(LONG)) / max(short, NOTHING / 3)
        if ratio < LIMIT:
            return ""
    return f"{ratio:.1f} times the time for 4 times the length"


@pytest.mark.parametrize(("pattern", "methods"), [one[1:] for one in PATTERNS], ids=[one[0] for one in PATTERNS])
def test_a_pattern_takes_time_in_proportion(pattern, methods):
    """Long runs of whatever a pattern repeats, after whatever leads there, cost what their length costs."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    found = []
    for before, pump in attacks(source, pattern.flags & re.ASCII):
        for suffix in SUFFIXES:
            why = _slow(pattern, methods, lambda n, b=before, p=pump, s=suffix: b + p * (n // len(p) + 1) + s)
            if why:
                found.append((why, before[-60:], pump[:60], suffix))
    assert [] == found


def _found(source, methods):
    pattern = re.compile(source)
    tries = [(*attack, suffix) for attack in attacks(source) for suffix in SUFFIXES]
    return any(_slow(pattern, methods, lambda n, t=one: t[0] + t[1] * (n // len(t[1]) + 1) + t[2]) for one in tries)


@pytest.mark.parametrize("source", [r"(a+)+!", r"\s*x.*?y\s*z", r"(?:\w+ ?)+!", r"x\d*\d*y", r'"(?:[^"]|\\.)*"'])
def test_the_attacks_find_slow_patterns(source):
    """Patterns that are known to be slow are found."""
    assert _found(source, {"search"})


@pytest.mark.parametrize("source", [r"a+!", r"x\d{0,9}y", r'"(?:[^"\\]|\\.)*"', r"\w+ \w+"])
def test_the_attacks_let_linear_patterns_pass(source):
    """Patterns that are known to be linear are not taken for slow."""
    assert not _found(source, {"match"})
