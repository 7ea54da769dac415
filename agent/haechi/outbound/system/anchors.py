"""The system's trusted roots on Debian and Ubuntu: one file of ours, taken in by update-ca-certificates."""

from __future__ import annotations

from pathlib import Path

from haechi.outbound.system.files import Files
from haechi.outbound.system.shell import Shell

ANCHOR = Path("/usr/local/share/ca-certificates/haechi-root.crt")


class TrustAnchors:
    """Puts a root certificate where every program that uses the system's store trusts it, and takes it away."""

    def __init__(self, shell: Shell, files: Files, place: Path = ANCHOR) -> None:
        self._shell = shell
        self._files = files
        self._place = place

    def anchored(self) -> bytes | None:
        """Our certificate in the store, or None."""
        return self._files.read(self._place)

    def anchor(self, pem: bytes) -> None:
        """Add or replace it."""
        self._files.make_folder(self._place.parent, 0o755, "root")
        self._files.write(self._place, pem, 0o644)
        self._shell.run("update-ca-certificates")

    def unanchor(self) -> None:
        """Take it away; the bundle is built anew without it."""
        if self._files.exists(self._place):
            self._files.remove(self._place)
            self._shell.run("update-ca-certificates")
