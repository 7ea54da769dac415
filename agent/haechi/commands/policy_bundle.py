"""``haechi policy build|sign|verify|diff|load``: policies as one file that is built, signed and distributed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, json_option
from haechi.commands._policies import quiet, tried
from haechi.commands.keys import key_option, passphrase_option, signing_key
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.outbound.engine.folder import PolicyFolder

trust_option = click.option(
    "--trust", type=click.Path(path_type=Path), help="The trust list to verify with, instead of this machine's."
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option("--sequence", type=click.IntRange(min=1), required=True, help="Its number: higher than the last one's.")
@click.option("--issued-at", help="When it is issued (RFC 3339). Default: now. The same moment gives the same bytes.")
@click.option("--rolls-back-from", type=click.IntRange(min=2), help="The higher number in force that it replaces.")
@json_option
def build(
    folder: Path, output: Path, sequence: int, issued_at: str | None, rolls_back_from: int | None, as_json: bool
) -> None:
    """Make an OPA bundle of the policies in FOLDER. Policies with a fault are not built. Sign it afterwards.

    Example: haechi policy build ./policies -o haechi.tar.gz --sequence 8
    """
    from haechi.domain.issue import Issue
    from haechi.outbound.engine.bundle import build as built
    from haechi.outbound.engine.bundle import opened
    from haechi.outbound.engine.folder import read

    try:
        issue = Issue(sequence, _moment(issued_at), rolls_back_from)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    bundle = built(read(folder), issue)
    policies = opened(bundle, output)
    tried(policies)
    write(output, bundle)
    document = {"bundle": str(output), "bytes": len(bundle), **_about(policies)}
    answer(document, as_json, lambda console: console.print(say("policy.built", file=output, sequence=sequence)))


@click.command()
@click.argument("folder", metavar="FOLDER|BUNDLE", type=click.Path(path_type=Path, exists=True))
@key_option
@passphrase_option
@json_option
def sign(folder: Path, key: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Sign the policies in a folder or a bundle, so that agents put them in force. Those with a fault are not signed.

    What ships with Haechi needs no signature as a folder; any change to it does, also of a mode in data.yaml. A bundle
    always does. `opa` verifies a bundle's signature too, with the same key and its id (docs/policies-distribution.md).

    Example: haechi policy sign haechi.tar.gz --key policy-signing.pem
    """
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


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@trust_option
@json_option
def verify(bundle: Path, trust: Path | None, as_json: bool) -> None:
    """Check BUNDLE as an agent of this machine would: its files, its signature, its number, and that it loads.

    Exits with 1 where an agent would refuse it, and says why.

    Example: haechi policy verify haechi.tar.gz
    """
    policies, document = _verified(bundle, trust)
    answer(document, as_json, lambda console: _told(console, policies, document))


@click.command()
@click.argument("before", type=click.Path(path_type=Path, exists=True))
@click.argument("after", type=click.Path(path_type=Path, exists=True))
@click.option("--exit-code", is_flag=True, help="Exit with 1 where something loosens or cannot be told.")
@json_option
def diff(before: Path, after: Path, exit_code: bool, as_json: bool) -> None:
    """Say what AFTER changes of BEFORE, each a folder or a bundle, and what of it loosens or tightens.

    What cannot be told without reading it, a changed rule above all, is marked as unclear.

    Example: haechi policy diff issue-7.tar.gz issue-8.tar.gz
    """
    from haechi.outbound.engine.differing import Tends, changes
    from haechi.outbound.engine.place import policies_at

    found = changes(policies_at(before), policies_at(after))
    counts = {tends.value: sum(change.tends is tends for change in found) for tends in Tends}
    document = {"changes": [change.as_json() for change in found], "counts": counts}

    def render(console: Console) -> None:
        for change in found:
            then = say("policy.diff-change", before=_plain(change.before), after=_plain(change.after))
            line = f"{say(f'policy.diff-{change.tends}')}  {say(f'policy.diff-{change.what}')} {change.name}: {then}"
            console.print(line, soft_wrap=True)
        console.print(say("policy.diff-counts", None, **counts) if found else say("policy.diff-none"))

    answer(document, as_json, render)
    if exit_code and counts["loosens"] + counts["unclear"]:
        raise SystemExit(Exit.NEGATIVE)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@json_option
