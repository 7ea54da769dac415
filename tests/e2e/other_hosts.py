"""Hosts that no cloud's connector knows: a page that takes forms and JSON, a WebDAV and a git server. TLS, loopback.

The servers are real ones (Flask, WsgiDAV, git's own http-backend); ``kept`` and the folders hold what arrived.
"""

from __future__ import annotations

import base64
import io
import os
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server
from wsgidav.wsgidav_app import WsgiDAVApp

from tests.lab import Laboratory
from tests.stores.certificates import StoreAuthority
from tests.stores.served import Served

BELOW = "elsewhere.test"
WEB, DAV, GIT = (f"https://{name}.{BELOW}" for name in ("web", "dav", "git"))


@contextmanager
def before_others() -> Iterator[tuple[OtherHosts, Laboratory]]:
    """The server, and a laboratory that is set to it and not started, in whose scope its names are. The institution
    has nothing anywhere.
    """
    with tempfile.TemporaryDirectory(prefix="haechi-elsewhere-") as name, OtherHosts(Path(name)) as hosts:
        names, more = {f"*.{BELOW}": f"127.0.0.1:{hosts.port}"}, f'[scope]\npatterns = ["*.{BELOW}"]\n'
        with Laboratory(hosts=names, roots=[hosts.ca], more=more) as lab:
            lab.institution.publish(accounts=[], keys=[])
            lab.configure()
            yield hosts, lab


class OtherHosts(Served):
    """The server, at every name below ``BELOW``."""

    def __init__(self, folder: Path) -> None:
        self.kept: dict[str, bytes] = {}
        self.requests: list[str] = []
        """Methods and paths of what carried a body, as it arrived."""
        self.repository, self.shelf = folder / "git" / "far.git", folder / "dav"
        self.repository.parent.mkdir()
        self.shelf.mkdir()
        subprocess.run(["git", "init", "-q", "--bare", str(self.repository)], check=True, timeout=20)
        settings = ["git", "-C", str(self.repository), "config", "http.receivepack", "true"]
        subprocess.run(settings, check=True, timeout=20)
        authority = StoreAuthority(folder)
        self.ca = authority.ca
        leaf = authority.issue((f"*.{BELOW}",), "elsewhere")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf.cert, leaf.key)
        dav = WsgiDAVApp(
            {
                "provider_mapping": {"/": str(self.shelf)},
                "mount_path": "/dav",
                "simple_dc": {"user_mapping": {"*": True}},
                "verbose": 0,
                "logging": {"enable": False},
            }
        )
        parts = {"/dav": dav, "/git": _git(self.repository.parent)}
        app = DispatcherMiddleware(_web(self), parts)
        super().__init__(make_server("127.0.0.1", 0, self._noted(app), threaded=True, ssl_context=context))

    def pushed(self, name: str) -> bytes | None:
        """A file on the branch that was pushed."""
        command = ["git", "-C", str(self.repository), "cat-file", "blob", f"refs/heads/main:{name}"]
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        return done.stdout if done.returncode == 0 else None

    def _noted(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        def noting(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            # Whole and with its length: WsgiDAV would take chunks apart that the server has taken apart already.
            chunked = bool(environ.pop("HTTP_TRANSFER_ENCODING", ""))
            size = -1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
            body = environ["wsgi.input"].read(size)
            if body:
                self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            return app(environ, start)

        return noting


def _web(hosts: OtherHosts) -> Flask:
    """Keeps files of forms by their names, base64 members of JSON, what is PUT, and pieces one after another."""
    web = Flask("elsewhere")

    @web.post("/form")
    def form() -> str:
        for file in request.files.values():
            hosts.kept[file.filename or ""] = file.read()
        hosts.kept.update({name: value.encode() for name, value in request.form.items()})
        return "kept\n"

    @web.post("/json")
    def json() -> str:
        said = request.get_json(force=True)
        hosts.kept[said["name"]] = base64.b64decode(said["data"])
        return "kept\n"

    @web.route("/<name>", methods=["PUT", "PATCH"])
    def put(name: str) -> str:
        before = hosts.kept.get(name, b"") if request.method == "PATCH" else b""
        hosts.kept[name] = before + request.get_data()
        return "kept\n"

    return web


def _git(projects: Path) -> Callable[..., Iterable[bytes]]:
    """git http-backend is a CGI program."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        told = {
            "GIT_PROJECT_ROOT": str(projects),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": environ["PATH_INFO"],
            "QUERY_STRING": environ.get("QUERY_STRING", ""),
            "REQUEST_METHOD": environ["REQUEST_METHOD"],
            "CONTENT_TYPE": environ.get("CONTENT_TYPE", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": environ.get("HTTP_CONTENT_ENCODING", ""),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=told, capture_output=True, timeout=30, check=True
        )
        head, _, said = done.stdout.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        start(lines.pop("Status", "200 OK"), list(lines.items()))
        return [said]

    return answer
