"""Anchors equal their definition, do not depend on how a stream is cut, and find every guaranteed run."""

import itertools
import random
import threading
from array import array

import pytest
import xxhash
from haechi.payload.anchors import AVERAGE, ROOM, RUN, WINDOW, Table, Winnower, fingerprint
from haechi.payload.anchors._anchors import GEAR, LANES, blank, search
from hypothesis import given, settings
from hypothesis import strategies as st

MASK = (1 << 64) - 1
SEED = 0x5EED
seeds = st.integers(0, 1 << 32)


def marked(data: bytes, i: int) -> bool:
    taps = ((1, 0x9E37), (6, 0x79B9), (15, 0x85EB), (28, 0xCA6B))
    mark = sum((data[i - back] + 256 * data[i - back + 1]) * factor for back, factor in taps) % (1 << 16)
    return 1 << 15 <= mark < (1 << 15) + 128


def naive(data: bytes, window: int) -> list[int]:
    """The definition, word for word. A rank is (not marked, hash)."""
    ranks = {}
    for i in range(95, len(data)):
        near = data[i - 63 : i + 1]
        if any(data[i - 63 - d : i + 1 - d] == near for d in range(1, 33)):
            continue
        value = 0
        for byte in near:
            value = ((value << 1) + GEAR[byte]) & MASK
        ranks[i] = (not marked(data, i), value)
    anchors = set()
    for begin in range(95, len(data) - window + 1):
        inside = [i for i in range(begin, begin + window) if i in ranks]
        if inside:
            anchors.add(min(reversed(inside), key=ranks.__getitem__))
    return sorted(anchors)


