"""``haechi registry``: check, show, compare, change and sign the institution's registry.

Signing happens on the security team's machine, never through the agent.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, error_document, json_option
from haechi.commands._registry_edits import WHAT, add, change, read_file, remove
from haechi.commands.keys import key_option, passphrase_option, signing_key
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.domain.registry import RegistryData
    from haechi.outbound.trust import Signer

__all__ = ["WHAT", "registry"]

trust_option = click.option(
    "--trust", type=click.Path(path_type=Path), help="The trust list, instead of the one in the settings."
)


@click.group()
def registry() -> None:
    """The institution's signed registry. docs/registry.md explains every field."""


for _edit in (add, change, remove):
    registry.add_command(_edit)


@registry.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--unsigned", is_flag=True, help="Check the form alone, before signing.")
@trust_option
@json_option
def check(file: Path | None, unsigned: bool, trust: Path | None, as_json: bool) -> None:
    """Check a registry's form and signature; every fault with its line, and every order that could reach nothing.
    Exit 0: it holds. Exit 1: it does not.

    Example: haechi registry check registry.yaml --unsigned
    """
    from haechi.outbound.registry import check_registry

    path = file or _path()
    raw = read_file(path)
    with _reading(path):
        data, faults = check_registry(raw, str(path))
    faults = faults or _idle_orders(data, path)
    signer: Signer | None = None
    if data is not None and not faults and not unsigned:
        try:
            signer = _signer(path, raw, trust)
        except HaechiError as error:
            faults = (error,)
    document: dict[str, Any] = {
        "ok": not faults,
        "file": str(path),
        "sequence": data.sequence if data else None,
        "signer": {"key": signer.key, "name": signer.name} if signer else None,
        "faults": [error_document(fault)["error"] for fault in faults],
    }

    def render(console: Console) -> None:
        for fault in faults:
            console.print("✗ " + say(fault.code, None, **fault.params))
        if not faults and data is not None:
            code = "registry.holds" if signer else "registry.holds-unsigned"
            name = (signer.name or signer.key) if signer else ""
            console.print("✓ " + say(code, file=path, sequence=data.sequence, signer=name), style="green")

    answer(document, as_json, render)
    if faults:
        raise SystemExit(Exit.NEGATIVE)


policies_option = click.option(
    "--policies",
    type=click.Path(path_type=Path, file_okay=False),
    help="The policies whose data.yaml says how the ministry's review is counted. Default: those in force.",
)


@registry.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--all", "whole", is_flag=True, help="Show every entry; without it, the first 20 of each list.")
@policies_option
@trust_option
@json_option
def show(file: Path | None, whole: bool, policies: Path | None, trust: Path | None, as_json: bool) -> None:
    """Show a registry whose signature holds: who, whose accounts and keys, what is granted, what is ordered.

    For what is pending it shows when the ministry's review would end by the institution's own count. That authorises
    nothing.

    Example: haechi registry show registry.yaml --all
    """
    import datetime as dt

    import msgspec

    from haechi.commands._registry_pages import evaluation_of, reviews, show_page
    from haechi.outbound.registry import registry_from

    path = file or _path()
    raw = read_file(path)
    signer = _signer(path, raw, trust)
    with _reading(path):
        data = registry_from(raw, str(path))
    now = dt.datetime.now(dt.UTC)
    count = evaluation_of(policies)
    document = {
        "signer": {"key": signer.key, "name": signer.name},
        "age_seconds": round((now - data.issued_at).total_seconds()),
        "registry": msgspec.to_builtins(data),
        "reviews": reviews(data.authorisations, count),
    }
    answer(document, as_json, lambda console: show_page(console, data, signer, now, count, 0 if whole else 20))


@registry.command()
@click.argument("before", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("after", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@policies_option
@json_option
def diff(before: Path, after: Path, policies: Path | None, as_json: bool) -> None:
    """Compare two registries: what was added, removed, changed, and whether it loosens or tightens.

    Exit 0: the same entries. Exit 1: they differ. Sequence and time of issue are shown, but are no difference.
    Signatures are not checked here: `haechi registry check` does that.

    Example: haechi registry diff signed.yaml edited.yaml
    """
    from haechi.commands._registry_pages import diff_document, diff_page, evaluation_of
    from haechi.domain.registry.comparison import compare
    from haechi.outbound.registry import registry_from

    with _reading(before):
        old, new = (registry_from(read_file(path), str(path)) for path in (before, after))
    changes, count = compare(old, new), evaluation_of(policies)
    answer(diff_document(old, new, changes, count), as_json, lambda to: diff_page(to, old, new, changes, count))
    if changes:
        raise SystemExit(Exit.NEGATIVE)


@registry.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@key_option
@passphrase_option
@json_option
def sign(file: Path, key: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Sign a registry into FILE.sig. A registry with a fault is not signed.

    Example: haechi registry sign registry.yaml --key registry-signing.pem
    """
    from haechi.outbound.registry import check_registry
    from haechi.outbound.registry.file import SIGNATURE_SUFFIX
    from haechi.outbound.trust import Role

    raw = read_file(file)
    with _reading(file):
        data, faults = check_registry(raw, str(file))
    if data is None:
        raise faults[0]
    for fault in _idle_orders(data, file):
        raise fault
    signing = signing_key(key, passphrase_file)
    target = file.with_name(file.name + SIGNATURE_SUFFIX)
    try:
        target.write_text(signing.sign(Role.REGISTRY, raw) + "\n", encoding="ascii")
    except OSError as error:
        raise HaechiError("registry.unwritable", file=str(target), cause=error.strerror or "") from error
    document = {"file": str(file), "signature": str(target), "key": signing.id, "sequence": data.sequence}
    answer(document, as_json, lambda console: console.print("✓ " + say("registry.signed", file=file, signature=target)))


def _idle_orders(data: RegistryData | None, path: Path) -> tuple[HaechiError, ...]:
    """A slip in an order's technology would stop nothing, and nobody would notice."""
    from haechi.commands._catalogue import catalogue_in_force
    from haechi.domain.registry import unlisted
    from haechi.domain.tags import PENDING

    if data is None or not data.orders:
        return ()
    listed = catalogue_in_force()
    return tuple(
        HaechiError(
            "registry.order-unlisted",
            file=str(path),
            id=order.id,
            technology=name,
            near=", ".join(one.id for one in listed.near(name)) or "-",
        )
        for order, name in unlisted(data.orders, listed)
        if name != PENDING
    )


def _reading(path: Path) -> AbstractContextManager[object]:
    """A large registry takes some seconds."""
    from haechi.commands._frame import progress

    return progress(say("registry.reading", file=path))


def _path() -> Path:
    from haechi.settings import load

    return load().registry_path


def _signer(path: Path, raw: bytes, trust: Path | None) -> Signer:
    from haechi.outbound.clock import SystemClock
    from haechi.outbound.registry.file import SIGNATURE_SUFFIX
    from haechi.outbound.trust import Role, TrustStore

    if trust is None:
        from haechi.settings import load

        trust = load().trust_path
    store = TrustStore.load(trust, SystemClock())
    signature = path.with_name(path.name + SIGNATURE_SUFFIX)
    try:
        said = signature.read_bytes()
    except OSError as error:
        raise HaechiError("registry.signature-missing", file=str(signature), cause=error.strerror or "") from error
    return store.verify(Role.REGISTRY, raw, said)
