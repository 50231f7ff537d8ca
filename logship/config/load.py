"""
Merge the layers into settings and remember where each value came from.

Strongest first: the command line, `LOGSHIP_…` variables, the YAML file, Dify's
own variables, Dify's `.env`, the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from logship.config.layers import Layer, read_dify, read_env_file, read_environment, read_yaml
from logship.config.mistakes import explain
from logship.config.options import MASK, Loc, Option, options, secrets
from logship.config.settings import Settings
from logship.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Value:
    """One option's value and where it came from."""

    name: str
    #: Plain data; a secret is masked.
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Effective:
    """The settings that hold, and why."""

    settings: Settings
    origins: Mapping[Loc, str]
    #: The file that was read, if any.
    config: Path | None

    def values(self) -> list[Value]:
        """Return every option with its value and origin, secrets masked."""
        found = []
        for option in options().values():
            value: Any = self.settings
            for key in option.loc:
                value = getattr(value, key)
            shown = MASK if option.secret and value is not None else _plain(value)
            found.append(Value(option.name, shown, self._origin(option)))
        return found

    def _origin(self, option: Option) -> str:
        if option.mapping:
            size = len(option.loc)
            inner = [origin for at, origin in self.origins.items() if at[:size] == option.loc and len(at) > size]
            if inner:
                return ", ".join(dict.fromkeys(inner))
        return self.origins.get(option.loc, "default")


def load(
    config: Path | None = None,
    env_file: Path | None = None,
    command_line: Mapping[str, tuple[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Effective:
    """
    Read all layers; `command_line` maps a dotted option to the switch that set it and its value.

    Without `config`, `LOGSHIP_CONFIG` or the file in the system's or user's
    place is read. Raises `ConfigError` that lists every mistake.
    """
    environ = os.environ if environ is None else environ
    config = config or _named(environ, "LOGSHIP_CONFIG") or _usual(environ)
    env_file = env_file or _named(environ, "LOGSHIP_ENV_FILE")
    switches = Layer()
    for name, (switch, value) in (command_line or {}).items():
        switches.put(tuple(name.split(".")), value, switch)
    dify, own = read_env_file(env_file) if env_file else (Layer(), Layer())
    layers = [
        dify,
        read_dify(environ),
        read_yaml(config) if config else Layer(),
        own,
        read_environment(environ),
        switches,
    ]
    merged = _merge(layers)
    _read_secret_files(merged)
    try:
        settings = Settings(**merged.values)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, merged))) from None
    return Effective(settings, merged.origins, config)


def _merge(layers: list[Layer]) -> Layer:
    """Lay each layer over the ones before; lists are replaced whole."""
    merged = Layer()
    for layer in layers:
        for loc, value in layer.leaves():
            if (twin := _twin(loc)) and layer.origins.get(twin):
                raise ConfigError(f"{layer.origins[loc]}: {'.'.join(loc)} and {'.'.join(twin)} are both set; leave one")
            for old in [at for at in merged.origins if at[: len(loc)] == loc]:
                del merged.origins[old]
            if twin:
                _forget(merged, twin)
            merged.put(loc, value, layer.origins.get(loc, ""))
        # Lines of sections and list items too: mistakes in them are told by the nearest line.
        merged.origins.update(layer.origins)
    return merged


def _forget(layer: Layer, loc: tuple[str, ...]) -> None:
    section = layer.values.get(loc[0])
    if isinstance(section, dict):
        section.pop(loc[-1], None)
    layer.origins.pop(loc, None)


def _twin(loc: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the other way to set a secret: itself, or the file that holds it."""
    if loc in secrets():
        return (*loc[:-1], f"{loc[-1]}_file")
    plain = (*loc[:-1], loc[-1].removesuffix("_file"))
    return plain if loc[-1].endswith("_file") and plain in secrets() else None


def _read_secret_files(merged: Layer) -> None:
    for loc in sorted(secrets()):
        at = (*loc[:-1], f"{loc[-1]}_file")
        section = merged.values.get(at[0])
        path = section.get(at[-1]) if isinstance(section, dict) else None
        if isinstance(path, str | Path) and path:
            origin = merged.origins[at]
            try:
                secret = Path(path).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "is not UTF-8"
                raise ConfigError(f"{origin}: {'.'.join(at)} {path}: {reason}") from None
            merged.put(loc, secret, f"{path} ({origin})")


def _named(environ: Mapping[str, str], variable: str) -> Path | None:
    return Path(environ[variable]) if environ.get(variable) else None


def _usual(environ: Mapping[str, str]) -> Path | None:
    own = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "/") / ".config")
    places = [own / "logship" / "logship.yaml", Path("/etc/logship/logship.yaml")]
    return next((place for place in places if place.is_file()), None)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
