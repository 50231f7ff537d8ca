"""What documents get that their lines do not say."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from logship.app import Binder
from logship.cli import main
from logship.config import Settings
from logship.data import data_path
from logship.errors import ConfigError
from logship.model import Events, FileRef, Source
from logship.pipeline.enrichment.geo import Places
from logship.pipeline.enrichment.user_agent import UserAgents
from logship.pipeline.redaction import Redactor
from logship.pipeline.spec import Pipelines

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.7444.59 "
    "Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1"
)
LOGIN = (
    "2025-11-20 08:03:10.004 WARNING [Dummy-3] [login.py:412]  - Console login failed: email=eve@example.com "
    "reason=login_rate_limited ip_address=203.0.113.9"
)


def access(ip="203.0.113.9", agent="curl/8.5.0"):
    """Give an access line of nginx."""
    return f'{ip} - - [20/Nov/2025:08:03:10 +0000] "GET /apps HTTP/1.1" 200 5 "-" "{agent}" "-"'


@pytest.fixture(scope="module")
def pipelines():
    """Give the shipped pipelines."""
    return Pipelines.load_for_use(data_path("pipelines"), [])


@pytest.fixture
def documents(pipelines):
    """Give the documents that lines become in an agent with some settings."""

    def encoded(*texts, service="nginx", source=None, **settings):
        settings = Settings(**settings)
        redactor = Redactor.load(
            data_path("pipelines") / "redaction.yaml", policies=settings.redaction.model_dump(), key=b"k" * 32
        )
        source = source or Source(service)
        encoder, _ = Binder(settings, pipelines, redactor)(FileRef(1, "key", "", source))
        count = len(texts)
        events = Events(list(range(count)), [9] * count, list(texts), [""] * count, [""] * count)
        return [orjson.loads(pair.split(b"\n")[1]) for pair in encoder.encode(events).documents]

    return encoded


def mmdb(path: Path, records: dict[str, dict], version: int = 6) -> Path:
    """Write a MaxMind DB file."""
    writer = MMDBWriter(version, "Test-City", ipv4_compatible=version == 6, int_type="u32")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


CITY = {
    "203.0.113.0/24": {
        "country": {"iso_code": "DE", "names": {"en": "Germany", "de": "Deutschland"}},
        "city": {"names": {"en": "Berlin"}},
        "subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin"}}],
        "location": {"latitude": 52.5, "longitude": 13.4},
    },
    "2001:db8::/32": {"country": {"iso_code": "JP", "names": {"en": "Japan"}}},
}
ASN = {"203.0.113.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}}
BERLIN = {
    "country_iso_code": "DE",
    "country_name": "Germany",
    "region_name": "Land Berlin",
    "city_name": "Berlin",
    "location": {"lat": 52.5, "lon": 13.4},
}


def test_a_user_agent_is_parsed(documents):
    """Name, version, system and device stand beside the original, as far as they are known."""
    chrome, iphone, curl, odd = (one.get("user_agent") for one in documents(
        access(agent=CHROME), access(agent=IPHONE), access(), access(agent="Something I made up")
    ))  # fmt: skip
    assert chrome == {
        "original": CHROME,
        "name": "Chrome",
        "version": "142.0.7444.59",
        "os": {"name": "Windows", "version": "10"},
    }
    assert (iphone["name"], iphone["version"]) == ("Mobile Safari", "17.5")
    assert (iphone["os"], iphone["device"]) == ({"name": "iOS", "version": "17.5"}, {"name": "iPhone"})
    assert (curl["name"], curl["version"]) == ("curl", "8.5.0")
    assert odd == {"original": "Something I made up"}


def test_no_user_agent_makes_no_field(documents):
    """A line without one stays without; neighbours in the batch do not matter."""
    without, with_ = documents(access(agent="-"), access())
    assert "user_agent" not in without
    assert with_["user_agent"]["name"] == "curl"


def test_parsing_can_be_switched_off(documents):
    """enrich.user_agent: false leaves the original alone."""
    (document,) = documents(access(agent=CHROME), enrich={"user_agent": False})
    assert document["user_agent"] == {"original": CHROME}


def test_a_secret_in_a_user_agent_is_redacted_in_all_its_parts(documents):
    """What is taken from a user agent is redacted like the original."""
    secret = "app-" + "Ab1" * 8
    agent = f"Mozilla/5.0 (Linux; Android 14; {secret} Build/UP1A) Chrome/142.0.0.0 Mobile"
    (document,) = documents(access(agent=agent))
    assert document["user_agent"]["name"] == "Chrome Mobile"
    assert secret not in json.dumps(document)


def test_many_and_long_user_agents_are_kept_whole(documents):
    """Every original is there, also of more than are remembered, of a very long one, and of broken text."""
    agents = [f"Agent-{number}/1.{number}" for number in range(3000)] + ["x" * 5000, "caf\ufffd ☕ \\x22q\\x22"]
    found = documents(*[access(agent=agent) for agent in agents])
    assert [one["user_agent"]["original"] for one in found] == agents


def test_what_is_remembered_is_bounded():
    """A million different user agents do not stay in memory."""
    agents = UserAgents()
    agents([orjson.dumps(f"Agent-{number}") for number in range(5000)])
    assert len(agents._known) <= 1025


@pytest.mark.parametrize(("service", "line", "loaded"), [("api", LOGIN, "False"), ("nginx", access(), "True")])
def test_the_patterns_are_loaded_when_a_user_agent_is_met(service, line, loaded):
    """An agent that reads only the api's lines does not spend memory on patterns of user agents."""
    code = (
        "import sys\nfrom logship.cli import main\n"
        f"main(['parse', '--service', '{service}'], standalone_mode=False)\nprint('ua_parser' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=line, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == loaded


def test_an_address_gets_place_and_network(documents, tmp_path):
    """source.geo and source.as come from the operator's files; what is not in them gets nothing."""
    files = [mmdb(tmp_path / "city.mmdb", CITY), mmdb(tmp_path / "asn.mmdb", ASN)]
    known, six, private, none = documents(
        access(), access("2001:db8::7"), access("172.18.0.1"), access("localhost"), enrich={"geoip_databases": files}
    )
    assert known["source"] == {
        "ip": "203.0.113.9",
        "geo": BERLIN,
        "as": {"number": 64500, "organization": {"name": "Example Net"}},
    }
    assert six["source"] == {"ip": "2001:db8::7", "geo": {"country_iso_code": "JP", "country_name": "Japan"}}
    assert private["source"] == {"ip": "172.18.0.1"}
    assert none["source"] == {"address": "localhost"}


def test_a_login_failure_gets_the_place_it_came_from(documents, tmp_path):
    """Addresses that a message names are looked up too; the lines beside it are as they were."""
    files = [mmdb(tmp_path / "city.mmdb", CITY)]
    failed, plain = documents(
        LOGIN, LOGIN.partition(" - ")[0] + " - hello", service="api", enrich={"geoip_databases": files}
    )
    assert failed["source"]["geo"] == BERLIN
    assert "source" not in plain


def test_a_masked_address_keeps_its_place(documents, tmp_path):
    """Redaction comes after the look-up: the country of an address that nobody may see is known."""
    files = [mmdb(tmp_path / "city.mmdb", CITY)]
    (document,) = documents(access(), enrich={"geoip_databases": files}, redaction={"ip": "mask"})
    assert document["source"]["geo"]["city_name"] == "Berlin"
    assert "203.0.113.9" not in json.dumps(document)


def test_a_file_for_the_other_version_of_addresses(tmp_path):
    """An IPv6 address in a file of IPv4 networks is unknown, and no error."""
    places = Places([mmdb(tmp_path / "four.mmdb", {"203.0.113.0/24": CITY["203.0.113.0/24"]}, version=4)])
    found = dict(places([b'"2001:db8::7"', b'"203.0.113.9"', None]))
    assert [None, BERLIN, None] == [value and orjson.loads(value) for value in found["source.geo"]]


def test_a_new_file_takes_effect(tmp_path):
    """A file that is moved into place is read within a minute; a broken one changes nothing."""
    now = [0.0]
    path = mmdb(tmp_path / "city.mmdb", CITY)
    places = Places([path], clock=lambda: now[0])

    def country():
        value = dict(places([b'"203.0.113.9"']))["source.geo"][0]
        return value and orjson.loads(value)["country_iso_code"]

    assert country() == "DE"
    new = {"203.0.113.0/24": {"country": {"iso_code": "FR"}}}
    mmdb(tmp_path / "new", new).rename(path)
    assert country() == "DE"
    now[0] += 61
    assert country() == "FR"
    (tmp_path / "broken").write_bytes(b"no database")
    (tmp_path / "broken").rename(path)
    now[0] += 61
    assert country() == "FR"


def test_a_file_that_is_emptied_in_place_stays_known_as_it_was(tmp_path):
    """Whoever overwrites it does not end the process that reads it."""
    path = mmdb(tmp_path / "city.mmdb", CITY)
    places = Places([path], copies=tmp_path)
    os.truncate(path, 0)
    assert orjson.loads(dict(places([b'"203.0.113.9"']))["source.geo"][0]) == BERLIN
    assert [entry.name for entry in tmp_path.iterdir()] == ["city.mmdb"]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"", "not a MaxMind DB"), (b"x" * 99, "not a MaxMind DB")]
)
def test_a_file_that_is_no_database_stops_the_start(tmp_path, content, said):
    """The error names the setting, the file and what is wrong."""
    path = tmp_path / "x.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as error:
        Places([path])
    assert str(error.value).startswith(f"enrich.geoip_databases: {path}: ")
    with pytest.raises(ConfigError, match=r"directory|not a file"):
        Places([tmp_path])


