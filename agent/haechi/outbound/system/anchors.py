"""The system's trusted roots on Debian and Ubuntu: one file of ours, taken in by update-ca-certificates."""

from __future__ import annotations

from pathlib import Path

from haechi.outbound.system.files import Files
from haechi.outbound.system.shell import Shell

ANCHOR = Path("/usr/local/share/ca-certificates/haechi-root.crt")
STORE = Path("/etc/ssl/certs")
HOOKS = Path("/etc/ca-certificates/update.d")


def trusts(pem: bytes, place: Path = ANCHOR) -> bool:
    """Whether the root certificate is the one that this machine was told to trust. Anybody may ask."""
    try:
        return place.read_bytes() == pem
    except OSError:
        return False


class TrustAnchors:
    """Puts a root certificate where every program that uses the system's store trusts it, and takes it away."""

    def __init__(self, shell: Shell, files: Files, place: Path = ANCHOR, store: Path = STORE) -> None:
        self._shell = shell
        self._files = files
        self._place = place
        self._pem = store / f"{place.stem}.pem"

    def anchored(self) -> bytes | None:
        """Our certificate in the store, or None."""
        return self._files.read(self._place)

    def anchor(self, pem: bytes) -> None:
        """Add it; another one of ours goes first, because the tool takes no note of changed contents."""
        if self.anchored() not in (None, pem):
            self.unanchor()
        self._files.make_folder(self._place.parent, 0o755, "root")
        self._files.write(self._place, pem, 0o644)
        self._shell.run("update-ca-certificates")

    def unanchor(self) -> None:
        """Take it away; the bundle is built anew without it.

        The tool leaves the links of a local certificate that is gone, and tells its hooks (Java's key store) nothing.
        """
        if not (self._files.exists(self._place) or self._files.exists(self._pem)):
            return
        self._files.remove(self._place)
        for link in self._files.children(self._pem.parent):
            if link == self._pem or (link.is_symlink() and link.readlink().name == self._pem.name):
                self._files.remove(link)
        self._shell.run("update-ca-certificates")
        for hook in self._shell.ask("run-parts", "--test", "--", str(HOOKS)).output.split():
            self._shell.ask(hook, text=f"-{self._pem}\n")
