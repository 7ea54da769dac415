"""How requests of Google's libraries leave: authorised as the agent, to named addresses, with the agent's roots.

Loading it loads the libraries, which takes a second: only who asks needs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests
from google.auth import compute_engine, identity_pool
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, MalformedError, TransportError
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account
from haechi.ports.cloud import Way
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.util import parse_url

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
"""What reading a bucket's IAM policy takes; what may be read is the role's to say."""
CONNECTIONS: Final = 32


def authorised(way: Way) -> AuthorizedSession:
    """A session with the agent's own credentials: those of the file that the settings name, else the machine's. Nothing
    of the person who started the agent, neither variables nor folders. Raises what google-auth raises.
    """
    plain = _prepared(requests.Session(), way)
    credentials, request = _credentials(way), Request(plain)
    named = bool(way.credentials.get("credentials_file"))
    session = AuthorizedSession(credentials, auth_request=request if named else Machine(request))
    _prepared(session, way)
    return session


def _credentials(way: Way) -> Credentials:
    file = way.credentials.get("credentials_file", "")
    if file:
        return _of_file(Path(file))
    return compute_engine.Credentials(scopes=SCOPES, universe_domain="googleapis.com")


def _of_file(file: Path) -> Credentials:
    """Of a service account's key, or of a workload's identity that another provider vouches for."""
    told = json.loads(file.read_text(encoding="utf-8"))
    kind = told.get("type") if isinstance(told, dict) else None
    if kind == "service_account":
        found: Credentials = service_account.Credentials.from_service_account_info(told, scopes=SCOPES)
        return found
    if kind == "external_account":
        vouched: Credentials = identity_pool.Credentials.from_info(told, scopes=SCOPES)
        return vouched
    raise MalformedError("neither a service account's key nor a workload's identity")


def _prepared(session: requests.Session, way: Way) -> requests.Session:
    session.trust_env = False
    if way.bundle:
        session.verify = str(way.bundle)
    if way.proxy:
        session.proxies = {"http": way.proxy, "https": way.proxy}
    session.mount("https://", Placed(way.hosts))
    return session


class Machine:
    """Asks the machine's own metadata server, once: where there is none, the SDK would go on asking for a minute."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __call__(self, *said: Any, **named: Any) -> Any:
        """As google-auth asks for a transport."""
        try:
            return self._request(*said, **named)
        except TransportError as error:
            raise DefaultCredentialsError("the machine has no credentials of its own") from error


class Placed(HTTPAdapter):
    """To ``hosts`` at their addresses instead of what DNS says; host name, SNI and certificate check stay the same."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = hosts
        super().__init__(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """As requests asks for it."""
        url = parse_url(str(request.url))
        address = self._address(url.host or "")
        if address is None:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        request.headers["Host"] = url.netloc or ""
        at, _, port = address.rpartition(":")
        named = {"server_hostname": url.host, "assert_hostname": url.host, "cert_reqs": "CERT_REQUIRED"}
        pool: HTTPConnectionPool = self.poolmanager.connection_from_host(
            (at or address).strip("[]"), int(port) if at else 443, "https", pool_kwargs=named
        )
        return pool

    def _address(self, host: str) -> str | None:
        if host in self._hosts:
            return self._hosts[host]
        matches = [name for name in self._hosts if name.startswith("*.") and host.endswith(name[1:])]
        return self._hosts[max(matches, key=len)] if matches else None
