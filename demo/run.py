"""``make demo``: start a store and an agent, drive real clients through real uploads, and hold the outcome to account.

Ends with 0 only when every client read what it should, every forbidden object is absent from the store, every allowed
one is byte-identical there, and the audit verifies.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from haechi.outbound.tags.attribute import ATTRIBUTE  # noqa: E402
from haechi.words import language  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from demo.scenarios import ALLOWED, REFUSED, WOULD_REFUSE, Files, Scenario, enforced, monitored  # noqa: E402
from tests.lab import Laboratory  # noqa: E402
from tests.stores.landscape import Landscape, build_landscape  # noqa: E402
from tests.stores.moto import OURS, STRANGER, MotoStore  # noqa: E402

MIB = 1 << 20
SEED = 20261122
SAID = {
    ALLOWED: {"ko": "허용", "en": "allowed"},
    REFUSED: {"ko": "차단", "en": "refused"},
    WOULD_REFUSE: {"ko": "허용(차단 대상)", "en": "allowed (would be refused)"},
    "none": {"ko": "결정 없음", "en": "no decision"},
}


def make_files(work: Path) -> Files:
    """An engineer's folder. The bytes are pseudo-random: nothing here resembles anything real."""
    chance = random.Random(SEED)
    files = Files(*(work / name for name in (
        "recipe.bin", "recipe.bin.age", "layout.gds", "layout.gds.age", "step.txt", "step.txt.age",
        "holiday.jpg", "excerpt.bin", "bundle.zip",
        "notes.txt", "notes.dat",
    )))  # fmt: skip
    files.recipe.write_bytes(chance.randbytes(600_000))
    files.large.write_bytes(chance.randbytes(12 * MIB))
    files.small.write_bytes(chance.randbytes(4096))
    draft(files).write_bytes(chance.randbytes(300_000))
    files.notes.write_text("Lunch on Friday at noon. 금요일 점심은 정오.\n" * 40, encoding="utf-8")
    files.notes_large.write_bytes(chance.randbytes(900_000))
    return files


def draft(files: Files) -> Path:
    """What ``renamed`` was called while it was tagged."""
    return files.renamed.with_name("draft.bin")


