"""A server that answers as Google's API description publishes it: buckets, policies, access lists, keys, tokens.

Not run against an implementation: what it says is taken from the discovery documents of storage:v1 and cloudkms:v1.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PROJECT = "123456789012"
KEY = "projects/nct/locations/asia-northeast3/keyRings/r/cryptoKeys/k"
SEOUL: Mapping[str, Any] = {
    "kind": "storage#bucket",
    "name": "ours",
    "location": "ASIA-NORTHEAST3",
    "locationType": "region",
    "projectNumber": PROJECT,
    "encryption": {"defaultKmsKeyName": KEY},
    "iamConfiguration": {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": {"enabled": True}},
    "versioning": {"enabled": True},
    "retentionPolicy": {"retentionPeriod": "100", "isLocked": True},
    "logging": {"logBucket": "logs", "logObjectPrefix": "p"},
}
DESCRIBED = {"name": KEY, "purpose": "ENCRYPT_DECRYPT", "primary": {"state": "ENABLED", "protectionLevel": "HSM"}}


@dataclass
class Google:
    """``answers`` by path (without query): a document, or a status. ``asked`` are the paths in the order they came."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> Google:
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.answer({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                google.asked.append(path)
                known = google.answers.get(path, 404)
                if self.headers.get("authorization") != "Bearer t":
                    known = 401
                self.answer(known)

            def answer(self, known: Any) -> None:
                status = known if isinstance(known, int) else 200
                error = {"error": {"code": status, "message": "no", "errors": [{"reason": "x", "message": "no"}]}}
                body = json.dumps(error if isinstance(known, int) else known).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def bucket(self, **changed: Any) -> None:
        """A bucket of ours in Seoul, with fields changed; None leaves one out."""
        told = {name: value for name, value in {**SEOUL, **changed}.items() if value is not None}
        self.answers["/storage/v1/b/ours"] = told

    def credentials(self, folder: Path) -> Path:
        """A service account's key file of this server's."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        file = folder / "gcp.json"
        told = {"type": "service_account", "client_email": "haechi@nct.iam", "private_key": pem, "private_key_id": "1"}
        file.write_text(json.dumps({**told, "token_uri": f"{self.url}/token", "project_id": "nct"}))
        return file


def described(google: Google) -> None:
    """Everything that is asked about the bucket of ours."""
    google.bucket()
    google.answers["/storage/v1/b/ours/iam"] = {"bindings": [{"role": "r", "members": ["serviceAccount:a@b"]}]}
    google.answers["/storage/v1/b/ours/acl"] = 400
    google.answers["/storage/v1/b/ours/defaultObjectAcl"] = 400
    google.answers[f"/v1/{KEY}"] = DESCRIBED
