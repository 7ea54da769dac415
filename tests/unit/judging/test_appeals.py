"""Appeals at work: what an officer's signature lets pass, what it does not, and what is on record."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import itertools
import os
import weakref
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from haechi.app.appealing import KIND, MOST_LISTED, AnswerAppeal, AskForRelease, Examine, listed
from haechi.domain.errors import HaechiError
from haechi.outbound.audit.reading import of_kinds
from haechi.outbound.audit.records import FolderRecords
from haechi.outbound.clock import SystemClock
from haechi.outbound.index import FileReader
from haechi.outbound.trust import Role, SigningKey, TrustedKey, TrustStore
from haechi.outbound.trust.releases import SignedReleases, make_release
from haechi.ports.releases import ReleaseAction

from tests.policy.base import ACTOR
from tests.unit.judging.conftest import Case, noise
from tests.unit.judging.test_exposure_changes import replication

HEADER, SECRET, OWN = noise(71, 20_000), noise(72, 80_000), noise(73, 30_000)
TEMPLATE, PROTECTED = HEADER + OWN, HEADER + SECRET
HERE, WHY = "/ours-seoul/report.docx", "회사 표준 보고서 양식만 같습니다"


@dataclass
class Desk:
    """The engineer's two calls, and the officer's key."""

    case: Case
    ask: AskForRelease
    answer: AnswerAppeal
    key: SigningKey

    def file(self, data: bytes, name: str = "report.docx") -> Path:
        path = self.case.folder / name
        path.write_bytes(data)
        return path

    async def asked(self, decision: str, data: bytes, uid: int = ACTOR.uid, why: str = WHY) -> Any:
        path = self.file(data)
        with path.open("rb") as source:
            return await self.ask(source.fileno(), str(path), decision, uid, str(ACTOR.user), why)

    async def answered(self, data: bytes, release: bytes) -> Any:
        path = self.file(data)
        with path.open("rb") as source:
            return await self.answer(source.fileno(), str(path), release, str(ACTOR.user))

    def release(self, data: bytes, **more: Any) -> bytes:
        said = {
            "number": "2026-31",
            "approver": "박보안",
            "action": ReleaseAction.NOT_PROTECTED,
            "digests": (digest_of(data),),
            "expires": dt.datetime.now(dt.UTC) + dt.timedelta(days=1),
            "issued": dt.datetime.now(dt.UTC),
        }
        return make_release(self.key, **(said | more)).encode()

    async def refused(self, data: bytes, target: str = HERE) -> str:
        """Upload it; the refusal's number."""
        assert not await self.case.allowed("PUT", target, data)
        return str(self.events("decision")[-1]["id"])

    def events(self, kind: str = KIND) -> list[dict[str, Any]]:
        """Records of a kind, as they are on the disk while the log goes on."""
        return [record.decoded() for record in of_kinds(self.case.folder / "audit", (kind,))]

    def acts(self) -> list[str]:
        return [str(event["act"]) for event in self.events()]


def digest_of(data: bytes) -> str:
    return "blake3:" + blake3(data).hexdigest()


@contextlib.contextmanager
def raises(code: str) -> Iterator[None]:
    with pytest.raises(HaechiError) as raised:
        yield
    assert raised.value.code == code


@pytest.fixture
def desk(case: Case) -> Desk:
    """A protected file, and a template that begins as it does."""
    case.tag("die.gds", PROTECTED)
    clock, numbers = SystemClock(), itertools.count()
    key = SigningKey.generate()
    trust = TrustStore([TrustedKey(key.id, key.public, frozenset({Role.RELEASE}), "보안팀")], clock, "officers")
    examine = Examine(case.index, FileReader(case.index.seed), case.index)

    def new_id() -> str:
        return f"a{next(numbers)}"

    records = FolderRecords(case.folder / "audit", case.log.unwritten)
    return Desk(
        case,
        AskForRelease(records, examine, case.log, clock, new_id, "agent-1"),
        AnswerAppeal(
            examine,
            case.index,
            SignedReleases(trust, clock),
            case.log,
            clock,
            new_id,
            lambda: (record.decoded() for record in of_kinds(case.folder / "audit", (KIND,))),
        ),
        key,
    )


async def test_an_answered_appeal_lets_the_template_pass_and_nothing_of_the_files_own(desk: Desk) -> None:
    allowed = desk.case.allowed
    decision = await desk.refused(TEMPLATE)
    request = await desk.asked(decision, TEMPLATE)
    assert (request["digest"], request["decision"], request["reason"]) == (digest_of(TEMPLATE), decision, WHY)
    assert [one["digest"] for one in request["matched"]] == [digest_of(PROTECTED)]
    assert not await allowed("PUT", HERE, TEMPLATE), "asking lets nothing go"
    await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    for harmless in (TEMPLATE, HEADER[3_000:], HEADER + noise(74, 50_000)):
        assert await allowed("PUT", HERE, harmless)
    for protected in (PROTECTED, SECRET[20_000:50_000], TEMPLATE + SECRET[:20_000]):
        assert not await allowed("PUT", HERE, protected)
    assert desk.acts() == ["asked", "answered"]
    answered = desk.events()[-1]
    assert (answered["digest"], answered["release"]["number"]) == (digest_of(TEMPLATE), "2026-31")
    assert (answered["release"]["approver"], answered["release"]["signer"]) == ("박보안", "보안팀")


