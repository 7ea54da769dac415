"""Stores of other clouds, as far as their own tools need them to store one file: Cloud Storage, Azure Blob, git.

One TLS server on loopback. It checks no credentials; what it keeps is what the tests ask about.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.stores.certificates import StoreAuthority
from tests.stores.served import Served, over_tls

BELOW = "clouds.test"


class OtherClouds(Served):
    """The server. ``kept`` holds what was stored, by its name."""

    def __init__(self, folder: Path) -> None:
        self.kept: dict[str, bytes] = {}
        self.repository = folder / "far.git"
        subprocess.run(["git", "init", "-q", "--bare", str(self.repository)], check=True, timeout=20)
        settings = ["git", "-C", str(self.repository), "config", "http.receivepack", "true"]
        subprocess.run(settings, check=True, timeout=20)
        authority = StoreAuthority(folder)
        self.ca = authority.ca
        leaf = authority.issue((f"*.{BELOW}",), "clouds")
        super().__init__(over_tls(_handler(self), leaf))

    def pushed(self, name: str) -> bytes | None:
        """A file on the branch that was pushed."""
        command = ["git", "-C", str(self.repository), "cat-file", "blob", f"refs/heads/main:{name}"]
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        return done.stdout if done.returncode == 0 else None


def _of_part(part: bytes) -> bytes:
    """The content of one part, its headers and the line ends around it left out."""
    end = b"\r\n" if b"\r\n\r\n" in part else b"\n"
    return part.partition(end * 2)[2].removesuffix(end)


def _handler(clouds: OtherClouds) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            at = urlsplit(self.path)
            if at.path.startswith("/far.git"):
                self._git(b"")
            elif at.path.endswith("/o"):
                self._say(200, {"kind": "storage#objects"})
            else:
                self._say(404, {"error": {"code": 404, "message": "not found"}})

        do_HEAD = do_GET

        def do_PUT(self) -> None:
            clouds.kept[unquote(urlsplit(self.path).path).rpartition("/")[2]] = self._body()
            modified = {"ETag": '"0x1"', "Last-Modified": "Mon, 02 Mar 2026 00:00:00 GMT"}
            self._answer(201, b"", modified | {"x-ms-request-server-encrypted": "true", "x-ms-version": "2024-11-04"})

        def do_POST(self) -> None:
            body = self._body()
            if self.path.startswith("/far.git"):
                self._git(body)
                return
            # gsutil quotes the boundary with apostrophes, which no parser of mail understands.
            boundary = self.headers["Content-Type"].partition("boundary=")[2].strip("'\"")
            said, content = body.split(f"--{boundary}".encode())[1:3]
            about = json.loads(_of_part(said))
            data = _of_part(content)
            clouds.kept[about["name"]] = data
            digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
            more = {"generation": "1", "metageneration": "1", "size": str(len(data)), "md5Hash": digest}
            self._say(200, {"kind": "storage#object", "bucket": "b", **about, **more})

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _git(self, body: bytes) -> None:
            at = urlsplit(self.path)
            told = {
                "GIT_PROJECT_ROOT": str(clouds.repository.parent),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": at.path,
                "QUERY_STRING": at.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "PATH": os.environ["PATH"],
            }
            done = subprocess.run(
                ["git", "http-backend"], input=body, env=told, capture_output=True, timeout=30, check=True
            )
            head, _, said = done.stdout.partition(b"\r\n\r\n")
            lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self._answer(int(lines.pop("Status", "200")[:3]), said, lines)

        def _say(self, status: int, body: Any) -> None:
            self._answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
