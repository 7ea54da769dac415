"""``haechi policy``: are the policies valid, what rules do they hold, what would they say to an input."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._coverage import counted, coverage
from haechi.commands._frame import Exit, answer, json_option
from haechi.commands.keys import key_option, passphrase_option, signing_key
from haechi.commands.policy_bundle import build, diff, load, verify
from haechi.domain.errors import HaechiError
from haechi.words import language, say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.outbound.engine.folder import PolicyFolder
    from haechi.ports.engine import Answered

folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), help="Look at these policies instead of the ones in force."
)


@click.group()
def policy() -> None:
    """The policies that judge uploads. docs/policies.md explains every rule."""


for command in (build, verify, diff, load, coverage):
    policy.add_command(command)


@policy.command()
@folder_option
@click.option("--opa", is_flag=True, help="Ask the OPA server of the settings too: does it hold these very policies?")
@json_option
def check(folder: Path | None, opa: bool, as_json: bool) -> None:
    """Load the policies as the agent would, and say whether they are valid. Nothing is put in force.

    With --opa, the server that engine.opa_url names is asked for its policies and the probe; nothing on it is changed.

    Example: haechi policy check --folder ./policies
    """
    from haechi.outbound.engine.clauses import coverage as read_coverage
    from haechi.outbound.engine.clauses import disagreements
    from haechi.outbound.engine.place import policies_at

    policies = policies_at(_chosen(folder))
    tried(policies)
    held = asyncio.run(_held(policies)) if opa else None
    covered = read_coverage(policies)
    disagree = [f"{rule}: {name}" for rule, name in disagreements(policies, covered)]
    document = {
        "valid": True,
        "folder": str(policies.path),
        "revision": policies.revision,
        "rules": len(policies.rules),
        "networks": len(policies.choices.networks),
        "modes": {"default": policies.modes.default, "rules": policies.modes.by_rule, "fail": policies.modes.fail},
        "vouched": _vouched(policies),
        "opa": held,
        "coverage": {str(how): count for how, count in covered.counted().items()},
        "disagreements": disagree,
    }

    def render(console: Console) -> None:
        console.print(say("policy.checked", rules=len(policies.rules), folder=policies.path))
        console.print(say("policy.checked-revision", revision=policies.revision))
        console.print(say(f"policy.vouched-{document['vouched']}"))
        modes = policies.modes
        console.print(say("policy.checked-modes", mode=say(f"policy.mode-{modes.default}"), fail=modes.fail))
        for rule_id, mode in sorted(modes.by_rule.items()):
            console.print(f"  {rule_id}: {say(f'policy.mode-{mode}')}")
        console.print(counted(covered), soft_wrap=True)
        if disagree:
            console.print(say("coverage.disagree", pairs=", ".join(disagree)), soft_wrap=True)
        if not policies.choices.networks:
            console.print(say("policy.no-networks"), soft_wrap=True)
        if held is not None:
            console.print(say("policy.opa-held", url=held["server"], version=held["version"]))

    answer(document, as_json, render)


@policy.command()
@click.argument("folder", metavar="FOLDER|BUNDLE", type=click.Path(path_type=Path, exists=True))
@key_option
@passphrase_option
@json_option
def sign(folder: Path, key: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Sign the policies in a folder or a bundle, so that agents put them in force. Those with a fault are not signed.

    What ships with Haechi needs no signature as a folder; any change to it does, also of a mode in data.yaml. A bundle
    always does. `opa` verifies a bundle's signature too, with --signing-alg EdDSA and the key's id.

    Example: haechi policy sign haechi.tar.gz --key policy-signing.pem
    """
    from haechi.commands.policy_bundle import write
    from haechi.outbound.engine.bundle import sign as sign_bundle
    from haechi.outbound.engine.place import policies_at
    from haechi.outbound.engine.signature import sign_into
    from haechi.outbound.trust import Role

    policies = policies_at(folder)
    tried(policies)
    signing = signing_key(key, passphrase_file)
    if policies.bundle:
        write(folder, sign_bundle(policies.bundle, folder, signing))
        file = folder
    else:
        file = sign_into(policies, signing.sign(Role.POLICY, policies.revision.encode("ascii")))
    document = {"folder": str(folder), "signature": str(file), "key": signing.id, "revision": policies.revision}
    answer(document, as_json, lambda console: console.print(say("policy.signed", folder=folder, signature=file)))


