"""Exceptions and justifications for a blob that goes in named blocks: the list tells their order."""

from __future__ import annotations

import msgspec
import pytest
from blake3 import blake3
from haechi.app.cutting import MIB, cut_of
from haechi.domain.bound import Cut, How, Travels
from haechi.domain.upload import Action, ActionKind, Assembly
from haechi.outbound.trust.exceptions import StatedPlace

from tests.unit.judging.conftest import Case, noise
from tests.unit.judging.test_blocks import OURS, append, blobs, block, create, join, name_of
from tests.unit.judging.test_permit_bounds import unfit

__all__ = ["blobs"]
FILE = noise(131, 9 * MIB + 77)
PARTS = {"a": FILE[: 4 * MIB], "b": FILE[4 * MIB : 8 * MIB], "c": FILE[8 * MIB :]}
OTHER = noise(132, 4 * MIB)


@pytest.fixture
def large(blobs: Case) -> Case:
    blobs.tag("lot.csv", FILE)
    return blobs


async def permitted(case: Case, id_: str = "ex-1", key: str = "k") -> None:
    """Asked for, signed and taken up."""
    path = case.folder / "asked"
    path.write_bytes(FILE)
    digest = f"blake3:{blake3(FILE).hexdigest()}"
    with path.open("rb") as source:
        await case.permits.remember(cut_of(source.fileno(), digest, "asked"))
    wanted = case.approvers.statement(id=id_, digest=digest, size=len(FILE))
    place = StatedPlace("azure", "", OURS, "fab1/ours", key)
    document = case.approvers.sign(msgspec.structs.replace(wanted, place=place))
    await case.permits.arm_document(document, "kim")


async def sent(case: Case, *names: str) -> None:
    for name in names:
        assert await block(case, name, PARTS[name])


async def test_without_an_exception_no_block_goes(large: Case) -> None:
    assert not await block(large, "a", PARTS["a"])


async def test_the_blocks_of_the_file_are_one_use_in_whatever_order_they_come(large: Case) -> None:
    await permitted(large)
    await sent(large, "c", "a", "b", "a")
    assert await join(large, "a", "b", "c")
    assert await join(large, "a", "b", "c"), "a client that did not hear the answer asks again"
    assert not await block(large, "a", PARTS["a"]), "another upload is another use"
    assert unfit(large) == ["used"]


@pytest.mark.parametrize("names", ["acb", "ab", "aabc", "bc"])
async def test_a_list_joins_the_file_and_nothing_else(large: Case, names: str) -> None:
    await permitted(large)
    await sent(large, *"abc")
    assert not await join(large, *names)
    assert await join(large, *"abc")


async def test_no_block_rides_along(large: Case) -> None:
    await permitted(large)
    assert await block(large, "rider", OTHER)
    await sent(large, *"abc")
    assert not await join(large, "a", "b", "c", "rider")
    assert not await block(large, "other", PARTS["a"][:-1] + b"x")
    assert await join(large, *"abc")


async def test_a_name_under_which_other_bytes_went_does_not_tell_what_the_store_joins(large: Case) -> None:
    """The store may have refused the newer ones: then it has the older."""
    assert await block(large, "a", OTHER)
    assert await join(large, "a")
    await permitted(large)
    await sent(large, *"abc")
    assert not await join(large, *"abc")


async def test_a_block_that_was_replaced_meanwhile_does_not_either(large: Case) -> None:
    await permitted(large)
    assert await block(large, "a", OTHER, status=None)
    await sent(large, *"abc")
    assert not await join(large, *"abc")


async def test_a_block_that_the_store_has_now_is_the_one_that_is_joined(large: Case) -> None:
    await permitted(large)
    assert await block(large, "a", OTHER)
    await sent(large, *"abc")
    assert await join(large, *"abc")


async def test_an_exception_for_one_blob_is_none_for_another(large: Case) -> None:
    await permitted(large)
    assert not await block(large, "a", PARTS["a"], "elsewhere")
    assert unfit(large) == ["other-place"]


async def test_appended_bytes_are_no_part_of_what_was_approved(large: Case) -> None:
    await permitted(large)
    await create(large, "AppendBlob")
    assert not await append(large, PARTS["a"], 0)


def test_the_part_of_a_name_is_whichever() -> None:
    cut = Cut("whole", {4: ("one", "two")})
    assert [digest for digest in ("whole", "one", "two", "three", "") if cut.has(0, digest)] == ["whole", "one", "two"]
    named = Action("azure", "blob", "PutBlock", ActionKind.UPLOAD, assembly=Assembly("b", 7, name=name_of("a")))
    assert Travels.of(named) == Travels(How.PART, 0)


async def test_the_record_of_a_refusal_tells_that_it_was_a_part(large: Case) -> None:
    assert not await block(large, "a", PARTS["a"])
    assert large.records()[-1]["action"]["travels"] == "part"
