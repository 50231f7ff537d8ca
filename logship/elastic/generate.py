"""
Write what is made from tables into the repository: `python -m logship.elastic.generate`.

Component templates, index templates and lifecycle policies are the bodies of
`PUT _component_template/<name>`, `PUT _index_template/<name>`,
`PUT _ilm/policy/<name>` (Elasticsearch reference) and
`PUT _plugins/_ism/policies/<name>` (OpenSearch documentation, "Index State
Management"). They hold everything that the newest server knows; the installer
takes out what a server lacks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from logship.elastic import fields

#: Grows with every change of the templates, so that an older agent leaves them alone.
VERSION = 3
#: Above the packaged templates of Elasticsearch (100) and of Fleet (200), and as Elastic advises, above 500.
PRIORITY = 501
LOGS_DAYS, AUDIT_DAYS = 30, 400
_SHARD = "50gb"

_SETTINGS = {
    "index": {
        "mode": "logsdb",
        "codec": "best_compression",
        "number_of_shards": 1,
        "auto_expand_replicas": "0-1",
        "refresh_interval": "5s",
        "mapping": {"ignore_malformed": True, "total_fields": {"limit": 1000, "ignore_dynamic_beyond_limit": True}},
        "query": {"default_field": ["message", "error.message", "error.type", "error.stack_trace"]},
    }
}
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


def _lifecycle(policy: str, days: int) -> dict[str, Any]:
    """Return both ways to keep data for some days; the installer leaves the one that the server has."""
    return _component(
        f"How long data is kept: policy {policy} where the server has index lifecycle management",
        settings={"index": {"lifecycle": {"name": policy}}},
        lifecycle={"data_retention": f"{days}d"},
    )


def _index(
    pattern: str, lifecycle: str, about: str, *, failure_store: bool, strict: bool = False, priority: int = PRIORITY
) -> dict[str, Any]:
    parts = ["logship-settings", "logship-mappings", *(["logship-strict"] if strict else []), lifecycle]
    return {
        "index_patterns": [pattern],
        "priority": priority,
        "data_stream": {},
        "composed_of": [*parts, "logship-custom"],
        "ignore_missing_component_templates": ["logship-custom"],
        "template": {"data_stream_options": {"failure_store": {"enabled": failure_store}}},
        "version": VERSION,
        "_meta": _meta(about),
    }


def _ilm(description: str, days: int, rollover: str) -> dict[str, Any]:
    return {
        "policy": {
            "_meta": _meta(description),
            "phases": {
                "hot": {
                    "min_age": "0ms",
                    "actions": {"rollover": {"max_primary_shard_size": _SHARD, "max_age": rollover}},
                },
                "warm": {"min_age": "2d", "actions": {"readonly": {}, "forcemerge": {"max_num_segments": 1}}},
                "delete": {"min_age": f"{days}d", "actions": {"delete": {}}},
            },
        }
    }


def _ism(description: str, days: int, rollover: str, patterns: list[str], priority: int) -> dict[str, Any]:
    states = [
        {
            "name": "hot",
            "actions": [{"rollover": {"min_primary_shard_size": _SHARD, "min_index_age": rollover}}],
            "transitions": [{"state_name": "warm", "conditions": {"min_rollover_age": "2d"}}],
        },
        {
            "name": "warm",
            "actions": [{"read_only": {}}, {"force_merge": {"max_num_segments": 1}}],
            "transitions": [{"state_name": "delete", "conditions": {"min_rollover_age": f"{days}d"}}],
        },
        {"name": "delete", "actions": [{"delete": {}}], "transitions": []},
    ]
    return {
        "policy": {
            "description": f"managed_by: logship. {description}",
            "default_state": "hot",
            "ism_template": [{"index_patterns": patterns, "priority": priority}],
            "states": states,
        }
    }


def bodies() -> dict[str, dict[str, Any]]:
    """Return the requests' bodies, by their path below `elk/` without the ending."""
    mappings = {
        "date_detection": False,
        "dynamic_templates": _DYNAMIC,
        "properties": fields.properties(fields.load()),
    }
    logs, audit = "Logs of Dify and of logship", "Audit events: none is deleted within the time that audits ask for"
    return {
        "component-templates/logship-settings": _component("How indices are kept on disk", settings=_SETTINGS),
        "component-templates/logship-mappings": _component(
            "Every field that logship writes; unknown keys lie below dify.attributes", mappings=mappings
        ),
        "component-templates/logship-strict": _component(
            "Audit events hold known fields only", mappings={"dynamic": "strict"}
        ),
        "component-templates/logship-logs-lifecycle": _lifecycle("logship-logs", LOGS_DAYS),
        "component-templates/logship-audit-lifecycle": _lifecycle("logship-audit", AUDIT_DAYS),
        "index-templates/logship-dify": _index(
            "logs-dify.*-*", "logship-logs-lifecycle", "Logs of Dify's services", failure_store=True
        ),
        "index-templates/logship-audit": _index(
            "logs-dify.audit-*",
            "logship-audit-lifecycle",
            "Audit events of Dify. The failure store is off: an event is accepted, or refused and kept by logship",
            failure_store=False,
            strict=True,
            priority=PRIORITY + 1,  # two templates of one priority must not match the same name
        ),
        "index-templates/logship-agent": _index(
            "logs-logship.*-*", "logship-logs-lifecycle", "logship's own log", failure_store=True
        ),
        "ilm/logship-logs": _ilm(logs, LOGS_DAYS, "7d"),
        "ilm/logship-audit": _ilm(audit, AUDIT_DAYS, "30d"),
        "ism/logship-logs": _ism(logs, LOGS_DAYS, "7d", ["logs-dify.*-*", "logs-logship.*-*"], PRIORITY),
        "ism/logship-audit": _ism(audit, AUDIT_DAYS, "30d", ["logs-dify.audit-*"], PRIORITY + 1),
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
