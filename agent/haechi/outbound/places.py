"""The agent's folders on disk, with the modes that keep others out."""

from __future__ import annotations

from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.settings.paths import Layout, Paths

PRIVATE, PASSED, READABLE = 0o700, 0o711, 0o755


def prepare_folders(paths: Paths) -> None:
    """Make every folder that is missing and set its mode. Raises ``HaechiError('agent.no-folder')``.

    A service's state folder can be passed through but not listed, because clients read the trust bundle below it;
    everything in it that is not public is private in itself.
    """
    own = paths.layout is Layout.USER
    shared = PRIVATE if own else READABLE
    wanted: dict[Path, int] = {
        paths.state: PRIVATE if own else PASSED,
        paths.runtime: shared,
        paths.public: shared,
        paths.private_runtime: PRIVATE,
        paths.keys: PRIVATE,
        paths.spool: PRIVATE,
        paths.state / "private": PRIVATE,
    }
    for folder, mode in wanted.items():
        try:
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            folder.chmod(mode)
        except OSError as error:
            raise HaechiError("agent.no-folder", path=str(folder), reason=error.strerror or "") from error
