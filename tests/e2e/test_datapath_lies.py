"""Who lies about where a connection goes gains nothing; who says nothing is judged or closed."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy.settings import HostOverride, UpstreamProxy
from haechi.ports.tunnels import Doubt

from tests.e2e.datapath_lab import (
    INNOCENT,
    OTHER,
    SCOPE,
    SEOUL,
    TOKYO,
    RecordingServer,
    ScriptedJudge,
    ScriptedTunnels,
    answer,
    connected,
    laboratory,
    run,
)

pytestmark = pytest.mark.e2e
NAMES = ["*.s3.ap-northeast-2.amazonaws.com", "*.s3.ap-northeast-1.amazonaws.com", INNOCENT, OTHER]
CLOSED = (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, EOFError)


@pytest.fixture
def sink(tmp_path):
    server = RecordingServer(tmp_path, NAMES)
    yield server
    server.close()


def put(host: str) -> bytes:
    return f"PUT /k HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello".encode()


async def ask(path, request: bytes, **names) -> bytes:
    reader, writer = await connected(path, **names)
    try:
        writer.write(request)
        return await answer(reader)
    finally:
        writer.close()


async def test_honest_tunnel_keeps_the_servers_own_certificate(tmp_path, sink):
    judge = ScriptedJudge()
    async with laboratory(tmp_path, judge, sink) as path:
        reader, writer = await connected(path, INNOCENT)
        issuer = dict(pair[0] for pair in writer.get_extra_info("ssl_object").getpeercert()["issuer"])
        writer.write(put(INNOCENT))
        assert b" 200 " in await answer(reader)
        writer.close()
    assert issuer["commonName"] == "sink ca"
    assert judge.opened == []
    assert len(sink.stored) == 1


async def test_in_scope_is_ended_with_our_certificate(tmp_path, sink):
    async with laboratory(tmp_path, ScriptedJudge(), sink) as path:
        _, writer = await connected(path, SEOUL)
        issuer = dict(pair[0] for pair in writer.get_extra_info("ssl_object").getpeercert()["issuer"])
        writer.close()
    assert issuer["organizationName"] == "Haechi"


@pytest.mark.parametrize(
    ("connect", "sni", "host"),
    [
        (f"{INNOCENT}:443", SEOUL, SEOUL),
        (f"{SEOUL}:443", TOKYO, TOKYO),
        (f"{SEOUL}:443", SEOUL, TOKYO),
        (f"{SEOUL}:443", SEOUL, INNOCENT),
        (f"{INNOCENT}:443", SEOUL, INNOCENT),
    ],
)
async def test_names_that_differ_are_refused_where_tls_is_ended(tmp_path, sink, connect, sni, host):
    judge = ScriptedJudge()
    async with laboratory(tmp_path, judge, sink) as path:
        reply = await ask(path, put(host), connect=connect, sni=sni)
    assert b" 403 " in reply
    assert sink.seen == []
    (judging,) = judge.opened
    assert (judging.connection.connect, judging.connection.sni, judging.request.host) == (connect, sni, host)


async def test_h2_is_not_offered_and_a_host_that_differs_is_refused_all_the_same(tmp_path, sink):
    async with laboratory(tmp_path, ScriptedJudge(), sink) as path:
        out = await run(
            "curl", "-sS", "--http2", "--cacert", str(path.bundle), "-x", f"http://127.0.0.1:{path.proxy_port}",
            "-H", f"Host: {TOKYO}", "-d", "hello", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
            f"https://{SEOUL}/k",
        )  # fmt: skip
    assert out == (0, "1.1 403")
    assert sink.seen == []


@pytest.mark.parametrize(
    ("connect", "sni", "doubt"),
    [
        (f"{SEOUL}:443", INNOCENT, Doubt.NAMES),
        (f"{INNOCENT}:443", OTHER, Doubt.NAMES),
        ("203.0.113.9:443", INNOCENT, Doubt.ADDRESS),
        (f"{INNOCENT}:443", "", Doubt.NO_NAME),
        (f"{INNOCENT}.:443", OTHER, Doubt.NAMES),
        (f"{SEOUL}.:443", f"{SEOUL}.", Doubt.SPELLING),
        ("52.0xdb.1.1:443", "52.0xdb.1.1", Doubt.SPELLING),
    ],
)
async def test_lying_tunnels_are_closed_after_the_agent_was_told(tmp_path, sink, connect, sni, doubt):
    judge, tunnels = ScriptedJudge(), ScriptedTunnels()
    async with laboratory(tmp_path, judge, sink, tunnels=tunnels) as path:
        with pytest.raises(CLOSED):
            await ask(path, put(INNOCENT), connect=connect, sni=sni, verify=False)
    assert sink.seen == []
    assert judge.opened == []
    ((told, why),) = tunnels.asked
    assert (told.connect, told.sni, told.way, why) == (connect, sni, "proxy", doubt)
    assert (told.address, told.port > 0) == ("127.0.0.1", True)


async def test_a_lying_tunnel_that_may_pass_goes_where_its_server_name_says(tmp_path, sink):
    """Monitor mode never blocks, and even then a tunnel reaches no other place than the one that is recorded."""
    tunnels = ScriptedTunnels(passes=True)
    async with laboratory(tmp_path, ScriptedJudge(), sink, tunnels=tunnels) as path:
        for connect in (f"{OTHER}:443", f"{SEOUL}:443"):
            assert b" 200 " in await ask(path, put(INNOCENT), connect=connect, sni=INNOCENT, verify=False)
    assert len(sink.stored) == 2
    assert [told.connect for told, _ in tunnels.asked] == [f"{OTHER}:443", f"{SEOUL}:443"]


async def test_what_is_neither_tls_nor_http_is_told_and_closed(tmp_path, sink):
    tunnels = ScriptedTunnels(passes=True)
    async with laboratory(tmp_path, ScriptedJudge(), sink, tunnels=tunnels) as path:
        for target in (f"{INNOCENT}:443", f"{SEOUL}:443"):
            reader, writer = await asyncio.open_connection("127.0.0.1", path.proxy_port)
            writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
    assert [(told.connect, why) for told, why in tunnels.asked] == [
        (f"{INNOCENT}:443", Doubt.RAW),
        (f"{SEOUL}:443", Doubt.RAW),
    ]
    assert sink.seen == []


async def test_honest_tunnels_are_counted(tmp_path, sink):
    tunnels = ScriptedTunnels()
    async with laboratory(tmp_path, ScriptedJudge(), sink, tunnels=tunnels) as path:
        for _ in range(3):
            assert b" 200 " in await ask(path, put(INNOCENT), host=INNOCENT)
        with pytest.raises(CLOSED):
            await ask(path, put(INNOCENT), connect=f"{INNOCENT}:443", sni=OTHER, verify=False)
    assert tunnels.totals() == {"passed": 3, "refused": 1, "observed": 0}


async def test_a_redirected_connection_is_judged_by_its_server_name(tmp_path, sink):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    judge = ScriptedJudge()
    tunnels = ScriptedTunnels()
    more = {"redirect_tls_port": port, "redirect_ipv6": False, "tunnels": tunnels}
    async with laboratory(tmp_path, judge, sink, **more) as path:
        to = [
            "curl",
            "-sS",
            "-m",
            "10",
            "--cacert",
            str(path.bundle),
            "-d",
            "hi",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
        ]
        pins = [f"{name}:{port}:127.0.0.1" for name in (SEOUL, INNOCENT)]
        options = [word for pin in pins for word in ("--resolve", pin)]
        judged = await run(*to, *options, f"https://{SEOUL}:{port}/k")
        tunnelled = await run(*to, *options, f"https://{INNOCENT}:{port}/k")
        unnamed, _ = await run(*to, "-k", f"https://127.0.0.1:{port}/k")
        told = [(one.way, one.connect, one.sni, one.original, why) for one, why in tunnels.asked]
    assert (judged, tunnelled) == ((0, "200"), (0, "200"))
    assert unnamed != 0
    assert told == [("redirect", "", "", f"127.0.0.1:{port}", Doubt.NO_NAME)]
    (one,) = judge.opened
    assert (one.connection.way, one.connection.connect, one.connection.sni) == ("redirect", "", SEOUL)
    assert one.connection.port > 0


async def test_a_company_proxy_carries_judged_requests_and_tunnels(tmp_path, sink):
    asked = []

    async def company(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split()[1].decode())
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", sink.port)

        async def pump(source, target):
            while data := await source.read(65536):
                target.write(data)
            target.close()

        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(company, "127.0.0.1", 0)
    proxy = UpstreamProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    judge = ScriptedJudge()
    async with laboratory(tmp_path, judge, sink, hosts=(), upstream_proxy=proxy) as path:
        assert b" 200 " in await ask(path, put(SEOUL), host=SEOUL)
        assert b" 200 " in await ask(path, put(INNOCENT), host=INNOCENT)
    server.close()
    assert asked == [f"{SEOUL}:443", f"{INNOCENT}:443"]
    assert [one.request.host for one in judge.opened] == [SEOUL]
    assert len(sink.stored) == 2


async def test_no_server_name_toward_the_scope_is_judged(tmp_path, sink):
    judge = ScriptedJudge()
    async with laboratory(tmp_path, judge, sink) as path:
        await ask(path, put(SEOUL), connect=f"{SEOUL}:443", sni="", verify=False)
    assert [one.connection.sni for one in judge.opened] == [""]


@pytest.mark.parametrize("literal", ["127.0.0.1", "[::1]", "2130706433"])
async def test_a_literal_address_is_judged_as_unknown(tmp_path, sink, literal):
    judge = ScriptedJudge()
    async with laboratory(tmp_path, judge, sink) as path:
        await ask(path, put(literal), connect=f"{literal}:{sink.port}", sni="", verify=False)
    assert [one.connection.connect for one in judge.opened] == [f"{literal}:{sink.port}"]
    assert sink.seen == [], "nothing is sent to an address whose certificate names no such host"


async def test_plain_http_is_judged_absolute_form_and_in_a_tunnel(tmp_path):
    plain = RecordingServer(tmp_path, [], tls=False)
    judge = ScriptedJudge()
    hosts = (HostOverride("*.amazonaws.com", "127.0.0.1", plain.port, plain=True),)
    async with laboratory(tmp_path, judge, plain, hosts=hosts) as path:
        proxy = f"http://127.0.0.1:{path.proxy_port}"
        code = ["-o", "/dev/null", "-w", "%{http_code}"]
        lie = ["-H", "X-Forwarded-Proto: https"]
        one = await run("curl", "-sS", "-x", proxy, "-d", "hello", *code, *lie, f"http://{SEOUL}/k")
        two = await run("curl", "-sS", "-p", "-x", proxy, "-d", "hello", *code, *lie, f"http://{SEOUL}/k")
        streamed = ["-H", "Transfer-Encoding: chunked", *lie]
        three = await run("curl", "-sS", "-x", proxy, "-d", "hello", *code, *streamed, f"http://{SEOUL}/k")
        four = await run("curl", "-sS", "-p", "-x", proxy, "-d", "hello", *code, *streamed, f"http://{SEOUL}/k")
    assert (one, two, three, four) == ((0, "200"),) * 4
    assert [judging.request.scheme for judging in judge.opened] == ["http"] * 4
    assert [seen.lines[0] for seen in plain.seen] == [b"POST /k HTTP/1.1"] * 4
    plain.close()


async def test_absolute_https_form_is_not_sent_in_plain(tmp_path, sink):
    async with laboratory(tmp_path, ScriptedJudge(), sink) as path:
        reader, writer = await asyncio.open_connection("127.0.0.1", path.proxy_port)
        writer.write(f"PUT https://{SEOUL}/k HTTP/1.1\r\nHost: {SEOUL}\r\nContent-Length: 0\r\n\r\n".encode())
        assert b" 400 " in await answer(reader)
        writer.close()
    assert sink.seen == []


async def test_every_host_is_judged_in_mode_all_but_the_exempt(tmp_path, sink):
    judge = ScriptedJudge()
    scope = Scope(ScopeMode.ALL, SCOPE.patterns, (OTHER,))
    async with laboratory(tmp_path, judge, sink, scope=scope) as path:
        assert b" 200 " in await ask(path, put(INNOCENT), host=INNOCENT)
        with pytest.raises(CLOSED):
            await ask(path, put(INNOCENT), connect=f"{INNOCENT}:443", sni=OTHER, verify=False)
    assert [one.request.host for one in judge.opened] == [INNOCENT]


async def test_upstream_certificate_is_verified_for_the_real_name(tmp_path):
    impostor = RecordingServer(tmp_path, ["impostor.example.org"])
    async with laboratory(tmp_path, ScriptedJudge(), impostor) as path:
        assert b" 503 " in await ask(path, put(SEOUL))
    assert impostor.seen == []
    impostor.close()


@pytest.mark.parametrize(
    ("networks", "passes"), [((), True), (("127.0.0.0/8", "::1/128"), False), (("10.0.0.0/8",), True)]
)
async def test_an_innocent_name_at_a_providers_address_is_closed(tmp_path, sink, networks, passes):
    tunnels = ScriptedTunnels()
    more = {"hosts": (), "provider_networks": networks, "tunnels": tunnels}
    async with laboratory(tmp_path, ScriptedJudge(), sink, **more) as path:
        names = {"connect": f"localhost:{sink.port}", "sni": "localhost", "verify": False}
        if passes:
            assert b" 200 " in await ask(path, put(SEOUL), **names)
        else:
            with pytest.raises(CLOSED):
                await ask(path, put(SEOUL), **names)
    assert len(sink.seen) == (1 if passes else 0)
    assert [why for _, why in tunnels.asked] == ([] if passes else [Doubt.PROVIDER])
