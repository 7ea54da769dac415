"""Azure: what the store rejects lies nowhere. Whoever sends it between pieces gains nothing by it.

A guaranteed run is longer than these pieces: each of them alone says nothing, only those that really lie beside each
other at the store do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, BlobClient

from tests.e2e.azure_lab import KIB, World, azure, installed

pytestmark = [pytest.mark.e2e, installed]
PIECE = 4 * KIB


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with azure() as made:
        yield made


def rejected_by_the_store(send: Callable[[], object], *status: int) -> None:
    """The store's own error, not the agent's."""
    with pytest.raises(HttpResponseError) as caught:
        send()
    assert caught.value.status_code in status
    assert "Haechi" not in str(caught.value)


def refused(send: Callable[[], object]) -> None:
    with pytest.raises(HttpResponseError, match="Haechi refused"):
        send()


def test_rejected_appends_between_pieces(world: World) -> None:
    blob = world.blob("appended")
    blob.create_append_blob()

    def attack() -> None:
        for start in range(0, 16 * PIECE, PIECE):
            blob.append_block(world.tagged[start : start + PIECE])
            rejected_by_the_store(lambda: blob.append_block(os.urandom(9000), maxsize_condition=10), 412)

    refused(attack)
    assert len(world.store.holds("appended") or b"") < 16 * PIECE


def test_a_log_goes_on_behind_a_rejected_append(world: World) -> None:
    blob = world.blob("log")
    blob.create_append_blob()
    lines = [b"what kind of file it is shows here\n" * 40, *(b"line %d\n" % line for line in range(4))]
    for line in lines:
        blob.append_block(line)
        rejected_by_the_store(lambda: blob.append_block(b"too long\n", maxsize_condition=1), 412)
    assert world.store.holds("log") == b"".join(lines)


def pages(world: World, name: str, between: Callable[[BlobClient, int], None]) -> Callable[[], None]:
    size = 16 * PIECE
    blob = world.blob(name)
    blob.create_page_blob(size)

    def attack() -> None:
        for start in range(0, size, PIECE):
            blob.upload_page(world.tagged[start : start + PIECE], start, PIECE)
            between(blob, start)

    return attack


def test_a_blob_that_is_not_made_anew_between_pages(world: World) -> None:
    def between(blob: BlobClient, _: int) -> None:
        anew = partial(blob.create_page_blob, 16 * PIECE, match_condition=MatchConditions.IfMissing)
        rejected_by_the_store(anew, 409, 412)

    refused(pages(world, "paged", between))


def test_a_page_that_is_not_written_over(world: World) -> None:
    def between(blob: BlobClient, start: int) -> None:
        never = {"etag": "0x1", "match_condition": MatchConditions.IfNotModified}
        rejected_by_the_store(partial(blob.upload_page, os.urandom(PIECE), start, PIECE, **never), 412)

    refused(pages(world, "paged-over", between))


def test_a_page_that_is_written_over_is_judged_by_what_lies_there(world: World) -> None:
    """The store took the second: what was tagged is gone, and the next page has a harmless neighbour."""
    blob = world.blob("paged-anew")
    blob.create_page_blob(2 * PIECE)
    blob.upload_page(world.harmless[:PIECE], 0, PIECE)
    blob.upload_page(world.harmless[PIECE : 2 * PIECE], 0, PIECE)
    blob.upload_page(world.harmless[2 * PIECE : 3 * PIECE], PIECE, PIECE)
    assert world.store.holds("paged-anew") == world.harmless[PIECE : 3 * PIECE]


def test_a_block_whose_new_version_the_store_rejected(world: World) -> None:
    """The list takes the version that it has."""
    blob = world.blob("listed")
    halves = world.tagged[:PIECE], world.tagged[PIECE : 2 * PIECE]
    blob.stage_block("1", halves[0])
    blob.commit_block_list([BlobBlock("1")])
    rejected_by_the_store(
        lambda: blob.stage_block("1", os.urandom(PIECE), lease="0" * 8 + "-0000-0000-0000-" + "0" * 12), 412
    )

    def attack() -> None:
        blob.stage_block("2", halves[1])
        blob.commit_block_list([BlobBlock("1"), BlobBlock("2")])

    refused(attack)
    assert world.store.holds("listed") == halves[0]


def test_a_block_sent_anew_is_joined_as_it_is_now(world: World) -> None:
    blob = world.blob("listed-anew")
    for text in (b"first", b"second"):
        blob.stage_block("1", text)
        blob.commit_block_list([BlobBlock("1")])
    assert world.store.holds("listed-anew") == b"second"
