"""The rules as they are shipped, read once."""

from logship.data import data_path
from logship.pipeline.redaction.rules import read_rules

RULES = data_path("pipelines") / "redaction.yaml"
BOOK = read_rules(RULES)
KEY = b"a key of the tests"
