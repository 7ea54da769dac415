"""Copies the running Haechi to a folder that only root may write: what judges engineers must not be theirs to edit.

Copied are this package, the connectors and the installed distributions that they require, file by file as their RECORD
says, and OPA's compiler where it is there: no network, and nothing that was not installed (and checked by hash) before.
The copy is a virtual environment on a Python that belongs to root; a Python in somebody's home is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.compiler import located
from haechi.outbound.engine.folder import locate
from haechi.outbound.system.files import own
from haechi.outbound.system.shell import Shell

OWN = ("haechi", "haechi_connectors")
POLICIES = Path("share/haechi/policies")
"""Below the copy, which is the prefix of its own Python: where the policies are looked for."""
_MARK = "INSTALLED"
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?[^;]*(?:;(.*))?$", re.DOTALL)
_LAUNCHER = """\
#!{folder}/bin/python -I
import sys

from haechi.cli import main

sys.exit(main())
"""


def trusted_python(minor: tuple[int, int] = sys.version_info[:2]) -> Path:
    """A Python of this version that belongs to root all the way up, and that every user may run.

    Raises ``HaechiError('install.python-not-trusted')``.
    """
    name = f"python{minor[0]}.{minor[1]}"
    candidates = [Path(sys.base_prefix, "bin", name), Path("/usr/bin", name), Path("/usr/local/bin", name)]
    for candidate in candidates:
        if candidate.exists() and trusted(candidate.resolve()):
            return candidate.resolve()
    raise HaechiError("install.python-not-trusted", python=str(candidates[0]), name=name)


def trusted(path: Path) -> bool:
    """Whether root owns the path and all above it, nobody else may write there, and everybody may pass."""
    for place in (path, *path.parents):
        about = place.stat()
        sticky = bool(about.st_mode & stat.S_ISVTX)
        writable = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky
        if about.st_uid != 0 or writable or not about.st_mode & stat.S_IXOTH:
            return False
    return True


def required(name: str = "haechi") -> list[metadata.Distribution]:
    """The distributions that Haechi needs at run time, itself not among them. Only what is installed: a requirement
    for another platform is not.
    """
    found: dict[str, metadata.Distribution] = {}
    todo: list[tuple[str, frozenset[str]]] = [(name, frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        try:
            distribution = metadata.distribution(key[0])
        except metadata.PackageNotFoundError:
            continue
        found[_normal(key[0])] = distribution
        for line in distribution.requires or ():
            match = _REQUIREMENT.match(line)
            if match is None:
                continue
            wanted, extras, marker = match.group(1), match.group(2) or "", match.group(3) or ""
            asked = re.findall(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
            if asked and not key[1].intersection(asked):
                continue
            todo.append((_normal(wanted), frozenset(extra.strip() for extra in extras.split(",") if extra.strip())))
    found.pop(_normal(name), None)
    return [found[key] for key in sorted(found)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _sources() -> Iterator[tuple[Path, Path]]:
    """Every file to copy with its place below site-packages."""
    for package in OWN:
        spec = util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise HaechiError("install.incomplete", missing=package)
        top = Path(next(iter(spec.submodule_search_locations)))
        for path in sorted(top.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield path, Path(package) / path.relative_to(top)
    for file in metadata.distribution("haechi").files or ():
        # How it was installed (editable, from where) is not so of the copy; its name and version are.
        if Path(file).name == "METADATA" and Path(file).parent.suffix == ".dist-info":
            yield Path(str(file.locate())), Path(file)
    for distribution in required():
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            # Scripts lie outside of site-packages and carry the old environment's path: not needed.
            if ".." not in Path(file).parts and source.suffix != ".pyc" and source.is_file():
                yield source, Path(file)


def _policies() -> Iterator[tuple[Path, Path]]:
    """Every shipped policy file with its place below the copy: rules, catalogue, schemas."""
    top = locate()
    for path in sorted(top.rglob("*")):
        if path.is_file():
            yield path, POLICIES / path.relative_to(top)


def _compiler() -> Iterator[tuple[Path, Path]]:
    """OPA's program with its place below the copy, where there is one."""
    program = located()
    if program is not None:
        yield program, Path("bin/opa")


def fingerprint() -> str:
    """What is running, by names, sizes and the contents of its own files."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for source, place in _compiler():
        with source.open("rb") as program:
            digest.update(f"{place}\0".encode() + hashlib.file_digest(program, "sha256").digest())
    for source, place in _policies():
        digest.update(f"{place}\0{source.stat().st_size}\0".encode() + source.read_bytes())
    for source, place in _sources():
        digest.update(f"{place}\0{source.stat().st_size}\0".encode())
        if place.parts[0] in OWN:
            digest.update(source.read_bytes())
    return digest.hexdigest()


class Program:
    """An installation's folder."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def version(self, target: Path) -> str | None:
        """The fingerprint that was written last, after everything else was there."""
        try:
            return (target / _MARK).read_text(encoding="ascii").strip()
        except OSError:
            return None

    def copy(self, target: Path) -> None:
        """Build the copy beside the old one, then put it in its place. Raises as ``trusted_python``."""
        python = trusted_python()
        fresh, old = target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            self._build(python, fresh, target)
            if target.exists():
                target.rename(old)
            fresh.rename(target)
        except OSError as error:
            if old.exists() and not target.exists():
                old.rename(target)
            raise HaechiError("install.file-failed", path=str(target), reason=error.strerror or str(error)) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    def _build(self, python: Path, fresh: Path, target: Path) -> None:
        packages = fresh / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        packages.mkdir(parents=True)
        (fresh / "bin").mkdir()
        (fresh / "bin/python").symlink_to(python)
        (fresh / "pyvenv.cfg").write_text(
            f"home = {python.parent}\ninclude-system-site-packages = false\nversion = {sys.version.split()[0]}\n",
            encoding="utf-8",
        )
        for source, place in _sources():
            goal = packages / place
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, goal)
        for source, place in _policies():
            (fresh / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, fresh / place)
        for source, place in _compiler():
            shutil.copyfile(source, fresh / place)
            (fresh / place).chmod(0o755)
        launcher = fresh / "bin/haechi"
        launcher.write_text(_LAUNCHER.format(folder=target), encoding="utf-8")
        launcher.chmod(0o755)
        # Compiled once by root: the service user could not keep what it compiles.
        self._shell.run(
            str(python), "-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "checked-hash", str(packages)
        )
        (fresh / _MARK).write_text(fingerprint() + "\n", encoding="ascii")
        own(fresh)
        os.sync()
