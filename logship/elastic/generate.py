"""
Write what is made from tables into the repository: `python -m logship.elastic.generate`.

Component templates are the bodies of `PUT _component_template/<name>`
(Elasticsearch reference). They hold everything that the newest server knows;
the installer takes out what a server lacks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from logship.elastic import fields

#: Grows with every change of the templates, so that an older agent leaves them alone.
VERSION = 2

#: What a pipeline of the operator's own may add beside the known fields.
_DYNAMIC = [
    {"addresses": {"match_mapping_type": "string", "path_match": ["*.ip"], "mapping": {"type": "ip"}}},
    {"traces": {"match_mapping_type": "string", "path_match": ["*.stack_trace"], "mapping": {"type": "text"}}},
    {"strings": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 1024}}},
]


def _meta(description: str) -> dict[str, str]:
    return {"managed_by": "logship", "description": description}


def _component(description: str, **template: object) -> dict[str, Any]:
    return {"template": template, "version": VERSION, "_meta": _meta(description)}


def bodies() -> dict[str, dict[str, Any]]:
    """Return the requests' bodies, by their path below `elk/` without the ending."""
    mappings = {
        "date_detection": False,
        "dynamic_templates": _DYNAMIC,
        "properties": fields.properties(fields.load()),
    }
    return {
        "component-templates/logship-mappings": _component(
            "Every field that logship writes; unknown keys lie below dify.attributes", mappings=mappings
        ),
    }


def generated() -> dict[str, bytes]:
    """Return every generated file, by its path in the repository."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    files = {f"elk/{path}.json": orjson.dumps(body, option=options) for path, body in bodies().items()}
    files["config/fields.md"] = fields.markdown(fields.load()).encode()
    return files


def main(root: Path) -> None:
    """Write the files that differ, and name them."""
    for path, content in generated().items():
        file = root / path
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(Path(__file__).parents[2])