@policy.command(name="opa-bundle")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@folder_option
@json_option
def opa_bundle(file: Path, folder: Path | None, as_json: bool) -> None:
    """Write the policies as an OPA bundle (.tar.gz) to FILE, for the institution's own OPA server.

    The bundle carries what agents recognise the policies by (engine.kind = "opa"). The same policies make the same
    bytes. Policies with a fault are not written. Sign bundles with OPA's own keys, and serve them as OPA asks for.

    Example: haechi policy opa-bundle haechi-policies.tar.gz
    """
    from haechi.durable import replace_file
    from haechi.outbound.engine.opa_policies import opa_bundle as bundle_of
    from haechi.outbound.engine.place import policies_at

    policies = policies_at(_chosen(folder))
    tried(policies)
    try:
        replace_file(file, bundle_of(policies), mode=0o644)
    except OSError as error:
        raise HaechiError("policy.opa-not-written", file=str(file), why=error.strerror or str(error)) from error
    document = {"file": str(file), "folder": str(policies.path), "revision": policies.revision}
    answer(document, as_json, lambda console: console.print(say("policy.opa-bundled", **document)))


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="The policies to change.",
)
@json_option
def networks(file: Path, folder: Path, as_json: bool) -> None:
    """Put the addresses of S3 into the scope of the policies in --folder, so that no other name can lead there.

    FILE is AWS's published list of its address ranges (ip-ranges.json), which you download. It replaces the ranges
    that stand there. Sign the policies afterwards, and repeat this when the list changes.

    Example: haechi policy networks ip-ranges.json --folder ./policies
    """
    from haechi_connectors.s3.ranges import ranges

    from haechi.outbound.engine.networks import put_networks

    try:
        found = ranges(file.read_bytes())
    except (OSError, ValueError) as error:
        raise HaechiError("policy.networks-unread", file=str(file), why=str(error)) from error
    put_networks(folder, found)
    document = {"folder": str(folder), "networks": list(found)}
    answer(document, as_json, lambda console: console.print(say("policy.networks", count=len(found), folder=folder)))


@policy.command()
@folder_option
@json_option
def rules(folder: Path | None, as_json: bool) -> None:
    """List every rule: requirement, basis with its certainty (Q, S, I), severity, mode and title."""
    from haechi.outbound.engine.place import policies_at

    policies = policies_at(_chosen(folder))
    listed = [_rule(policies, rule_id) for rule_id in sorted(policies.rules)]

    def render(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None)
        for column in ("rule", "requirement", "basis", "severity", "mode"):
            table.add_column(say(f"policy.column-{column}"), no_wrap=True)
        table.add_column(say("policy.column-title"))
        for rule in listed:
            told = rule["title"].get(language()) or rule["title"]["en"]
            basis = f"{say('basis.' + rule['basis'])} ({rule['certainty']})"
            severity, mode = say(f"policy.severity-{rule['severity']}"), say(f"policy.mode-{rule['mode']}")
            asked = ", ".join((rule["requirement"], *rule["also"]))
            table.add_row(rule["id"], asked, basis, severity, mode, told)
        console.print(table)
        console.print(say("policy.rules-told"))

    answer({"revision": policies.revision, "rules": listed}, as_json, render)


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Which input of FILE to judge, where it holds several.")
@folder_option
@json_option
def test(file: Path, name: str | None, folder: Path | None, as_json: bool) -> None:
    """Judge the policy input in FILE (haechi.input/1, JSON) and show what every rule says. Nothing is recorded.

    Exits with 0 when it would pass, with 1 when it would be blocked. FILE may hold several inputs by name: --name says
    which. policies/testing/data.json holds one to start from. Findings come in the order in which they are told.
    """
    from haechi.domain.decision import Basis, decide
    from haechi.outbound.engine.place import policies_at
    from haechi.outbound.engine.rulebook import RuleBook

    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HaechiError("policy.input-missing", file=str(file), why=str(error)) from error
    facts = _input(facts, name, file)
    policies = policies_at(_chosen(folder))
    judged = tried(policies, facts)
    decision = decide(judged.findings, policies.modes)
    book = RuleBook.of(policies)

    def render(console: Console) -> None:
        effect = say(f"policy.effect-{decision.effect}")
        console.print(say("policy.tested", effect=effect, count=len(decision.findings)))
        for finding in decision.findings:
            words = book(finding.rule, language(), finding.params)
            basis = say(f"basis.{Basis.INFERENCE if words.unsure else finding.basis}")
            severity = say(f"policy.severity-{finding.severity}")
            console.print(f"\n{severity} · {finding.requirement} ({basis}) · {finding.rule}")
            console.print(f"  {words.message}\n  → {words.remedy}")

    answer({"decision": decision.as_json(), "seconds": judged.seconds}, as_json, render)
    raise SystemExit(Exit.NEGATIVE if decision.blocks else Exit.OK)