def derive(files: Files) -> None:
    """What someone might make of the tagged files."""
    draft(files).rename(files.renamed)
    os.removexattr(files.renamed, ATTRIBUTE)
    body = files.recipe.read_bytes()
    start = len(body) // 3
    files.excerpt.write_bytes(os.urandom(5000) + body[start : start + len(body) // 10] + os.urandom(7000))
    with zipfile.ZipFile(files.archive, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(files.recipe, "docs/readme.txt")


def judge(lab: Laboratory, scenario: Scenario, store: MotoStore) -> tuple[str, str, str, list[str]]:
    """Carry a scenario out: what was decided, the rule, the decision's id, and what is wrong about it."""
    before = len(lab.decisions())
    done = scenario.act(lab)
    time.sleep(0.1)  # an allowed upload of untagged content is recorded without waiting
    made = lab.decisions()[before:]
    strictness = [ALLOWED, WOULD_REFUSE, REFUSED]
    shown: dict[str, Any] = max(made, key=lambda one: strictness.index(one["decision"]["effect"]), default={})
    decision = shown.get("decision", {})
    effect, findings = decision.get("effect", "none"), [finding["rule"] for finding in decision.get("findings", [])]
    wrong = []
    if effect != scenario.expected:
        wrong.append(f"decided {effect}")
    if scenario.rule and scenario.rule not in findings:
        wrong.append(f"rule {scenario.rule} is not among {findings}")
    refused = scenario.expected == REFUSED
    if refused != bool(done.status):
        wrong.append(f"the client ended with {done.status}")
    told = any(one["id"] in done.said for one in made if one["decision"]["effect"] == REFUSED)
    if refused and not told:
        wrong.append("the client did not show the decision id")
    if scenario.object is not None:
        bucket, key = scenario.object
        account = STRANGER if bucket == "someone-elses-bucket" else OURS
        held = store.digest(bucket, key, account)
        if refused and held is not None:
            wrong.append("the object is in the store")
        if not refused and scenario.local is not None and not store.same(bucket, key, scenario.local, account):
            wrong.append("the store's object differs" if held else "the object is not in the store")
        if refused and key in store.uploads(bucket, account):
            wrong.append("an unfinished multipart upload was left")
    if scenario.closed and any(
        "URI" in grant["Grantee"] for grant in store.client().get_bucket_acl(Bucket=scenario.closed)["Grants"]
    ):
        wrong.append("the bucket is open to others")
    if wrong:
        wrong.append(done.said[-600:])
    return effect, scenario.rule or "–", shown.get("id", "–"), wrong


def main() -> int:
    """Run it all."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keep", action="store_true", help="keep the folder with everything in it")
    keep, lang = options.parse_args().keep, language()
    console = Console(width=max(150, Console().width))
    began = time.monotonic()
    table = Table(title="해치 데모 (협조 모드)" if lang == "ko" else "Haechi demo (cooperative)")
    heads = ("무엇을", "클라이언트", "기대", "결과", "규칙", "결정 번호") if lang == "ko" else (
        "what", "client", "expected", "got", "rule", "decision id"
    )  # fmt: skip
    for head in ("", *heads):
        table.add_column(head, overflow="fold")
    wrong_all: list[tuple[str, list[str]]] = []
    with MotoStore() as store, Laboratory(store=store, language=lang, keep=keep) as lab:
        land: Landscape = build_landscape(store)
        lab.institution.publish(accounts=[OURS.id], keys=[land.seoul_key])
        lab.configure()
        files = make_files(lab.work)
        lab.start()
        prepare(lab, files)
        number = 0

        def run(scenarios: Any) -> None:
            nonlocal number
            for scenario in scenarios:
                number += 1
                title = scenario.ko if lang == "ko" else scenario.en
                with console.status(f"{number} · {title}"):
                    effect, rule, decision, wrong = judge(lab, scenario, store)
                mark = "[red]✗" if wrong else "[green]✓"
                said = [SAID[one][lang] for one in (scenario.expected, effect)]
                table.add_row(mark, title, scenario.client, *said, rule, decision)
                if wrong:
                    wrong_all.append((title, wrong))

        run(enforced(files, land))
        lab.stop()
        changed = monitor_policies(lab.folder)
        lab.institution.sign_policies(changed)
        lab.configure(policies=changed)
        lab.start()
        run(monitored(files, land))
        lab.stop()
        verified = lab.haechi("audit", "verify")
        console.print(table)
        console.print(verified.said.strip())
        if verified.status:
            wrong_all.append(("audit verify", [verified.said]))
        for title, wrong in wrong_all:
            console.print(f"[red]{title}[/red]: ", "; ".join(wrong), markup=True, highlight=False)
        seconds = time.monotonic() - began
        good = number - sum(1 for title, _ in wrong_all if title != "audit verify")
        console.print(
            f"{number}건 중 {good}건이 기대와 같음, {seconds:.0f}초" if lang == "ko"
            else f"{good} of {number} as expected, {seconds:.0f} s"
        )  # fmt: skip
        if keep:
            console.print(str(lab.folder))
    return 1 if wrong_all else 0


def prepare(lab: Laboratory, files: Files) -> None:
    """Tag and seal, as an engineer would; then what someone might try."""
    tagged = (files.recipe, files.large, files.small, draft(files))
    for command in (
        ("tag", *tagged, "--technology", "SEM-01", "--grade", "A", "--owner", "공정팀"),
        ("seal", files.recipe, "-o", files.sealed),
        ("seal", files.large, "-o", files.large_sealed),
        ("seal", files.small, "-o", files.small_sealed),
    ):
        done = lab.haechi(*command)
        if done.status:
            raise SystemExit(f"haechi {command[0]}: {done.said}")
    derive(files)


def monitor_policies(folder: Path) -> Path:
    """The shipped policies with the institution's choice set to monitor."""
    target = folder / "policies-monitor"
    shutil.copytree(ROOT / "policies", target)
    data = target / "data.yaml"
    data.write_text(data.read_text(encoding="utf-8").replace("default: enforce", "default: monitor"), encoding="utf-8")
    return target


if __name__ == "__main__":
    sys.exit(main())
