"""What OPA made is kept over restarts, and nothing else is taken for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.compilations import KEPT, KeptCompilations
from haechi.outbound.engine.compiler import Compiler, NotCompiledError, located
from haechi.outbound.engine.folder import PolicyFolder, locate, read

MODULE = b"\0asm"
"""How every module begins. No two are the same: OPA writes the place of its sources into them."""


@pytest.fixture(scope="module")
def policies() -> PolicyFolder:
    return read(locate())


@pytest.fixture
def opa(tmp_path: Path) -> Path:
    """The real one, under a name of its own; each call of it leaves a line."""
    program, calls = tmp_path / "opa", tmp_path / "calls"
    program.write_text(f'#!/bin/sh\necho "$1" >> {calls}\nexec {located()} "$@"\n')
    program.chmod(0o755)
    return program


def asked(opa: Path) -> list[str]:
    calls = opa.with_name("calls")
    return [one for one in calls.read_text().split() if one in ("build", "check")] if calls.exists() else []


def kept(opa: Path | None, tmp_path: Path) -> KeptCompilations:
    return KeptCompilations(Compiler(opa), tmp_path / "kept")


def test_the_next_start_asks_for_nothing(opa: Path, policies: PolicyFolder, tmp_path: Path) -> None:
    first = kept(opa, tmp_path)
    made = first(policies)
    first.check(policies)
    assert made.startswith(MODULE) and asked(opa) == ["build", "check"]
    second = kept(opa, tmp_path)
    second.check(policies)
    assert second(policies) == made and asked(opa) == ["build", "check"]


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def altered(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def linked(file: Path) -> None:
    other = file.with_name("other")
    file.rename(other)
    file.symlink_to(other)


def piped(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("hurt", [cut_off, altered, emptied, linked, piped])
def test_what_is_not_what_was_kept_is_made_anew(
    hurt: Callable[[Path], None], opa: Path, policies: PolicyFolder, tmp_path: Path
) -> None:
    kept(opa, tmp_path)(policies)
    (file,) = (tmp_path / "kept").iterdir()
    hurt(file)
    assert kept(opa, tmp_path)(policies).startswith(MODULE) and asked(opa) == ["build", "build"]


def test_other_policies_and_another_program_are_asked_about(opa: Path, policies: PolicyFolder, tmp_path: Path) -> None:
    kept(opa, tmp_path)(policies)
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    file = folder / "rules/r13_layer1/rule.rego"
    file.write_text(file.read_text() + "\n# another issue\n")
    kept(opa, tmp_path)(read(folder))
    os.utime(opa, ns=(1, 1))
    kept(opa, tmp_path)(policies)
    assert asked(opa) == ["build"] * 3
    for number in range(KEPT):
        os.utime(opa, ns=(2 + number, 2 + number))
        kept(opa, tmp_path)(policies)
    assert len(list((tmp_path / "kept").iterdir())) == KEPT


def test_what_is_refused_is_asked_about_again(opa: Path, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    file = folder / "rules/r13_layer1/rule.rego"
    file.write_text(file.read_text() + "\nunused(value) := 1\n")
    for _ in range(2):
        with pytest.raises(HaechiError):
            kept(opa, tmp_path).check(read(folder))
    assert asked(opa) == ["check"] * 2


def test_without_a_program_nothing_is_taken_from_before(opa: Path, policies: PolicyFolder, tmp_path: Path) -> None:
    kept(opa, tmp_path)(policies)
    kept(opa, tmp_path).check(policies)
    with pytest.raises(NotCompiledError):
        kept(None, tmp_path)(policies)
    opa.unlink()
    with pytest.raises(NotCompiledError):
        kept(opa, tmp_path)(policies)


def test_a_disk_that_takes_nothing_costs_time_alone(opa: Path, policies: PolicyFolder, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder is to be")
    for _ in range(2):
        assert kept(opa, tmp_path)(policies).startswith(MODULE)
    assert asked(opa) == ["build", "build"]
