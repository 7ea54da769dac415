"""The OPA server is doubted: other policies, an old version, a hang, a restart are causes; it comes back by itself."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from haechi.domain.decision import Cause
from haechi.domain.errors import HaechiError
from haechi.outbound.engine import opa_engine
from haechi.outbound.engine.folder import locate, none_of, read
from haechi.outbound.engine.opa_engine import OpaEngine
from haechi.outbound.engine.opa_server import OpaAddress, version_of
from haechi.outbound.trust import SigningKey
from haechi.ports.engine import Answered

from tests.lab.issues import served, signed_issue
from tests.lab.stopping import stop
from tests.policy import cases, opa

TOKEN = "s3cret-token-value"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """How OPA is given the policies that ship."""
    key = SigningKey.generate()
    return served(tmp_path_factory.mktemp("bundle"), signed_issue(key, 7), key)


def address(port: int) -> OpaAddress:
    return OpaAddress(f"http://127.0.0.1:{port}")


async def code(engine: OpaEngine) -> str:
    answer = await engine.evaluate(cases.base())
    return answer.code if isinstance(answer, Cause) else "answered"


async def becomes(engine: OpaEngine, wanted: str) -> None:
    for _ in range(600):
        if await code(engine) == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{await code(engine)} instead of {wanted}: {engine.problem}")


async def test_a_server_with_our_bundle_answers(bundle: tuple[str, ...]) -> None:
    with opa.server(*bundle) as port:
        engine = OpaEngine(locate(), address(port), 5000)
        await engine.start()
        try:
            answer = await engine.evaluate(cases.base())
            assert isinstance(answer, Answered)
            assert engine.ready
            assert engine.describe()["version"] >= "1.21.3"  # type: ignore[operator]
            await engine.withdraw(none_of(engine.in_force), HaechiError("policy.unsigned", folder="x"))
            assert await code(engine) == "no-policies"
            assert not engine.ready
        finally:
            await engine.stop()


@pytest.mark.parametrize("more", [(), ("--bundle", str(locate()))], ids=["nothing", "a bundle of the bare folder"])
async def test_a_server_without_these_very_policies_is_refused(more: tuple[str, ...]) -> None:
    with opa.server(*more) as port:
        with pytest.raises(HaechiError) as refused:
            await OpaEngine(locate(), address(port)).start()
        assert refused.value.code == "policy.opa-other"


def put(port: int, path: str, body: bytes, kind: str = "text/plain") -> None:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/{path}", data=body, method="PUT", headers={"Content-Type": kind}
    )
    urllib.request.urlopen(asked, timeout=5).close()


CHANGES: dict[str, Callable[[int], None]] = {
    "a rule that never speaks": lambda port: put(
        port, "policies/haechi/rules/r10_region/rule.rego", b"package haechi.rules.r10_region\n\nfindings := set()\n"
    ),
    "one rule more": lambda port: put(port, "policies/more", b"package haechi.rules.more\n\nfindings contains 1\n"),
    "other data": lambda port: put(
        port, "data/choices/home_countries/value", b'["KR", "JP"]', "application/json"
    ),
}  # fmt: skip


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the server of his own accord: what is noticed, an answer showed."""
    monkeypatch.setattr(opa_engine, "CHECK_EVERY_S", 3600.0)


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("what", CHANGES)
async def test_whoever_changes_policies_that_we_published_is_seen_with_the_very_next_answer(what: str) -> None:
    doubts: list[str] = []
    with opa.server() as port:
        engine = OpaEngine(locate(), address(port), 5000, publish=True, count=doubts.append)
        await engine.start()
        try:
            assert await code(engine) == "answered"
            assert not doubts
            await asyncio.to_thread(CHANGES[what], port)
            assert await code(engine) == "engine-other"
            assert doubts == ["haechi_engine_doubts_total"]
            await becomes(engine, "answered")  # whoever publishes puts it right
            await asyncio.to_thread(CHANGES[what], port)
            assert await code(engine) == "engine-other"
            assert len(doubts) == 2
        finally:
            await engine.stop()


@pytest.mark.usefixtures("unwatched")
async def test_a_change_that_was_taken_back_is_seen_too() -> None:
    """Whoever changes a rule for one upload and restores it leaves nothing but the server's own count."""
    rule = "rules/r10_region/rule.rego"
    text = dict(read(locate()).modules)[rule].encode()
    with opa.server() as port:
        engine = OpaEngine(locate(), address(port), 5000, publish=True)
        await engine.start()
        try:
            await asyncio.to_thread(CHANGES["a rule that never speaks"], port)
            await asyncio.to_thread(put, port, f"policies/haechi/{rule}", text)
            assert await code(engine) == "engine-other"
            await becomes(engine, "answered")
        finally:
            await engine.stop()


