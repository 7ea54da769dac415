"""A web server that gives out documents under their ETags, as a security team's does: bundles, the registry."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Document = Callable[[str], bytes]
"""A document by the last part of its path."""


class Giving:
    """``document`` gives what is asked for. ``away``: every answer is 503. ``token``: who does not show it gets 401.
    ``asked``: the paths of all questions, ``unchanged`` counts answers that said so, ``mark`` makes a document's tag.
    """

    def __init__(self, document: Document, token: str = "", mark: Callable[[str], str] = '"{}"'.format) -> None:
        self.document, self.token, self.away, self.unchanged = document, token, False, 0
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                body = b"" if outer.away else outer.document(self.path.rpartition("/")[2])
                tag = mark(hashlib.sha256(body).hexdigest())
                allowed = not outer.token or self.headers["Authorization"] == f"Bearer {outer.token}"
                known = self.headers["If-None-Match"] == tag
                status = 503 if outer.away else 401 if not allowed else 304 if known else 200
                outer.unchanged += status == 304
                self.send_response(status)
                self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(body) if status == 200 else 0))
                self.end_headers()
                if status == 200:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def giving(document: Document, token: str = "", mark: Callable[[str], str] = '"{}"'.format) -> Iterator[Giving]:
    """A running one."""
    made = Giving(document, token, mark)
    try:
        yield made
    finally:
        made.stop()
