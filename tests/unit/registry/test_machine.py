"""An agent's key that was cloned to another machine is noticed there."""

from __future__ import annotations

from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.trust.machine import settled


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "machine.json"


def machine(folder: Path, text: str | None) -> tuple[Path, ...]:
    """A machine with this id; None for one without."""
    path = folder / "machine-id"
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)
    return (folder / "none", path)


def code(error: HaechiError | None) -> str:
    return error.code if error else ""


ONE, TWO = "0123456789abcdef0123456789abcdef\n", "f" * 32 + "\n"


@pytest.mark.parametrize(
    ("made", "now", "wanted"),
    [
        (ONE, ONE, ""),
        (ONE, TWO, "permit.cloned"),
        (ONE, None, "permit.cloned"),
        (None, ONE, "permit.cloned"),
        ("uninitialized\n", ONE, "permit.cloned"),
        (None, None, ""),
        ("", "", ""),
    ],
)
def test_a_key_is_at_home_where_it_was_made(
    tmp_path: Path, note: Path, made: str | None, now: str | None, wanted: str
) -> None:
    key = tmp_path / "checkpoint.pem"
    assert settled(note, "key-1", key, machine(tmp_path, made)) is None
    for _ in range(2):
        assert code(settled(note, "key-1", key, machine(tmp_path, now))) == wanted


def test_the_machine_id_itself_is_not_kept_and_a_new_key_begins_anew(tmp_path: Path, note: Path) -> None:
    assert settled(note, "key-1", tmp_path, machine(tmp_path, ONE)) is None
    assert ONE.strip() not in note.read_text()
    assert note.stat().st_mode & 0o777 == 0o600
    assert settled(note, "key-2", tmp_path, machine(tmp_path, TWO)) is None
    assert settled(note, "key-2", tmp_path, machine(tmp_path, TWO)) is None


@pytest.mark.parametrize("text", ["", "[]", '{"key":"key-1"}', "\x00"])
def test_a_note_that_nobody_can_read_lets_no_permit_count(tmp_path: Path, note: Path, text: str) -> None:
    note.write_text(text)
    assert code(settled(note, "key-1", tmp_path, machine(tmp_path, ONE))) == "permit.machine-unknown"
