"""A host whose name does not resolve: the head is judged all the same, and nothing is blamed on the judge."""

from __future__ import annotations

import pytest
from haechi.domain.scope import Scope, ScopeMode
from haechi.ports.judge import Forward, Refuse

from tests.e2e.datapath_lab import PIECES, REFUSAL, WHOLE, RecordingServer, ScriptedJudge, answer, connected, laboratory

pytestmark = pytest.mark.e2e
NOWHERE = "bucket.nowhere.invalid"
HEADS = {"forward": Forward(), "pieces": PIECES, "whole": WHOLE, "refuse": Refuse(REFUSAL)}


@pytest.mark.parametrize("token", [b"", b"x-haechi-body: pieces-x\r\n"], ids=["honest", "forged"])
@pytest.mark.parametrize("head", HEADS)
async def test_it_is_said_whose_fault_it_is(tmp_path, head, token):
    judge = ScriptedJudge(HEADS[head])
    sink = RecordingServer(tmp_path, ["*.s3.ap-northeast-2.amazonaws.com"])
    scope = Scope(ScopeMode.CLOUD, ("*.nowhere.invalid",))
    async with laboratory(tmp_path, judge, sink, hosts=(), scope=scope) as path:
        reader, writer = await connected(path, NOWHERE)
        writer.write(b"PUT /k HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 100000\r\n\r\n" % (NOWHERE.encode(), token))
        writer.write(bytes(100_000))
        reply = await answer(reader)
        writer.close()
        failed = path.processor.tally.failed
    sink.close()
    if isinstance(HEADS[head], Refuse):
        assert b" 403 " in reply and reply.endswith(REFUSAL.body)
    else:
        assert b" 503 " in reply and b"DNS resolution failure" in reply
    assert failed == 0 and len(judge.opened) == 1
