"""Pipeline files: what they may say, and clear errors when they say something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo

from logship.errors import PipelineError
from logship.model import COPY, Source
from logship.pipeline.columns import TYPES


def _pattern(text: str, info: ValidationInfo) -> str:
    if info.context == "trusted":  # a shipped file: its patterns are compiled when a source needs them
        return text
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _target(text: str) -> str:
    kind = text.partition(":")[2]
    if kind and kind not in TYPES:
        raise ValueError(f"unknown type {kind!r}; one of {', '.join(sorted(TYPES))}")
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
Target = Annotated[str, AfterValidator(_target)]
Exceptions = Literal["python", "java", "go", "node", "rust", "any"]
#: As `FormatSpec.time`: events have the container engine's time, else that of reading.
READING = "reading"
#: Name of the format that LOG_FORMAT becomes.
LOG_FORMAT = "log_format"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MessageRule(_Strict):
    """A form of message whose parts are fields of their own."""

    name: str
    #: A cheap gate: the message contains it, or one of them; with `begins`, it begins with it.
    literal: str | list[str] = ""
    begins: bool = False
    match: Pattern
    fields: dict[str, Target] = {}
    set: dict[str, Any] = {}


class FormatSpec(_Strict):
    """One form of event."""

    name: str
    #: Who prints it, where a pipeline is of several services: what recognises lines names it.
    service: str = ""
    match: Pattern | None = None
    #: The event is one JSON object; groups are dotted paths in it.
    json_: bool = Field(False, alias="json")
    require: list[str] = []
    time: str | list[str] = "iso"
    levels: dict[str, str] = {}
    #: Special group to path, or to several: the first that is there counts.
    groups: dict[str, str | list[str]] = {}
    fields: dict[str, Target | list[Target]] = {}
    set: dict[str, Any] = {}
    #: Groups whose text is a quoted string's: `\\"` in it stands for `"`.
    escaped: list[str] = []
    exception: Exceptions | None = None
    messages: list[str] = []
    #: Flattened object that takes the members of a JSON event that are no field.
    rest: str = "dify.attributes"


class LogFormat(_Strict):
    """What is done with events of LOG_FORMAT, beside what it says itself."""

    exception: Exceptions | None = None
    messages: list[str] = []


class DropRule(_Strict):
    """Events to leave out, counted by the rule's name."""

    name: str
    #: Names of the formats it looks at; none: every event.
    format: str | list[str] = []
    #: On the message, from its beginning.
    match: Pattern = ""
    #: Field to pattern, on the whole value: fields that the format itself has, not those of message rules.
    where: dict[str, Pattern] = {}
    enabled: bool = False

    @property
    def formats(self) -> list[str]:
        """Return the formats as a list."""
        return [self.format] if isinstance(self.format, str) else self.format


class Sample(_Strict):
    """Lines and the documents that they must become."""

    name: str
    stream: str = ""
    input: str
    expect: list[dict[str, Any]]


class PipelineSpec(_Strict):
    """One pipeline file."""

    name: str = ""
    services: list[str] = []
    images: list[str] = []
    dataset: str | None = None
    priority: int = 0
    starts: list[Pattern] = []
    #: Lines that begin an event and are all of it: what follows is not a part of it, whatever it is.
    alone: list[Pattern] = []
    #: What stands before the further lines of an event too, and is no part of them.
    before_further: Pattern | None = None
    #: The services heed LOG_FORMAT and LOG_DATEFORMAT: `pipeline/logformat.py` makes a format of them.
    log_format: LogFormat | None = None
    formats: list[FormatSpec] = []
    messages: dict[str, list[MessageRule]] = {}
    drop: list[DropRule] = []
    samples: list[Sample] = []

    def matches(self, source: Source) -> bool:
        """Return whether the pipeline names the source's service or image."""
        return self.names(source.service) or self.knows_image(source.image)

    def names(self, service: str) -> bool:
        """Return whether the pipeline names the service."""
        return any(fnmatchcase(service, pattern) for pattern in self.services)

    def knows_image(self, image: str) -> bool:
        """Return whether the pipeline names the image's repository."""
        return any(part in image for part in self.images if image)


