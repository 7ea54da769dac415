"""Anchors equal their definition, do not depend on how a stream is cut, and find every guaranteed run."""

import itertools
import random
from array import array

import pytest
from haechi.payload.anchors import AVERAGE, RUN, WINDOW, Table, Winnower
from haechi.payload.anchors._anchors import GEAR, blank, search
from hypothesis import given, settings
from hypothesis import strategies as st

MASK = (1 << 64) - 1
SEED = 0x5EED
seeds = st.integers(0, 1 << 32)


def naive(data: bytes, window: int) -> list[int]:
    """The definition, word for word."""
    hashes = {}
    for i in range(95, len(data)):
        near = data[i - 63 : i + 1]
        if any(data[i - 63 - d : i + 1 - d] == near for d in range(1, 33)):
            continue
        value = 0
        for byte in near:
            value = ((value << 1) + GEAR[byte]) & MASK
        hashes[i] = value
    anchors = set()
    for begin in range(95, len(data) - window + 1):
        inside = [i for i in range(begin, begin + window) if i in hashes]
        if inside:
            anchors.add(min(reversed(inside), key=hashes.__getitem__))
    return sorted(anchors)


def stretch(least: int, most: int) -> st.SearchStrategy[bytes]:
    """Content of every kind: random, of few different bytes, of one period."""
    size = st.integers(least, most)
    rich = st.builds(lambda r, n: random.Random(r).randbytes(n), seeds, size)
    poor = st.builds(lambda r, n: bytes(random.Random(r).choices(b"01", k=n)), seeds, size)
    periodic = st.builds(lambda unit, n: (unit * (n // len(unit) + 1))[:n], st.binary(min_size=1, max_size=120), size)
    return st.one_of(rich, poor, periodic)


mixed = st.lists(stretch(0, 260), max_size=5).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(mixed, st.sampled_from([1, 2, 7, 33, 64, 200]))
def test_the_search_gives_exactly_the_anchors_of_the_definition(data: bytes, window: int) -> None:
    assert list(array("I", search(data, 95, window, -1))) == naive(data, window)


def blocks_of(data: bytes, cuts: list[int], *, skip_blank: bool = False) -> list[tuple[int, int]]:
    winnower, found, last = Winnower(SEED, skip_blank=skip_blank), [], 0
    for cut in [*sorted({min(cut, len(data)) for cut in cuts}), len(data)]:
        blocks = winnower.feed(data[last:cut])
        found += zip(blocks.starts, blocks.prints, strict=True)
        last = cut
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(stretch(0, 12_000), max_size=4).map(b"".join), st.lists(st.integers(0, 40_000), max_size=8))
def test_how_a_stream_is_cut_changes_no_block(data: bytes, cuts: list[int]) -> None:
    assert blocks_of(data, cuts) == blocks_of(data, [])


def short_period_stretch(data: bytes) -> bool:
    """Whether some WINDOW bytes in a row have one period of at most 32: what the guarantee leaves out."""
    for d in range(1, 33):
        run = d
        for i in range(d, len(data)):
            run = run + 1 if data[i] == data[i - d] else d
            if run >= WINDOW:
                return True
    return False


varied = st.one_of(
    st.builds(lambda r: random.Random(r).randbytes(RUN), seeds),
    st.builds(lambda r: bytes(random.Random(r).choices(b"01", k=RUN)), seeds),
    st.builds(
        lambda unit: (unit * (RUN // len(unit) + 1))[:RUN],
        st.binary(min_size=40, max_size=3000).filter(lambda u: len(set(u)) > 8),
    ),
    st.lists(stretch(100, 3000), min_size=4, max_size=9).map(lambda parts: (b"".join(parts) * 82)[:RUN]),
)


@settings(max_examples=60, deadline=None)
@given(varied, st.tuples(stretch(0, 9000), stretch(0, 9000)), st.tuples(stretch(0, 9000), stretch(0, 9000)))
def test_a_run_of_the_guaranteed_length_is_found_in_any_surroundings(
    run: bytes, kept: tuple[bytes, bytes], sent: tuple[bytes, bytes]
) -> None:
    if short_period_stretch(run):
        return
    known = {fingerprint for _, fingerprint in blocks_of(kept[0] + run + kept[1], [], skip_blank=True)}
    inside = [
        start
        for start, fingerprint in blocks_of(sent[0] + run + sent[1], [])
        if fingerprint in known and len(sent[0]) <= start <= len(sent[0]) + RUN - WINDOW
    ]
    assert inside


def test_the_guaranteed_run_is_four_average_chunks_and_the_least_that_the_proof_needs() -> None:
    data = random.Random(5).randbytes(4 << 20)
    starts = [start for start, _ in blocks_of(data, [])]
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    assert max(gaps) <= WINDOW
    assert abs(sum(gaps) / len(gaps) - AVERAGE) < 40
    assert 2 * WINDOW - 1 <= RUN <= 4 * AVERAGE


@pytest.mark.parametrize("unit", [b"\0", b"ab", bytes(range(32))])
def test_content_of_one_short_period_has_no_blocks(unit: bytes) -> None:
    assert blocks_of(unit * (100_000 // len(unit)), []) == []


def test_a_block_of_one_short_period_is_blank_and_one_with_a_different_byte_is_not() -> None:
    assert blank(b"xyz" * 1000)
    assert not blank(b"xyz" * 1000 + b"!")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, MASK), st.integers(0, 3)), max_size=300))
def test_the_table_answers_every_value_of_every_key(entries: list[tuple[int, int]]) -> None:
    table = Table()
    table.add(array("Q", [key for key, _ in entries]), array("I", [value for _, value in entries]))
    keys = sorted({key for key, _ in entries})
    found: dict[int, set[int]] = {}
    for index, value in table.hits(array("Q", keys)):
        found.setdefault(keys[index], set()).add(value)
    wanted: dict[int, set[int]] = {}
    for key, value in entries:
        wanted.setdefault(key, set()).add(value)
    assert found == wanted
    assert len(table) == len(set(entries))


def test_a_million_fingerprints_fit_in_thirty_megabytes() -> None:
    source = random.Random(3)
    table = Table()
    for _ in range(10):
        table.add(array("Q", source.randbytes(800_000)), array("I", range(100_000)))
    assert len(table) == 1_000_000
    assert table.nbytes <= 30_000_000