async def _held(policies: PolicyFolder) -> dict[str, Any]:
    """What the OPA server of the settings is. Raises ``HaechiError('policy.opa-…')`` unless it holds these policies."""
    from haechi.outbound.engine.opa_engine import OpaEngine
    from haechi.settings import load
    from haechi.wiring.opa import opa_address

    engine = OpaEngine(policies.path, opa_address(load().engine), deadline_ms=5000)
    try:
        await engine.start()
        return dict(engine.describe())
    finally:
        await engine.stop()


def _vouched(policies: PolicyFolder) -> str:
    """Why an agent of this machine would put them in force: ``shipped``, ``signed``; ``nobody`` where it would not."""
    from haechi.outbound.clock import SystemClock
    from haechi.outbound.engine.signature import SignedPolicies
    from haechi.outbound.trust import TrustStore
    from haechi.settings import load as settings_in_force

    try:
        trust = TrustStore.load(settings_in_force().trust_path, SystemClock())
    except HaechiError:  # without a trust list nothing is signed by anybody
        trust = TrustStore((), SystemClock())
    try:
        return "shipped" if SignedPolicies(trust).vouch(policies) is None else "signed"
    except HaechiError:
        return "nobody"


def _input(document: object, name: str | None, file: Path) -> dict[str, Any]:
    """The input itself, or the named one of several. Raises ``policy.input-missing``, ``policy.input-unnamed``."""
    if not isinstance(document, dict):
        raise HaechiError("policy.input-missing", file=str(file), why="not a JSON object")
    named = {key: value for key, value in document.items() if isinstance(value, dict) and "schema" in value}
    if name is None and "schema" not in document and len(named) == 1:
        return dict(next(iter(named.values())))
    if name is None and not named:
        return document
    if name not in named:
        raise HaechiError("policy.input-unnamed", file=str(file), names=", ".join(sorted(named)) or "–")
    return dict(named[name])


def _chosen(folder: Path | None) -> Path:
    """The named folder, else the one that the agent uses."""
    from haechi.outbound.engine.folder import in_force, locate
    from haechi.settings import load as settings_in_force

    if folder is None:
        return in_force(settings_in_force())
    return folder if folder.is_file() else locate(folder)


def tried(policies: PolicyFolder, facts: dict[str, Any] | None = None) -> Answered:
    """Load into a worker of our own; judge the facts, or nothing. Raises ``HaechiError('policy.…')``."""
    import logging

    import structlog

    from haechi.outbound.telemetry import logs

    logs.configure("warning", None)  # what the engine logs is the agent's; here it would spoil the answer
    # Standard output is the answer's alone; what the engine notes for the agent's log is not asked for here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return asyncio.run(_judged(policies, facts))


async def _judged(policies: PolicyFolder, facts: dict[str, Any] | None) -> Answered:
    from haechi.domain.decision import Cause
    from haechi.outbound.engine.compiler import Compiler, located
    from haechi.outbound.engine.worker_engine import WorkerEngine
    from haechi.ports.engine import Answered
    from haechi.settings import load

    engine = WorkerEngine(policies.path, deadline_ms=5000, check=Compiler(located(load().engine.compiler)).check)
    await engine.put_in_force(policies)
    try:
        said = Answered((), 0.0) if facts is None else await engine.evaluate(facts)
    finally:
        await engine.stop()
    if isinstance(said, Cause):
        raise HaechiError("policy.no-answer", cause=said.code, why=str(said.params.get("detail", "–")))
    return said


def _rule(policies: PolicyFolder, rule_id: str) -> dict[str, Any]:
    info = policies.rules[rule_id]
    return {
        "id": info.id,
        "requirement": info.requirement,
        "also": list(info.also),
        "basis": info.basis.value,
        "certainty": info.certainty,
        "severity": info.severity.value,
        "mode": policies.modes.of(rule_id).value,
        "source": info.source,
        "title": dict(info.title),
        "file": info.file,
    }
