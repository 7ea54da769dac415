"""A body of which not all could be seen is judged as the worst that may be in it: a client chooses its looks."""

from __future__ import annotations

import pytest
from haechi.domain.decision import FailMode, Mode, Modes
from haechi.domain.upload import Request
from haechi.ports.judge import Connection, Forward, Inspect, Refuse

from tests.unit.judging.conftest import HOST, Case, noise
from tests.unit.judging.test_unrecorded import under

pytestmark = pytest.mark.asyncio

LYING = ("x-amz-decoded-content-length", "1")
R10_ALONE = Modes(Mode.MONITOR, {"r10_region": Mode.ENFORCE})


async def lie(case: Case, bucket: str) -> Forward | Refuse:
    """Upload protected content, with a header that makes its body malformed."""
    return await case.ask("PUT", f"/{bucket}/k", case.tag("secret", noise(1, 40_000)), LYING)


async def test_a_malformed_body_does_not_get_by_a_rule_that_is_enforced_in_monitor_mode(case: Case) -> None:
    under(case, R10_ALONE)
    assert isinstance(await lie(case, "abroad"), Refuse)
    (record,) = case.records()
    assert [cause["code"] for cause in record["decision"]["causes"]] == ["body-malformed"]
    assert "r10_region" in {finding["rule"] for finding in record["decision"]["findings"]}


async def test_nor_where_the_engine_may_fail_open(case: Case) -> None:
    under(case, Modes(Mode.ENFORCE, fail=FailMode.OPEN))
    assert isinstance(await lie(case, "abroad"), Refuse)
    assert isinstance(await lie(case, "ours-seoul"), Refuse)


async def test_monitor_mode_still_lets_it_pass(case: Case) -> None:
    under(case, Modes(Mode.MONITOR))
    assert await lie(case, "abroad") == Forward()
    (record,) = case.records()
    assert record["decision"]["effect"] == "would_block"


async def test_a_machine_that_protects_nothing_lets_the_store_judge_a_malformed_body(case: Case) -> None:
    assert await case.ask("PUT", "/abroad/k", b"x" * 1000, LYING) == Forward()


async def test_its_refusal_says_first_what_is_wrong_with_the_body(case: Case) -> None:
    verdict = await lie(case, "abroad")
    assert isinstance(verdict, Refuse)
    said = verdict.reply.body.decode()
    assert said.index("breaks its own framing") < said.index("Also:") < said.index("R10")


@pytest.mark.parametrize(("modes", "effect"), [(R10_ALONE, "would_block"), (Modes(Mode.MONITOR), "would_block")])
async def test_what_is_recognised_behind_the_verdict_is_on_record_where_nothing_refuses_it(
    case: Case, modes: Modes, effect: str
) -> None:
    """A second field of a form, behind a file that was judged already."""
    secret = case.tag("secret", noise(1, 40_000))
    under(case, modes)
    edge = "edge"

    def field(name: str, data: bytes, file: str = "") -> bytes:
        named = f'; filename="{file}"' if file else ""
        return f'--{edge}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + data + b"\r\n"

    first = field("key", b"k") + field("file", b"harmless", "f.txt") + f"--{edge}\r\n".encode()
    rest = field("more", secret)[len(edge) + 4 :] + f"--{edge}--\r\n".encode()
    headers = (
        *case.headers,
        ("content-type", f"multipart/form-data; boundary={edge}"),
        ("content-length", str(len(first) + len(rest))),
    )
    judging = case.judge.open(Connection("127.0.0.1", 1), Request("POST", "https", HOST, "/ours-seoul", headers))
    assert isinstance(await judging.head(), Inspect)
    assert await judging.piece(first, last=False) == Forward()
    assert await judging.piece(rest, last=True) == Forward()
    effects = [record["decision"]["effect"] for record in case.records()]
    assert effects == ["allow", effect]
