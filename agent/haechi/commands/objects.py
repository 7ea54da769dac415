"""``haechi objects``: which tagged content was let through to which object. docs/drift.md explains what that says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, json_option, one_line
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

DIGEST = re.compile(r"blake3:[0-9a-f]{64}")
SHOWN = 1000
"""Objects without ``--limit``."""


@click.command()
@click.option(
    "--container",
    metavar="NAME",
    help="Only of this container: by its URL (s3://, gs://, azure://ACCOUNT/CONTAINER, https://…) or its bare name; of "
    "an account, azure://ACCOUNT, all its containers.",
)
@click.option(
    "--content",
    metavar="FILE|DIGEST",
    help="Only what holds this content (blake3:…, or a file): itself, excerpts of it, ciphertexts made of it here.",
)
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=SHOWN, show_default=True, help="At most so many.")
@json_option
def objects(container: str | None, content: str | None, limit: int, as_json: bool) -> int:
    """List the tagged content that was let through to cloud storage: where, what, by whom, by which decision.

    You see objects that you alone wrote; officers see all. It was let through: whether the store has it is told only
    where the store was asked since.

    Exit code 0: there are some; 1: none; 3: no agent answers.

    Example: haechi objects --container s3://design-archive
    """
    from haechi.inbound.control import client

    asked: dict[str, Any] = {}
    if container:
        asked["container"] = container_named(container)
    if content:
        asked["digest"] = _digest(content)
    found: list[dict[str, Any]] = []
    after: list[str] | None = []
    while after is not None and len(found) < limit:
        page = client.call("objects.list", {**asked, "after": after})
        found += page["objects"]
        after = page["next"]
    more = after is not None or len(found) > limit
    document = {"objects": found[:limit], "more": more}
    answer(document, as_json, lambda console: _show(console, document, asked.get("container", "")))
    return Exit.OK if found else Exit.NEGATIVE


def container_named(word: str) -> str:
    """The name by which the agent knows a container, or all of an account, of a URL; a bare name is one already. Raises
    ``HaechiError('objects.no-container')`` for a URL of no cloud's: what names nothing must not read as nothing there.
    """
    if "://" not in word:
        return word.strip("/")
    from haechi_connectors.clouds import clouds

    found = next((name for cloud in clouds() if (name := cloud.container(word))), None)
    if found is None:
        raise HaechiError("objects.no-container", name=word)
    return found


def _digest(content: str) -> str:
    if content.startswith("blake3:"):
        if not DIGEST.fullmatch(content):
            raise HaechiError("objects.no-digest", digest=content)
        return content
    from haechi.commands._digests import digest_named

    return digest_named(f"file={Path(content).expanduser()}")


def _show(console: Console, document: Mapping[str, Any], container: str) -> None:
    if not document["objects"]:
        nothing = say("drift.no-objects-in", container=container) if container else say("drift.no-objects")
        console.print(one_line(nothing), soft_wrap=True)
        return
    last = None
    for one in document["objects"]:
        if last != (one["provider"], one["container"]):
            last = (one["provider"], one["container"])
            console.print(f"{one['provider']} · {one_line(one['container'])}", style="bold", soft_wrap=True)
        console.print(f"  {object_line(one)}", soft_wrap=True)
    if document["more"]:
        console.print(say("drift.more-objects"))
    console.print("\n" + say("drift.let-through"), soft_wrap=True, style="dim")


def object_line(one: Mapping[str, Any]) -> str:
    """One object: key, what it holds, whether sealed, by whom, when, by which decision."""
    from haechi.commands.explain import moment

    names = [str(file["name"]).rpartition("/")[2] for file in one["files"]]
    files = ", ".join(dict.fromkeys(names)) + (" …" if one["more_files"] else "")
    form = say("drift.sealed" if one["sealed"] else "drift.plain")
    user = one["user"] or say("drift.several")
    told = [one["key"], f"{files} ({form})", user, moment(one["let_through_at"]), one["decision"] or "–"]
    if one.get("at_store") is not None:
        told.append(say("drift.there" if one["at_store"] else "drift.gone", at=moment(one["asked_at"])))
    return one_line(" · ".join(told))