class Pipelines:
    """The pipelines that are known; later directories override earlier ones by file name."""

    def __init__(self, specs: Iterable[PipelineSpec]) -> None:
        self.specs = {spec.name: spec for spec in specs}
        if "generic" not in self.specs:
            raise PipelineError("no pipeline named generic, the fallback for unknown services")

    @classmethod
    def load(cls, directories: Sequence[Path]) -> Pipelines:
        """Read every `*.yaml` of the directories; raises PipelineError naming file, place and what is wrong."""
        return cls(read_spec(path) for path in _paths(directories))

    @classmethod
    def load_for_use(cls, shipped: Path, own: Sequence[Path]) -> Pipelines:
        """
        Read the pipelines without their samples, and trust the shipped ones to be well-formed: a quick start.

        Raises PipelineError as `load` does, and for a directory of one's own that is not there.
        """
        require(own)
        return cls(
            read_spec(path, samples=False, trusted=path.parent == shipped) for path in _paths([shipped, *own])
        )

    def for_source(self, source: Source) -> PipelineSpec:
        """Return the pipeline of a source: by service name, else by image, else the generic one."""
        ranked = sorted(self.specs.values(), key=lambda spec: -spec.priority)
        for spec in ranked:
            if spec.names(source.service):
                return spec
        for spec in ranked:
            if spec.knows_image(source.image):
                return spec
        return self.specs["generic"]


def require(own: Sequence[Path]) -> None:
    """Raise PipelineError unless all of these directories, or files, are there."""
    if missing := [str(path) for path in own if not path.exists()]:
        raise PipelineError(f"no such file or directory: {', '.join(missing)}", "check settings `pipelines` and PATH")


def _paths(directories: Sequence[Path]) -> Iterable[Path]:
    found = {
        path.stem: path
        for directory in directories
        for path in ([directory] if directory.is_file() else sorted(directory.glob("*.yaml")))
        if path.stem not in {"redaction", "audit"}
    }
    return found.values()


def read_spec(path: Path, *, samples: bool = True, trusted: bool = False) -> PipelineSpec:
    """Read one pipeline file; raises PipelineError."""
    try:
        text = path.read_text()
        if not samples and not text.startswith("samples:"):
            text = _without_samples(text)
        loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # safe
        context = "trusted" if trusted else None
        spec = PipelineSpec.model_validate({"name": path.stem, **(loaded or {})}, context=context)
    except (OSError, yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise PipelineError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PipelineError(f"{path}: {place}: {first['msg']} (found {str(first['input'])[:80]!r})") from error
    known = set(spec.messages)
    named = {f"formats.{form.name}": form.messages for form in spec.formats}
    for place, rules in (named | {LOG_FORMAT: spec.log_format.messages if spec.log_format else []}).items():
        if unknown := [name for name in rules if name not in known]:
            raise PipelineError(f"{path}: {place}.messages: no message rules named {', '.join(unknown)}")
    for form in spec.formats:
        if (form.match is None) == (not form.json_):
            raise PipelineError(f"{path}: formats.{form.name}: needs either match or json: true")
    for rule in spec.drop:
        names = [*(form.name for form in spec.formats), *([LOG_FORMAT] if spec.log_format else [])]
        if unknown := [name for name in rule.formats if name not in names]:
            raise PipelineError(f"{path}: drop.{rule.name}.format: no formats named {', '.join(unknown)}")
        if rule.name == COPY:
            raise PipelineError(f"{path}: drop.{rule.name}: the name is taken: what Dify writes twice is counted by it")
        if not rule.match and not rule.where:
            raise PipelineError(f"{path}: drop.{rule.name}: needs match or where, else it drops everything")
    return spec


def _without_samples(text: str) -> str:
    """Cut the top-level key `samples` out; what comes after it stays."""
    before, key, after = text.partition("\nsamples:")
    following = re.search(r"^[A-Za-z]\w*:", after, re.MULTILINE)
    return f"{before}\n{after[following.start():]}" if key and following else before
