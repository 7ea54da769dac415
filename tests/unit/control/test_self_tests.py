"""Where the last self-test of the tools is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.self_tests import FileSelfTests

RESULT = {"at": "2026-11-22T21:00:00+00:00", "user": "kim", "proven": True, "tools": {"curl": "refused"}}


def test_it_outlives_the_agent(tmp_path: Path) -> None:
    FileSelfTests(tmp_path / "self-test.json").keep(RESULT)
    assert FileSelfTests(tmp_path / "self-test.json").last() == RESULT
    assert (tmp_path / "self-test.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff", b"{"])
def test_what_cannot_be_read_counts_as_never_tested(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "self-test.json").write_bytes(content)
    assert FileSelfTests(tmp_path / "self-test.json").last() is None


def test_a_place_that_takes_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(HaechiError) as caught:
        FileSelfTests(tmp_path / "gone" / "self-test.json").keep(RESULT)
    assert caught.value.code == "doctor.not-kept"
