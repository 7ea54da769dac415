"""The built wheel, installed outside of the source tree: everything that is read at run time is in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from haechi.inbound.control import client

from tests.lab import Laboratory

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PARTS = ("agent", "connectors", "policies", "pyproject.toml", "setup.py", "README.md", "LICENSE")
BUILT = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it; its libraries are those of the tests, its Haechi is not."""
    folder = tmp_path_factory.mktemp("wheel")
    source, made = folder / "source", folder / "venv"
    source.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=BUILT)
        else:
            shutil.copy(ROOT / part, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source)
    venv.create(made, symlinks=True)
    (wheel,) = folder.glob("haechi-*.whl")
    run(*pip, "--python", made / "bin/python", "install", "--no-deps", "--no-index", wheel)
    shutil.rmtree(source)
    packages = made / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    # A path in a .pth file is searched for modules, but its own .pth files (the editable installation) are not read.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return made


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, check=False, cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "HAECHI_LANG": "en", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_it_runs_its_own_code_with_the_compiled_part(installed: Path) -> None:
    ask = "import haechi, haechi.payload.anchors._anchors as native; print(haechi.__file__); print(native.__file__)"
    said = run(installed / "bin/python", "-I", "-c", ask).stdout.split()
    assert all(place.startswith(f"{installed}/lib/") for place in said)


def test_commands_find_policies_catalogue_schemas_and_words(installed: Path) -> None:
    haechi = installed / "bin/haechi"
    checked = json.loads(run(haechi, "policy", "check", "--json").stdout)
    assert checked["folder"] == str(installed / "share/haechi/policies")
    assert "Usage: haechi" in run(haechi, "--help").stdout
    assert "List the tagged files" in run(haechi, "tags", "--help").stdout
    assert "R13" in run(haechi, "policy", "rules").stdout


def test_the_policies_in_it_are_those_of_the_tree_without_their_tests(installed: Path) -> None:
    top = installed / "share/haechi/policies"
    shipped = {path.relative_to(top) for path in top.rglob("*") if path.is_file()}
    here = {path.relative_to(ROOT / "policies") for path in (ROOT / "policies").rglob("*") if path.is_file()}
    assert shipped == {path for path in here if not path.name.endswith("_test.rego") and path.parts[0] != "cases"}


@pytest.mark.parametrize("compiler", [False, True])
def test_an_agent_starts_from_it(installed: Path, compiler: bool) -> None:
    if compiler:
        shutil.copy(ROOT / ".tools/bin/opa", installed / "bin/opa")
    with Laboratory() as lab:
        lab.institution.publish(accounts=["111122223333"])
        lab.configure(policies=installed / "share/haechi/policies")
        environment = lab.environment() | {"PYTHONPATH": ""}
        with lab.log.open("ab") as log:
            agent = subprocess.Popen(
                [installed / "bin/haechi", "agent"], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            lab.await_ready()
            said = client.call("agent.status", path=lab.socket, timeout=5)
            assert Path(f"/proc/{said['pid']}/exe").resolve() == (installed / "bin/python").resolve()
            assert str(installed) in Path(f"/proc/{said['pid']}/cmdline").read_text()
            interpreted = "" if compiler else "OPA's program is not there"
            assert said["parts"]["engine"]["interpreted"] == interpreted
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(20)
