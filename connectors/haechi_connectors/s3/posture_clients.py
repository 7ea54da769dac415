"""The agent's own way to a store: its credentials, its time-outs, its roots, and never through its own proxy.

Nothing is taken from the client whose upload is judged, nor from proxy or endpoint variables of the environment.
What it must not know: facts and their meaning.
"""

from __future__ import annotations

import dataclasses
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import urllib3
from botocore import exceptions as boto
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.httpsession import get_cert_path
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError
from urllib3.util import Timeout, parse_url
from urllib3.util.ssl_ import create_urllib3_context

CONNECTIONS = 32
ATTEMPTS = 2
"""One repetition, after at most a second: facts are asked again soon, an uploader should not wait for them."""


MACHINES_OWN = ("assume-role-with-web-identity", "container-role", "iam-role")
"""What the SDK calls credentials of a pod, a container and a virtual machine. All others that it would find by itself
(variables, files in the home folder, a login) are the person's who started the agent: the client's.
"""


@dataclass(frozen=True, slots=True)
class Access:
    """How the agent reaches stores. Times in seconds.

    ``profile`` and ``credentials_file`` name the agent's own credentials (a profile may assume a role); with neither,
    those of the machine or pod it runs on (``MACHINES_OWN``), if it has any. ``bundle`` is a complete PEM bundle of
    roots; None: the SDK's own. ``hosts`` maps a host name, or ``*.suffix``, to ``address:port`` instead of DNS; name,
    SNI and signature stay.
    ``endpoints`` maps ``service.region`` or ``service`` (``s3.ap-northeast-2``, ``kms``) to a URL to ask instead of
    AWS's.
    ``proxy`` is the company's, a URL; empty: none.
    """

    profile: str = ""
    credentials_file: Path | None = None
    bundle: Path | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    proxy: str = ""
    connect_timeout: float = 2.0
    read_timeout: float = 5.0