async def test_what_is_protected_itself_is_no_false_positive(desk: Desk) -> None:
    whole = await desk.refused(PROTECTED + b"!")
    with raises("appeal.protected"):
        await desk.asked(whole, PROTECTED + b"!")
    part = await desk.refused(SECRET[:60_000])
    with raises("appeal.protected"):
        await desk.asked(part, SECRET[:60_000])
    with raises("appeal.protected"):
        await desk.answered(PROTECTED, desk.release(PROTECTED))
    assert not await desk.case.allowed("PUT", HERE, PROTECTED)
    assert desk.acts() == ["refused"]


async def test_who_appeals_has_the_refused_file_and_the_refusal(desk: Desk) -> None:
    decision = await desk.refused(TEMPLATE)
    for uid, number in ((ACTOR.uid + 1, decision), (ACTOR.uid, "hd-000000000000")):
        with raises("explain.not-found"):
            await desk.asked(number, TEMPLATE, uid=uid)
    with raises("appeal.other-content"):
        await desk.asked(decision, noise(75, 50_000))
    with raises("permit.reason"):
        await desk.asked(decision, TEMPLATE, why="왜")
    assert await desk.case.allowed("PUT", HERE, OWN)
    assert desk.events() == []


async def test_a_file_may_have_a_name_that_is_no_text(desk: Desk) -> None:
    decision, path = await desk.refused(TEMPLATE), desk.case.folder / "report-\udcb0.docx"
    path.write_bytes(TEMPLATE)
    with path.open("rb") as source:
        await desk.ask(source.fileno(), str(path), decision, ACTOR.uid, str(ACTOR.user), WHY)
    assert desk.acts() == ["asked"]


async def test_a_refusal_that_rests_on_no_match_is_no_false_positive_of_content(desk: Desk) -> None:
    decision = await desk.refused(replication("abroad").encode(), "/ours-seoul?replication")
    with raises("appeal.no-match"):
        await desk.asked(decision, TEMPLATE)


async def test_a_refused_part_is_appealed_for_by_its_file(desk: Desk) -> None:
    assert await desk.case.allowed("POST", f"{HERE}?uploads")
    decision = await desk.refused(TEMPLATE[:25_000], f"{HERE}?partNumber=1&uploadId=U1")
    await desk.asked(decision, TEMPLATE)
    await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    assert await desk.case.allowed("PUT", f"{HERE}?partNumber=1&uploadId=U1", TEMPLATE[:25_000])


async def test_what_lies_in_an_archive_is_appealed_for_by_itself(desk: Desk) -> None:
    protected, template = PROTECTED.hex().encode(), TEMPLATE.hex().encode()
    desk.case.tag("die.txt", protected)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.txt", template)
    decision = await desk.refused(packed.getvalue())
    with raises("appeal.packed"):
        await desk.asked(decision, packed.getvalue())
    await desk.answered(template, desk.release(template))
    assert await desk.case.allowed("PUT", HERE, packed.getvalue())


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("release.other-action", {"action": ReleaseAction.UNTAG}),
        ("release.other-content", {"digests": (digest_of(PROTECTED),)}),
        ("release.expired", {"expires": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}),
        ("appeal.release-narrow", {"technology": "SEM-01"}),
    ],
)
async def test_a_release_that_does_not_fit_lets_nothing_go_and_is_on_record(
    desk: Desk, code: str, more: dict[str, Any]
) -> None:
    with raises(code):
        await desk.answered(TEMPLATE, desk.release(TEMPLATE, **more))
    assert not await desk.case.allowed("PUT", HERE, TEMPLATE)
    (event,) = desk.events()
    assert (event["act"], event["why"]) == ("refused", code)


async def test_a_descriptor_that_gives_no_right_to_read_is_not_read(desk: Desk) -> None:
    path, release = desk.file(TEMPLATE), desk.release(TEMPLATE)
    for flags, code in ((os.O_WRONLY, "seal.io"), (os.O_PATH, "seal.io")):
        source = os.open(path, flags)
        try:
            with raises(code):
                await desk.answer(source, str(path), release, str(ACTOR.user))
        finally:
            os.close(source)
    assert desk.case.index.cleared() == []


