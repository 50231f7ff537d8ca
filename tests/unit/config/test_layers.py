"""Where settings come from, and which place wins."""

from pathlib import Path

import pytest

from logship.config import Settings, load
from logship.errors import ConfigError


def write(directory: Path, text: str, name: str = "logship.yaml") -> Path:
    """Write a file of settings."""
    path = directory / name
    path.write_text(text, "utf-8")
    return path


def origins(effective) -> dict[str, str]:
    """Return where each option that is not a default came from."""
    return {value.name: value.origin for value in effective.values() if value.origin != "default"}


def test_without_anything_the_defaults_hold():
    """Nothing set anywhere gives exactly `Settings()`, and every value says default."""
    found = load(environ={})
    assert Settings() == found.settings
    assert origins(found) == {}


def test_each_place_wins_over_the_weaker_ones(tmp_path):
    """Command line, LOGSHIP_ variable, YAML, Dify's variable, Dify's .env and default give way in this order."""
    env_file = write(tmp_path, "LOG_FILE=/env-file\n", ".env")
    config = write(tmp_path, "log_file:\n  path: /yaml\n")
    steps = [
        load(environ={}),
        load(environ={}, env_file=env_file),
        load(environ={"LOG_FILE": "/dify"}, env_file=env_file),
        load(config, env_file, environ={"LOG_FILE": "/dify"}),
        load(config, env_file, environ={"LOG_FILE": "/dify", "LOGSHIP_LOG_FILE__PATH": "/own"}),
        load(
            config,
            env_file,
            {"log_file.path": ("--log-file", "/switch")},
            environ={"LOG_FILE": "/dify", "LOGSHIP_LOG_FILE__PATH": "/own"},
        ),
    ]
    paths = ["/env-file", "/dify", "/yaml", "/own", "/switch"]
    assert [None, *map(Path, paths)] == [step.settings.log_file.path for step in steps]
    assert [
        None,
        f"{env_file} line 1: LOG_FILE",
        "LOG_FILE",
        f"{config} line 2",
        "LOGSHIP_LOG_FILE__PATH",
        "--log-file",
    ] == [origins(step).get("log_file.path") for step in steps]


def test_our_variables_in_difys_env_file_are_read(tmp_path):
    """Above the configuration file, below the environment; those of the compose overlay are no options."""
    env_file = write(tmp_path, "LOGSHIP_IMAGE=x\nLOGSHIP_NAMESPACE=file\nOTHER=1\n", ".env")
    config = write(tmp_path, "namespace: yaml\n")
    found = load(config, env_file, environ={})
    assert found.settings.namespace == "file"
    assert origins(found)["namespace"] == f"{env_file} line 2: LOGSHIP_NAMESPACE"
    assert load(config, env_file, environ={"LOGSHIP_NAMESPACE": "own"}).settings.namespace == "own"
    wrong = write(tmp_path, "LOGSHIP_NAMESPASE=x\n", ".env")
    with pytest.raises(ConfigError, match=r"line 1: LOGSHIP_NAMESPASE .*did you mean LOGSHIP_NAMESPACE"):
        load(env_file=wrong, environ={})


def test_layers_of_one_section_add_up(tmp_path):
    """Options of one section may come from different places."""
    config = write(tmp_path, "store:\n  retention_days: 7\nlabels:\n  site: berlin\n")
    found = load(config, environ={"LOGSHIP_STORE__SEAL_BYTES": "1MiB", "LOGSHIP_LABELS__STAGE": "test"})
    assert (found.settings.store.retention_days, found.settings.store.seal_bytes) == (7, 1024**2)
    assert found.settings.labels == {"site": "berlin", "stage": "test"}
    assert f"{config} line 4, LOGSHIP_LABELS__STAGE" == origins(found)["labels"]


def test_dify_names_have_dify_meaning(tmp_path):
    """Dify counts megabytes, names the zone LOG_TZ, and its .env may quote, comment and interpolate."""
    env_file = write(
        tmp_path,
        "# Dify\nBASE=/app\nLOG_FILE=${BASE}/logs/server.log\nLOG_FILE_MAX_SIZE=50\nLOG_FILE_BACKUP_COUNT=9\n"
        "LOG_TZ='Asia/Shanghai' # ours\nLOG_OUTPUT_FORMAT=json\nLOG_FORMAT=\"%(message)s\"\n"
        "LOG_DATEFORMAT=\nSECRET_KEY=x\n",
        ".env",
    )
    found = load(env_file=env_file, environ={}).settings.log_file
    assert (Path("/app/logs/server.log"), 50 * 1024**2, 9) == (found.path, found.max_size, found.backup_count)
    assert (found.zone, found.output_format, found.format) == ("Asia/Shanghai", "json", "%(message)s")
    assert found.date_format == "%Y-%m-%d %H:%M:%S"


def test_the_files_can_be_named_by_variables(tmp_path):
    """LOGSHIP_CONFIG and LOGSHIP_ENV_FILE do what --config and --env-file do."""
    config = write(tmp_path, "namespace: one\n")
    env_file = write(tmp_path, "LOG_TZ=Asia/Tokyo\n", "dify.env")
    found = load(environ={"LOGSHIP_CONFIG": str(config), "LOGSHIP_ENV_FILE": str(env_file)})
    assert (found.settings.namespace, found.settings.log_file.zone) == ("one", "Asia/Tokyo")


