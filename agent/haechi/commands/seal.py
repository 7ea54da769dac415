"""``haechi seal`` and ``haechi unseal``: layer 1 in and out.

Sealing is the agent's work, because only ciphertext that the agent made itself counts; the command opens both files and
hands them over, so the agent needs no right in a person's folders. Unsealing needs the person's own identity, which
never leaves this process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._files import opened
from haechi.commands._frame import answer, json_option, progress
from haechi.commands._output import new_file
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

SUFFIX = ".age"
SILENCE = 600.0
"""Seconds without progress before the command gives up; others may be sealing first."""


def of_file(fact: Mapping[str, Any]) -> dict[str, Any]:
    """Progress in bytes of the file, as its size is known to people: the agent goes over them twice."""
    return {
        name: value // 2 if name in ("done", "total") and value is not None else value for name, value in fact.items()
    }


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the ciphertext goes. Default: FILE.age.")
@click.option("--force", is_flag=True, help="Replace an existing output.")
@json_option
def seal(file: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """Encrypt FILE with the institution's key (layer 1), in age format.

    The agent remembers the ciphertext, so that it may be uploaded where the policy asks for layer 1.
    FILE stays as it is.
    """
    from haechi.inbound.control import client

    target = _target(output, file, file.name + SUFFIX)
    with opened(file) as source, new_file(target, replace=force) as made:
        _different(source, target)
        with progress(say("seal.progress", name=file.name), shown=not as_json) as advance:
            result = client.call(
                "seal.file",
                {"path": str(file.absolute())},
                lambda fact: advance(of_file(fact)),
                SILENCE,
                files=(source, made.descriptor),
            )
        made.commit(replace=force)
    result = {"file": str(file), "output": str(target), **result}

    def render(console: Console) -> None:
        console.print(say("seal.done", source=file, target=target, tags=_tags(result)))
        if not result.get("tags"):
            console.print(say("seal.untagged", source=file))

    answer(result, as_json, render)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where the content goes. Default: FILE without .age."
)
@click.option(
    "--identity",
    type=click.Path(path_type=Path),
    envvar="HAECHI_IDENTITY",
    help="Your age identity or SSH private key (also HAECHI_IDENTITY). Default: identity.txt in the config folder.",
)
@click.option("--force", is_flag=True, help="Replace an existing output.")
@json_option
def unseal(file: Path, output: Path | None, identity: Path | None, force: bool, as_json: bool) -> None:
    """Decrypt FILE with your own identity, and tag the result as the sealed content was tagged.

    The identity never leaves this command. The agent must run, so that the result is protected from the start.
    """
    from haechi.inbound.control import client
    from haechi.outbound.seal import age
    from haechi.settings import load

    if output is None and file.suffix != SUFFIX:
        raise click.UsageError(f"{file.name} does not end in {SUFFIX}: name the output with -o.")
    target = _target(output, file, file.name.removesuffix(SUFFIX))
    keys = age.identities(identity or load().paths.config / "identity.txt")
    with opened(file) as source, new_file(target, replace=force) as made:
        _different(source, target)
        known = client.call("seal.tags", {"path": str(file.absolute())}, timeout=SILENCE, files=(source,))
        os.lseek(source, 0, os.SEEK_SET)
        with (
            open(source, "rb", closefd=False) as reading,
            open(made.descriptor, "wb", closefd=False) as writing,
        ):
            age.unseal(reading, writing, keys)
        # Protected before it has a name: from here on an upload of it is judged.
        result = client.call(
            "seal.unsealed",
            {"path": str(target.absolute()), "tags": known.get("tags", [])},
            timeout=SILENCE,
            files=(made.descriptor,),
        )
        for name, value in result.pop("attributes", {}).items():
            with contextlib.suppress(OSError):  # a file system without attributes: the index still knows the content
                os.setxattr(made.descriptor, name, value.encode())
        made.commit(replace=force)
    document = {"file": str(file), "output": str(target), "tags": known.get("tags", []), **result}

    def render(console: Console) -> None:
        console.print(say("unseal.done", source=file, target=target, tags=_tags(document)))
        if not document["tags"]:
            console.print(say("unseal.untagged", target=target))

    answer(document, as_json, render)


def _target(output: Path | None, file: Path, name: str) -> Path:
    if output is None:
        return file.with_name(name)
    return output / name if output.is_dir() else output


def _different(source: int, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(source), target.stat()):
            raise HaechiError("seal.same-file", name=str(target))


def _tags(document: dict[str, Any]) -> str:
    return ", ".join(f"{tag['technology']} ({tag['grade']})" for tag in document.get("tags", [])) or "–"
