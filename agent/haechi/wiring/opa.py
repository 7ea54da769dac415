"""The institution's OPA server as the engine. Imported only where the settings ask for it."""

from __future__ import annotations

from collections.abc import Callable

from haechi.outbound.engine.compilations import KeptCompilations
from haechi.outbound.engine.folder import locate
from haechi.outbound.engine.opa_engine import OpaEngine
from haechi.outbound.engine.opa_server import OpaAddress
from haechi.outbound.engine.signature import SignedPolicies
from haechi.settings.model import Engine


def opa_address(wanted: Engine) -> OpaAddress:
    """Where the institution's OPA server is, as the settings say."""
    return OpaAddress(wanted.opa_url, wanted.opa_token_file, wanted.opa_ca, wanted.opa_certificate, wanted.opa_key)


def opa_engine(
    wanted: Engine, count: Callable[[str], None], accept: SignedPolicies, compiler: KeptCompilations
) -> OpaEngine:
    """An engine that asks the server; it has to be started."""
    return OpaEngine(
        locate(),
        opa_address(wanted),
        wanted.deadline_ms,
        publish=wanted.opa_publish,
        count=count,
        accept=accept,
        check=compiler.check,
    )
