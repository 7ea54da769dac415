"""A registry as JSON: the same strict form as in YAML, with lines, and as large as an institution's can be."""

from __future__ import annotations

import copy
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from haechi.outbound.registry import FileRegistry, check_registry, registry_from
from haechi.outbound.registry.form import SECTIONS
from haechi.outbound.registry.sources import MAX_JSON, JsonWritten
from haechi.outbound.trust.document import parse_document

from tests.lab.largest import as_json, largest

SCHEMA = json.loads((Path(__file__).parents[3] / "policies/schema/registry-1.json").read_text(encoding="utf-8"))


@pytest.fixture
def document(example: str) -> dict[str, Any]:
    data: dict[str, Any] = parse_document(example.encode(), "registry.yaml", "registry").data
    return data


def pretty(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def test_json_and_yaml_say_the_same(example: str, document: dict[str, Any]) -> None:
    from_yaml = registry_from(example.encode(), "registry.yaml")
    assert registry_from(pretty(document), "registry.yaml") == from_yaml
    assert registry_from(json.dumps(document).encode(), "registry.yaml") == from_yaml  # escaped: the slow way


def test_a_signed_registry_in_json_is_in_force_and_kept(team: Any, document: dict[str, Any], tmp_path: Path) -> None:
    path = team.registry(pretty(document).decode())
    assert FileRegistry(path, team.trust(), tmp_path / "state").problem is None
    path.unlink()
    kept = FileRegistry(path, team.trust(), tmp_path / "state")
    assert kept.data is not None
    assert kept.data.sequence == 1


# --- the schema and the forms are one ---


VALUES: dict[str, object] = {
    "null": None, "empty": "", "empty-list": [], "number": 3, "true": True, "false": False, "capital": "Aws",
    "twice": ["SEM-01", "SEM-01"], "day": "2026-02-03", "instant": "2026-02-03T04:05:06+09:00",
    "naive": "2026-02-03T04:05:06", "long": "x" * 501, "line": "aws\nx",
}  # fmt: skip


def _mutations() -> list[tuple[str, Callable[[dict[str, Any]], object]]]:
    made: list[tuple[str, Callable[[dict[str, Any]], object]]] = []
    for section in SECTIONS:
        properties = SCHEMA["properties"][section]["items"]["properties"]
        made.append((f"{section}-unknown", lambda d, s=section: d[s][0].update(surprise=1)))  # type: ignore[misc]
        made.append((f"{section}-not-a-list", lambda d, s=section: d.update({s: {}})))  # type: ignore[misc]
        made.append((f"{section}-text", lambda d, s=section: d[s].append("text")))  # type: ignore[misc]
        for field in properties:
            made.append((f"{section}-{field}-left-out", lambda d, s=section, f=field: d[s][0].pop(f, None)))  # type: ignore[misc]
            for name, value in VALUES.items():
                change = lambda d, s=section, f=field, v=value: d[s][0].update({f: v})  # type: ignore[misc]  # noqa: E731
                made.append((f"{section}-{field}-{name}", change))
    return made


@pytest.mark.parametrize("change", [change for _, change in _mutations()], ids=[name for name, _ in _mutations()])
def test_the_schema_and_the_form_refuse_the_same(document: dict[str, Any], change: Callable[[Any], object]) -> None:
    changed = copy.deepcopy(document)
    change(changed)
    allowed = jsonschema.Draft202012Validator(SCHEMA).is_valid(changed)
    data, faults = check_registry(pretty(changed), "registry.json")
    told = {str(fault.params["cause"]) for fault in faults}
    if told <= {"not-a-date", "ends-before-it-begins", "id-twice"} and told:
        assert allowed  # the form is right; what it says cannot be
    else:
        assert (data is not None) is allowed, (allowed, faults)


def test_every_list_of_the_schema_has_its_form_and_bound() -> None:
    lists = {name: said for name, said in SCHEMA["properties"].items() if said.get("type") == "array"}
    assert {name: said["maxItems"] for name, said in lists.items()} == {name: n for name, (_, n) in SECTIONS.items()}
    for name, said in lists.items():
        form = SECTIONS[name][0]
        assert set(said["items"]["properties"]) == set(form.__struct_fields__), name


# --- faults ---


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"granted"', '"approved"', "authorisations[0].status"),
        ('"2026-06-30"', '"2026-06-31"', "authorisations[0].valid_until"),
        ('"2026-06-30"', '"9999-12-31"', "authorisations[0].valid_until"),
        ('"2026-01-10"', '"0001-01-01"', "authorisations[0].valid_from"),
        ('"country": "JP"', '"country": "Japan"', "authorisations[0].destinations[0].country"),
        ('"id": "DEC-2026-003"', '"id": "EXP-2026-017"', "authorisations[1].id"),
        ('"sequence": 1', '"sequence": 0', "sequence"),
        ('"name": "김해치"', '"name": "김해치", "name": "박해치"', "personnel[0].name"),
        ('"registration_number"', '"secret": 1, "registration_number"', "institution.secret"),
    ],
)
def test_a_fault_in_json_names_its_field_and_line(document: dict[str, Any], old: str, new: str, field: str) -> None:
    text = pretty(document).decode()
    changed = text.replace(old, new, 1)
    assert changed != text
    data, faults = check_registry(changed.encode(), "registry.json")
    assert data is None
    assert faults[0].params["field"] == field
    line = changed.splitlines()[int(str(faults[0].params["line"])) - 1]
    assert field.rpartition(".")[2].partition("[")[0] in line


