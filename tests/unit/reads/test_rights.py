"""The right that the watch needs for a moment is given up, whatever the kernel answers."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest
from haechi.settings import Layout
from haechi.wiring import reads

SERVICE: Any = SimpleNamespace(paths=SimpleNamespace(layout=Layout.SERVICE))


@pytest.mark.parametrize("refused", [False, True])
def test_a_service_keeps_no_right_that_it_needs_no_more(monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
    given_up: list[bool] = []

    def made() -> object:
        if refused:
            raise OSError(errno.ENOSYS, "Function not implemented")
        return object()

    monkeypatch.setattr(reads, "Fanotify", made)
    monkeypatch.setattr(reads, "give_up_admin", lambda: given_up.append(True))
    monkeypatch.setattr("os.geteuid", lambda: 990)
    group = reads.open_group(SERVICE)
    assert isinstance(group.made, OSError) is refused
    assert given_up == [True]
