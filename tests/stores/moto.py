"""moto over TLS: an emulator of S3, KMS, STS and S3 Control with accounts, regions and bucket settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.stores.process import StoreProcess
from tests.stores.store import Account, TestStore

ROOT = Path(__file__).resolve().parents[2]

OURS = Account("111122223333", "AKIAOURSENGINEER0001", "test-secret-of-our-engineer-0000000000001", "engineer")
AGENT = Account("111122223333", "AKIAOURSHAECHIAGENT1", "test-secret-of-the-agent-000000000000001", "haechi-agent")
AFFILIATE = Account("444455556666", "AKIAAFFILIATEUSER001", "test-secret-of-an-affiliate-00000000001", "affiliate")
STRANGER = Account("999988887777", "AKIASTRANGERUSER0001", "test-secret-of-a-stranger-0000000000001", "stranger")
ACCOUNTS = (OURS, AGENT, AFFILIATE, STRANGER)


class MotoStore(TestStore):
    """moto in a process of its own. Which account a request belongs to follows from its access key.

    What moto leaves out and AWS does is added at its door (``moto_server.py``): the expected owner of a bucket
    is checked, and who may read a bucket's settings follows from account and bucket policy.
    """

    def __init__(
        self,
        account: Account = OURS,
        *,
        accounts: tuple[Account, ...] = ACCOUNTS,
        host: str = "127.0.0.1",
        buckets_in_paths: bool = False,
        **options: Any,
    ) -> None:
        """``buckets_in_paths``: no name holds a bucket, as where it is a site of another provider's."""
        super().__init__(account, **options)
        self._in_paths = buckets_in_paths
        self._accounts = accounts
        self._host = host

    def launch(self) -> StoreProcess:
        """The server's command line."""
        seed = self.folder / f"accounts-{self.port}.json"
        seed.write_text(
            json.dumps([[who.id, who.user, who.access_key, who.secret_key] for who in self._accounts]),
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "tests.stores.moto_server", "--port", str(self.port), "--accounts", str(seed)]
        command += ["--host", self._host, "--cert", str(self.certificate.cert), "--key", str(self.certificate.key)]
        quiet = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "MOTO_PORT": str(self.port)}
        if self._in_paths:
            quiet["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"
        return StoreProcess(command, quiet, self.port, self.ca, self.log)
