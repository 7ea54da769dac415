"""An OPA server as the agent speaks to it: through opa-python-client, over HTTP or TLS, with a token or a certificate.

Knows OPA's REST interface (https://www.openpolicyagent.org/docs/rest-api) and nothing of what policies mean. The token
is read anew for each connection, and never told: neither errors nor representations hold it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from opa_client.opa_async import AsyncOpaClient  # type: ignore[import-untyped]

from haechi.domain.errors import HaechiError

LEAST: Final = (1, 21, 3)
"""Earlier servers take unsigned bundles when no key id is set (GHSA-g2pf-6v5v-qcc8)."""
WITHIN_S: Final = 5.0
"""Seconds for all but questions, which have the engine's deadline."""
MAX_TOKEN: Final = 64 * 1024
MAX_ANSWER: Final = 64 << 20
"""Bytes of one answer. Modules come with their syntax trees, twenty times their length."""
_WRITES: Final = re.compile(
    rb'^http_request_duration_seconds_count\{[^}]*method="(?:put|patch|delete)"[^}]*\} (\d+)', re.M
)
"""How OPA counts requests that write: by handler, status and method."""
_SCHEMES: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class OpaAddress:
    """Where the server is and how to get in. ``ca`` is a PEM file that alone is trusted then, in place of the system's
    roots; ``certificate`` and ``key`` prove who we are; ``token_file`` holds a bearer token.
    """

    url: str = "http://127.0.0.1:8181"
    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def parts(self) -> tuple[str, str, int]:
        """Scheme, host (an IPv6 address in brackets), port. Raises ``HaechiError('policy.opa-url')``."""
        try:
            split = urlsplit(self.url)
            port = split.port or _SCHEMES.get(split.scheme, 0)
        except ValueError as error:
            raise HaechiError("policy.opa-url", why=str(error)) from error
        if split.scheme not in _SCHEMES or not split.hostname:
            raise HaechiError("policy.opa-url", why="not http://host:port or https://host:port")
        if split.username or split.password or split.query or split.fragment or split.path.strip("/"):
            raise HaechiError("policy.opa-url", why="only scheme, host and port may stand in it")
        return split.scheme, f"[{split.hostname}]" if ":" in split.hostname else split.hostname, port

    def token(self) -> str | None:
        """The token, without the white space around it. Raises ``HaechiError('policy.opa-token')``."""
        if self.token_file is None:
            return None
        try:
            with self.token_file.open(encoding="ascii") as file:
                said = file.read(MAX_TOKEN).strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not ASCII"
            raise HaechiError("policy.opa-token", file=str(self.token_file), why=why or "") from error
        if not said or not said.isprintable() or " " in said:
            raise HaechiError("policy.opa-token", file=str(self.token_file), why="it holds no token")
        return said

    def context(self) -> ssl.SSLContext:
        """How the server is verified. Raises ``HaechiError('policy.opa-certificate')``."""
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            named = ", ".join(str(file) for file in (self.ca, self.certificate, self.key) if file)
            raise HaechiError("policy.opa-certificate", files=named, why=_why(error)) from error
        return context


@dataclass(frozen=True, slots=True)
class Module:
    """A module on the server, by its package (``haechi.rules.x``)."""

    id: str
    package: str
    text: str


class OpaServer(AsyncOpaClient):  # type: ignore[misc]
    """The client, with roots of our own and what it lacks: the texts that are loaded, and the server's version.

    What fails raises ``aiohttp.ClientError``, ``OSError`` or ``TimeoutError``.
    """

    def __init__(self, address: OpaAddress) -> None:
        """Raises ``HaechiError('policy.opa-…')`` for what is wrong with the address' files."""
        scheme, host, port = address.parts()
        self._context = address.context() if scheme == "https" else None
        super().__init__(
            host=host, port=port, ssl=scheme == "https", token=address.token(), retries=0, timeout=WITHIN_S
        )

    async def _init_session(self) -> None:
        self._connector = aiohttp.TCPConnector(ssl=self._context or True, limit=64)
        self._session = aiohttp.ClientSession(
            headers=self.headers,
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=self.timeout),
            trust_env=False,
        )

    async def open(self) -> None:
        """Make the connections' pool."""
        await self._init_session()

    async def ask(self, facts: bytes, path: str) -> Mapping[str, Any]:
        """The answer with its ``provenance``, as the server gave it. ``facts`` is JSON, ``path`` is like
        ``haechi/decision``. Raises ``ValueError`` for what is no answer.
        """
        url, form = f"{self.root_url}/data/{path}?provenance=true", {"Content-Type": "application/json"}
        async with self._request("POST", url, data=b'{"input":' + facts + b"}", headers=form) as response:
            said = await _json(response)
        if not isinstance(said, Mapping):
            raise ValueError("the server's answer is no object")  # noqa: TRY004 - one error for a bad answer
        return said

    async def modules(self) -> list[Module]:
        """Every module that is loaded, from bundles too."""
        async with self._request("GET", f"{self.root_url}/policies") as response:
            listed = (await _json(response)).get("result") or []
        return [Module(str(one["id"]), _package(one["ast"]), one["raw"]) for one in listed]

    async def document(self, name: str) -> object:
        """A document of the data; None where there is none."""
        async with self._request("GET", f"{self.root_url}/data/{name}") as response:
            return (await _json(response)).get("result")

    async def writes(self) -> int:
        """How many requests to change something it has had since it began, as it counts them itself."""
        async with self._request("GET", f"{self.root_url.removesuffix('/v1')}/metrics") as response:
            return sum(int(count) for count in _WRITES.findall(await _within(response)))


async def _json(response: aiohttp.ClientResponse) -> Any:
    return msgspec.json.decode(await _within(response))


async def _within(response: aiohttp.ClientResponse) -> bytes:
    """The body of a good answer. Raises ``aiohttp.ClientResponseError``, and ``ValueError`` where it is too long."""
    response.raise_for_status()
    said = bytearray()
    async for piece in response.content.iter_any():
        said += piece
        if len(said) > MAX_ANSWER:
            raise ValueError(f"an answer of more than {MAX_ANSWER} bytes")
    return bytes(said)


def _package(tree: Mapping[str, Any]) -> str:
    """``haechi.rules.x``: the path as OPA understood it, without ``data``."""
    return ".".join(str(part["value"]) for part in tree["package"]["path"][1:])


def version_of(answer: Mapping[str, Any]) -> str:
    """The server's version as an answer tells it. Raises ``HaechiError('policy.opa-version')`` where it is too old."""
    about = answer.get("provenance")
    said = str(about.get("version", "")) if isinstance(about, Mapping) else ""
    numbers = said.partition("-")[0].lstrip("v").split(".")
    least = ".".join(map(str, LEAST))
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers) or tuple(map(int, numbers)) < LEAST:
        raise HaechiError("policy.opa-version", version=said[:40] or "?", least=least)
    return said


def unreachable(address: OpaAddress, error: Exception) -> HaechiError:
    """What a failed call means. It names no header: those hold the token."""
    return HaechiError("policy.opa-unreachable", url=address.url, why=_why(error))


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status}"
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"no answer in {WITHIN_S:g} s"
    return str(error) or type(error).__name__
