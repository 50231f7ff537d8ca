"""`elk/searches.md`: what an operator asks, in each of the query languages."""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from logship.elastic.views.model import STREAMS, Text

_HEAD = """\
# 25 questions

Made by `make generate` from `logship/elastic/views/questions.yaml`. Each question in four forms: Lucene for Kibana
(switch the query bar from KQL), Grafana and `logship search`; KQL for Kibana; ES|QL for Discover and the console of
Elasticsearch 8.14 and later; and the command line.

Tests ask them of one corpus: the Lucene of a real Elasticsearch and of `logship search`, which must find the same
documents; the KQL, parsed and translated to the query DSL, likewise. **ES|QL was not run**: the server that the tests
can start has no ES|QL. It is parsed, its fields are looked up in the table, and its conditions, translated to the query
DSL, find the same documents as well.
"""


class Question(BaseModel):
    """A question, and how to ask it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Text
    lucene: str
    kql: str
    #: What stands after WHERE.
    esql: str
    #: What to look at in the answer.
    fields: tuple[str, ...]

    @property
    def whole_esql(self) -> str:
        """The ES|QL query."""
        kept = ", ".join(("@timestamp", *self.fields))
        return f"FROM {STREAMS['logs']} | WHERE {self.esql} | SORT @timestamp DESC | KEEP {kept} | LIMIT 100"

    @property
    def command(self) -> str:
        """The command line."""
        return f"logship search {shlex.quote(self.lucene)} --fields {','.join(('@timestamp', *self.fields))}"


def load() -> tuple[Question, ...]:
    """Read the questions."""
    path = Path(__file__).with_name("questions.yaml")
    return tuple(Question.model_validate(one) for one in yaml.safe_load(path.read_text(encoding="utf-8")))


def markdown(questions: tuple[Question, ...]) -> str:
    """Return the page."""
    parts = [_HEAD]
    for number, one in enumerate(questions, 1):
        parts.append(
            f"\n## {number}. {one.question.en}\n\n{one.question.zh}\n\n```text\nLucene   {one.lucene}\n"
            f"KQL      {one.kql}\nES|QL    {one.whole_esql}\n```\n\n```console\n$ {one.command}\n```\n"
        )
    return "".join(parts)
