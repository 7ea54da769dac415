"""Tagged files that change under an upload's hands: what the index once knew stays known, what is new becomes known."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e.fault_lab import KIB, MIB, Answer, Ward, tag, ward
from tests.stores import started_store

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.fixture(scope="module")
def at() -> Iterator[Ward]:
    with started_store() as (store, land), ward(store, land) as made:
        yield made
        made.working_again()
        made.verified()


def test_a_tagged_file_that_is_written_while_it_is_uploaded(at: Ward) -> None:
    """A writer changes blocks all the time; each upload reads a mixture that no digest knows. It must be refused."""
    file = at.lab.work / "moving.bin"
    file.write_bytes(os.urandom(2 * MIB))
    tag(at, file)
    stop = threading.Event()

    def write() -> None:
        with file.open("r+b") as target:
            while not stop.is_set():
                target.seek(int.from_bytes(os.urandom(2), "big") % 32 * 64 * KIB)
                target.write(os.urandom(4 * KIB))
                target.flush()
                time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    keys = [at.key("moving") for _ in range(12)]
    try:
        for key in keys:
            with file.open("rb") as body:
                answer = at.put(key, body)
            # The SDK itself may notice that its checksum no longer fits; what it must not get is a yes.
            assert answer.status != 200, answer
            if answer.status:
                at.refused(answer, "Seal the file with haechi seal", rule="r13_layer1")
    finally:
        stop.set()
        writer.join()
    at.absent(*keys)


def saved_as_editors_do(at: Ward, name: str) -> None:
    """Write beside, then put in the old one's place (vim, gedit, LibreOffice)."""
    fresh = at.lab.work / f".{name}.swp"
    fresh.write_bytes(os.urandom(64 * KIB))
    os.replace(fresh, at.lab.work / name)


def saved_over_a_backup(at: Ward, name: str) -> None:
    """Move the old one away, then write a new one (emacs, older Word)."""
    file = at.lab.work / name
    os.rename(file, at.lab.work / f"{name}~")
    file.write_bytes(os.urandom(64 * KIB))


def saved_in_place(at: Ward, name: str) -> None:
    """Cut to nothing and write anew (nano, shell redirection)."""
    (at.lab.work / name).write_bytes(os.urandom(64 * KIB))


def saved_by_delete(at: Ward, name: str) -> None:
    """Delete, then write anew."""
    file = at.lab.work / name
    file.unlink()
    file.write_bytes(os.urandom(64 * KIB))


@pytest.mark.parametrize("save", [saved_as_editors_do, saved_over_a_backup, saved_in_place, saved_by_delete])
def test_what_an_editor_saves_stays_protected(at: Ward, save) -> None:
    name = f"{save.__name__}.bin"
    file = at.lab.work / name
    before = os.urandom(64 * KIB)
    file.write_bytes(before)
    tag(at, file)
    save(at, name)
    after = file.read_bytes()
    assert after != before
    saved = time.monotonic()
    keys = []
    while True:
        keys.append(at.key("saved"))
        answer = at.raw(keys[-1], after)
        if answer.status == 403:
            break
        assert time.monotonic() - saved < 1, "the new content went out a second after it was saved"
    at.refused(answer, rule="r13_layer1")
    old = at.key("old")
    at.refused(at.raw(old, before), rule="r13_layer1")
    at.absent(keys[-1], old)


def test_a_save_in_the_middle_of_an_upload_does_not_let_the_old_content_through(at: Ward) -> None:
    file = at.lab.work / "halfway.bin"
    body = os.urandom(MIB)
    file.write_bytes(body)
    tag(at, file)
    key = at.key("halfway")
    with at.wire() as wire:
        wire.send(wire.head("PUT", f"/{key}", [("Content-Length", str(len(body)))]))
        saved_as_editors_do(at, "halfway.bin")
        time.sleep(0.3)
        wire.send(body)
        answer: Answer = wire.answer()
    at.refused(answer, rule="r13_layer1")
    at.absent(key)


def test_a_tagged_file_that_shrinks_while_it_is_read_is_reported_by_the_client_and_absent(at: Ward) -> None:
    file = at.lab.work / "shrinking.bin"
    body = os.urandom(MIB)
    file.write_bytes(body)
    tag(at, file)
    key = at.key("shrinking")
    with at.wire() as wire:
        wire.send(wire.head("PUT", f"/{key}", [("Content-Length", str(len(body)))]) + body[: 64 * KIB])
        file.write_bytes(body[: 64 * KIB])
        answer = wire.answer()
    at.refused(answer, rule="r13_layer1")
    at.absent(key)
