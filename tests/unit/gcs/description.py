"""Google's published description of the JSON API, as far as the contract tests need it.

``storage.v1.json`` beside this file is cut down from the discovery document of ``storage:v1``, which Google publishes
under the Apache License 2.0 (it comes with google-api-python-client, in ``discovery_cache/documents``). A newer one:
``python tests/unit/gcs/description.py NEWER.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("storage.v1.json")
SCHEMAS = ("Bucket", "ComposeRequest", "Object")
NOTICE = (
    "Copyright Google LLC. Licensed under the Apache License, Version 2.0. Changed: only methods with their arguments, "
    "endpoints, and the names of the fields of some schemas are left."
)


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the API. ``path`` is below ``/storage/v1/``; ``uploads`` are the paths that take its media."""

    id: str
    http: str
    path: str
    query: tuple[str, ...]
    document: str
    uploads: tuple[str, ...]


def methods() -> tuple[Method, ...]:
    """Every method that is described."""
    listed = json.loads(FILE.read_text(encoding="utf-8"))["methods"]
    return tuple(Method(**{**one, "query": tuple(one["query"]), "uploads": tuple(one["uploads"])}) for one in listed)


def fields(schema: str) -> tuple[str, ...]:
    """The names of a resource's fields."""
    return tuple(json.loads(FILE.read_text(encoding="utf-8"))["schemas"][schema])


def endpoints() -> tuple[str, ...]:
    """The URLs of the regional endpoints."""
    return tuple(json.loads(FILE.read_text(encoding="utf-8"))["endpoints"])


def reduced(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a discovery document."""
    return {
        "notice": NOTICE,
        "revision": document["revision"],
        "endpoints": sorted(one["endpointUrl"] for one in document["endpoints"]),
        "schemas": {name: sorted(document["schemas"][name]["properties"]) for name in SCHEMAS},
        "methods": sorted(_methods(document), key=lambda method: str(method["id"])),
    }


def _methods(resource: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for method in resource.get("methods", {}).values():
        said = method["parameters"]
        media = method.get("mediaUpload", {}).get("protocols", {})
        yield {
            "id": method["id"].removeprefix("storage."),
            "http": method["httpMethod"],
            "path": method["path"],
            "query": sorted(name for name, one in said.items() if one["location"] == "query"),
            "document": method.get("request", {}).get("$ref", ""),
            "uploads": sorted(one["path"] for one in media.values()),
        }
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


if __name__ == "__main__":
    made = reduced(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in made.items() if name != "methods")
    each = ",\n".join(f"  {json.dumps(method)}" for method in made["methods"])
    FILE.write_text(f'{{\n{lines},\n "methods": [\n{each}\n ]\n}}\n', encoding="utf-8")
