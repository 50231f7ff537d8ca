"""
Whose lines a file holds, by the name that the kubelet gave it.

`/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restart>.log` and the links to them,
`/var/log/containers/<pod>_<namespace>_<container>-<id>.log`
(https://kubernetes.io/docs/concepts/cluster-administration/logging/).
"""

from __future__ import annotations

import re
from typing import Any

_POD = re.compile(
    r".*/(?P<namespace>[a-z0-9-]{1,63})_(?P<pod>[a-z0-9.-]{1,253})_(?P<uid>[0-9a-f-]{32,36})"
    r"/(?P<container>[a-z0-9-]{1,63})/\d+\.log(?:\.[\w-]+)*"
)
_LINK = re.compile(
    r".*/(?P<pod>[a-z0-9.-]{1,253})_(?P<namespace>[a-z0-9-]{1,63})_(?P<container>[a-z0-9-]{1,63})-(?P<id>[0-9a-f]{64})\.log"
)


def describe(path: str) -> tuple[str, dict[str, Any]]:
    """Return the container's name and ECS fields of a pod's log; an empty name for any other file."""
    found = _POD.fullmatch(path) or _LINK.fullmatch(path)
    if not found:
        return "", {}
    parts = found.groupdict()
    container = {"name": parts["container"]}
    if parts.get("id"):
        container["id"] = parts["id"]
    resource = {"type": "pod", "name": parts["pod"]}
    if parts.get("uid"):
        resource["id"] = parts["uid"]
    orchestrator = {"type": "kubernetes", "namespace": parts["namespace"], "resource": resource}
    return parts["container"], {"container": container, "orchestrator": orchestrator}
