"""A pipeline made from a log passes its own test."""

import pytest
import yaml
from api_lines import LINES

from logship.data import data_path
from logship.pipeline.redaction import Redactor
from logship.pipeline.samples import check
from logship.pipeline.skeleton import skeleton
from logship.pipeline.spec import Pipelines, read_spec

PIPELINES = Pipelines.load([data_path("pipelines")])
REDACTOR = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"k" * 32)
LOGS = {
    name: [line for sample in spec.samples for line in sample.input.split("\n")]
    for name, spec in PIPELINES.specs.items()
}
LOGS |= {
    "api lines": LINES,
    "one line": ["hello"],
    "brackets": [
        "[2025-11-20T08:00:00,123][INFO ][o.o.n.Node][id] started",
        "[2025-11-20T08:00:01,123][WARN ][o.o.n.Node][id] slow",
    ],
    "no year": ["Nov 20 08:00:01 WARN hot", "Nov 20 08:00:02 INFO cold"],
    "quotes": ['it\'s "so": {}', "# - & * ! | > % @ `"],
    "json": [
        '{"ts": 1763625601.5, "lvl": "warn", "msg": "it\'s", "n": {"a": 1}}',
        '{"ts": 1763625602, "lvl": "info", "msg": "ok"}',
    ],
    "not text": ["\0\x01\x1b[0m", "\ufffd\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")],
}


@pytest.mark.parametrize("name", LOGS)
def test_it_passes_its_own_samples(tmp_path, name):
    """The file can be read, and each of its samples becomes what it says, with another installation's key too."""
    path = tmp_path / "mine.yaml"
    path.write_text(skeleton("mine", LOGS[name], REDACTOR))
    spec = read_spec(path)
    assert spec.samples
    other = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"x" * 32)
    assert [] == [one for sample in spec.samples for one in check(spec, sample, other)]


def test_time_level_and_start_are_guessed():
    """An event starts with its stamp; time, level and message are found, a traceback is split off."""
    made = yaml.safe_load(skeleton("mine", LINES, REDACTOR))
    expected = [sample["expect"] for sample in made["samples"]]
    assert "2025-11-20T08:00:08.412Z" == expected[1][0]["@timestamp"]
    assert ["info", "error", "warning"] == [one["log.level"] for (one,) in expected]
    assert "ZeroDivisionError" == expected[1][0]["error.type"]


def test_keys_of_json_are_guessed():
    """Epoch seconds, level and message are taken from where they stand."""
    made = yaml.safe_load(skeleton("mine", LOGS["json"], REDACTOR))
    (one,) = made["samples"][0]["expect"]
    assert {"@timestamp": "2025-11-20T08:00:01.5Z", "log.level": "warning", "message": "it's"} == one


def test_secrets_of_the_log_are_not_in_the_file():
    """The samples are redacted before they are written."""
    made = skeleton("mine", ["2025-11-20 08:00:00 ERROR password=hunter2-very-secret"], REDACTOR)
    assert "hunter2" not in made
