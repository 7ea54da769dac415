"""How an OPA server is reached: over TLS, with a client's certificate, with a token. Each with a real server."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from haechi.domain.decision import Cause
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.folder import locate
from haechi.outbound.engine.opa_engine import OpaEngine
from haechi.outbound.engine.opa_server import OpaAddress
from haechi.outbound.trust import SigningKey

from tests.lab.issues import served, signed_issue
from tests.policy import cases, opa
from tests.stores.certificates import StoreAuthority

TOKEN = "opa-token-of-this-agent"
GATE = f"""package system.authz

default allow := false

allow if input.path == ["health"]

allow if input.identity == "{TOKEN}"
"""
"""OPA tells who asks (--authentication=token); whether that one may is for such a policy (--authorization=basic)."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    key = SigningKey.generate()
    return served(tmp_path_factory.mktemp("bundle"), signed_issue(key, 7), key)


async def answers(address: OpaAddress) -> str:
    """``answered``, or the code by which it does not."""
    engine = OpaEngine(locate(), address, 5000)
    try:
        await engine.start()
        answer = await engine.evaluate(cases.base())
    except HaechiError as error:
        return f"{error.code}: {error.params.get('why', '')}"
    finally:
        await engine.stop()
    return answer.code if isinstance(answer, Cause) else "answered"


async def test_the_server_is_verified(tmp_path: Path, bundle: tuple[str, ...]) -> None:
    authority = StoreAuthority(tmp_path)
    leaf = authority.issue(("localhost",))
    files = (f"--tls-cert-file={leaf.cert}", f"--tls-private-key-file={leaf.key}")
    with opa.server(*bundle, *files, ca=authority.ca) as port:
        there = OpaAddress(f"https://localhost:{port}", ca=authority.ca)
        assert await answers(there) == "answered"
        for wrong in (dataclasses.replace(there, ca=None), dataclasses.replace(there, url=f"https://127.0.0.1:{port}")):
            said = await answers(wrong)
            assert said.startswith("policy.opa-unreachable")
            assert "certificate" in said.lower()


async def test_a_server_that_asks_for_certificates_gets_ours_and_takes_no_other(
    tmp_path: Path, bundle: tuple[str, ...]
) -> None:
    authority, foreign = StoreAuthority(tmp_path / "ours"), StoreAuthority(tmp_path / "foreign")
    leaf, ours = authority.issue(("localhost",)), authority.issue(("agent",), "agent", client=True)
    other = foreign.issue(("agent",), "agent", client=True)
    asks = (
        f"--tls-cert-file={leaf.cert}",
        f"--tls-private-key-file={leaf.key}",
        f"--tls-ca-cert-file={authority.ca}",
        "--authentication=tls",
    )
    with opa.server(*bundle, *asks, ca=authority.ca, shows=ours) as port:
        bare = OpaAddress(f"https://localhost:{port}", ca=authority.ca)
        assert await answers(dataclasses.replace(bare, certificate=ours.cert, key=ours.key)) == "answered"
        assert (await answers(bare)).startswith("policy.opa-unreachable")
        foreigner = dataclasses.replace(bare, certificate=other.cert, key=other.key)
        assert (await answers(foreigner)).startswith("policy.opa-unreachable")
        unfit = dataclasses.replace(bare, certificate=ours.cert, key=other.key)
        assert (await answers(unfit)).startswith("policy.opa-certificate")


async def test_a_server_that_asks_for_a_token_gets_ours_and_takes_no_other(
    tmp_path: Path, bundle: tuple[str, ...]
) -> None:
    right, wrong = tmp_path / "token", tmp_path / "other"
    right.write_text(TOKEN + "\n", encoding="ascii")
    wrong.write_text(TOKEN[:-1], encoding="ascii")
    # The gate is a bundle beside ours, as a company's is; it is not signed, so here nothing is verified.
    held = ("--bundle", bundle[1], str(gate(tmp_path)), "--skip-verify")
    with opa.server("--authentication=token", "--authorization=basic", *held) as port:
        there = OpaAddress(f"http://127.0.0.1:{port}")
        assert await answers(dataclasses.replace(there, token_file=right)) == "answered"
        for refused in (there, dataclasses.replace(there, token_file=wrong)):
            assert await answers(refused) == "policy.opa-unreachable: HTTP 401"


async def test_a_server_that_asks_for_a_token_can_be_published_to(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN, encoding="ascii")
    with opa.server("--authentication=token", "--authorization=basic", "--bundle", str(gate(tmp_path))) as port:
        engine = OpaEngine(locate(), OpaAddress(f"http://127.0.0.1:{port}", token), 5000, publish=True)
        await engine.start()
        try:
            assert not isinstance(await engine.evaluate(cases.base()), Cause)
        finally:
            await engine.stop()


def gate(folder: Path) -> Path:
    made = folder / "gate"
    made.mkdir()
    (made / ".manifest").write_text('{"revision": "1", "roots": ["system/authz"]}', encoding="ascii")
    (made / "gate.rego").write_text(GATE, encoding="ascii")
    return made