def test_the_configuration_is_checked_with_its_databases(tmp_path):
    """`config check` opens them: a missing file is found before the agent starts."""
    config = tmp_path / "c.yaml"
    config.write_text(f"enrich: {{geoip_databases: ['{mmdb(tmp_path / 'city.mmdb', CITY)}']}}\n")
    assert 0 == CliRunner().invoke(main, ["config", "check", "--config", str(config)]).exit_code
    (tmp_path / "city.mmdb").unlink()
    done = CliRunner().invoke(main, ["config", "check", "--config", str(config)])
    assert (2, True) == (done.exit_code, "city.mmdb: No such file" in done.stderr)


def test_the_trace_of_a_request_id(documents):
    """The id that older text lines show leads to the trace id that Dify writes in JSON for the same request."""
    text, whole = documents(
        "2025-06-01 10:20:30.250 ERROR [T] [app.py:12] 0a1b2c3d4e - it broke",
        "2025-06-01 10:20:30.250 ERROR [T] [app.py:12] 6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b - it broke",
        service="api",
    )
    assert text["trace"]["id"] == uuid.uuid5(uuid.NAMESPACE_DNS, "0a1b2c3d4e").hex
    assert text["http"]["request"]["id"] == "0a1b2c3d4e"
    assert whole["trace"]["id"] == "6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b"
    assert "http" not in whole


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("langgenius/dify-api:1.13.3", "1.13.3"),
        ("registry.example:5000/mirror/dify-web:1.17.0@sha256:" + "0" * 64, "1.17.0"),
        ("langgenius/dify-plugin-daemon:0.6.10-local", "0.6.10-local"),
        ("langgenius/dify-api:latest", None),
        ("langgenius/dify-api", None),
        ("postgres:15-alpine", None),
    ],
)
def test_the_version_of_dify(documents, image, version):
    """service.version is the tag of Dify's own images."""
    (document,) = documents(LOGIN, source=Source("api", image=image))
    assert document["service"].get("version") == version
    assert document["service"]["name"] == "api"


def test_the_operators_fields_and_labels(documents):
    """They are on every document, beside what logship knows; what a line or a container says wins."""
    source = Source(
        "api", image="langgenius/dify-api:1.13.3", fields={"labels": {"team": "search"}, "container": {"id": "c"}}
    )
    (document,) = documents(
        LOGIN,
        source=source,
        fields={
            "deployment.environment": "prod",
            "host.name": "node-7",
            "service.environment": "eu",
            "user.email": "nobody",
        },
        labels={"site": "berlin", "team": "all"},
    )
    assert document["deployment"] == {"environment": "prod"}
    assert document["host"] == {"name": "node-7"}
    assert document["service"] == {"name": "api", "version": "1.13.3", "environment": "eu"}
    assert document["labels"] == {"site": "berlin", "team": "search"}
    assert document["user"]["email"] == "eve@example.com"
