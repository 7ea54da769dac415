"""Documents over real HTTP: conditions, bounds, tokens, roots; and copies that remember when they were confirmed."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from haechi.domain.errors import HaechiError
from haechi.outbound.fetching.http import HttpSource, Terms, proxy_for
from haechi.outbound.fetching.mirror import Mirror
from haechi.outbound.telemetry.prometheus import PrometheusMetrics

from tests.stores.certificates import StoreAuthority

LIMIT = 4096
START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


@dataclass
class At:
    """A clock that stands still."""

    moment: dt.datetime = START

    def now(self) -> dt.datetime:
        return self.moment


@dataclass
class Bundles:
    """A server of bundles; what it was asked, and what it is to answer."""

    body: bytes = b"first"
    tag: str = '"1"'
    status: int = 200
    chunked: bool = False
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        await asyncio.sleep(self.delay)
        headers = {"ETag": self.tag, **self.headers} if self.tag else dict(self.headers)
        if self.tag and request.headers.get("If-None-Match") == self.tag:
            return web.Response(status=304, headers=headers)
        if not self.chunked:
            return web.Response(status=self.status, body=self.body, headers=headers)
        stream = web.StreamResponse(status=self.status, headers=headers)
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        for at in range(0, len(self.body), 512):
            await stream.write(self.body[at : at + 512])
        await stream.write_eof()
        return stream


async def serving(bundles: Bundles, tls: ssl.SSLContext | None = None) -> AsyncIterator[Bundles]:
    app = web.Application()
    app.router.add_get("/{name}", bundles.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    bundles.url = site.name.rstrip("/") + "/haechi.tar.gz"
    yield bundles
    await runner.cleanup()


@pytest_asyncio.fixture
async def bundles() -> AsyncIterator[Bundles]:
    async for made in serving(Bundles()):
        yield made


def refused(error: pytest.ExceptionInfo[HaechiError]) -> str:
    return error.value.code


@pytest.mark.parametrize("tag", ['"1"', 'W/"weak"'])
@pytest.mark.parametrize("chunked", [True, False])
async def test_what_did_not_change_is_not_sent_again(bundles: Bundles, tag: str, chunked: bool) -> None:
    bundles.tag, bundles.chunked, bundles.body = tag, chunked, b"x" * 2000
    source = HttpSource(bundles.url, Terms(LIMIT))
    fetched = await source.fetch()
    assert fetched is not None
    assert (fetched.body, fetched.tag) == (bundles.body, tag)
    assert await source.fetch(fetched.tag) is None
    assert bundles.asked[-1]["If-None-Match"] == tag


async def test_a_tag_that_is_none_is_not_sent_back(bundles: Bundles) -> None:
    bundles.tag = "no quotes"
    fetched = await HttpSource(bundles.url, Terms(LIMIT)).fetch()
    assert fetched is not None
    assert fetched.tag == ""


@pytest.mark.parametrize("chunked", [True, False])
async def test_what_is_too_large_is_not_taken(bundles: Bundles, chunked: bool) -> None:
    bundles.chunked, bundles.body = chunked, b"x" * (LIMIT + 1)
    with pytest.raises(HaechiError) as error:
        await HttpSource(bundles.url, Terms(LIMIT)).fetch()
    assert refused(error) == "fetch.too-large"


@pytest.mark.parametrize("status", [204, 206, 302, 304, 401, 404, 500])
async def test_no_other_answer_is_a_document(bundles: Bundles, status: int) -> None:
    bundles.status, bundles.tag = status, ""
    bundles.headers = {"Location": bundles.url + "x"} if status == 302 else {}
    with pytest.raises(HaechiError) as error:
        await HttpSource(bundles.url, Terms(LIMIT)).fetch()
    assert refused(error) == "fetch.status"
    assert len(bundles.asked) == 1


async def test_a_compressed_answer_is_none(bundles: Bundles) -> None:
    bundles.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(HaechiError) as error:
        await HttpSource(bundles.url, Terms(LIMIT)).fetch()
    assert refused(error) == "fetch.status"


async def test_a_server_that_is_slow_or_gone_is_unreachable(bundles: Bundles) -> None:
    bundles.delay = 5
    for url in (bundles.url, "http://127.0.0.1:1/x"):
        with pytest.raises(HaechiError) as error:
            await HttpSource(url, Terms(LIMIT, timeout=0.2)).fetch()
        assert refused(error) == "fetch.unreachable"


async def test_a_token_is_sent_and_its_file_is_one_users_alone(bundles: Bundles, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc.DEF-1\n", encoding="ascii")
    token.chmod(0o600)
    source = HttpSource(bundles.url, Terms(LIMIT, token_file=token))
    await source.fetch()
    assert bundles.asked[-1]["Authorization"] == "Bearer abc.DEF-1"
    token.chmod(0o640)
    for content in ("abc", "two words", "", "line\r\nX-More: 1"):
        token.write_text(content, encoding="ascii")
        with pytest.raises(HaechiError) as error:
            await source.fetch()
        assert refused(error) == "fetch.token"
        token.chmod(0o600)
    os.unlink(token)
    with pytest.raises(HaechiError) as error:
        await source.fetch()
    assert refused(error) == "fetch.token"
    assert len(bundles.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://bundles.example/x",
        "ftp://127.0.0.1/x",
        "https://u:p@bundles.example/x",
        "https://",
        "x",
        "http://127.0.0.1.evil.example/x",
    ],
)
def test_an_address_that_anyone_could_change_on_the_way_is_none(url: str) -> None:
    with pytest.raises(HaechiError) as error:
        HttpSource(url, Terms(LIMIT))
    assert refused(error) == "fetch.url"


async def test_a_companys_own_roots_are_trusted_when_named(tmp_path: Path) -> None:
    authority = StoreAuthority(tmp_path / "authority")
    leaf = authority.issue(("localhost", "127.0.0.1"), stem="bundles")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.cert, leaf.key)
    async for bundles in serving(Bundles(), context):
        with pytest.raises(HaechiError) as error:
            await HttpSource(bundles.url, Terms(LIMIT)).fetch()
        assert refused(error) == "fetch.unreachable"
        fetched = await HttpSource(bundles.url, Terms(LIMIT, roots=(authority.ca,))).fetch()
        assert fetched is not None
        with pytest.raises(HaechiError) as error:
            await HttpSource(bundles.url, Terms(LIMIT, roots=(tmp_path / "none.pem",))).fetch()
        assert refused(error) == "fetch.roots"


def test_a_proxy_is_for_what_it_is_not_kept_from() -> None:
    assert proxy_for("https://bundles.example/x", "proxy:3128", ()) == "http://proxy:3128"
    assert proxy_for("https://bundles.corp.example/x", "http://proxy:3128", ("*.corp.example",)) == ""
    assert proxy_for("http://127.0.0.1:1/x", "http://proxy:3128", ()) == ""


# --- copies ---


def mirror(bundles: Bundles, folder: Path, clock: At, *, url: str = "", chance: float = 1.0) -> Mirror:
    source = HttpSource(bundles.url, Terms(LIMIT, timeout=1))
    signature = HttpSource(bundles.url + ".sig", Terms(LIMIT, timeout=1))
    files = {folder / "x": source, folder / "x.sig": signature}
    return Mirror(
        "policy", files, folder / "x.json", url or bundles.url, 60, clock, PrometheusMetrics(), chance=lambda: chance
    )


async def test_a_copy_is_written_once_and_confirmed_ever_again(bundles: Bundles, tmp_path: Path) -> None:
    clock = At()
    made = mirror(bundles, tmp_path, clock)
    assert await made.look()
    assert (tmp_path / "x").read_bytes() == (tmp_path / "x.sig").read_bytes() == b"first"
    written = (tmp_path / "x").stat().st_ino
    clock.moment += dt.timedelta(seconds=60)
    assert not await made.look()
    assert (tmp_path / "x").stat().st_ino == written
    assert made.unconfirmed(clock.now()) == 0
    bundles.tag, bundles.body = '"2"', b"second"
    assert await made.look()
    assert (tmp_path / "x").read_bytes() == b"second"


async def test_a_source_that_is_away_leaves_the_copy_and_its_age_over_restarts(
    bundles: Bundles, tmp_path: Path
) -> None:
    clock = At()
    await mirror(bundles, tmp_path, clock).look()
    bundles.status, bundles.tag = 503, ""
    clock.moment += dt.timedelta(hours=2)
    again = mirror(bundles, tmp_path, clock)
    assert not await again.look()
    assert again.problem is not None
    assert (again.problem.code, again.unconfirmed(clock.now())) == ("fetch.status", 7200)
    assert (tmp_path / "x").read_bytes() == b"first"
    assert bundles.asked[-1]["If-None-Match"] == '"1"'


async def test_a_copy_that_somebody_changed_is_asked_for_anew(bundles: Bundles, tmp_path: Path) -> None:
    made = mirror(bundles, tmp_path, At())
    await made.look()
    (tmp_path / "x").write_bytes(b"other")
    assert await made.look()
    assert (tmp_path / "x").read_bytes() == b"first"


async def test_another_source_confirms_nothing_of_the_first(bundles: Bundles, tmp_path: Path) -> None:
    clock = At()
    await mirror(bundles, tmp_path, clock).look()
    assert mirror(bundles, tmp_path, clock, url="https://other.example/x").confirmed_at is None


async def test_neither_a_damaged_memory_nor_one_of_the_future_confirms_anything(
    bundles: Bundles, tmp_path: Path
) -> None:
    clock = At()
    await mirror(bundles, tmp_path, clock).look()
    clock.moment -= dt.timedelta(days=1)
    assert mirror(bundles, tmp_path, clock).confirmed_at is None
    (tmp_path / "x.json").write_text("{", encoding="ascii")
    assert mirror(bundles, tmp_path, clock).confirmed_at is None
    assert await mirror(bundles, tmp_path, clock).look() is False  # the copy is what it was
    assert mirror(bundles, tmp_path, clock).confirmed_at == clock.moment


async def test_failures_are_tried_again_later_and_later_up_to_the_interval(bundles: Bundles, tmp_path: Path) -> None:
    bundles.status, bundles.tag = 500, ""
    made, pauses = mirror(bundles, tmp_path, At()), []
    for _ in range(8):
        await made.look()
        pauses.append(made.pause())
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert mirror(bundles, tmp_path, At(), chance=0.0).pause() == 60
    bundles.status = 200
    await made.look()
    assert made.pause() == 54


async def test_a_folder_that_takes_nothing_is_a_problem_and_no_end(bundles: Bundles, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way", encoding="ascii")
    made = mirror(bundles, tmp_path / "folder", At())
    assert not await made.look()
    assert made.problem is not None
    assert made.problem.code == "fetch.not-kept"
