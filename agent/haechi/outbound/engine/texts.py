"""Which files of policies matter, their bytes, and the digest over them: all that is known before anything is parsed.

Must not know: what they say.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import blake3

from haechi.domain.errors import HaechiError
from haechi.domain.issue import Issue
from haechi.outbound.engine.choices import FILE as DATA

CATALOGUE = "catalogue/data.yaml"
BUNDLED_CATALOGUE = "catalogue/catalogue.yaml"
"""The same file in a bundle, where ``data.json`` has what rules ask of it."""
CLAUSES = "clauses.yaml"
DATA_JSON = "data.json"
"""``data.yaml`` in the form that every engine reads alike; a bundle has this one."""
MAX_FILES = 500
MAX_BYTES = 4 * 1024 * 1024
"""Bounds of what is read at all: a policy folder is small, and whoever can write it could otherwise exhaust us."""


def revision_of(texts: Sequence[tuple[str, str]], issue: Issue | None = None) -> str:
    """The digest of texts in this order, and of the issue: an issue is never taken for another one."""
    digest = blake3.blake3()
    for name, text in texts:
        digest.update(f"{name}\0{len(text.encode())}\0".encode() + text.encode())
    if issue is not None:
        issued = issue.issued_at.isoformat()
        digest.update(f"\0issue\0{issue.sequence}\0{issued}\0{issue.rolls_back_from}\0".encode())
    return f"blake3:{digest.hexdigest()}"


def files(folder: Path) -> list[Path]:
    """Every file of a folder that ``read`` would read, ordered."""
    return [path for path in sorted(folder.rglob("*")) if matters(path.relative_to(folder).as_posix())]


def texts_at(folder: Path) -> list[tuple[str, str]]:
    """Every file that matters, by its path in the folder, ordered, and not read yet for what it says.

    Raises ``HaechiError``: ``policy.unreadable``, ``policy.invalid``.
    """
    found: list[tuple[str, str]] = []
    total = 0
    try:
        for path in files(folder):
            name = path.relative_to(folder).as_posix()
            content = bytes_of(path, MAX_BYTES + 1)
            total += len(content)
            if len(found) >= MAX_FILES or total > MAX_BYTES:
                raise HaechiError("policy.invalid", file=name, why=f"more than {MAX_FILES} files or {MAX_BYTES} bytes")
            found.append((name, content.decode()))
    except OSError as error:
        raise HaechiError("policy.unreadable", folder=str(folder), why=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise HaechiError("policy.invalid", file=name, why="not UTF-8") from error
    return found


def bytes_of(file: Path, limit: int, *, own: bool = False) -> bytes:
    """The first ``limit`` bytes of a plain file; a link to one is as good (that is how Kubernetes mounts them). ``own``
    takes nothing but a file of this process' own user under its own name.

    Raises ``OSError``, also for what is none: a pipe would keep whoever reads it waiting for ever, a device never end.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if own else 0)
    with open(os.open(file, flags), "rb") as held:  # noqa: PTH123 - flags
        about = os.fstat(held.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "no plain file", str(file))
        if own and about.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "somebody else's file", str(file))
        return held.read(limit)


def matters(name: str) -> bool:
    """Whether a file of this name says something."""
    if name.startswith(("testing/", "cases/")):
        return False
    if name.endswith(".rego"):
        return not name.endswith("_test.rego")
    if name in (DATA, DATA_JSON, CATALOGUE, BUNDLED_CATALOGUE, CLAUSES):
        return True
    if name.startswith("schema/"):
        return name.endswith(".json")
    return name.startswith("rules/") and name.endswith("/words.yaml")
