"""Whether the agent's key is on the machine that it was made on.

Signed permits are bound to an agent by the id of its key. A machine that is cloned with its keys has the same id, and
what was signed for the one would be good on both, once on each. So the machine's own id is noted beside the key. Clones
that keep the machine id too are not told apart here (docs/limitations.md).

The machine id is not to leave the machine (machine-id(5)): only a keyed hash of it is kept.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Final

import msgspec

from haechi.domain.errors import HaechiError
from haechi.durable import replace_file

FILES: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
UNMADE: Final = "uninitialized"
"""What systemd writes into an image that is to get an id of its own."""
MAX_FILE: Final = 4096


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``machine`` is empty where the machine had no id."""

    key: str
    machine: str


def settled(path: Path, key: str, key_file: Path, files: tuple[Path, ...] = FILES) -> HaechiError | None:
    """Hold the machine against the note in ``path``; ``key`` is the id of the agent's key, which lies in ``key_file``.
    A new key is noted with this machine. None where all is well.

    What keeps signed permits from counting: ``permit.cloned``, or ``permit.machine-unknown`` where the note cannot be
    read or written.
    """
    machine = _machine(files)
    try:
        noted = msgspec.json.decode(_read(path), type=_Note) if path.exists() else None
        if noted is None or noted.key != key:
            replace_file(path, msgspec.json.encode(_Note(key, machine)) + b"\n")
            return None
    except (OSError, msgspec.DecodeError) as error:
        return HaechiError("permit.machine-unknown", file=str(path), cause=str(error)[:200])
    return None if hmac.compare_digest(noted.machine, machine) else HaechiError("permit.cloned", file=str(key_file))


def _machine(files: tuple[Path, ...]) -> str:
    for path in files:
        try:
            text = _read(path).decode("ascii", "replace").strip()
        except OSError:
            continue
        if text and text != UNMADE:
            return hmac.new(b"haechi agent", text.encode(), hashlib.sha256).hexdigest()
    return ""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE)
