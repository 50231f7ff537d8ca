"""What is the same for all documents of a file: the host, the version of Dify, the operator's own fields."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from logship.pipeline.template import merge, put

#: Dify's own images, also in a registry of one's own; their tags are versions.
_DIFY = re.compile(r"(?:^|/)(?:langgenius/[\w.-]+|dify-[\w.-]+):v?(?P<version>\d+(?:\.\d+)+[\w.-]*)(?:@|$)")


def constants(host: str, fields: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what every document has, as nested objects; `fields` have dotted names."""
    tree: dict[str, Any] = {"ecs": {"version": "9.2.0"}, "host": {"name": host}}
    for name, value in fields.items():
        put(tree, name, value)
    if labels:
        tree["labels"] = dict(labels)
    return tree


def with_version(constants: Mapping[str, Any], image: str) -> Mapping[str, Any]:
    """Add `service.version` where the image is one of Dify's and its tag a version, unless it is there."""
    found = _DIFY.search(image)
    if not found:
        return constants
    tree = copy.deepcopy(dict(constants))
    merge(tree, {"service": {"version": found["version"]}})
    return tree
