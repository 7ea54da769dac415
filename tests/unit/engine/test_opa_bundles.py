"""One bundle for everybody: what the agent has in force is what an OPA server loads, and what its answers name."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from haechi.domain.decision import Cause
from haechi.domain.errors import HaechiError
from haechi.outbound.engine import opa_engine
from haechi.outbound.engine.archive import packed, unpacked
from haechi.outbound.engine.bundle import opened
from haechi.outbound.engine.folder import PolicyFolder, locate, read
from haechi.outbound.engine.opa_engine import OpaEngine
from haechi.outbound.engine.opa_server import OpaAddress
from haechi.outbound.trust import KeyKind, SigningKey

from tests.lab.giving import Giving, giving
from tests.lab.issues import served, signed_issue
from tests.policy import cases, opa

KEY = SigningKey.generate(KeyKind.P256)
SEVEN, EIGHT = signed_issue(KEY, 7), signed_issue(KEY, 8)


def issue(bundle: bytes) -> PolicyFolder:
    return opened(bundle, Path("haechi.tar.gz"))


def looser(bundle: bytes) -> bytes:
    """The same, the signature too, but for one rule that never speaks."""
    files = unpacked(bundle)
    files["rules/r10_region/rule.rego"] = b"package haechi.rules.r10_region\n\nfindings := set()\n"
    return packed(files)


@asynccontextmanager
async def engine(port: int, policies: PolicyFolder) -> AsyncIterator[OpaEngine]:
    made = OpaEngine(locate(), OpaAddress(f"http://127.0.0.1:{port}"), 5000)
    try:
        await made.put_in_force(policies)
        yield made
    finally:
        await made.stop()


async def code(asked: OpaEngine) -> str:
    answer = await asked.evaluate(cases.base())
    return answer.code if isinstance(answer, Cause) else "answered"


async def becomes(asked: OpaEngine, wanted: str) -> None:
    for _ in range(600):
        if await code(asked) == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{await code(asked)} instead of {wanted}: {asked.problem}")


@pytest.mark.parametrize("kind", KeyKind)
async def test_the_signed_bundle_in_force_is_what_opa_verifies_and_answers_by(tmp_path: Path, kind: KeyKind) -> None:
    key = SigningKey.generate(kind)
    bundle = signed_issue(key, 7)
    with opa.server(*served(tmp_path, bundle, key)) as port:
        async with engine(port, issue(bundle)) as asked:
            assert await code(asked) == "answered"
            assert asked.revision == issue(bundle).revision
        with pytest.raises(HaechiError) as refused:
            async with engine(port, issue(EIGHT)):
                pass
        assert refused.value.code == "policy.opa-other"


@pytest.mark.parametrize("key", [KEY, SigningKey.generate()], ids=["tampered", "another key"])
def test_opa_itself_refuses_what_that_key_did_not_sign(tmp_path: Path, key: SigningKey) -> None:
    bundle = looser(SEVEN) if key is KEY else SEVEN
    command = [opa.binary(), "run", "--server", f"--addr=unix://{tmp_path}/s", *served(tmp_path, bundle, key)]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode != 0
    assert b"load error: bundle" in done.stdout + done.stderr


async def test_a_tampered_bundle_that_opa_was_not_told_to_verify_is_no_engine(tmp_path: Path) -> None:
    """The revision stands in it all the same: the texts tell."""
    file = tmp_path / "haechi.tar.gz"
    file.write_bytes(looser(SEVEN))
    with opa.server("--bundle", str(file), "--skip-verify") as port:
        for policies in (issue(SEVEN), read(locate())):
            with pytest.raises(HaechiError) as refused:
                async with engine(port, policies):
                    pass
            assert refused.value.code == "policy.opa-other"


@contextmanager
def service(folder: Path, bundles: Giving) -> Iterator[int]:
    """OPA as a company runs it: it fetches the bundle, verifies it, and follows."""
    pem = KEY.public_pem()
    bundle = {
        "service": "team",
        "resource": "bundles/haechi.tar.gz",
        "polling": {"min_delay_seconds": 1, "max_delay_seconds": 1},
        "signing": {"keyid": KEY.id},
    }
    said = {
        "services": {"team": {"url": bundles.root}},
        "keys": {KEY.id: {"algorithm": KEY.algorithm, "key": pem}},
        "bundles": {"haechi": bundle},
    }
    file = folder / "opa.json"
    file.write_text(json.dumps(said), encoding="utf-8")
    with opa.server(f"--config-file={file}") as port:
        yield port


async def loaded(port: int, policies: PolicyFolder) -> None:
    """Wait until the server has activated a bundle."""
    for _ in range(300):
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/data/system/bundles")
        if policies.revision in await asyncio.to_thread(_text, asked):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the server did not load the bundle")


def _text(asked: urllib.request.Request) -> str:
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return str(answer.read().decode())


async def test_agent_and_server_follow_the_same_issues(tmp_path: Path) -> None:
    given = [SEVEN]
    with giving(lambda _: given[0]) as bundles, service(tmp_path, bundles) as port:
        await loaded(port, issue(SEVEN))
        async with engine(port, issue(SEVEN)) as asked:
            given[0] = looser(EIGHT)  # the server refuses it, and goes on by the last good one
            before = len(bundles.asked)
            while len(bundles.asked) < before + 3:
                assert await code(asked) == "answered"
                await asyncio.sleep(0.1)
            given[0] = EIGHT
            await becomes(asked, "engine-other")
            await asked.put_in_force(issue(EIGHT))
            assert await code(asked) == "answered"


async def test_nobody_swaps_the_bundle_between_two_looks_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opa_engine, "CHECK_EVERY_S", 3600.0)
    given = [SEVEN]
    with giving(lambda _: given[0]) as bundles, service(tmp_path, bundles) as port:
        await loaded(port, issue(SEVEN))
        async with engine(port, issue(SEVEN)) as asked:
            given[0] = signed_issue(KEY, 9, "monitor")
            await loaded(port, issue(given[0]))
            assert await code(asked) == "engine-other"


async def test_modules_that_stand_there_without_a_bundle_are_not_taken(tmp_path: Path) -> None:
    """Anybody could put others beside them."""
    with opa.server() as port:
        publishing = OpaEngine(locate(), OpaAddress(f"http://127.0.0.1:{port}"), 5000, publish=True)
        await publishing.start()
        await publishing.stop()
        with pytest.raises(HaechiError) as refused:
            async with engine(port, issue(SEVEN)):
                pass
        assert (refused.value.code, refused.value.params["what"]) == ("policy.opa-other", "no bundle")


async def test_a_bundle_that_no_longer_keeps_others_out_is_seen(tmp_path: Path) -> None:
    """Who may write data at all may take a bundle's roots away; a rule of his own could come next."""
    with opa.server(*served(tmp_path, SEVEN, KEY)) as port:
        async with engine(port, issue(SEVEN)) as asked:
            await asyncio.to_thread(without_roots, port)
            await becomes(asked, "engine-other")


def without_roots(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/data/system/bundles", timeout=5) as answer:
        (name,) = json.load(answer)["result"]
    patch = [{"op": "replace", "path": f"/{name.replace('~', '~0').replace('/', '~1')}/manifest/roots", "value": ["x"]}]
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/data/system/bundles",
        json.dumps(patch).encode(),
        {"Content-Type": "application/json-patch+json"},
        method="PATCH",
    )
    urllib.request.urlopen(asked, timeout=5).close()
