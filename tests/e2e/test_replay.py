"""What an agent really recorded, judged again: the same policies say the same, milder ones let it pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haechi.outbound.engine.folder import locate
from ruamel.yaml import YAML

from tests.lab import Laboratory
from tests.stores import OURS, MotoStore, build_landscape

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    """An agent that refused plain content for two buckets, and let sealed content pass to one."""
    with MotoStore() as store:
        land = build_landscape(store)
        with Laboratory(store=store) as made:
            made.institution.publish(accounts=[OURS.id], keys=[land.seoul_key])
            made.configure()
            made.start()
            plain = made.work / "recipe.csv"
            plain.write_bytes(b"etch 12 s; " * 9000)
            assert made.haechi("tag", plain, "--technology", "SEM-01", "--grade", "A").status == 0
            assert made.haechi("seal", plain).status == 0
            for bucket in (land.own_key, land.tokyo):
                assert made.through("aws", "s3", "cp", plain, f"s3://{bucket}/r.csv").status != 0
            sealed = f"{plain}.age"
            assert made.through("aws", "s3", "cp", sealed, f"s3://{land.own_key}/r.csv.age").status == 0
            yield made


def replayed(lab: Laboratory, policy: Path, *more: str) -> tuple[int, dict[str, Any]]:
    done = lab.haechi("replay", "--policy", policy, "--json", *more)
    return done.status, json.loads(done.out)


def test_the_policies_in_force_say_the_same_again(lab: Laboratory) -> None:
    status, found = replayed(lab, locate())
    assert (status, found["changed"], found["complete"]) == (0, 0, True), found
    assert found["judged"] >= 3 and found["records"] == len(lab.decisions())


def test_milder_policies_would_let_pass_what_they_alone_refused(lab: Laboratory, tmp_path: Path) -> None:
    folder = tmp_path / "milder"
    shutil.copytree(locate(), folder)
    yaml = YAML()
    data = yaml.load((folder / "data.yaml").read_text(encoding="utf-8"))
    data["choices"]["severities"]["value"] = {"r13_layer1": "log"}
    with (folder / "data.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(data, file)
    status, found = replayed(lab, folder, "--details")
    assert status == 1
    assert found["changes"]["newly_allowed"] >= 1 and found["changes"]["newly_blocked"] == 0
    allowed = [one for one in found["details"] if one["change"] == "newly_allowed"]
    assert {one["destination"] for one in allowed} == {"aws:haechi-own-key"}
    explained = lab.asked("explain", allowed[0]["id"])
    assert explained["effect"] == "block"


def test_the_first_weeks_report_tells_what_was_refused(lab: Laboratory) -> None:
    report = lab.asked("baseline", "report")
    rules = {row["name"] for row in report["rules"]["rows"]}
    assert {"r13_layer1", "r10_region"} <= rules
    assert report["effects"]["block"] >= 2 and report["effects"]["allow"] >= 1
    assert any(one["access_key"] == OURS.access_key for one in report["unregistered"]["credentials"])
