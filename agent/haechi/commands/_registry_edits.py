"""``haechi registry add|change|remove``: one command an edit of the registry, to be signed afterwards."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._digests import FILE, digest_named
from haechi.commands._frame import answer, json_option
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from haechi.outbound.registry.revising import Revised

WHAT = (
    "account", "key", "person", "takeout", "approval", "declaration", "exemption", "order", "recipient", "host",
    "attestation",
)  # fmt: skip
"""As ``outbound.registry.editing`` has it, which is not loaded for the help."""

file_option = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default="registry.yaml",
    show_default=True,
    help="The registry to change.",
)


@click.command()
@click.argument("what", type=click.Choice(WHAT))
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.option("--known", is_flag=True, help="Complete a host with what its provider publishes of it, and say where.")
@file_option
@json_option
def add(what: str, fields: tuple[str, ...], known: bool, path: Path, as_json: bool) -> None:
    """Add an entry to a registry, raise its sequence and set its time of issue. Sign it afterwards.

    Fields are those of docs/registry.md. Lists are separated by commas, or the field is given again; a place is
    destination=country=JP,provider=aws; today is today in Korea, now this instant; file=PATH names that file by its
    digest. Comments and order of the file stay. What the schema refuses is not written. For hosts of Korean clouds,
    --known fills in provider, service, region, country and endpoint; whoever signs vouches for them.

    Example: haechi registry add order id=ORD-2026-002 kind=suspend technology=SEM-03 effective_from=today
    """
    from haechi.commands._frame import progress
    from haechi.domain.registry import KST
    from haechi.outbound.registry.editing import added, entry_from

    now = dt.datetime.now(dt.UTC)
    section, entry = entry_from(what, [_told(pair, now) for pair in fields], now.astimezone(KST).date())
    published = _completed(what, entry) if known else None
    raw = read_file(path)
    with progress(say("registry.adding", file=path)):
        made = added(raw, str(path), section, entry, now)
    _write(path, made.raw)
    document = {
        "file": str(path),
        "section": section,
        "entry": dict(made.entry),
        "sequence": made.sequence,
        "issued_at": made.issued_at.isoformat(),
        "signed": False,
    }
    name = str(entry.get("id") or entry.get("host"))
    words = say("registry.added", what=say(f"registry.what-{what}"), id=name, file=path, sequence=made.sequence)
    if published is not None:
        document["published"] = published
        certainty = published["certainty"]
        said = say(f"registry.published-{certainty}", **{**entry, **published})
        words = f"{said}\n✓ {words}"
        answer(document, as_json, lambda console: console.print(words, markup=False))
        return
    answer(document, as_json, lambda console: console.print("✓ " + words))


def _completed(what: str, entry: dict[str, Any]) -> dict[str, str]:
    """Fill in what is published of a host and was not given; what it rests on. Raises ``HaechiError`` where nothing
    is published.
    """
    from haechi_connectors.s3.known_sites import known_site, known_sites

    host = str(entry.get("host", ""))
    found = known_site(host) if what == "host" else None
    if found is None:
        raise HaechiError("registry.site-unpublished", host=host or what, known=", ".join(known_sites()))
    site = found.site(host, str(entry.get("service", "")))
    for name in ("provider", "service", "region", "country", "endpoint"):
        entry.setdefault(name, getattr(site, name))
    services = ", ".join(found.services)
    return {"certainty": found.certainty, "source": found.source, "checked": found.checked, "services": services}


@click.command()
@click.argument("what", type=click.Choice(WHAT))
@click.argument("number", metavar="ID")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE...")
@file_option
@json_option
def change(what: str, number: str, fields: tuple[str, ...], path: Path, as_json: bool) -> None:
    """Change an entry of a registry: revoke an approval, end a person's access, lift an order. Sign it afterwards.

    ID is the entry's id; PROVIDER/ID for accounts and keys, the name for hosts. Fields are as for `add`; a list is
    replaced as a whole, and FIELD= takes a field away. Comments and order of the file stay. What the schema refuses is
    not written. It says whether the change loosens or tightens.

    Example: haechi registry change approval EXP-2026-017 status=revoked
    """
    from haechi.commands._frame import progress
    from haechi.domain.registry import KST
    from haechi.outbound.registry.revising import changed, fields_from

    now = dt.datetime.now(dt.UTC)
    values = fields_from(what, [_told(pair, now) for pair in fields], now.astimezone(KST).date())
    raw = read_file(path)
    with progress(say("registry.adding", file=path)):
        made = changed(raw, str(path), what, number, values, now)
    _revised(path, made, what, number, as_json)


@click.command()
@click.argument("what", type=click.Choice(WHAT))
@click.argument("number", metavar="ID")
@file_option
@json_option
def remove(what: str, number: str, path: Path, as_json: bool) -> None:
    """Take an entry out of a registry. Sign it afterwards.

    ID is as for `change`. Comments above the entry stay. An entry whose end should be seen later is better ended than
    removed: `haechi registry change person E-1024 valid_until=now`.

    Example: haechi registry remove account aws/111122223333
    """
    from haechi.commands._frame import progress
    from haechi.outbound.registry.revising import removed

    raw = read_file(path)
    with progress(say("registry.adding", file=path)):
        made = removed(raw, str(path), what, number, dt.datetime.now(dt.UTC))
    _revised(path, made, what, number, as_json)


def _revised(path: Path, made: Revised, what: str, number: str, as_json: bool) -> None:
    _write(path, made.raw)
    document: dict[str, Any] = {
        "file": str(path),
        "section": made.section,
        "id": number,
        "change": made.change.how.value,
        "effect": made.change.effect.value,
        "sequence": made.sequence,
        "issued_at": made.issued_at.isoformat(),
        "signed": False,
    }
    words = say(
        f"registry.{made.change.how.value}-entry",
        what=say(f"registry.what-{what}"),
        id=number,
        effect=say(f"registry.effect-{made.change.effect.value}"),
        file=path,
        sequence=made.sequence,
    )
    answer(document, as_json, lambda console: console.print("✓ " + words, markup=False))


def _write(path: Path, raw: bytes) -> None:
    from haechi.durable import replace_file

    try:
        replace_file(path, raw, mode=path.stat().st_mode & 0o777)
    except OSError as error:
        raise HaechiError("registry.unwritable", file=str(path), cause=error.strerror or "") from error


def read_file(path: Path) -> bytes:
    """A registry's bytes, one more at most than are read. Raises ``HaechiError('registry.missing')``."""
    try:
        with path.open("rb") as file:
            return file.read(64 * 1024 * 1024 + 1)
    except OSError as error:
        raise HaechiError("registry.missing", file=str(path), cause=error.strerror or "") from error


def _told(pair: str, now: dt.datetime) -> str:
    """A field as it is to be written: ``now`` as the instant in Korean time, a file as its digest."""
    from haechi.domain.registry import KST

    name, _, value = pair.partition("=")
    if value == "now" and name in ("valid_from", "valid_until", "effective_from", "lifted_at"):
        return f"{name}={now.astimezone(KST).replace(microsecond=0).isoformat()}"
    return _with_digest(pair)


def _with_digest(pair: str) -> str:
    """``file=PATH`` as the digest by which an entry names that file."""
    return f"digests={digest_named(pair)}" if pair.startswith(FILE) else pair
