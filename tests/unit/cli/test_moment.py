"""Times as people read them."""

from __future__ import annotations

import pytest
from haechi.commands.explain import moment


def test_in_korean_a_time_is_korea_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_LANG", "ko")
    assert moment("2026-11-27T13:36:41+00:00") == "2026-11-27 22:36:41 KST"
    assert moment("2026-11-27T22:36:41+09:00") == "2026-11-27 22:36:41 KST"


def test_elsewhere_it_is_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_LANG", "en")
    assert "KST" not in moment("2026-11-27T13:36:41+00:00")
    assert moment("then") == "then"
