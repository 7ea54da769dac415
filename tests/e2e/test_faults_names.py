"""Names that are not UTF-8, as archives from Korean Windows leave them (CP949): protected, told, in nobody's way."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from haechi.outbound.trust.releases import make_release
from haechi.ports.releases import ReleaseAction

from tests.e2e.fault_lab import KIB, Ward, tag, ward
from tests.stores import started_store

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

RECIPE = os.fsdecode("공정 레시피".encode("cp949"))
SPELLED = RECIPE.encode("utf-8", "backslashreplace").decode()


@pytest.fixture(scope="module")
def at() -> Iterator[Ward]:
    with started_store() as (store, land), ward(store, land) as made:
        yield made
        made.working_again()
        made.verified()


def refused_soon(at: Ward, body: bytes) -> None:
    """Within seconds of its saving."""
    end = time.monotonic() + 5
    while (answer := at.raw(at.key("saved"), body)).status != 403:
        assert time.monotonic() < end, f"stored: {at.lab.tail(1500)}"
    at.refused(answer, rule="r13_layer1")


def saved(path: Path) -> bytes:
    body = os.urandom(32 * KIB)
    path.write_bytes(body)
    return body


def test_what_has_such_a_name_is_protected_and_so_is_what_is_saved_later_also_after_a_restart(at: Ward) -> None:
    folder = at.lab.work / f"fab{RECIPE}"
    folder.mkdir()
    (at.lab.work / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: A}\n")
    first = saved(at.lab.work / f"{RECIPE}.gds")
    refused_soon(at, first)
    refused_soon(at, saved(folder / "plain.gds"))
    (folder / f"{RECIPE}.txt").write_bytes(b"untagged")
    refused_soon(at, saved(at.lab.work / "later.gds"))
    at.lab.stop()
    at.restart()
    at.refused(at.raw(at.key("again"), first), rule="r13_layer1")
    refused_soon(at, saved(at.lab.work / "after.gds"))
    assert at.status()["parts"]["index"]["failures"] == 0
    (at.lab.work / ".haechi.yaml").unlink()


def test_every_command_takes_such_a_name(at: Ward) -> None:
    file = at.lab.work / f"{RECIPE}.bin"
    body = saved(file)
    tag(at, file)
    event = at.refused(at.raw(at.key("tagged"), body), rule="r13_layer1")
    explained = at.lab.haechi("explain", event["id"])
    assert explained.status == 0 and f"{SPELLED}.bin" in explained.said, explained.said
    listed = at.lab.haechi("tags", at.lab.work)
    # The table may fold a long name where it has a space.
    assert listed.status == 0 and all(part in listed.said for part in SPELLED.split(" ")), listed.said
    named = at.lab.haechi("tags", at.lab.work, "--json")
    assert f"{RECIPE}.bin" in [Path(one["path"]).name for one in json.loads(named.out)["files"]]
    checked = at.lab.haechi("check", file, f"s3://{at.home}/k")
    assert checked.status == 1 and "R13" in checked.said, checked.said
    sealed = at.lab.haechi("seal", file)
    assert sealed.status == 0, sealed.said
    assert at.raw(at.key("sealed"), Path(f"{file}.age").read_bytes()).status == 200
    (at.lab.work / "signed.release").write_text(released(at, body), encoding="ascii")
    untagged = at.lab.haechi("untag", file, "--release", "signed.release")
    assert untagged.status == 0, untagged.said
    assert at.raw(at.key("released"), body).status == 200
    tag(at, file)
    again = at.lab.haechi("untag", file, "--release", "signed.release")
    assert again.status != 0 and "2026-1" in again.said, again.said
    at.refused(at.raw(at.key("tagged-anew"), body), rule="r13_layer1")
    at.verified()


def released(at: Ward, body: bytes) -> str:
    """What the security team signs."""
    return make_release(
        at.lab.institution.signing,
        number="2026-1",
        approver="김승인",
        action=ReleaseAction.UNTAG,
        digests=("blake3:" + blake3(body).hexdigest(),),
        expires=dt.datetime.now(dt.UTC) + dt.timedelta(days=1),
        issued=dt.datetime.now(dt.UTC),
    )
