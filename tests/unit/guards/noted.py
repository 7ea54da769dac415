"""A store that fails now and then, and an agent that notes what it is asked."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.guard import Body, FileRange, Mending
from haechi.ports.judge import Reply


@dataclass
class Store:
    """Answers what changes something with 503 as often as it is told, then 200 (201 where something is put) with
    ``answer``; ``bodies`` are what it got of that.
    """

    fails: int = 0
    answer: bytes = b"{}"
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def store() -> Iterator[Store]:
    """A running one."""
    made = Store()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(200)

        do_HEAD = do_GET

        def do_PUT(self) -> None:
            made.bodies.append(self._body())
            made.fails -= 1
            self._say(503 if made.fails >= 0 else 201 if self.command == "PUT" else 200)

        do_DELETE = do_POST = do_PATCH = do_PUT

        def _say(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(made.answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(made.answer)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers["content-length"] or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Agent:
    """Reads bodies whole, unless it ``refuses`` with ``reply``, or ``fails`` by an error's code."""

    heads: list[Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)
    refuses: Callable[[Request], bool] = lambda request: False
    reply: Callable[[Request], Reply] = lambda request: Reply(403, (), b"")
    fails: str = ""

    def judge(self, request: Request, body: Body, proxy: str) -> Reply | None:
        self.heads.append(request)
        self.proxies.append(proxy)
        if self.fails:
            raise HaechiError(self.fails, seconds=1.0)
        if self.refuses(request):
            return self.reply(request)
        if isinstance(body, FileRange):
            raise AssertionError("only bodies in memory here")
        self.bodies.append(body if isinstance(body, bytes) else b"".join(iter(lambda: body(70_000), b"")))
        return None

    def mending(self, request: Request, source: int, name: str) -> Mending:
        raise AssertionError("nobody asked for it")

    def seal(self, source: int, target: int, name: str) -> None:
        raise AssertionError("nobody asked for it")