def stretch(least: int, most: int) -> st.SearchStrategy[bytes]:
    """Content of every kind: random, of few different bytes, of one period."""
    size = st.integers(least, most)
    rich = st.builds(lambda r, n: random.Random(r).randbytes(n), seeds, size)
    poor = st.builds(lambda r, n: bytes(random.Random(r).choices(b"01", k=n)), seeds, size)
    periodic = st.builds(lambda unit, n: (unit * (n // len(unit) + 1))[:n], st.binary(min_size=1, max_size=120), size)
    return st.one_of(rich, poor, periodic)


def chosen(seed: int, size: int) -> bytes:
    """Content with marked positions close together, and runs without any."""
    source = random.Random(seed)
    units = [bytes(source.choices(b"01", k=source.randint(33, 70))) for _ in range(4)]
    while not any(marked(unit * 4, i) for unit in units for i in range(len(unit), 2 * len(unit))):
        units = [bytes(source.choices(b"0123", k=source.randint(33, 70))) for _ in range(4)]
    return b"".join(source.choices(units, k=size // 33))[:size]


def strewn(seed: int, size: int) -> bytes:
    """Periodic runs of every length, each with something else behind it."""
    source, content = random.Random(seed), bytearray()
    while len(content) < size:
        unit = source.randbytes(source.choice([1, 1, 2, 3, 16, 31, 32, 33]))
        content += (unit * 200)[: source.randrange(140)] + source.randbytes(source.choice([1, 1, 8, 40]))
    return bytes(content[:size])


dense = st.builds(chosen, seeds, st.integers(100, 500))
sparse = st.builds(strewn, seeds, st.integers(100, 700))
mixed = st.lists(st.one_of(stretch(0, 260), dense, sparse), max_size=5).map(b"".join)


@pytest.mark.parametrize("lanes", LANES)
@settings(max_examples=150, deadline=None)
@given(mixed, st.sampled_from([1, 2, 7, 33, 64, 200]))
def test_the_search_gives_exactly_the_anchors_of_the_definition(lanes: str, data: bytes, window: int) -> None:
    assert list(array("I", search(data, 95, window, -1, lanes))) == naive(data, window)


@pytest.mark.parametrize("lanes", LANES)
def test_marked_positions_are_found_at_every_place_of_a_long_random_stretch(lanes: str) -> None:
    data = random.Random(11).randbytes(40_000)
    expected = [i for i in range(95, len(data)) if marked(data, i)]
    assert len(expected) > 40
    found = set(array("I", search(data, 95, 32, -1, lanes)))  # windows so short that nearly every marked one is alone
    lonely = [i for k, i in enumerate(expected) if all(abs(i - j) > 32 for j in expected[:k] + expected[k + 1 :])]
    assert found.issuperset(lonely)


def test_no_run_of_one_byte_is_marked() -> None:
    assert not any(marked(bytes([byte]) * 64, 63) for byte in range(256))


@pytest.mark.parametrize("lanes", LANES)
@given(st.binary(max_size=9000), st.integers(0, MASK))
def test_fingerprints_are_those_of_xxh3(lanes: str, data: bytes, seed: int) -> None:
    assert fingerprint(data, seed, lanes) == xxhash.xxh3_64_intdigest(data, seed)


def blocks_of(
    data: bytes, cuts: list[int], *, skip_blank: bool = False, lanes: str | None = None
) -> list[tuple[int, int]]:
    winnower, found, last = Winnower(SEED, skip_blank=skip_blank, lanes=lanes), [], 0
    for cut in [*sorted({min(cut, len(data)) for cut in cuts}), len(data)]:
        blocks = winnower.feed(data[last:cut])
        found += zip(blocks.starts, blocks.prints, strict=True)
        last = cut
    assert winnower.seen == len(data)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(stretch(0, 12_000), max_size=4).map(b"".join), st.lists(st.integers(0, 40_000), max_size=8))
def test_how_a_stream_is_cut_changes_no_block(data: bytes, cuts: list[int]) -> None:
    assert blocks_of(data, cuts) == blocks_of(data, [])


@pytest.mark.parametrize("lanes", LANES)
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(stretch(0, 12_000), dense), max_size=4).map(b"".join),
    st.lists(st.sampled_from([0, 1, 2, 95, WINDOW, ROOM - 2, ROOM - 1, ROOM, 2 * ROOM]), max_size=8),
)
def test_the_blocks_of_a_stream_are_those_of_its_anchors(lanes: str, data: bytes, sizes: list[int]) -> None:
    anchors = array("I", search(data, 95, WINDOW, -1))
    starts = [anchor - 95 for anchor in anchors if anchor - 95 + WINDOW <= len(data)]
    expected = [(start, fingerprint(data[start : start + WINDOW], SEED)) for start in starts]
    assert blocks_of(data, list(itertools.accumulate(sizes)), lanes=lanes) == expected


@pytest.mark.parametrize("cuts", [[], [1 << 18], [(1 << 18) + ROOM, 1 << 19], list(range(0, 900_000, 77_777))])
def test_a_long_stream_is_worked_through_in_strides_that_change_nothing(cuts: list[int]) -> None:
    source = random.Random(8)
    poor = bytes(source.choices(b"01", k=300_000))
    data = source.randbytes(300_000) + poor + b"xyz" * 30_000 + source.randbytes(300_000)
    anchors = array("I", search(data, 95, WINDOW, -1))
    assert [start for start, _ in blocks_of(data, cuts)] == [a - 95 for a in anchors if a - 95 + WINDOW <= len(data)]


def test_a_stream_is_not_for_two_threads_at_once() -> None:
    winnower, data, refused = Winnower(SEED), random.Random(2).randbytes(1 << 24), []
    begun = threading.Barrier(2)

    def feed() -> None:
        begun.wait()
        try:
            winnower.feed(data)
        except RuntimeError as error:
            refused.append(error)

    threads = [threading.Thread(target=feed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert winnower.seen == len(data) * (2 - len(refused))


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


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=200), st.integers(0, 200))
def test_of_equal_keys_the_first_place_is_kept(keys: list[int], cut: int) -> None:
    table, kept, units = Table(), array("Q"), array("I")
    for part in (range(len(keys))[:cut], range(len(keys))[cut:]):
        more = table.distinct(array("Q", [keys[i] for i in part]), array("q", [i * 1000 for i in part]), 500)
        kept.frombytes(more[0])
        units.frombytes(more[1])
    assert dict(zip(kept, units, strict=True)) == {key: 2 * keys.index(key) for key in keys}


def test_a_million_fingerprints_fit_in_thirty_megabytes() -> None:
    source = random.Random(3)
    table = Table()
    for _ in range(10):
        table.add(array("Q", source.randbytes(800_000)), array("I", range(100_000)))
    assert len(table) == 1_000_000
    assert table.nbytes <= 30_000_000
