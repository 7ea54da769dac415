"""What the data path can be told. Frozen; knows nothing of where the values come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from haechi.domain.scope import Scope


@dataclass(frozen=True, slots=True)
class HostOverride:
    """Serve a host name (or ``*.suffix``) from a given address; the certificate is still verified for the real name.

    ``plain``: the server there speaks plain HTTP (requests that came in plain only).
    """

    pattern: str
    address: str
    port: int
    plain: bool = False


@dataclass(frozen=True, slots=True)
class UpstreamProxy:
    """A company's own HTTP proxy. ``bypass``: host patterns reached directly."""

    host: str
    port: int
    bypass: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unanswered:
    """What a client reads when no judge answered: final, and in a provider's shape so that tools do not try again.

    ``hosts`` is a regular expression on the authority; empty for every host.
    """

    content_type: str
    body: str
    hosts: str = ""


S3_UNANSWERED = Unanswered(
    "application/xml",
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Haechi refused this request:'
    " its judge did not answer. Nothing was uploaded. Run 'haechi status'. (해치 에이전트가 응답하지 않아 요청을"
    " 거부했습니다.)</Message><RequestId>haechi-unanswered</RequestId></Error>",
)


@dataclass(frozen=True, slots=True)
class DataPathSettings:
    """Settings of the data path. Ports of 0 mean: a free one for ``proxy_port``, none for the redirect ports.

    ``redirect_addresses``: where the redirect ports are offered besides 127.0.0.1 and ::1, for forwarded traffic
    (containers): it can not be sent there, so enforced mode gives the loopback interface addresses for it.
    ``buffer_bytes`` bounds what Envoy holds of one direction of one connection, and with it the size of a piece.
    ``provider_networks`` (CIDR): addresses of providers in scope; a tunnel whose name resolves into them is closed.
    ``spool_bytes`` bounds what all bodies held whole may take together, in ``spool_dir`` (by default the runtime
    folder). ``judge_timeout_s``: how long Envoy waits for an answer. ``linger_s``: how long Envoy goes on refusing
    after its agent died. ``max_names`` bounds the certificates kept at once.
    """

    scope: Scope
    envoy: Path | None = None
    proxy_port: int = 0
    redirect_tls_port: int = 0
    redirect_plain_port: int = 0
    redirect_ipv6: bool = True
    redirect_addresses: tuple[str, ...] = ()
    hosts: tuple[HostOverride, ...] = ()
    upstream_proxy: UpstreamProxy | None = None
    provider_networks: tuple[str, ...] = ()
    extra_roots: tuple[Path, ...] = ()
    concurrency: int = 1
    buffer_bytes: int = 1 << 20
    spool_bytes: int = 2 << 30
    spool_dir: Path | None = None
    judge_timeout_s: float = 20.0
    idle_timeout_s: float = 3600.0
    linger_s: float = 60.0
    max_names: int = 4096
    max_connections: int = 16384
    unanswered: tuple[Unanswered, ...] = field(default=(S3_UNANSWERED,))