def load(bundle: Path, as_json: bool) -> None:
    """Put BUNDLE where this machine's agent takes its policies, once it was verified. In force within seconds.

    It is the signature that puts it in force; this command only copies the file, and needs the right to write there.

    Example: sudo haechi policy load haechi.tar.gz
    """
    from haechi.settings import load as settings_in_force

    settings = settings_in_force()
    if settings.policy_url:
        raise HaechiError("policy.fetched", url=settings.policy_url)
    if settings.policy.folder is not None:
        raise HaechiError("policy.from-folder", folder=str(settings.policy.folder))
    policies, document = _verified(bundle, None)
    target = Path(settings.policy.source).expanduser() if settings.policy.source else settings.paths.policy_bundle
    write(target, policies.bundle)
    document["loaded"] = str(target)
    answer(document, as_json, lambda console: console.print(say("policy.loaded", file=bundle, place=target)))


def _verified(bundle: Path, trust: Path | None) -> tuple[PolicyFolder, dict[str, Any]]:
    """Raises ``HaechiError`` as the agent's refusal."""
    import os

    from haechi.outbound.clock import SystemClock
    from haechi.outbound.engine.signature import SignedPolicies
    from haechi.outbound.engine.succession import Succession
    from haechi.outbound.trust import TrustStore
    from haechi.settings import load as settings_in_force

    settings = settings_in_force()
    quiet()
    keys = TrustStore.load(trust or settings.trust_path, SystemClock())
    accept = SignedPolicies(keys)
    policies = accept.bundle(bundle)
    tried(policies)
    signer = accept.holds(policies.revision, policies.token)
    remembered = settings.paths.state / "policy-sequence.json"
    compared = os.access(settings.paths.state, os.X_OK)
    if compared:
        Succession(remembered, keys).admit(policies)
    return policies, {
        "valid": True,
        "bundle": str(bundle),
        **_about(policies),
        "key": signer.key,
        "signer": signer.name,
        "sequence_compared": compared,
    }


def _about(policies: PolicyFolder) -> dict[str, Any]:
    issue = policies.issue
    assert issue is not None  # noqa: S101 - a bundle always has one
    return {
        "revision": policies.revision,
        "sequence": issue.sequence,
        "issued_at": issue.issued_at.isoformat(),
        "rolls_back_from": issue.rolls_back_from,
        "rules": len(policies.rules),
    }


def _told(console: Console, policies: PolicyFolder, document: dict[str, Any]) -> None:
    console.print(say("policy.verified", file=document["bundle"], name=document["signer"], key=document["key"]))
    console.print(say("policy.verified-issue", sequence=document["sequence"], issued=document["issued_at"]))
    if document["rolls_back_from"] is not None:
        console.print(say("policy.verified-back", sequence=document["rolls_back_from"]))
    console.print(say("policy.checked-revision", revision=policies.revision))
    if not document["sequence_compared"]:
        console.print(say("policy.verified-alone"))


def _moment(text: str | None) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC).replace(microsecond=0)
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(say("audit.not-a-moment", text=text), param_hint="--issued-at") from error
    if found.tzinfo is None:
        raise click.BadParameter(say("audit.not-a-moment", text=text), param_hint="--issued-at")
    return found.astimezone(dt.UTC)


def write(file: Path, bundle: bytes) -> None:
    """Put a bundle in a file's place, whole or not at all. Raises ``HaechiError('policy.unwritable')``."""
    from haechi.durable import replace_file

    try:
        replace_file(file, bundle, mode=0o644)
    except OSError as error:
        raise HaechiError("policy.unwritable", file=str(file), why=error.strerror or "") from error


def _plain(value: object) -> str:
    import json

    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
