"""Judges what fits into one question: Envoy (ext_authz over HTTP) sends a request with its whole body, and waits.

Theory. A stream for each request costs more than judging a small one: six messages through two event loops. A check is
one request and one answer over a Unix socket, and Envoy keeps head and body until it has the answer.

====================  =========================================================================================
answer                what Envoy does
====================  =========================================================================================
200                   forwards the request as it came
200 and ``APART``     asks about it on a stream (``processor``), which sees the head's lines one by one, can give the
                      client any answer, and hears the store's
4xx                   gives the client this answer: the judge's refusal
5xx, none, too late   refuses in the provider's shape (``http.UNANSWERED_STATUS``)
====================  =========================================================================================

A check joins header lines of one name with commas. Where that could hide that a name came twice, nothing is judged here
and the stream is asked: two servers may read two lines differently. Must not know what requests mean.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import structlog
from aiohttp import web

from haechi.domain.upload import Request
from haechi.inbound.envoy.clusters import HEALTH_PATH
from haechi.inbound.envoy.http import ADDED_HEADER, APART_HEADER, CHECK_PREFIX, CONNECTION_HEADER, END, SERVED_BY
from haechi.inbound.envoy.tally import Tally
from haechi.inbound.envoy.told import connection_of
from haechi.ports.judge import Connection, Forward, Inspect, Judge, Judging, Refuse, Reply

_ENVOY = "x-envoy-"
_COMMAS = frozenset(
    (
        *("accept", "accept-charset", "accept-encoding", "accept-language", "authorization", "cache-control", "date"),
        *("expires", "if-match", "if-modified-since", "if-none-match", "if-unmodified-since", "last-modified"),
        *("user-agent", "via", "x-amz-user-agent"),
    )
)
"""Names with commas in a single line, of which no second line changes what a request does, or which Envoy itself joins
before anybody sees them (``authorization``).
"""
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d "
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)
"""A date (RFC 9110, 5.6.7) has a comma of its own, under whatever name: no two lines make one."""
_LINE = 256 << 10
"""Envoy's own bound of a head; it has looked at every head that comes here."""
_LINES = 1100
_IDLE_S = 24 * 3600.0
"""Longer than Envoy keeps an idle connection: whoever closes first must be the one that would use it next."""
_BACKLOG = 16384
"""Connections that may wait to be taken: as many as the data path takes from clients, so far as the system allows it
(``net.core.somaxconn``, 4096 by default). On a Unix socket one more is turned away at once, and Envoy refuses the
request: with the 128 that are usual, that befell whoever came last while many came at once.
"""
_APART = {APART_HEADER: "1"}


class CheckServer:
    """The service, on a Unix socket that only Envoy's user can reach."""

    def __init__(
        self, judge: Judge, tally: Tally, log: structlog.typing.FilteringBoundLogger, *, answer_s: float
    ) -> None:
        """``answer_s``: how long judging may take. Shorter than Envoy waits: what Envoy refuses for want of an answer
        must not be on record as allowed.
        """
        self._answer_s = answer_s
        self._judge = judge
        self._tally = tally
        self._log = log
        self._runner: web.ServerRunner | None = None

    async def start(self, path: Path) -> None:
        """Listen at ``path``."""
        server = web.Server(
            self._answer,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_IDLE_S,
            max_line_size=_LINE,
            max_field_size=_LINE,
            max_headers=_LINES,
        )
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - local and instant
        await web.UnixSite(self._runner, path, backlog=_BACKLOG).start()
        path.chmod(0o600)  # noqa: ASYNC240

    async def stop(self) -> None:
        """Take nothing more. Safe to call twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, asked: web.BaseRequest) -> web.Response:
        if asked.raw_path == HEALTH_PATH:
            return web.Response()
        try:
            connection, request = said(asked)
            if _perhaps_repeated(request):
                return web.Response(headers=_APART)
            body = await asked.read()
            judging = self._judge.open(connection, request)
            if judging.heeds:
                return web.Response(headers=_APART)
            verdict = await self._verdict(judging, body)
            if isinstance(verdict, Forward):
                return web.Response()
            # What is answered in the store's place (self-tests of the tools) is no refusal, and a check has room for no
            # other answer.
            return _refusal(verdict.reply) if _refuses(verdict.reply) else web.Response(headers=_APART)
        except Exception as error:
            # The adapter's edge: whatever went wrong is answered as if no judge were there, which refuses.
            self._tally.failed += 1
            self._log.error("datapath.judging-failed", error=type(error).__name__, exc_info=True)
            return web.Response(status=500)

    async def _verdict(self, judging: Judging, body: bytes) -> Forward | Refuse:
        """Not broken off when the client leaves: what was decided is recorded all the same. A judge that is late or
        fails is: its verdict reaches nobody.
        """
        self._tally.requests += 1
        try:
            async with asyncio.timeout(self._answer_s):
                verdict = await self._judged(judging, body)
        except Exception as error:
            self._tally.abandoned += 1
            await judging.abandoned("judge-late" if isinstance(error, TimeoutError) else "judge-failed")
            raise
        if isinstance(verdict, Refuse):
            self._tally.refused += _refuses(verdict.reply)
        return verdict

    async def _judged(self, judging: Judging, body: bytes) -> Forward | Refuse:
        verdict = await judging.head()
        if isinstance(verdict, Inspect):
            self._tally.inspected += 1
            self._tally.bytes_inspected += len(body)
            verdict = await judging.piece(body, True)
        return verdict


def said(asked: web.BaseRequest) -> tuple[Connection, Request]:
    """The connection and the request that a check speaks of. Raises ``ValueError`` for what Envoy did not send."""
    host = about = ""
    headers: list[tuple[str, str]] = []
    for raw_name, raw_value in asked.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == CONNECTION_HEADER:
            about = value
        elif name == "host":
            host = value
        elif name != ADDED_HEADER and not name.startswith(_ENVOY):
            headers.append((name, value))
    # The server's name stands last: it alone may hold a space.
    way, scheme, source, local, connect, sni = about.removesuffix(END)[:-1].split(" ", 5)
    connection = connection_of(way=way, source=source, connect=connect, sni=sni, local=local)
    if not asked.raw_path.startswith(CHECK_PREFIX):
        raise ValueError("a check of another path")
    return connection, Request(asked.method, scheme, host.lower(), asked.raw_path[len(CHECK_PREFIX) :], tuple(headers))


def _perhaps_repeated(request: Request) -> bool:
    return any(
        "," in value and name not in _COMMAS and _DATE.fullmatch(value) is None for name, value in request.headers
    )


def _refuses(reply: Reply) -> bool:
    """Envoy takes only a 4xx for a refusal."""
    return 400 <= reply.status < 500


def _refusal(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=[*reply.headers, SERVED_BY])
