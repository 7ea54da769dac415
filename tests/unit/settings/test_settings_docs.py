"""docs/settings.md lists every setting as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from haechi.settings.model import described
from haechi.settings.reading import kind_name

DOCS = Path(__file__).parents[3] / "docs"


def rows(page: str) -> dict[str, list[str]]:
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.replace("\\|", "¦").split("|")[1:-1]] for line in lines if line.startswith("| `")
    ]
    return {row[0].strip("`"): row for row in cells}


def shown(value: Any) -> str:
    if value is None or value in ("", (), {}):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return ", ".join(f"`{item}`" for item in value) if isinstance(value, tuple) else f"`{value}`"


@pytest.mark.parametrize("page", ["settings.md", "settings.ko.md"])
def test_every_setting_is_documented_with_type_default_unit_and_whose_choice(page: str) -> None:
    documented = rows(page)
    assert list(documented) == [entry.key for entry in described()]
    for entry in described():
        _, allowed, default, unit, whose, meaning = documented[entry.key]
        assert allowed.startswith(kind_name(entry.kind).replace("|", "¦")), entry.key
        assert (default, unit, whose) == (shown(entry.default), entry.unit or "–", entry.whose.value), entry.key
        assert meaning, entry.key
