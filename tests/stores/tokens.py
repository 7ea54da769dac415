"""Google's token endpoint as far as tools need it that insist on credentials: every credential gets the same token."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

from tests.stores.certificates import Certificate
from tests.stores.served import Served, over_tls

HOST = "oauth2.googleapis.com"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        body = json.dumps({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Tokens(Served):
    """The endpoint, over TLS. ``leaf`` has to be for ``HOST``."""

    def __init__(self, leaf: Certificate) -> None:
        super().__init__(over_tls(_Handler, leaf))

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"
