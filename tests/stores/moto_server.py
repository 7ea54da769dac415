"""The process that serves moto over TLS, with three things at its door that AWS does and moto leaves out.

1. ``x-amz-expected-bucket-owner`` that names another account than the bucket's is refused (403).
2. Who may read a bucket's settings: users of the owning account unless the bucket policy denies it to them, others
   only where the policy allows it to them by name. Objects are left to moto.
3. A refused HEAD of a bucket still names its region in ``x-amz-bucket-region``, as AWS does.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import ssl
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import AccessKey, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from moto.sts.models import sts_backends
from werkzeug.serving import ThreadedWSGIServer

StartResponse = Callable[..., Any]

SETTINGS = {
    "accelerate": "s3:GetAccelerateConfiguration",
    "acl": "s3:GetBucketAcl",
    "encryption": "s3:GetEncryptionConfiguration",
    "location": "s3:GetBucketLocation",
    "logging": "s3:GetBucketLogging",
    "object-lock": "s3:GetBucketObjectLockConfiguration",
    "policyStatus": "s3:GetBucketPolicyStatus",
    "publicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "replication": "s3:GetReplicationConfiguration",
    "versioning": "s3:GetBucketVersioning",
}
"""Sub-resource of a bucket to the action that reading it needs (S3's authorization reference)."""

CREDENTIAL = re.compile(r"Credential=([A-Z0-9]+)/")
VIRTUAL = re.compile(r"^(?P<bucket>.+?)\.s3[.-][a-z0-9.-]*amazonaws\.com(?::\d+)?$")


class Door:
    """The WSGI application in front of moto's."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        bucket, whole = _bucket(environ)
        owner = s3_backends.bucket_accounts.get(bucket, ("", ""))[1]
        if owner and self._refused(environ, bucket, whole, owner):
            return _denied(environ, bucket, start)
        return self._inner(environ, start)  # type: ignore[no-any-return]

    def _refused(self, environ: dict[str, Any], bucket: str, whole: bool, owner: str) -> bool:
        expected = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
        if expected and expected != owner:
            return True
        action = _settings_action(environ) if whole else None
        return action is not None and not _may(environ, action, bucket, owner)


def _bucket(environ: dict[str, Any]) -> tuple[str, bool]:
    """The bucket a request names, and whether it is about the bucket itself."""
    path = environ.get("PATH_INFO", "/").lstrip("/")
    virtual = VIRTUAL.match(environ.get("HTTP_HOST", ""))
    if virtual:
        return virtual["bucket"], not path
    bucket, _, key = path.partition("/")
    return bucket, not key


def _settings_action(environ: dict[str, Any]) -> str | None:
    if environ["REQUEST_METHOD"] == "HEAD":
        return "s3:ListBucket"
    if environ["REQUEST_METHOD"] != "GET":
        return None
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return next((action for name, action in SETTINGS.items() if name in query), None)


def _may(environ: dict[str, Any], action: str, bucket: str, owner: str) -> bool:
    account, arn = _principal(environ)
    policy = s3_backends[owner]["aws"].get_bucket(bucket).policy
    allowed = account == owner
    for statement in _list(json.loads(policy)["Statement"]) if policy else ():
        named = statement.get("Principal")
        names = ["*"] if named == "*" else _list((named or {}).get("AWS", []))
        mine = {"*", account, arn, f"arn:aws:iam::{account}:root"} & set(names)
        if mine and any(fnmatch.fnmatchcase(action, pattern) for pattern in _list(statement.get("Action", []))):
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def _principal(environ: dict[str, Any]) -> tuple[str, str]:
    found = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    key = found[1] if found else ""
    for account, backends in list(iam_backends.items()):
        held = backends["aws"].access_keys.get(key)
        if held:
            return account, f"arn:aws:iam::{account}:user/{held.user_name}"
    for account, backends in list(sts_backends.items()):
        role = backends["aws"].get_assumed_role_from_access_key(key)
        if role:
            return account, role.arn
    return DEFAULT_ACCOUNT_ID, "anonymous"


def _denied(environ: dict[str, Any], bucket: str, start: StartResponse) -> Iterable[bytes]:
    _, owner = s3_backends.bucket_accounts[bucket]
    region = s3_backends[owner]["aws"].get_bucket(bucket).region_name
    body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start(
        "403 Forbidden",
        [("content-type", "application/xml"), ("content-length", str(len(body))), ("x-amz-bucket-region", region)],
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class TlsServer(ThreadedWSGIServer):
    """Shakes hands in each connection's own thread: werkzeug does so in its accept loop, where one idle connection
    stops all others.
    """

    def __init__(self, host: str, port: int, app: Any, context: ssl.SSLContext) -> None:
        super().__init__(host, port, app, MotoRequestHandler)
        self.ssl_context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Wrap, then handle."""
        try:
            with self.ssl_context.wrap_socket(request, server_side=True) as tls:  # type: ignore[union-attr]
                self.RequestHandlerClass(tls, client_address, self)
        except (ssl.SSLError, ConnectionError, TimeoutError):
            return


def seed_accounts(file: Path) -> None:
    """Give each account its user with a fixed key."""
    for account, user, access_key, secret in json.loads(file.read_text(encoding="utf-8")):
        backend = iam_backends[account]["aws"]
        backend.create_user(region_name="us-east-1", user_name=user)
        key = AccessKey(user_name=user, prefix="AKIA", account_id=account)
        key.access_key_id, key.secret_access_key = access_key, secret
        backend.users[user].access_keys.append(key)
        backend.access_keys[access_key] = key


def main() -> None:
    """Serve until ended."""
    options = argparse.ArgumentParser()
    for name in ("--port", "--cert", "--key", "--accounts"):
        options.add_argument(name, required=True)
    options.add_argument("--host", default="127.0.0.1")
    given = options.parse_args()
    seed_accounts(Path(given.accounts))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.cert, given.key)
    context.set_alpn_protocols(["http/1.1"])
    server = TlsServer(given.host, int(given.port), Door(DomainDispatcherApplication(create_backend_app)), context)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
