"""Which compiler an agent takes: as a service, none that others than root can change."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from haechi.outbound.engine.compiler import NotCompiledError
from haechi.outbound.engine.folder import locate, read
from haechi.settings.paths import Layout
from haechi.wiring.rules import _compiler


def ground(program: Path | None, layout: Layout, folder: Path) -> Any:
    engine = SimpleNamespace(compiler=program)
    paths = SimpleNamespace(layout=layout, private_runtime=folder)
    return SimpleNamespace(settings=SimpleNamespace(engine=engine), paths=paths)


def test_a_person_may_name_a_program_of_their_own(tmp_path: Path) -> None:
    assert _compiler(ground(tmp_path / "opa", Layout.USER, tmp_path)).program == tmp_path / "opa"


def test_a_service_takes_what_is_roots(tmp_path: Path) -> None:
    made = _compiler(ground(Path("/usr/bin/env"), Layout.SERVICE, tmp_path))
    assert (made.program, made.folder) == (Path("/usr/bin/env"), tmp_path)


@pytest.mark.parametrize("there", [True, False])
def test_a_service_takes_nothing_that_others_can_change(there: bool, tmp_path: Path) -> None:
    program = tmp_path / "opa"
    if there:
        program.write_text("#!/bin/sh\n")
        program.chmod(0o777)
    made = _compiler(ground(program, Layout.SERVICE, tmp_path))
    with pytest.raises(NotCompiledError, match="not root's alone" if there else "No such file"):
        made(read(locate()))
