"""A mistake names its place, the value, what is allowed and the nearest right name."""

from pathlib import Path

import pytest

from logship.config import load
from logship.errors import ConfigError


def mistakes(directory: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Return what is said about a configuration file, without its directory."""
    path = directory / "c.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ or {})
    return str(caught.value).replace(f"{directory}/", "").splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "keep_original: allways\n",
            "c.yaml line 1: keep_original is 'allways'; must be 'never', 'unparsed' or 'always'; did you mean always?",
        ),
        ("\nstor: {}\n", "c.yaml line 2: stor is not an option; did you mean store?"),
        (
            "elasticsearch:\n  verfy: true\n",
            "c.yaml line 2: elasticsearch.verfy is not an option; did you mean verify?",
        ),
        (
            "redaction:\n  zzz: true\n",
            "c.yaml line 2: redaction.zzz is not an option (redaction has email, ip, phone, identity, card, bodies)",
        ),
        ("store:\n  retention_days: many\n", "c.yaml line 2: store.retention_days is 'many'; must be a whole number"),
        (
            "store:\n  retention_days: -1\n",
            "c.yaml line 2: store.retention_days is -1; must be greater than or equal to 0",
        ),
        (
            "containers:\n  enabled: maybe\n",
            "c.yaml line 2: containers.enabled is 'maybe'; must be 'auto', true or false",
        ),
        (
            "store:\n  seal_bytes: 3 zebras\n",
            "c.yaml line 2: store.seal_bytes is '3 zebras'; must be a size such as 20MiB, 1GB or a number of bytes",
        ),
        ("files:\n  - path: /a\n  - service: api\n", "c.yaml line 3: files[1].path is missing"),
        (
            "files:\n  - path: /a\n    encoding: iso-2022-jp\n",
            "c.yaml line 3: files[0].encoding is 'iso-2022-jp'; must be auto or an encoding such as utf-16, latin-1, "
            "windows-1252, gbk, gb18030, big5 or shift_jis",
        ),
        (
            "files:\n  - path: /a\n    envelope: docker\n    encoding: gbk\n",
            "c.yaml line 2: files[0] has an encoding or a delimiter, which envelope docker does not leave open",
        ),
        (
            'files:\n  - path: /a\n    encoding: latin-1\n    delimiter: "。"\n',
            "c.yaml line 2: files[0] has a delimiter that cannot be written in iso8859-1",
        ),
        (
            "files:\n  - path: /a\n    zone: Mars/Base\n",
            "c.yaml line 3: files[0].zone is 'Mars/Base'; must be an IANA time zone such as UTC or Asia/Shanghai",
        ),
        (
            "fields:\n  team: search\n",
            "c.yaml line 1: fields is {'team': 'search'}; must have dotted names such as deployment.environment; "
            "team is none",
        ),
        (
            "fields: {event.dataset: x}\n",
            "c.yaml line 1: fields is {'event.dataset': 'x'}; must not have event.dataset: logship sets it",
        ),
        (
            "fields: {a.b: 1, a.b.c: 2}\n",
            "c.yaml line 1: fields is {'a.b': 1, 'a.b.c': 2}; must not have both a.b and a.b.c",
        ),
        (
            "fields:\n  deployment.environment: {name: prod}\n",
            "c.yaml line 1: fields is {'deployment.environment': {'name': 'prod'}}; deployment.environment must be "
            "text, a number, true, false or a list of them",
        ),
        (
            "drop: {health_checks: sometimes}\n",
            "c.yaml line 1: drop is {'health_checks': 'sometimes'}; health_checks must be true (drop all), false "
            "(drop none) or the share to keep, from 0 to 1",
        ),
        (
            "drop: {health_checks: 1.5}\n",
            "c.yaml line 1: drop is {'health_checks': 1.5}; health_checks must be true (drop all), false "
            "(drop none) or the share to keep, from 0 to 1",
        ),
        ("containers: 5\n", "c.yaml line 1: containers is 5; must be a mapping of names to values"),
        (
            "namespace: A-B\n",
            "c.yaml line 1: namespace is 'A-B'; must be 1 to 100 characters, lower case, "
            'without - \\ / * ? " < > | , # : or a space',
        ),
        (
            "elasticsearch:\n  hosts: [ftp://a]\n",
            "c.yaml line 2: elasticsearch.hosts[0] is 'ftp://a'; must be a URL such as https://elastic.example:9200",
        ),
        (
            "elasticsearch:\n  hosts: [http://a]\n  username: me\n",
            "c.yaml line 1: elasticsearch needs username and password together",
        ),
        (
            "elasticsearch:\n  api_key: k\n",
            "c.yaml line 1: elasticsearch has api_key but no hosts; set elasticsearch.hosts",
        ),
        ("a: 1\nstate_dir: /a\nstate_dir: /b\n", "c.yaml line 3: state_dir is already set in line 2"),
        ("store: [\n", "c.yaml line 2 column 1: expected the node content, but found '<stream end>'"),
        ("a: b: c\n", "c.yaml line 1 column 5: mapping values are not allowed here"),
        ("- a\n", "c.yaml line 1: must hold options such as `state_dir: /var/lib/logship`"),
        ("a: &a\n  b: *a\n", "c.yaml line 1: an alias must not stand inside its own anchor"),
        ("a: !!python/object:os.system {}\n", "c.yaml line 1 column 4: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/object:os.system'"),
    ],
)  # fmt: skip
def test_a_mistake_in_yaml_is_one_line(tmp_path, text, said):
    """Each mistake is said in one line that starts with file and line."""
    assert [said] == [line for line in mistakes(tmp_path, text) if "a is not an option" not in line]


def test_all_mistakes_are_told_at_once(tmp_path):
    """Nobody has to mend one mistake to hear of the next."""
    assert len(mistakes(tmp_path, "stor: {}\nkeep_original: 5\nlog:\n  level: loud\n")) == 3


def test_an_unknown_variable_is_an_error(tmp_path):
    """A misspelt LOGSHIP_ variable is named with the nearest right one; a section is not an option."""
    said = mistakes(tmp_path, "", {"LOGSHIP_LOG__LEVL": "info", "LOGSHIP_STORE": "5", "LOGSHIP_XYZZYX": "1"})
    assert said == [
        "LOGSHIP_LOG__LEVL is not an option; did you mean LOGSHIP_LOG__LEVEL?",
        "LOGSHIP_STORE is a section; set its options, such as LOGSHIP_STORE__ENABLED",
        "LOGSHIP_XYZZYX is not an option",
    ]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"LOGSHIP_LOG__LEVEL": "inf"}, "LOGSHIP_LOG__LEVEL: log.level is 'inf'; must be 'debug', 'info', 'warning' or "
         "'error'; did you mean info?"),
        ({"LOG_FILE_MAX_SIZE": "big"}, "LOG_FILE_MAX_SIZE: log_file.max_size is 'big'; must be a size such as 20MiB, "
         "1GB or a number of bytes"),
        ({"LOG_TZ": "Europe/Berlim"}, "LOG_TZ: log_file.zone is 'Europe/Berlim'; must be an IANA time zone such as UTC "
         "or Asia/Shanghai"),
        ({"LOGSHIP_FILES": "[{"}, "LOGSHIP_FILES: files is '[{'; must be a list"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_variable_names_it(environ, said):
    """The message starts with the variable, ours or Dify's."""
    with pytest.raises(ConfigError) as caught:
        load(environ=environ)
    assert said == str(caught.value)


def test_a_wrong_secret_is_never_shown(tmp_path):
    """Values of secrets, and logins in URLs, are masked in messages."""
    said = mistakes(
        tmp_path,
        "elasticsearch:\n  password: [hunter2]\n  hosts: ['http://me:hunter2@a']\n",
        {"LOGSHIP_ELASTICSEARCH__API_KEY": "hunter2"},
    )
    assert len(said) == 2
    assert "hunter2" not in " ".join(said)


def test_a_file_that_is_not_there_is_named(tmp_path):
    """A missing configuration or .env file is an error, not an empty one."""
    with pytest.raises(ConfigError, match="nowhere: No such file or directory"):
        load(tmp_path / "nowhere", environ={})
    with pytest.raises(ConfigError, match="nowhere: No such file or directory"):
        load(env_file=tmp_path / "nowhere", environ={})


def test_a_file_that_is_no_text_is_named(tmp_path):
    """Bytes that are not UTF-8, and control characters, are told with the place."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8 at byte 3"):
        load(path, environ={})
    path.write_bytes(b"a: \x00\n")
    with pytest.raises(ConfigError, match="special characters are not allowed"):
        load(path, environ={})


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("%(message", "must close the parenthesis of %(message: write %(message)s"),
        ("%(levelname)s", "must hold %(message)s"),
        ("{asctime} {message}", "must hold %(message)s, in Python's %-style: Dify uses no other"),
        ("%(message)s %", "must not end in %: write %% for a percent sign"),
        ("100% %(message)s", "must write %% for a percent sign; % % names no attribute, as %(message)s does"),
        ("%(levelname) - %(message)s", "must say what %(levelname) is written as: write %(levelname)s"),
        ("%(levelname)d %(message)s", "must have %(levelname)s in place of %(levelname)d: it is text"),
        ("%(msecs)x %(message)s", "must have %(msecs)s in place of %(msecs)x: it is not whole"),
        ("%(name)*s %(message)s", "must have a number in place of * in %(name)*s"),
        ("%(name)9999s %(message)s", "must have widths up to 400; %(name)9999s has a greater one"),
        ("%(a b)s %(message)s", "must name an attribute of a log record in %(a b)"),
        ("%(exc_text)s %(message)s", "must have %(message)s in place of %(exc_text): a traceback follows it by itself"),
        (
            "%(level_name)s %(message)s",
            "must have attributes of a log record; %(level_name) is none: did you mean %(levelname)?",
        ),
    ],
)
def test_a_log_format_that_python_could_not_write_is_refused(layout, said):
    """Variable, value and what to do are named."""
    with pytest.raises(ConfigError) as caught:
        load(environ={"LOG_FORMAT": layout})
    assert str(caught.value) == f"LOG_FORMAT: log_file.format is {layout!r}; {said}"


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        ("%Y-%m-%d %Q", "must have directives that strftime knows, as %Y-%m-%d %H:%M:%S has; %Q is none"),
        ("%H:%M:%S.%f", "must not have %f, which strftime does not know: milliseconds are %(msecs)03d in LOG_FORMAT"),
        ("%H:%M:%", "must not end in %: write %% for a percent sign"),
        ("now", "must say a time, as %Y-%m-%d %H:%M:%S does"),
    ],
)
def test_a_date_format_that_strftime_does_not_know_is_refused(dates, said):
    """It would stand in the lines as it is, and say no time."""
    with pytest.raises(ConfigError) as caught:
        load(environ={"LOG_DATEFORMAT": dates})
    assert str(caught.value) == f"LOG_DATEFORMAT: log_file.date_format is {dates!r}; {said}"


def test_attributes_that_someone_adds_are_no_mistake():
    """Whoever names an attribute that logging does not have gives it by a filter of his own."""
    layout = "%(task_id)s %(otelTraceID)s %(colour)s %(elapsed).3f %(message)s"
    assert load(environ={"LOG_FORMAT": layout}).settings.log_file.format == layout
