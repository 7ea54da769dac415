"""``haechi registry``: check, show and sign the institution's registry.

Signing happens on the security team's machine, never through the agent.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, error_document, json_option
from haechi.commands.keys import key_option, passphrase_option, signing_key
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.domain.registry import RegistryData
    from haechi.outbound.trust import Signer

trust_option = click.option(
    "--trust", type=click.Path(path_type=Path), help="The trust list, instead of the one in the settings."
)


@click.group()
def registry() -> None:
    """The institution's signed registry. docs/registry.md explains every field."""


@registry.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--unsigned", is_flag=True, help="Check the form alone, before signing.")
@trust_option
@json_option
def check(file: Path | None, unsigned: bool, trust: Path | None, as_json: bool) -> None:
    """Check a registry's form and signature; every fault with its line. Exit 0: it holds. Exit 1: it does not.

    Example: haechi registry check registry.yaml --unsigned
    """
    from haechi.outbound.registry import check_registry

    path = file or _path()
    raw = _read(path)
    data, faults = check_registry(raw, str(path))
    signer: Signer | None = None
    if data is not None and not unsigned:
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


@registry.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@trust_option
@json_option
def show(file: Path | None, trust: Path | None, as_json: bool) -> None:
    """Show a registry whose signature holds: who, whose accounts and keys, what is granted, what is ordered."""
    import datetime as dt

    import msgspec

    from haechi.outbound.registry import registry_from

    path = file or _path()
    raw = _read(path)
    signer = _signer(path, raw, trust)
    data = registry_from(raw, str(path))
    now = dt.datetime.now(dt.UTC)
    document = {"signer": {"key": signer.key, "name": signer.name}, "registry": msgspec.to_builtins(data)}
    answer(document, as_json, lambda console: _show(console, data, signer, now))


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

    raw = _read(file)
    data, faults = check_registry(raw, str(file))
    if data is None:
        raise faults[0]
    signing = signing_key(key, passphrase_file)
    target = file.with_name(file.name + SIGNATURE_SUFFIX)
    try:
        target.write_text(signing.sign(Role.REGISTRY, raw) + "\n", encoding="ascii")
    except OSError as error:
        raise HaechiError("registry.unwritable", file=str(target), cause=error.strerror or "") from error
    document = {"file": str(file), "signature": str(target), "key": signing.id, "sequence": data.sequence}
    answer(document, as_json, lambda console: console.print("✓ " + say("registry.signed", file=file, signature=target)))


def _path() -> Path:
    from haechi.settings import load

    return load().registry_path


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64 * 1024 * 1024)
    except OSError as error:
        raise HaechiError("registry.missing", file=str(path), cause=error.strerror or "") from error


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


def _show(console: Console, data: RegistryData, signer: Signer, now: Any) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")

    def row(name: str, *values: str) -> None:
        for at, value in enumerate(values):
            table.add_row(say(f"registry.row-{name}") if at == 0 else "", value)

    def state(holds: bool) -> str:
        return say("registry.in-force" if holds else "registry.not-in-force")

    row("institution", f"{data.institution.name} ({data.institution.registration_number})")
    row("sequence", f"{data.sequence}  {data.issued_at.isoformat()}")
    row("signer", signer.name or signer.key)
    row("accounts", *(f"{a.provider} {a.id}  {a.label}" for a in data.accounts))
    row("keys", *(f"{k.provider} {k.id}  {k.label}" for k in data.keys))
    row(
        "personnel",
        *(f"{p.id}  {p.name}  {' '.join(p.os_users)}  {state(p.period.holds(now))}" for p in data.personnel),
    )
    row(
        "authorisations",
        *(
            f"{a.id}  {say(f'registry.{a.kind.value}')}  {say(f'registry.{a.status.value}')}  "
            f"{state(a.reach.period.holds(now))}  {' '.join(sorted(a.reach.technologies))}  "
            f"→ {' '.join(d.country for d in a.reach.destinations)}"
            for a in data.authorisations
        ),
    )
    row(
        "orders",
        *(
            f"{o.id}  {say(f'registry.{o.kind.value}')}  {state(o.period.holds(now))}  "
            f"{' '.join(sorted(o.technologies))}"
            for o in data.orders
        ),
    )
    row("recipients", *(f"{r.id}  {r.key[:20]}…  {r.owner}" for r in data.recipients))
    row("watched", *(f"{w.host}  {w.provider}/{w.service}  {w.region} {w.country}" for w in data.watched))
    console.print(table)
