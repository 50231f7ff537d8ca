"""
The places settings come from, each read into one layer.

A layer holds nested values as they were written and, for every key, where that
was: the file and line, or the variable. Nothing is checked here but names and
syntax; types are the models' business.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values
from dotenv.parser import parse_stream

from logship.config.options import PREFIX, Loc, annotation, names_at, nearest, options
from logship.config.variables import VariableSource
from logship.errors import ConfigError

#: Dify's own variables, in Dify's meaning.
DIFY: dict[str, tuple[str, ...]] = {
    "LOG_FILE": ("log_file", "path"),
    "LOG_FILE_MAX_SIZE": ("log_file", "max_size"),
    "LOG_FILE_BACKUP_COUNT": ("log_file", "backup_count"),
    "LOG_FORMAT": ("log_file", "format"),
    "LOG_DATEFORMAT": ("log_file", "date_format"),
    "LOG_TZ": ("log_file", "zone"),
    "LOG_OUTPUT_FORMAT": ("log_file", "output_format"),
}

#: Variables with our prefix that are not options.
_OTHER = re.compile(
    r"LOGSHIP_(?:CONFIG|ENV_FILE|TEST_\w+"
    # … that compose/logship.yaml takes from Dify's .env …
    r"|IMAGE|PULL_POLICY|MEMORY|DOCKER_CONTAINERS"
    # What Kubernetes puts in every container beside a service named logship…
    r"|(?:\w+_)?SERVICE_(?:HOST|PORT)(?:_\w+)?|(?:\w+_)?PORT(?:_\d+_(?:TCP|UDP)(?:_\w+)?)?)"
)


@dataclass(slots=True)
class Layer:
    """What one place says."""

    values: dict[str, Any] = field(default_factory=dict)
    #: Where each key was written, by its place.
    origins: dict[Loc, str] = field(default_factory=dict)

    def put(self, loc: tuple[str, ...], value: object, origin: str) -> None:
        """Set one value."""
        inner = self.values
        for key in loc[:-1]:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[loc[-1]] = value
        self.origins[loc] = origin

    def leaves(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yield every value that is not a mapping, with its place."""
        return _leaves(self.values, ())


def read_environment(environ: Mapping[str, str | None], where: Mapping[str, str] | None = None) -> Layer:
    """Read `LOGSHIP_…`; an empty variable is as good as none, an unknown one is an error."""
    places = where or {}
    layer, mistakes = Layer(), []
    known = {option.variable: option for option in options().values()}
    for name in sorted(environ):
        text = environ[name]
        if not name.startswith(PREFIX) or not text or _OTHER.fullmatch(name):
            continue
        loc = tuple(name[len(PREFIX) :].lower().split("__"))
        if annotation(loc) is None:
            guess = nearest(name.removeprefix(PREFIX), (one.removeprefix(PREFIX) for one in known))
            meant = f"; did you mean {PREFIX}{guess}?" if guess else ""
            mistakes.append(f"{places.get(name, name)} is not an option{meant}")
            continue
        values = VariableSource(name, text)()
        if names_at(loc) and not isinstance(values.get(loc[0]), dict):
            mistakes.append(f"{name} is a section; set its options, such as {name}__{names_at(loc)[0].upper()}")
            continue
        for at, value in _leaves(values, ()):
            layer.put(at, value, places.get(name, name))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return layer


def read_dify(environ: Mapping[str, str | None], where: Mapping[str, str] | None = None) -> Layer:
    """Take Dify's own names from variables; `where` says on which line of a file each stands."""
    layer = Layer()
    for name, loc in DIFY.items():
        if value := environ.get(name):
            # Dify counts whole megabytes of 1024 * 1024.
            size = name == "LOG_FILE_MAX_SIZE" and value.strip().isdigit()
            layer.put(loc, f"{value.strip()}MiB" if size else value, (where or {}).get(name, name))
    return layer


def read_env_file(path: Path) -> tuple[Layer, Layer]:
    """Take Dify's own names from its `.env`, and ours; everything else in it is not for us."""
    text = _text(path)
    where = {
        binding.key: f"{path} line {binding.original.line}: {binding.key}"
        for binding in parse_stream(io.StringIO(text))
        if binding.key
    }
    values = dotenv_values(stream=io.StringIO(text))
    return read_dify(values, where), read_environment(values, where)


def read_yaml(path: Path) -> Layer:
    """Read a configuration file, remembering the line of every key."""
    text = _text(path)
    layer = Layer()
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return layer
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path} line 1: must hold options such as `state_dir: /var/lib/logship`")
        _mark(node, (), path, layer.origins, frozenset())
        values = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f" line {mark.line + 1} column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{at}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        # Characters YAML does not allow; a date that is none.
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    written = _written(values, ())
    layer.values = written if isinstance(written, dict) else {}
    return layer


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "name another file with --config or --env-file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 at byte {error.start}") from None


def _mark(node: yaml.Node, loc: Loc, path: Path, origins: dict[Loc, str], above: frozenset[int]) -> None:
    """Note the line of every key below a node; a key written twice is an error."""
    if id(node) in above:
        raise ConfigError(f"{path} line {node.start_mark.line + 1}: an alias must not stand inside its own anchor")
    above |= {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            origins[*loc, index] = f"{path} line {item.start_mark.line + 1}"
            _mark(item, (*loc, index), path, origins, above)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge":
                for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    _mark(merged, loc, path, origins, above)
                continue
            if key.value in seen:
                raise ConfigError(f"{path} line {line}: {key.value} is already set in line {seen[key.value]}")
            seen[key.value] = line
            origins[*loc, key.value] = f"{path} line {line}"
            _mark(value, (*loc, key.value), path, origins, above)


def _written(value: object, loc: Loc) -> object:
    """Leave out known options without a value (`store:` with everything below it commented out)."""
    if isinstance(value, list):
        return [_written(item, (*loc, index)) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    places = {(*loc, str(key)): item for key, item in value.items()}
    return {at[-1]: _written(item, at) for at, item in places.items() if item is not None or annotation(at) is None}


def _leaves(values: Mapping[str, Any], loc: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*loc, key))
        else:
            yield (*loc, key), value
