"""``haechi keys``: make and show the keys that policies, registries and releases are signed with."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import json_option, write_json
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from haechi.outbound.trust import SigningKey

KINDS = ("ed25519", "p256")
ROLES = ("policy", "registry", "release", "exception", "break-glass")

key_option = click.option("--key", type=click.Path(path_type=Path), required=True, help="The private key file (PEM).")
passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="A file whose first line is the passphrase. Without it you are asked, where the key has one.",
)


@click.group()
def keys() -> None:
    """Signing keys. Keep them on the security team's machine, away from workstations. docs/registry.md says how."""


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES), help="What it will sign.")
@click.option("--name", default="", help="A name for people, for the trust list.")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="ed25519",
    show_default=True,
    help="p256 for policies that OPA servers fetch and verify: keys in OPA's configuration cannot be Ed25519.",
)
@click.option("--no-passphrase", is_flag=True, help="Protect the file by its mode (0600) alone.")
@passphrase_option
@json_option
def new(
    file: Path,
    roles: tuple[str, ...],
    name: str,
    kind: str,
    no_passphrase: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a signing key in FILE, and print its entry for trust.yaml.

    Example: haechi keys new registry-signing.pem --role registry --name "정보보호팀 2026"
    """
    from haechi.outbound.trust import KeyKind, SigningKey

    secret = None if no_passphrase else _passphrase(passphrase_file, confirm=True)
    if secret is not None and not secret:
        raise HaechiError("trust.key-passphrase", file=str(file), cause="empty")
    made = SigningKey.generate(KeyKind(kind))
    made.save(file, secret)
    _print(made, file, roles, name, as_json)


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--owner", default="security team", show_default=True, help="Who keeps it, for the registry.")
@json_option
def sealing(file: Path, owner: str, as_json: bool) -> None:
    """Make the institution's sealing identity (age) in FILE, and print its recipient for registry.yaml.

    FILE opens everything that is sealed to it: keep it offline or in an HSM; deleting it deletes what was sealed (R19).

    Example: haechi keys sealing sealing-identity.txt
    """
    from haechi.outbound.seal.age import new_identity

    secret, recipient = new_identity()
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as made:
            made.write(secret + "\n")
    except FileExistsError as error:
        raise HaechiError("trust.key-exists", file=str(file)) from error
    except OSError as error:
        raise HaechiError("trust.key-unwritable", file=str(file), cause=error.strerror or "") from error
    if as_json:
        write_json({"file": str(file), "recipient": recipient, "owner": owner})
        return
    click.echo(say("trust.sealing-made", file=str(file)), err=True)
    click.echo(f"  - id: {_quoted(file.stem)}\n    key: {recipient}\n    owner: {_quoted(owner)}")


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_option
@click.option("--pem", is_flag=True, help="The public half alone, as opa takes it (--verification-key).")
@json_option
def show(file: Path, passphrase_file: Path | None, pem: bool, as_json: bool) -> None:
    """Show a private key's id and public half.

    Example: haechi keys show policy-signing.pem --pem > policy-signing.pub
    """
    if pem:
        click.echo(signing_key(file, passphrase_file).public_pem(), nl=False)
        return
    _print(signing_key(file, passphrase_file), file, (), "", as_json)


@keys.command()
@click.argument("digests", nargs=-1, required=True)
@key_option
@passphrase_option
@click.option(
    "--action",
    type=click.Choice(["untag", "lower", "not-protected"]),
    required=True,
    help="Remove the tag, lower it, or answer an appeal: the content is nothing protected.",
)
@click.option("--number", required=True, help="The institution's number of the approval.")
@click.option("--approver", required=True, help="Who approved it.")
@click.option("--expires", required=True, help="Last day in Korea, or an instant (RFC 3339).")
@click.option("--technology", default=None, help="Only this technology. Default: all of the content.")
@click.option("--grade", type=click.Choice(["A", "B", "C"]), default=None, help="With lower: the lowest grade allowed.")
@click.option("--funding", type=click.Choice(["government", "private", "unknown"]), default=None)
@click.option("--reason", default="")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file instead of the terminal.")
def release(
    digests: tuple[str, ...],
    key: Path,
    passphrase_file: Path | None,
    action: str,
    number: str,
    approver: str,
    expires: str,
    technology: str | None,
    grade: str | None,
    funding: str | None,
    reason: str,
    output: Path | None,
) -> None:
    """Sign a release: the permission to untag or lower the contents with these DIGESTS (blake3:…, or file=PATH for the
    digest of that file), or the answer to an appeal (`haechi appeal`), that they are nothing protected. It can be
    handed over until it expires; to untag or lower, once for each content on each machine.

    Example: haechi keys release blake3:… --key release.pem --action untag --number 2026-12 --approver 김해치
    --expires 2026-12-31 -o file.release
    """
    import re

    from haechi.commands._digests import digest_named
    from haechi.domain.registry import ends
    from haechi.domain.tags import Funding, Grade
    from haechi.outbound.trust.document import moment
    from haechi.outbound.trust.releases import make_release
    from haechi.ports.releases import ReleaseAction

    last = moment(expires)
    if last is None:
        raise click.BadParameter(say("audit.not-a-moment", text=expires), param_hint="--expires")
    until = ends(last).astimezone(dt.UTC)
    if until <= dt.datetime.now(dt.UTC):
        raise click.BadParameter(say("release.ended", text=expires), param_hint="--expires")
    digests = tuple(map(digest_named, digests))
    for digest in digests:
        if not re.fullmatch(r"blake3:[0-9a-f]{64}", digest):
            raise click.BadParameter(say("release.not-a-digest", text=digest), param_hint="DIGESTS")
    if action == ReleaseAction.NOT_PROTECTED and (technology or grade or funding):
        raise click.BadParameter(say("release.all-of-it"), param_hint="--action")
    text = make_release(
        signing_key(key, passphrase_file),
        number=number,
        approver=approver,
        action=ReleaseAction(action),
        digests=digests,
        expires=until,
        issued=dt.datetime.now(dt.UTC),
        technology=technology,
        grade=Grade(grade) if grade else None,
        funding=Funding(funding) if funding else None,
        reason=reason,
    )
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="ascii")
    except OSError as error:
        raise HaechiError("trust.key-unwritable", file=str(output), cause=error.strerror or "") from error
    click.echo(say("release.signed", file=str(output), number=number), err=True)


def signing_key(path: Path, passphrase_file: Path | None) -> SigningKey:
    """Load a private key; asks for its passphrase only where it has one."""
    from haechi.outbound.trust import SigningKey

    return SigningKey.load(path, lambda: _passphrase(passphrase_file, confirm=False))


def _passphrase(file: Path | None, *, confirm: bool) -> bytes:
    if file is not None:
        try:
            return file.read_bytes().split(b"\n", 1)[0]
        except OSError as error:
            raise HaechiError("trust.key-missing", file=str(file), cause=error.strerror or "") from error
    if not sys.stdin.isatty():  # getpass would read it all the same, and warn in words of its own
        raise HaechiError("trust.no-terminal")
    text: str = click.prompt(say("trust.passphrase"), hide_input=True, confirmation_prompt=confirm, err=True)
    return text.encode()


def _print(key: SigningKey, file: Path, roles: tuple[str, ...], name: str, as_json: bool) -> None:
    jwk = key.jwk()
    document: dict[str, Any] = {"id": key.id, "file": str(file), "roles": list(roles), "name": name, "key": jwk}
    listed = ", ".join(roles) or "|".join(ROLES)
    entry = (
        f"  - id: {key.id}\n"
        f"    name: {_quoted(name or say('trust.name-here'))}\n"
        f"    roles: [{listed}]\n"
        f"    key: {{{', '.join(f'{part}: {_quoted(said)}' for part, said in jwk.items())}}}\n"
    )
    if as_json:
        write_json(document)
        return
    # The entry alone on standard output, so that it can be appended to the list as it is.
    click.echo(say("trust.entry" if roles else "trust.entry-to-complete", file=file), err=True)
    click.echo(entry, nl=False)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