@pytest.mark.usefixtures("unwatched")
async def test_many_answers_at_once_share_what_they_ask() -> None:
    with opa.server() as port:
        engine = OpaEngine(locate(), address(port), 5000, publish=True)
        await engine.start()
        try:
            said = await asyncio.gather(*(code(engine) for _ in range(40)))
            assert set(said) == {"answered"}
        finally:
            await engine.stop()


async def test_other_policies_take_the_place_of_those_published_before(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    shutil.rmtree(folder / "rules" / "opaque")
    with opa.server() as port:
        engine = OpaEngine(locate(), address(port), 5000, publish=True)
        await engine.start()
        try:
            before = engine.revision
            await engine.put_in_force(read(folder))
            assert await code(engine) == "answered"
            assert engine.revision != before

            async def unrecorded() -> None:
                raise HaechiError("audit.full")

            with pytest.raises(HaechiError):
                await engine.put_in_force(read(locate()), unrecorded)
            assert engine.revision != before
            await becomes(engine, "answered")  # by the earlier ones, which had to be published again
        finally:
            await engine.stop()


class Pretended:
    """A server that says whatever it is told to say, with real HTTP."""

    def __init__(self) -> None:
        self.version, self.hangs, self.tokens = "1.22.2", False, list[str]()
        self.answer: dict[str, Any] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.hangs:
            await asyncio.sleep(30)
        return web.json_response({"provenance": {"version": self.version}, "result": self.answer})


@pytest_asyncio.fixture
async def pretended() -> AsyncIterator[tuple[Pretended, int]]:
    told = Pretended()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", told.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield told, int(runner.addresses[0][1])
    await runner.cleanup()


@pytest.mark.parametrize("version", ["1.21.2", "0.70.0", "", "edge", "1.22"])
async def test_an_old_or_unknown_version_is_refused(version: str, pretended: tuple[Pretended, int]) -> None:
    told, port = pretended
    told.version = version
    with pytest.raises(HaechiError) as refused:
        await OpaEngine(locate(), address(port)).start()
    assert refused.value.code == "policy.opa-version"
    assert refused.value.params["least"] == "1.21.3"


def test_a_good_version_is_told() -> None:
    assert version_of({"provenance": {"version": "1.21.3"}}) == "1.21.3"
    assert version_of({"provenance": {"version": "v1.30.0-rc.1"}}) == "v1.30.0-rc.1"


async def test_the_token_is_sent_and_never_told(
    pretended: tuple[Pretended, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told, port = pretended
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    engine = OpaEngine(locate(), dataclasses.replace(address(port), token_file=file))
    with pytest.raises(HaechiError) as refused:
        await engine.start()
    await engine.stop()
    assert told.tokens[0] == f"Bearer {TOKEN}"
    printed = capfd.readouterr()
    for said in (str(refused.value), repr(refused.value.params), repr(engine.describe()), printed.out, printed.err):
        assert TOKEN not in said


@pytest.mark.parametrize("content", ["", "two words", "a\nb"])
async def test_a_token_file_without_a_token_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(HaechiError) as refused:
        await OpaEngine(locate(), OpaAddress(token_file=file)).start()
    assert refused.value.code == "policy.opa-token"


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://u:p@h:1", "http://h:1/path", "http://h:99999"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(HaechiError) as refused:
        await OpaEngine(locate(), OpaAddress(url)).start()
    assert refused.value.code == "policy.opa-url"


async def test_a_hanging_server_is_late_and_a_killed_one_is_back(bundle: tuple[str, ...]) -> None:
    with opa.server(*bundle) as port:
        process = opa.process(port)
        engine = OpaEngine(locate(), address(port), 300)
        await engine.start()
        try:
            assert await code(engine) == "answered"
            stop(process.pid)
            assert await code(engine) == "engine-late"
            process.resume()
            await becomes(engine, "answered")
            process.kill()
            await becomes(engine, "engine-crashed")
            assert not engine.ready
            with opa.server(*bundle, port=port):
                await becomes(engine, "answered")
                assert engine.ready
        finally:
            await engine.stop()
