"""The committed configuration file and schema say what the code does."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from logship.config import Settings, load
from logship.config.options import options
from logship.config.schema import json_schema, schema_text

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture
def uncommented(tmp_path):
    """Give the configuration file with every option's `#` removed."""
    text = (CONFIG / "logship.yaml").read_text("utf-8")
    path = tmp_path / "logship.yaml"
    path.write_text(re.sub(r"(?m)^( *)#(?=[a-z_]+:)", r"\1", text), "utf-8")
    return path


def test_the_file_as_it_is_sets_nothing():
    """Everything in it is commented out, so it loads to the defaults."""
    found = load(CONFIG / "logship.yaml", environ={})
    assert Settings() == found.settings
    assert {"default"} == {value.origin for value in found.values()}


def test_what_the_file_shows_is_the_default(uncommented):
    """With the `#` removed, every value is still the default."""
    found = load(uncommented, environ={}).settings
    assert Settings(state_dir=Path("/var/lib/logship")) == found


def test_every_option_is_in_the_file(uncommented):
    """Each option is there under its section, with a comment above its block."""
    values = yaml.safe_load(uncommented.read_text("utf-8"))

    def names(part, above=()):
        for key, value in part.items():
            if isinstance(value, dict) and value:
                yield from names(value, (*above, key))
            else:
                yield ".".join((*above, key))

    assert set(options()) == set(names(values))


def test_the_committed_schema_is_current():
    """`logship config schema` prints the committed file."""
    assert schema_text() == (CONFIG / "logship.schema.json").read_text("utf-8")


def test_the_schema_accepts_the_file_and_refuses_mistakes():
    """An editor with the schema is content with the file and marks unknown names and wrong values."""
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.validate(yaml.safe_load((CONFIG / "logship.yaml").read_text("utf-8")))
    for good in ({"store": {"retention_size": "5GiB", "enabled": False}}, {"files": [{"path": "/a"}]}):
        validator.validate(good)
    for bad in ({"stor": {}}, {"store": {"enabled": "maybe"}}, {"files": [{}]}, {"ingest": {"quiet_seconds": 0}}):
        assert not validator.is_valid(bad), bad


def test_every_option_has_a_description():
    """The schema explains every option."""
    assert [name for name, option in options().items() if not option.field.description] == []


def test_the_schema_is_plain_json():
    """The committed file is JSON with sorted names."""
    text = (CONFIG / "logship.schema.json").read_text("utf-8")
    assert json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n" == text
