"""The last policies that were accepted by their signature, kept over restarts beside what else the agent remembers.

A copy proves nothing by itself: it is read and its signature verified like a folder's or a bundle's, so a key that was
revoked takes its copy with it. Must not know: engines, whose signatures count.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.durable import replace_file, sync_folder
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.signature import SIGNATURE

_BUNDLE = "bundle.tar.gz"


@dataclass(frozen=True, slots=True)
class KeptPolicies:
    """``folder`` is the agent's own; whoever cannot write there cannot put an older copy in."""

    folder: Path

    @property
    def exists(self) -> bool:
        """Whether there is a copy, good or not."""
        return self.place.is_file() or (self.folder / SIGNATURE).is_file()

    @property
    def place(self) -> Path:
        """Where the copy is read from."""
        bundle = self.folder / _BUNDLE
        return bundle if bundle.is_file() else self.folder

    def keep(self, policies: PolicyFolder, signature: bytes) -> None:
        """Copy what was read, not what lies in the folder meanwhile. Raises ``HaechiError('policy.not-kept')``.

        A crash in between leaves no copy, or one whose signature does not fit: never a wrong one.
        """
        fresh = self.folder.with_name(self.folder.name + ".new")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700, parents=True)
            if policies.bundle:
                replace_file(fresh / _BUNDLE, policies.bundle)
            else:
                for name, text in policies.texts:
                    file = fresh / name
                    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    file.write_bytes(text.encode())
                (fresh / SIGNATURE).write_bytes(signature)
            self.forget()
            fresh.rename(self.folder)
            sync_folder(self.folder.parent)
        except OSError as error:
            raise HaechiError("policy.not-kept", folder=str(self.folder), why=error.strerror or "") from error

    def forget(self) -> None:
        """Policies that need no signature are in force by choice: the copy stands for nothing any more."""
        shutil.rmtree(self.folder, ignore_errors=True)
