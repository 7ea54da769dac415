"""Decisions as OCSF events, for whoever collects security events of many products.

Theory. Two classes of the Open Cybersecurity Schema Framework fit. What a rule spoke about, and anything that carries
recognised content, is a *Data Security Finding* (2006): the class of data loss prevention. An allowed upload of
content in which nothing was recognised is *API Activity* (6003): a call to a cloud's interface. Both carry the
profiles ``cloud`` and ``security_control``. Times are milliseconds since 1970.

====================  ===========  =============  ==============
effect                severity     action         disposition
====================  ===========  =============  ==============
``allow``             1 info       1 allowed      1 allowed
``would_block``       3 medium     3 observed     15 detected
``block``             4 high       2 denied       2 blocked
====================  ===========  =============  ==============

A finding about a container that holds protected content (``drift``) is a Data Security Finding of data at rest: created
when it is raised (high where it is grave, else medium), closed when it is mended, accepted or followed by another. All
events of one finding carry its ``finding_info.uid``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from haechi.domain.audit import Record

SCHEMA_VERSION = "1.8.0"

_EFFECTS = {
    "allow": (1, "Informational", 1, "Allowed", 1, "Allowed"),
    "would_block": (3, "Medium", 3, "Observed", 15, "Detected"),
    "block": (4, "High", 2, "Denied", 2, "Blocked"),
}
_ACTIVITIES = {
    "upload": (1, "Create"),
    "copy": (1, "Create"),
    "assemble": (1, "Create"),
    "prepare": (1, "Create"),
    "read": (2, "Read"),
    "expose": (3, "Update"),
}
_BUCKETS = {"aws": (1, "S3"), "azure": (2, "Azure Blob"), "gcp": (3, "GCP Bucket")}


def ocsf_event(record: Record, host: str, version: str) -> dict[str, Any] | None:
    """The OCSF event of a record; None for one that is neither a decision nor a finding about a container. ``host``
    names the machine it was made on.
    """
    if record.kind == "drift":
        return _drift(record, record.decoded(), host, version)
    if record.kind != "decision":
        return None
    event: Mapping[str, Any] = record.decoded()
    decision, content = _part(event, "decision"), _part(event, "content")
    effect = str(decision.get("effect", ""))
    severity, severity_name, action, action_name, disposition, disposition_name = _EFFECTS.get(
        effect, (0, "Unknown", 0, "Unknown", 0, "Unknown")
    )
    moment = _milliseconds(str(event.get("at") or record.time))
    made: dict[str, Any] = {
        "metadata": _metadata(record, str(event.get("id", "")), version, ["cloud", "security_control"]),
        "time": moment,
        "severity_id": severity,
        "severity": severity_name,
        "action_id": action,
        "action": action_name,
        "disposition_id": disposition,
        "disposition": disposition_name,
        "is_alert": effect != "allow",
        "cloud": {"provider": str(_part(event, "action").get("provider") or "unknown")},
        "api": _api(event),
        "actor": _actor(_part(event, "actor")),
        "src_endpoint": {"hostname": host},
        "dst_endpoint": {"hostname": str(_part(event, "request").get("host") or "unknown")},
        "unmapped": {"haechi": {"hash": record.hash, "findings": decision.get("findings", [])}},
    }
    if effect == "allow" and not content.get("matches"):
        return made | _activity(event)
    return made | _finding(event, decision, content, moment)


_STEPS = {
    "open": (1, "Create", 1, "New"),
    "mended": (3, "Close", 4, "Resolved"),
    "accepted": (3, "Close", 3, "Suppressed"),
    "followed": (3, "Close", 4, "Resolved"),
}


def _drift(record: Record, event: Mapping[str, Any], host: str, version: str) -> dict[str, Any]:
    finding, place = _part(event, "drift"), _part(event, "destination")
    activity, activity_name, status, status_name = _STEPS.get(str(event.get("act")), (99, "Other", 99, "Other"))
    severity, severity_name = (4, "High") if finding.get("grave") else (3, "Medium")
    kind, kind_name = _BUCKETS.get(str(place.get("provider")), (99, "Other"))
    identity, moment = str(event.get("id", "")), _milliseconds(str(event.get("at") or record.time))
    rules = [str(one.get("rule")) for one in finding.get("rules", ()) if isinstance(one, Mapping)]
    container = str(place.get("container") or "unknown")
    return {
        "metadata": _metadata(record, f"{identity}-{event.get('act')}", version, ["cloud"]),
        "time": moment,
        "severity_id": severity,
        "severity": severity_name,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2006,
        "class_name": "Data Security Finding",
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": 200600 + activity,
        "status_id": status,
        "status": status_name,
        "comment": str(event.get("reason") or ""),
        "cloud": {"provider": str(place.get("provider") or "unknown")},
        "src_endpoint": {"hostname": host},
        "finding_info": {
            "uid": identity,
            "title": f"drift: {finding.get('kind')}",
            "created_time": _milliseconds(str(finding.get("raised") or record.time)),
            "types": list(dict.fromkeys([str(finding.get("kind")), *rules])),
        },
        "data_security": {
            "detection_system_id": 99,
            "detection_system": "Settings of the store",
            "data_lifecycle_state_id": 1,
            "data_lifecycle_state": "Data at-Rest",
            "policy": {"name": "haechi", "uid": str(event.get("policy") or "unknown")},
        },
        "databucket": {"name": container, "type_id": kind, "type": kind_name},
        "resources": [
            {"name": str(one.get("key")), "type": "object"}
            for one in event.get("objects", ())
            if isinstance(one, Mapping)
        ]
        or [{"name": container, "type": "container"}],
        "unmapped": {"haechi": {"hash": record.hash, "drift": finding, "objects_total": event.get("objects_total")}},
    }


def _metadata(record: Record, uid: str, version: str, profiles: list[str]) -> dict[str, Any]:
    return {
        "version": SCHEMA_VERSION,
        "product": {"name": "Haechi", "vendor_name": "Haechi", "version": version},
        "profiles": profiles,
        "uid": uid,
        "sequence": record.seq,
        "logged_time": _milliseconds(record.time),
        "log_name": "haechi-audit",
    }


def _activity(event: Mapping[str, Any]) -> dict[str, Any]:
    activity, name = _ACTIVITIES.get(str(_part(event, "action").get("kind")), (99, "Other"))
    return {
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "activity_id": activity,
        "activity_name": name,
        "type_uid": 600300 + activity,
        "resources": _resources(event),
    }


def _finding(
    event: Mapping[str, Any], decision: Mapping[str, Any], content: Mapping[str, Any], moment: int
) -> dict[str, Any]:
    rules = [str(finding.get("rule")) for finding in decision.get("findings", ()) if isinstance(finding, Mapping)]
    causes = [str(cause.get("code")) for cause in decision.get("causes", ()) if isinstance(cause, Mapping)]
    spoke = ", ".join(dict.fromkeys([*rules, *causes])) or "recognised content"
    place = _part(event, "destination")
    kind, kind_name = _BUCKETS.get(str(place.get("provider")), (99, "Other"))
    made: dict[str, Any] = {
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2006,
        "class_name": "Data Security Finding",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200601,
        "status_id": 1,
        "status": "New",
        "finding_info": {
            "uid": str(event.get("id", "")),
            "title": f"{decision.get('effect')}: {spoke}",
            "created_time": moment,
            "types": list(dict.fromkeys(rules)),
        },
        "data_security": {
            "detection_system_id": 2,
            "detection_system": "DLP Gateway",
            "data_lifecycle_state_id": 2,
            "data_lifecycle_state": "Data in-Transit",
            "policy": {"name": "haechi", "uid": str(event.get("policy") or "unknown")},
        },
        "databucket": {
            "name": str(place.get("container") or "unknown"),
            "type_id": kind,
            "type": kind_name,
        },
        "resources": _resources(event),
    }
    matches = [match for match in content.get("matches", ()) if isinstance(match, Mapping)]
    if matches:
        made["file"] = {"name": str(matches[0].get("name") or "unknown"), "type_id": 1, "type": "Regular File"}
    return made


def _resources(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    place = _part(event, "destination")
    return [{"name": str(place.get("key") or place.get("container") or "unknown"), "type": "object"}]


def _api(event: Mapping[str, Any]) -> dict[str, Any]:
    action = _part(event, "action")
    return {
        "operation": str(action.get("operation") or "unknown"),
        "service": {"name": str(action.get("service") or "unknown")},
    }


def _actor(actor: Mapping[str, Any]) -> dict[str, Any]:
    """Who; what is not known is left out, and where nothing is, the application says so."""
    user = {
        name: str(actor[source])
        for name, source in (("name", "user"), ("uid", "uid"))
        if isinstance(actor.get(source), str | int)
    }
    made: dict[str, Any] = {"user": user} if user else {}
    if isinstance(actor.get("pid"), int):
        process: dict[str, Any] = {"pid": actor["pid"]}
        if isinstance(actor.get("executable"), str):
            process["path"] = actor["executable"]
        made["process"] = process
    return made or {"app_name": "unknown"}


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = event.get(name)
    return part if isinstance(part, Mapping) else {}


def _milliseconds(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)