def test_a_list_that_is_there_twice_is_refused(document: dict[str, Any]) -> None:
    text = pretty(document).decode().rstrip("}\n ")
    for again in ('"orders": []', '"sequence": 2', '"institution": {"name": "x", "registration_number": "y"}'):
        data, faults = check_registry(f"{text}, {again}}}".encode(), "registry.json")
        assert data is None
        assert faults[0].params["cause"] == "duplicate-key"


@pytest.mark.parametrize(
    "hostile",
    [
        b"{" * 100_000,
        b'{"a":' * 50_000,
        b'{"schema": "haechi.registry/1"',
        b"{}",
        b'{"schema": "haechi.registry/1", "sequence": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"personnel": [' + b"[" * 100_000,
        b'{"schema": "haechi.registry/1", "sequence": 1e999, "issued_at": "", "institution": {}}',
        b"  {\x00}",
    ],
)
def test_hostile_json_is_a_fault(hostile: bytes) -> None:
    data, faults = check_registry(hostile, "registry.json")
    assert data is None
    assert faults[0].code == "registry.malformed"


def test_json_beyond_its_bound_is_refused_before_it_is_read() -> None:
    data, faults = check_registry(b"{" + b" " * MAX_JSON, "registry.json")
    assert (data, faults[0].code) == (None, "registry.too-large")


def test_more_entries_than_the_schema_allows_are_refused(document: dict[str, Any]) -> None:
    document["recipients"] = [document["recipients"][0] | {"id": f"R-{at}"} for at in range(101)]
    data, faults = check_registry(pretty(document), "registry.json")
    assert (data, faults[0].params["field"]) == (None, "recipients")


def test_a_large_registry_in_json_is_read_whole_and_lets_others_have_their_turn() -> None:
    turns: list[None] = []
    raw = as_json(largest(approvals=5000, people=1000))
    data = registry_from(raw, "registry.json", lambda: turns.append(None))
    assert (len(data.takeouts) + len(data.authorisations), len(data.personnel)) == (5000, 1000)
    assert len(turns) > 6000 // 100


def test_entries_that_say_the_same_are_those_of_the_registry_before() -> None:
    """So that a large registry takes no memory twice while it takes another's place."""
    document = largest(approvals=200, people=50)
    before = registry_from(as_json(document), "registry.json")
    document["sequence"] = 2
    document["personnel"][7]["trained_on"] = "2026-10-30"
    document["takeouts"].append(document["takeouts"].pop(3))
    after = registry_from(as_json(document), "registry.json", before=before)
    assert after == registry_from(as_json(document), "registry.json")
    ours = {id(one) for one in (*before.takeouts, *before.authorisations, *before.personnel, *before.orders)}
    entries = (*after.takeouts, *after.authorisations, *after.personnel, *after.orders)
    fresh = [one for one in entries if id(one) not in ours]
    assert fresh == [after.personnel[7]]


def test_the_file_in_force_is_what_the_next_one_is_held_against(team: Any, tmp_path: Path) -> None:
    path = team.registry(as_json(largest(approvals=50, people=10)).decode())
    found = FileRegistry(path, team.trust(), tmp_path / "state")
    before = found.data
    team.registry(as_json(largest(approvals=60, people=10, sequence=2)).decode())
    assert found.refresh()
    assert before is not None and found.data is not None
    assert all(one is other for one, other in zip(before.personnel, found.data.personnel, strict=True))


def test_what_stands_beside_the_lists_is_read_without_a_copy_of_them() -> None:
    raw = as_json(largest(approvals=2000, people=100))
    source = JsonWritten(raw, "registry.json")
    tracemalloc.start()
    try:
        assert source.head().sequence == 1
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < len(raw) // 10
