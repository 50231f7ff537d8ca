"""
Where an address lies and whose network it is in: `source.geo.*` and `source.as.*`.

Reads MaxMind DB files (https://maxmind.github.io/MaxMind-DB/) with the records of GeoLite2 and
GeoIP2 City, Country and ASN, which other vendors follow. The operator brings the files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from logship.errors import ConfigError
from logship.pipeline.columns import Column, dumps

#: Different addresses remembered; at most some 5 MB.
_KEPT = 8192
#: Seconds between two looks whether a file was replaced.
_LOOK = 60.0
_Both = tuple[bytes | None, bytes | None]
log = structlog.get_logger()


class _Database:
    """One file, opened again when it was replaced."""

    def __init__(self, path: Path, copies: Path | None) -> None:
        self.path = path
        self._copies = copies
        self._reader, self._seen = _open(path, copies)

    def get(self, address: str) -> Mapping[str, Any]:
        """Return the record of an address; empty when there is none."""
        try:
            found = self._reader.get(address)
        except ValueError:  # of the other version than the file's
            return {}
        except (maxminddb.InvalidDatabaseError, UnicodeDecodeError) as error:
            log.warning("a GeoIP database is damaged", path=str(self.path), reason=str(error))
            return {}
        return found if isinstance(found, dict) else {}

    def replaced(self) -> bool:
        """Open the file again if there is a new one, and say so; one that cannot be read is left for the old."""
        try:
            if _identity(self.path) == self._seen:
                return False
            reader, seen = _open(self.path, self._copies)
        except (OSError, ConfigError) as error:
            log.warning("a GeoIP database cannot be read again", path=str(self.path), reason=str(error))
            return False
        self._reader.close()
        self._reader, self._seen = reader, seen
        return True


class Places:
    """
    Adds place and network to a column of addresses; each different one is looked up once.

    The files are copied into a directory, `copies` or the system's for temporary files; the copies have no name.
    """

    def __init__(
        self, paths: Sequence[Path], *, copies: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._databases = [_Database(path, copies) for path in paths]
        self._clock = clock
        self._next_look = clock() + _LOOK
        self._known: dict[bytes | None, _Both] = {}

    def __call__(self, column: Column) -> list[tuple[str, Column]]:
        """Return the column `source.ip` and what is known about it."""
        if self._clock() >= self._next_look:
            self._next_look = self._clock() + _LOOK
            if any([database.replaced() for database in self._databases]):  # noqa: C419  # each is to be looked at
                self._known.clear()
        known = self._known
        if len(known) > _KEPT:
            known.clear()
        for value in set(column).difference(known):
            known[value] = self._look_up(value) if value is not None else (None, None)
        return [
            ("source.ip", column),
            ("source.geo", [known[value][0] for value in column]),
            ("source.as", [known[value][1] for value in column]),
        ]

    def _look_up(self, value: bytes) -> _Both:
        geo: dict[str, Any] = {}
        network: dict[str, Any] = {}
        for database in self._databases:
            record = database.get(value[1:-1].decode())
            geo |= _geo(record)
            network |= _network(record)
        return dumps(geo) if geo else None, dumps(network) if network else None


def _geo(record: Mapping[str, Any]) -> dict[str, Any]:
    country, city, location = (_mapping(record.get(name)) for name in ("country", "city", "location"))
    regions = record.get("subdivisions")
    region = _mapping(regions[0]) if isinstance(regions, list) and regions else {}
    parts = {
        "country_iso_code": country.get("iso_code"),
        "country_name": _mapping(country.get("names")).get("en"),
        "region_name": _mapping(region.get("names")).get("en"),
        "city_name": _mapping(city.get("names")).get("en"),
    }
    geo: dict[str, Any] = {name: value for name, value in parts.items() if isinstance(value, str)}
    place = location.get("latitude"), location.get("longitude")
    if all(isinstance(degrees, int | float) for degrees in place):
        geo["location"] = {"lat": place[0], "lon": place[1]}
    return geo


def _network(record: Mapping[str, Any]) -> dict[str, Any]:
    number, name = record.get("autonomous_system_number"), record.get("autonomous_system_organization")
    network: dict[str, Any] = {"number": number} if isinstance(number, int) else {}
    if isinstance(name, str):
        network["organization"] = {"name": name}
    return network


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _identity(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116  # raises in its own words
    return status.st_ino, status.st_size, status.st_mtime_ns


def _open(path: Path, copies: Path | None) -> tuple[maxminddb.Reader, tuple[int, int, int]]:
    """
    Open a copy of a file that nobody else can write to; raises ConfigError naming it and what is wrong with it.

    Were the file itself mapped, whoever overwrites it in place would end this process (SIGBUS).
    """
    try:
        seen = _identity(path)
        if not path.is_file():
            raise ConfigError(f"enrich.geoip_databases: {path}: is not a file", _HINT)
        with path.open("rb") as file, tempfile.TemporaryFile(dir=copies) as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            if _identity(path) != seen:
                raise ConfigError(f"enrich.geoip_databases: {path}: is just being written", "start again in a moment")
            return maxminddb.open_database(f"/proc/self/fd/{copy.fileno()}"), seen
    except OSError as error:
        raise ConfigError(f"enrich.geoip_databases: {path}: {error.strerror or error}", _HINT) from None
    except (maxminddb.InvalidDatabaseError, ValueError):
        raise ConfigError(f"enrich.geoip_databases: {path}: is not a MaxMind DB file, or damaged", _HINT) from None


_HINT = "name *.mmdb files, such as GeoLite2-City.mmdb and GeoLite2-ASN.mmdb; without any, addresses get no place"
