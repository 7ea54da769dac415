"""A small server on loopback that runs in a thread for as long as a block does."""

from __future__ import annotations

import http.server
import socketserver
import ssl
import threading
from types import TracebackType
from typing import Self

from tests.stores.certificates import Certificate


class Served:
    """Serves ``server``, and closes it at the end."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def over_tls(handler: type[http.server.BaseHTTPRequestHandler], leaf: Certificate) -> http.server.ThreadingHTTPServer:
    """A server that answers with this handler. Each client's handshake is its own thread's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.cert, leaf.key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server