class Clients:
    """Makes SDK clients once each and keeps them. Safe from any thread."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: boto3.session.Session | None = None
        self._made: dict[tuple[str, str, str, str], Any] = {}
        self._lock = threading.Lock()
        self._wire = _Wire(access)

    def of(self, service: str, provider: str, region: str, endpoint: str = "") -> Any:
        """A client for ``s3``, ``kms``, ``sts`` or ``s3control``. Raises what botocore raises for bad settings."""
        key = (service, provider, region, endpoint)
        with self._lock:
            client = self._made.get(key)
            if client is None:
                client = self._made[key] = self._make(*key)
            return client

    def with_profile(self, profile: str) -> Clients:
        """The same way with the credentials of another profile, of the same file."""
        return Clients(dataclasses.replace(self._access, profile=profile))

    def _make(self, service: str, provider: str, region: str, endpoint: str) -> Any:
        url = endpoint or (self._endpoint(service, region) if provider == "aws" else "")
        if self._session is None:
            self._session = self._open()
        return self._session.client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=url or None,
            verify=str(self._access.bundle) if self._access.bundle else True,
            config=Config(
                s3={"addressing_style": "path" if url else "auto", "us_east_1_regional_endpoint": "regional"}
            ),
        )

    def _open(self) -> boto3.session.Session:
        """Way and limits hold for each client of the session, those too that the SDK makes to assume a role."""
        core = botocore.session.Session()
        core.register("before-send", self._wire.send)  # type: ignore[arg-type]  # the stubs know no answering hook
        if self._access.bundle:
            core.set_config_variable("ca_bundle", str(self._access.bundle))
        core.set_default_client_config(
            Config(  # type: ignore[call-arg]  # the stubs lag behind botocore by one option
                connect_timeout=self._access.connect_timeout,
                read_timeout=self._access.read_timeout,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                max_pool_connections=CONNECTIONS,
                proxies={"http": self._access.proxy, "https": self._access.proxy} if self._access.proxy else {},
                ignore_configured_endpoint_urls=True,
                user_agent_extra="haechi",
            )
        )
        if self._access.credentials_file:
            core.set_config_variable("credentials_file", str(self._access.credentials_file))
        if self._access.profile or self._access.credentials_file:
            # A profile named outright also keeps credentials in the environment from being taken first.
            core.set_config_variable("profile", self._access.profile or "default")
        else:
            chain = core.get_component("credential_provider")
            for name in [provider.METHOD for provider in chain.providers if provider.METHOD not in MACHINES_OWN]:
                chain.remove(name)
        return boto3.session.Session(botocore_session=core)

    def _endpoint(self, service: str, region: str) -> str:
        named = self._access.endpoints
        return named.get(f"{service}.{region}") or named.get(service) or ""


class _Wire:
    """Sends what the SDK has signed. To ``hosts`` at their addresses instead of what DNS says; host name, SNI and
    certificate check stay the same.

    The SDK's own sender reads every root anew for each connection, some 25 ms of processor time, and one bucket is
    asked about over a dozen connections: here the roots are read once, and again only when their file changes.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._pools: dict[tuple[str, str, int], urllib3.HTTPSConnectionPool] = {}
        self._roots: tuple[tuple[Path, int], ssl.SSLContext] | None = None
        self._lock = threading.Lock()

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        """The SDK's before-send hook: an answer here replaces its own sending."""
        url = parse_url(request.url)
        address = self._address(url.host or "")
        if url.scheme != "https" or (address is None and self._access.proxy):
            return None
        pool = self._pool(address or f"{url.host}:{url.port or 443}", (url.host or "").strip("[]"))
        headers = {name: _text(value) for name, value in request.headers.items()}
        headers.setdefault("Host", url.netloc or "")
        try:
            answer = pool.urlopen(
                request.method,
                url.request_uri,
                body=request.body,  # type: ignore[arg-type]
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            response = AWSResponse(request.url, answer.status, answer.headers, answer)  # type: ignore[arg-type]
            _content = response.content  # read now, so that the connection returns to its pool
        except NewConnectionError as error:  # before its parent, the time-out
            raise boto.EndpointConnectionError(endpoint_url=request.url, error=error) from error
        except ConnectTimeoutError as error:
            raise boto.ConnectTimeoutError(endpoint_url=request.url, error=error) from error
        except ReadTimeoutError as error:
            raise boto.ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except SSLError as error:
            raise boto.SSLError(endpoint_url=request.url, error=error) from error
        except HTTPError as error:
            raise boto.EndpointConnectionError(endpoint_url=request.url, error=error) from error
        return response

    def _address(self, host: str) -> str | None:
        named = self._access.hosts
        if host in named:
            return named[host]
        matches = [name for name in named if name.startswith("*.") and host.endswith(name[1:])]
        return named[max(matches, key=len)] if matches else None

    def _pool(self, address: str, host: str) -> urllib3.HTTPSConnectionPool:
        bundle = self._access.bundle or Path(str(get_cert_path(True)))
        try:
            changed = bundle.stat().st_mtime_ns
        except OSError as error:
            raise boto.HTTPClientError(error=error) from error
        with self._lock:
            pool = self._pools.get((address, host, changed))
            if pool is None:
                at, _, port = address.rpartition(":")
                pool = self._pools[address, host, changed] = urllib3.HTTPSConnectionPool(
                    (at or address).strip("[]"),
                    int(port) if at else 443,
                    timeout=Timeout(connect=self._access.connect_timeout, read=self._access.read_timeout),
                    maxsize=CONNECTIONS,
                    server_hostname=host,
                    assert_hostname=host,
                    cert_reqs="CERT_REQUIRED",
                    ssl_context=self._trusting(bundle, changed),
                )
            return pool

    def _trusting(self, bundle: Path, changed: int) -> ssl.SSLContext:
        """What trusts the roots of a file as it is now. Pools of an earlier state are left."""
        if self._roots is None or self._roots[0] != (bundle, changed):
            context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
            try:
                context.load_verify_locations(bundle)
            except (OSError, ssl.SSLError) as error:
                raise boto.HTTPClientError(error=error) from error
            self._roots = ((bundle, changed), context)
            self._pools.clear()
        return self._roots[1]


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
