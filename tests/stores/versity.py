"""versitygw: a store that verifies SigV4 and every chunk signature, and refuses a body without a length."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from tests.stores.process import StoreProcess
from tests.stores.store import Account, TestStore, digest_of

ROOT = Path(__file__).resolve().parents[2]
BINARY_VARIABLE = "HAECHI_VERSITYGW"
OPERATOR = Account("versity", "AKIAVERSITYGWTEST001", "versity-test-secret-not-a-real-one-00001")


def find_versitygw() -> Path:
    """The binary: from the variable, ``.tools/bin``, the path. Raises ``FileNotFoundError`` saying how to get it."""
    named = os.environ.get(BINARY_VARIABLE)
    for candidate in (named, ROOT / ".tools" / "bin" / "versitygw", shutil.which("versitygw")):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    raise FileNotFoundError(
        f"versitygw is neither in .tools/bin nor on the path, nor named by {BINARY_VARIABLE}; "
        "build it with: GOBIN=$PWD/.tools/bin go install github.com/versity/versitygw/cmd/versitygw@v1.8.0"
    )


class VersityStore(TestStore):
    """versitygw on a folder, over TLS.

    ``virtual_domain`` is what bucket names are prefixed to for virtual-hosted requests; path style works beside it.
    Metadata lies in extended attributes where the file system has them, else in a side-car folder.
    """

    def __init__(
        self,
        account: Account = OPERATOR,
        *,
        region: str = "ap-northeast-2",
        virtual_domain: str = "",
        versioning: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(account, **options)
        self.region = region
        self._virtual_domain = virtual_domain or f"s3.{region}.amazonaws.com"
        self._versioning = versioning
        self.data = self.folder / "data"
        self.data.mkdir(exist_ok=True)

    def launch(self) -> StoreProcess:
        """The gateway's command line."""
        backend = ["posix"]
        if not _has_attributes(self.data):
            sidecar = self.folder / "sidecar"
            sidecar.mkdir(exist_ok=True)
            backend += ["--sidecar", str(sidecar)]
        if self._versioning:
            versions = self.folder / "versions"
            versions.mkdir(exist_ok=True)
            backend += ["--versioning-dir", str(versions)]
        command = [str(find_versitygw()), "--port", f"127.0.0.1:{self.port}", "--region", self.region]
        command += ["--cert", str(self.certificate.cert), "--key", str(self.certificate.key)]
        command += ["--virtual-domain", self._virtual_domain, "--keep-alive", *backend, str(self.data)]
        secrets = {"ROOT_ACCESS_KEY_ID": self.account.access_key, "ROOT_SECRET_ACCESS_KEY": self.account.secret_key}
        return StoreProcess(command, secrets, self.port, self.ca, self.log)

    def digest(self, bucket: str, key: str, account: Account | None = None) -> str | None:
        """SHA-256 of the file that the gateway keeps for the object; None when there is none."""
        file = self.data / bucket / key
        return digest_of(file) if file.is_file() else None


def _has_attributes(folder: Path) -> bool:
    probe = folder / ".attribute-probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.haechi.probe", b"1")
    except OSError:
        return False
    else:
        return True
    finally:
        probe.unlink()