async def test_nobody_else_signs(desk: Desk) -> None:
    desk.key = SigningKey.generate()
    with raises("trust.key-unknown"):
        await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    assert not await desk.case.allowed("PUT", HERE, TEMPLATE)


async def test_an_answer_that_cannot_be_recorded_does_not_count(desk: Desk) -> None:
    desk.case.log.close()
    with pytest.raises(HaechiError):
        await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    assert desk.case.index.cleared() == []


async def test_an_answer_counts_once_and_is_taken_back(desk: Desk) -> None:
    await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    with raises("appeal.already"):
        await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    await desk.answer.end(digest_of(TEMPLATE), "choi")
    assert not await desk.case.allowed("PUT", HERE, TEMPLATE)
    for unknown in (digest_of(TEMPLATE), "blake3:nonsense"):
        with raises("appeal.unknown"):
            await desk.answer.end(unknown, "choi")
    assert desk.acts() == ["answered", "refused", "ended"]


async def test_what_was_taken_back_does_not_come_back(desk: Desk) -> None:
    """Not the release that was handed over, in whatever spelling, nor another one that was signed before."""
    fast = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    used, spare = desk.release(TEMPLATE, issued=fast), desk.release(TEMPLATE, number="2026-32")
    await desk.answered(TEMPLATE, used)
    await desk.answer.end(digest_of(TEMPLATE), "choi")
    for over in (used, b" " + used + b"\n", spare):
        with raises("appeal.taken-back"):
            await desk.answered(TEMPLATE, over)
    assert not await desk.case.allowed("PUT", HERE, TEMPLATE)
    await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    assert await desk.case.allowed("PUT", HERE, TEMPLATE), "an officer may think better of it"


async def test_an_index_that_was_lost_or_put_back_brings_no_answer_back(desk: Desk) -> None:
    release, digest = desk.release(TEMPLATE), digest_of(TEMPLATE)
    await desk.answered(TEMPLATE, release)
    assert await desk.answer.settle() == []
    desk.case.index.count_again(digest)  # as an index that was made anew
    await desk.answer.end(digest, "choi")
    with raises("appeal.taken-back"):
        await desk.answered(TEMPLATE, release)
    with desk.file(TEMPLATE).open("rb") as source:
        _, body = await desk.answer.examine(source.fileno(), "report.docx")
    desk.case.index.clear(digest, body.prints)  # as one that was put back
    assert await desk.case.allowed("PUT", HERE, TEMPLATE)
    assert await desk.answer.settle() == [digest]
    assert not await desk.case.allowed("PUT", HERE, TEMPLATE)
    assert desk.acts() == ["answered", "ended", "refused", "recalled"]


async def test_an_end_that_cannot_be_recorded_ends_nothing(desk: Desk) -> None:
    await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    desk.case.log.close()
    with pytest.raises(HaechiError):
        await desk.answer.end(digest_of(TEMPLATE), "choi")
    assert desk.case.index.cleared() == [digest_of(TEMPLATE)]


async def test_a_full_memory_is_told_and_on_record(desk: Desk) -> None:
    desk.case.index.most_cleared = (0, 0)
    with raises("appeal.full"):
        await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    assert not await desk.case.allowed("PUT", HERE, TEMPLATE)
    desk.case.log.close()
    assert desk.acts() == ["answered", "failed"]


def test_a_list_holds_no_more_than_it_shows() -> None:
    """However many appeals the audit tells of."""
    held: set[int] = set()

    class Counted(dict[str, Any]):
        def __init__(self, number: int) -> None:
            super().__init__(act="asked", id=f"a{number}", digest=f"d{number}", user="kim")
            held.add(number)
            weakref.finalize(self, held.discard, number)

    most = 0

    def events() -> Iterator[dict[str, Any]]:
        nonlocal most
        for number in range(MOST_LISTED * 5):
            yield Counted(number)
            most = max(most, len(held))

    rows = listed(events(), [], None)
    assert (len(rows), rows[0]["id"]) == (MOST_LISTED, f"a{MOST_LISTED * 5 - 1}")
    assert most <= MOST_LISTED + 2


async def test_the_list_tells_what_waits_and_what_counts(desk: Desk) -> None:
    await desk.asked(await desk.refused(TEMPLATE), TEMPLATE)

    def states(user: str | None = None) -> list[str]:
        return [one["state"] for one in listed(desk.events(), desk.case.index.cleared(), user)]

    assert states() == states(str(ACTOR.user)) == ["open"]
    assert states("choi") == []
    await desk.answered(TEMPLATE, desk.release(TEMPLATE))
    assert states() == ["answered"]
    (one,) = listed(desk.events(), desk.case.index.cleared(), None)
    assert one["answer"]["number"] == "2026-31"
    await desk.answer.end(digest_of(TEMPLATE), "choi")
    assert states() == ["void"]
