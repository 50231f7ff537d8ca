"""What all files of one service and zone share: compiled patterns, and what parts that repeat become."""

from __future__ import annotations

from dataclasses import dataclass, field

from logship.pipeline.formats import JsonFormat, Messages, RegexFormat
from logship.pipeline.members import Combinations
from logship.pipeline.spec import PipelineSpec

#: Format, start of an event and pattern of a form that goes the short way.
Form = tuple[int, str, str | None]
_FORMS = 64


@dataclass(frozen=True, slots=True)
class Compiled:
    """The formats of one pipeline, for stamps of one zone."""

    formats: list[RegexFormat | JsonFormat]
    #: Message rules of each format, if it has any.
    messages: list[Messages | None]
    combinations: dict[Form, Combinations] = field(default_factory=dict)

    def shared(self, form: Form) -> Combinations:
        """Return what the files of a form know of its combinations."""
        if form not in self.combinations and len(self.combinations) >= _FORMS:
            self.combinations.clear()
        return self.combinations.setdefault(form, {})


def compile_pipeline(spec: PipelineSpec, zone: str) -> Compiled:
    """Compile a pipeline's patterns for stamps of a zone."""
    return Compiled(
        [JsonFormat(form, zone) if form.json_ else RegexFormat(form, zone) for form in spec.formats],
        [
            Messages([rule for name in form.messages for rule in spec.messages[name]]) if form.messages else None
            for form in spec.formats
        ],
    )
