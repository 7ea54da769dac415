"""``haechi policy``: are the policies valid and whose are they; the addresses in their scope."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._coverage import counted, coverage
from haechi.commands._frame import answer, json_option
from haechi.commands._policies import chosen, folder_option, tried
from haechi.commands.policy_bundle import build, diff, load, sign, verify
from haechi.commands.policy_rules import rules, test
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.outbound.engine.folder import PolicyFolder


@click.group()
def policy() -> None:
    """The policies that judge uploads. docs/policies.md explains every rule."""


for command in (build, sign, verify, diff, load, rules, test, coverage):
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

    policies = policies_at(chosen(folder))
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
        console.print(
            say("policy.checked-modes", mode=say(f"policy.mode-{modes.default}"), fail=say(f"policy.fail-{modes.fail}"))
        )
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