def test_the_users_own_file_is_found(tmp_path):
    """Without a name, logship.yaml in the user's configuration directory is read."""
    (tmp_path / "logship").mkdir()
    write(tmp_path / "logship", "namespace: mine\n")
    assert load(environ={"XDG_CONFIG_HOME": str(tmp_path)}).settings.namespace == "mine"


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("http://a:9200", ["http://a:9200"]),
        ("http://a:9200, https://b:9200/", ["http://a:9200", "https://b:9200"]),
        ('["http://a:9200"]', ["http://a:9200"]),
    ],
)
def test_lists_in_variables_are_comma_separated_or_json(value, hosts):
    """A list fits in a variable both ways."""
    assert hosts == load(environ={"LOGSHIP_ELASTICSEARCH__HOSTS": value}).settings.elasticsearch.hosts


def test_structures_in_variables_are_json():
    """Files to read can be given in a variable."""
    (found,) = load(environ={"LOGSHIP_FILES": '[{"path": "/a.log", "service": "api"}]'}).settings.files
    assert (found.path, found.service, found.envelope) == ("/a.log", "api", "auto")


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("TRUE", True), ("0", False), ("auto", "auto")])
def test_switches_take_the_usual_words(word, value):
    """A three-way switch is auto, or any word for yes and no."""
    assert value == load(environ={"LOGSHIP_CONTAINERS__ENABLED": word}).settings.containers.enabled


def test_an_empty_variable_is_none():
    """Compose passes `X=` for what is not set; that is no value."""
    assert Settings() == load(environ={"LOGSHIP_NAMESPACE": "", "LOG_FILE": ""}).settings


def test_variables_of_others_with_our_prefix_are_left_alone():
    """What Kubernetes sets beside a service named logship is no mistake, nor is what the tests use."""
    environ = {
        "LOGSHIP_SERVICE_HOST": "10.0.0.1",
        "LOGSHIP_PORT": "tcp://10.0.0.1:80",
        "LOGSHIP_PORT_80_TCP_ADDR": "10.0.0.1",
        "LOGSHIP_TEST_ELASTICSEARCH_URL": "http://x",
    }
    assert Settings() == load(environ=environ).settings


def test_yaml_anchors_and_merges_work(tmp_path):
    """Anchors and `<<` give their values, each with the line it was written on."""
    config = write(
        tmp_path, "files:\n  - &one {path: /a, service: api}\n  - <<: *one\n    path: /b\nstore:\n# all commented\n"
    )
    found = load(config, environ={})
    assert [(file.path, file.service) for file in found.settings.files] == [("/a", "api"), ("/b", "api")]


@pytest.mark.parametrize("layer", ["variable", "yaml"])
@pytest.mark.parametrize("secret", ["api_key", "bearer", "password"])
def test_every_secret_can_come_from_a_file(tmp_path, layer, secret):
    """`…_FILE` and `…_file` read the secret, without the newline that editors leave."""
    path = write(tmp_path, "s3cret\n", "secret")
    environ = {"LOGSHIP_ELASTICSEARCH__HOSTS": "http://a:9200"}
    if secret == "password":
        environ["LOGSHIP_ELASTICSEARCH__USERNAME"] = "elastic"
    config = None
    if layer == "variable":
        environ[f"LOGSHIP_ELASTICSEARCH__{secret.upper()}_FILE"] = str(path)
    else:
        config = write(tmp_path, f"elasticsearch:\n  {secret}_file: {path}\n")
    found = load(config, environ=environ)
    assert getattr(found.settings.elasticsearch, secret).get_secret_value() == "s3cret"
    assert str(path) in origins(found)[f"elasticsearch.{secret}"]
    assert "s3cret" not in str(found.values()) + repr(found)


def test_a_secret_in_a_stronger_place_wins_over_a_file(tmp_path):
    """The variable API_KEY beats the YAML's api_key_file, and the other way round."""
    path = write(tmp_path, "from-file", "secret")
    hosts = {"LOGSHIP_ELASTICSEARCH__HOSTS": "http://a:9200"}
    file_in_yaml = write(tmp_path, f"elasticsearch:\n  api_key_file: {path}\n", "one.yaml")
    key_in_yaml = write(tmp_path, "elasticsearch:\n  api_key: from-yaml\n", "two.yaml")
    one = load(file_in_yaml, environ=hosts | {"LOGSHIP_ELASTICSEARCH__API_KEY": "from-variable"})
    two = load(key_in_yaml, environ=hosts | {"LOGSHIP_ELASTICSEARCH__API_KEY_FILE": str(path)})
    assert one.settings.elasticsearch.api_key.get_secret_value() == "from-variable"
    assert two.settings.elasticsearch.api_key.get_secret_value() == "from-file"


def test_a_secret_set_twice_in_one_place_is_an_error(tmp_path):
    """A value and a file for the same secret contradict each other."""
    config = write(tmp_path, "elasticsearch:\n  api_key: a\n  api_key_file: /b\n")
    with pytest.raises(ConfigError, match=r"api_key.* are both set"):
        load(config, environ={})


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path):
    """The message names the variable, the file and the reason."""
    with pytest.raises(ConfigError, match=r"LOGSHIP_ELASTICSEARCH__API_KEY_FILE.*/nowhere: No such file"):
        load(environ={"LOGSHIP_ELASTICSEARCH__API_KEY_FILE": str(tmp_path / "nowhere")})
