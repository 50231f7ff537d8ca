"""Pods' logs, by the names that the kubelet gives them."""

import pytest

from logship.sources.discovery import PathPatterns
from logship.sources.kubernetes import describe

UID = "0a1b2c3d-1111-4222-8333-444455556666"
LINE = "2025-11-20T08:00:00.123456789Z stdout F hello\n"


@pytest.mark.parametrize("name", ["0.log", "12.log", "0.log.20251120-080000"])
def test_a_pods_file(tmp_path, name):
    """Container, pod and namespace are known from the path; the container names the service."""
    path = tmp_path / f"dify_dify-api-5d4f8c-x2x_{UID}" / "api" / name
    path.parent.mkdir(parents=True)
    path.write_text(LINE)
    (found,) = PathPatterns([f"{tmp_path}/*/*/*.log*"])()
    assert (found.source.service, found.source.envelope) == ("api", "cri")
    assert found.source.fields == {
        "container": {"name": "api"},
        "orchestrator": {
            "type": "kubernetes",
            "namespace": "dify",
            "resource": {"type": "pod", "name": "dify-api-5d4f8c-x2x", "id": UID},
        },
    }
    (named,) = PathPatterns([f"{tmp_path}/*/*/*.log*"], service="mine")()
    assert named.source.service == "mine"


def test_a_link_names_the_container_by_its_id():
    """The links of /var/log/containers carry the id, and no uid."""
    container, fields = describe(f"/var/log/containers/web-0_prod_plugin-daemon-{'ab' * 32}.log")
    assert container == "plugin-daemon"
    assert fields["container"] == {"name": "plugin-daemon", "id": "ab" * 32}
    assert fields["orchestrator"]["resource"] == {"type": "pod", "name": "web-0"}


@pytest.mark.parametrize(
    "path",
    ["/srv/logs/api.log", "/logs/a_b/api/0.log", f"/var/log/pods/a_b_{UID}/api/x.log", "/var/log/containers/a_b_c.log"],
)
def test_any_other_file_is_not_a_pods(path):
    """A file that is not named so is known by its name as ever."""
    assert describe(path) == ("", {})
