"""A stand-in for Azure's management API and its sign-in, over TLS: it says what it is given, in the published shapes.

It is no implementation: whether Azure itself answers so is not proven by it.
"""

from __future__ import annotations

import http.server
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.stores.certificates import StoreAuthority
from tests.stores.served import Served, over_tls

TENANT, SUBSCRIPTION = "7e000000-0000-4000-8000-0000000000aa", "5b000000-0000-4000-8000-000000000001"
OURS = f"{TENANT}/{SUBSCRIPTION}"
KEY = "https://ours.vault.azure.net/keys/nct"
TOKEN = "a-token-of-the-stand-in"
_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/storage/providers"


def landscape() -> dict[str, Any]:
    """One subscription: ``fab1`` in Seoul and ``abroad1`` in Virginia, both under the institution's key."""
    there = f"/subscriptions/{SUBSCRIPTION}"
    encryption = {
        "keySource": "Microsoft.Keyvault",
        "keyvaultproperties": {"keyvaulturi": "https://ours.vault.azure.net/", "keyname": "nct"},
    }
    logs = [{"category": f"Storage{what}", "enabled": True} for what in ("Read", "Write", "Delete")]
    answers: dict[str, Any] = {
        there: {"subscriptionId": SUBSCRIPTION, "tenantId": TENANT},
        f"{there}/providers/Microsoft.Storage/storageAccounts": {
            "value": [
                {
                    "id": f"{_GROUP}/Microsoft.Storage/storageAccounts/{name}",
                    "name": name,
                    "location": region,
                    "sku": {"name": "Standard_ZRS"},
                    "properties": {
                        "allowBlobPublicAccess": False,
                        "encryption": encryption,
                        "supportsHttpsTrafficOnly": True,
                        "minimumTlsVersion": "TLS1_2",
                    },
                }
                for name, region in (("fab1", "koreacentral"), ("abroad1", "eastus"))
            ]
        },
        f"{there}/providers/Microsoft.KeyVault/vaults": {
            "value": [{"id": f"{_GROUP}/Microsoft.KeyVault/vaults/ours", "name": "ours", "location": "koreacentral"}]
        },
    }
    answers[f"{_GROUP}/Microsoft.KeyVault/vaults/ours/keys/nct"] = {
        "name": "nct", "properties": {"attributes": {"enabled": True}, "keyUri": KEY},
    }  # fmt: skip
    for name in ("fab1", "abroad1"):
        account = f"{_GROUP}/Microsoft.Storage/storageAccounts/{name}"
        blobs = f"{account}/blobServices/default"
        answers |= {
            f"{blobs}/containers/ours": {"name": "ours", "properties": {"publicAccess": "None"}},
            blobs: {"properties": {"isVersioningEnabled": True}},
            f"{account}/objectReplicationPolicies": {"value": []},
            f"{account}/encryptionScopes": {"value": []},
            f"{blobs}/providers/Microsoft.Insights/diagnosticSettings": {
                "value": [{"properties": {"workspaceId": "/ours/logs", "logs": logs}}]
            },
        }
    return answers


class Management(Served):
    """The server. ``answers`` by path; what is not there is a 404 in Azure's shape. ``asked`` are all paths."""

    def __init__(self, folder: Path, authority: StoreAuthority) -> None:
        self.answers: Mapping[str, Any] = landscape()
        self.asked: list[str] = []
        leaf = authority.issue(("localhost", "127.0.0.1"), "management")
        super().__init__(over_tls(_handler(self), leaf))
        self.url = f"https://localhost:{self.port}"
        secret = folder / "azure-secret"
        secret.write_text("not a secret\n")
        self.settings = f"""[destinations.credentials]
"azure.tenant_id" = "{TENANT}"
"azure.client_id" = "c1000000-0000-4000-8000-000000000001"
"azure.client_secret_file" = "{secret}"

[destinations.endpoints]
management = "{self.url}"
login = "{self.url}"
"""


def _handler(management: Management) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.endswith("/.well-known/openid-configuration"):
                at = f"{management.url}/{TENANT}"
                self._say(200, {"issuer": f"{at}/v2.0", "authorization_endpoint": f"{at}/authorize",
                                "token_endpoint": f"{at}/token"})  # fmt: skip
                return
            management.asked.append(path)
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._say(401, {"error": {"code": "InvalidAuthenticationToken", "message": "who?"}})
            elif path in management.answers:
                self._say(200, management.answers[path])
            else:
                self._say(404, {"error": {"code": "ContainerNotFound", "message": "not here"}})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._say(200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})

        def _say(self, status: int, answer: Mapping[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
