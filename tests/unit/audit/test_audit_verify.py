"""Whoever touches the log is found out, by the chain or by a checkpoint that lies elsewhere."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from haechi.domain.audit import GENESIS, Link, canonical, instant, line_of, read_line
from haechi.domain.errors import HaechiError
from haechi.outbound.audit import checkpoints, verify
from haechi.outbound.audit.segments import segment_path
from haechi.outbound.trust.keys import SigningKey
from hypothesis import given, reject, settings
from hypothesis import strategies as st

KEY = SigningKey.generate()
KEYS = {KEY.id: KEY.public}
TIME = "2026-01-02T03:04:05.000006Z"


def chain(count: int, start: Link | None = None, text: str = "x") -> tuple[list[bytes], Link]:
    """A log with a checkpoint after every fifth record."""
    link, lines = start or Link(), []
    for n in range(count):
        if n and n % 5 == 0:
            line, link = line_of(link, "checkpoint", TIME, canonical(checkpoints.sign(KEY, link, TIME).as_json()))
        else:
            line, link = line_of(link, "decision", TIME, canonical({"kind": "decision", "n": n, "text": text}))
        lines.append(line)
    return lines, link


def lay(folder: Path, lines: list[bytes], first: int = 1) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    half = len(lines) // 2
    for at, part in ((first, lines[:half]), (first + half, lines[half:])):
        if part:
            segment_path(folder, at).write_bytes(b"".join(part))


def test_an_untouched_log_verifies(tmp_path):
    lines, end = chain(23)
    lay(tmp_path / "a", lines)
    result = verify(tmp_path / "a", keys=KEYS, against=[checkpoints.sign(KEY, end, TIME)])
    assert result.ok and result.anchored == 23 and result.unanchored == 0


TOUCHES = st.sampled_from(["change", "drop", "swap", "insert", "duplicate", "truncate", "rehash"])


@settings(max_examples=200, deadline=None)
@given(
    how=TOUCHES, at=st.integers(0, 21), other=st.integers(0, 21), offset=st.integers(0, 10_000), bit=st.integers(0, 7)
)
def test_any_touch_is_detected_against_a_checkpoint_kept_elsewhere(tmp_path_factory, how, at, other, offset, bit):
    lines, end = chain(22, text="높은 기술")
    witness = [checkpoints.sign(KEY, end, TIME)]
    touched = list(lines)
    if how == "change":
        line = bytearray(touched[at])
        line[offset % len(line)] ^= 1 << bit
        touched[at] = bytes(line)
    elif how == "drop":
        del touched[at]
    elif how == "swap":
        touched[at], touched[other] = touched[other], touched[at]
    elif how == "insert":
        touched.insert(at, line_of(Link(at, json.loads(lines[at])["prev"]), "decision", TIME, b"{}")[0])
    elif how == "duplicate":
        touched.insert(at, touched[other])
    elif how == "truncate":
        del touched[at:]
    elif how == "rehash":  # everything from here on is written anew, with good hashes and without the signing key
        link = Link(at, json.loads(lines[at])["prev"])
        for n in range(at, len(lines)):
            record = json.loads(lines[n])
            event = {"kind": "decision", "n": -1} if n == at else record["event"]
            touched[n], link = line_of(link, record["kind"], TIME, canonical(event))
    if touched == lines:
        return
    folder = tmp_path_factory.mktemp("v") / "a"
    lay(folder, touched)
    assert not verify(folder, keys=KEYS, against=witness).ok


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 19), offset=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_is_detected_without_any_checkpoint(tmp_path_factory, at, offset, value):
    lines, _ = chain(21)
    line = bytearray(lines[at])
    if line[offset % len(line)] == value:
        return
    line[offset % len(line)] = value
    folder = tmp_path_factory.mktemp("v") / "a"
    lay(folder, [*lines[:at], bytes(line), *lines[at + 1 :]])
    assert not verify(folder, keys=KEYS).ok


def test_a_cut_end_shows_only_against_a_checkpoint(tmp_path):
    lines, end = chain(20)
    lay(tmp_path / "a", lines[:-3])
    alone = verify(tmp_path / "a", keys=KEYS)
    assert alone.ok and alone.unanchored == 2  # the last checkpoint itself and what follows it: said, not hidden
    assert "unanchored" in {note.code for note in alone.notes}
    against = verify(tmp_path / "a", keys=KEYS, against=[checkpoints.sign(KEY, end, TIME)])
    assert [problem.flaw.value for problem in against.problems] == ["truncated"]


def test_a_folder_without_any_record_proves_nothing(tmp_path):
    lay(tmp_path / "a", [])
    found = verify(tmp_path / "a", keys=KEYS)
    assert (found.ok, found.records, "empty" in {note.code for note in found.notes}) == (False, 0, True)
    for each in (tmp_path / "a").iterdir():
        each.unlink()
    assert not verify(tmp_path / "a", keys=KEYS).ok


def test_a_long_torn_line_is_told_once(tmp_path):
    lines, _ = chain(20)
    lay(tmp_path / "a", [*lines, b"x" * 9_000_000])
    torn = [note.params["bytes"] for note in verify(tmp_path / "a", keys=KEYS).notes if note.code == "torn-tail"]
    assert torn == [9_000_000]


def test_the_local_checkpoints_witness_too(tmp_path):
    lines, end = chain(20)
    lay(tmp_path / "a", lines[:-3])
    (tmp_path / "a" / "checkpoints.jsonl").write_bytes(checkpoints.lines([checkpoints.sign(KEY, end, TIME)]))
    assert not verify(tmp_path / "a", keys=KEYS).ok


def test_a_log_signed_by_a_stranger_is_not_ours(tmp_path):
    lines, _ = chain(20)
    lay(tmp_path / "a", lines)
    other = SigningKey.generate()
    assert not verify(tmp_path / "a", keys={other.id: other.public}).ok


def test_a_checkpoint_file_without_a_trusted_signature_is_an_error(tmp_path):
    lines, end = chain(20)
    lay(tmp_path / "a", lines)
    witness = tmp_path / "w.jsonl"
    witness.write_bytes(checkpoints.lines([checkpoints.sign(SigningKey.generate(), end, TIME)]))
    with pytest.raises(HaechiError, match=r"audit\.checkpoint-invalid"):
        verify(tmp_path / "a", keys=KEYS, against=witness)
    witness.write_text(checkpoints.sign(KEY, end, TIME).jws + "\n")
    assert verify(tmp_path / "a", keys=KEYS, against=witness).ok


def test_a_missing_beginning_shows_unless_it_is_declared(tmp_path):
    lines, _ = chain(20)
    lay(tmp_path / "a", lines[6:], first=7)
    assert [p.flaw.value for p in verify(tmp_path / "a", keys=KEYS).problems] == ["head-missing"]
    assert verify(tmp_path / "a", keys=KEYS, accept_from=7).ok


def test_memory_does_not_grow_with_the_log(tmp_path):
    lines, _ = chain(6000, text="x" * 500)
    lay(tmp_path / "a", lines)
    del lines
    seen: list[int] = []
    tracemalloc.start()
    result = verify(tmp_path / "a", keys=KEYS, progress=lambda done, total: seen.append(done * 100 // total))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.ok and peak < 2_000_000
    assert seen == sorted(seen) and seen[-1] == 100


def test_the_hash_can_be_checked_with_standard_tools():
    import hashlib

    line, _ = line_of(Link(), "decision", TIME, canonical({"b": 1, "a": "가"}))
    body, _, tail = line.decode().rpartition(',"hash":"')
    assert hashlib.sha256((body + "}").encode()).hexdigest() == tail[:64]
    assert json.loads(line)["prev"] == GENESIS


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=5))
def test_canonical_form_does_not_depend_on_the_order_of_members(members):
    try:
        one = canonical(members)
    except (UnicodeEncodeError, OverflowError):
        reject()
    assert canonical(dict(reversed(members.items()))) == one
    assert json.loads(one) == members


@given(st.binary(max_size=300))
def test_any_bytes_are_read_as_a_line_or_refused(data):
    record, intact = read_line(data)
    assert record is not None or not intact


def test_times_are_of_fixed_width():
    import datetime as dt

    kst = dt.timezone(dt.timedelta(hours=9))
    assert instant(dt.datetime(2026, 1, 2, 12, 4, 5, tzinfo=kst)) == "2026-01-02T03:04:05.000000Z"
