"""``haechi tag``, ``tags``, ``untag``: mark files as national core technology, list them, release them.

The attribute is written as the file's owner; the running agent then reads the file into its index, so that uploads of
the content are refused from that moment.
"""

from __future__ import annotations

import base64
import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._catalogue import catalogue_in_force
from haechi.commands._frame import answer, json_option, progress
from haechi.commands._tag_pages import show_listed, show_released, show_tagged, show_unreadable
from haechi.commands._tagging import ATTENTION, mark, told_or_kept
from haechi.domain.errors import HaechiError
from haechi.words import language, say

if TYPE_CHECKING:
    pass


def _list(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value:
        return
    for technology in catalogue_in_force().all():
        click.echo(f"{technology.id:<8} {technology.ko if language() == 'ko' else technology.en}")
    ctx.exit()


@click.command()
@click.option(
    "--list", is_flag=True, expose_value=False, is_eager=True, callback=_list, help="List the catalogue's technologies."
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--technology", required=True, help="Id of the catalogue, e.g. SEM-01; OFFICIAL-PENDING while it is undetermined."
)
@click.option("--grade", required=True, help="Protection grade: A (strictest), B or C.")
@click.option(
    "--funding", default="unknown", show_default=True, help="government, private or unknown (counts as government)."
)
@click.option("--owner", default="", help="The department or person who answers for the content.")
@json_option
def tag(files: tuple[Path, ...], technology: str, grade: str, funding: str, owner: str, as_json: bool) -> None:
    """Tag FILES (or every file now in a folder) as national core technology.

    From then on their content is recognised in uploads, also in part, renamed or copied. Tags of the same file add up
    and only tighten; lowering one needs a signed release (`haechi untag --help`).
    """
    from haechi.app.tagging import checked_tag
    from haechi.outbound.tags import AttributeTags

    catalogue = catalogue_in_force()
    wanted = checked_tag(catalogue, technology, grade, funding, owner, dt.datetime.now(dt.UTC))
    attribute = AttributeTags(catalogue)
    names = [name for path in files for name in _files(path)]
    notes = mark(attribute, names, wanted)
    arguments = {
        "technology": wanted.technology,
        "grade": wanted.grade.value,
        "funding": wanted.funding.value,
        "owner": owner,
    }
    try:
        with progress(say("tag.progress", count=len(names)), shown=not as_json) as advance:
            result = told_or_kept(names, arguments, wanted, advance)
    except HaechiError as error:
        if error.code != "control.not-running":
            raise
        from haechi.app.everywhere import Everywhere
        from haechi.commands._digests import digest_of

        found = [
            {"code": problem.code, "params": dict(problem.params)}
            for path in names
            for problem in Everywhere(digest_of).warnings(str(path))
        ]
        result = {"files": [], "unreadable": [], "problems": found, "indexed": False}
        if len(notes) == len(names):
            raise  # neither written on the file nor told to an agent: nothing was tagged
    result["problems"] = [*notes, *result["problems"]]
    result["tag"] = dict(wanted.as_json())
    answer(result, as_json, lambda console: show_tagged(console, result, len(files)))


@click.command()
@click.argument("folder", default="/", type=click.Path(path_type=Path))
@click.option("--unreadable", is_flag=True, help="List the files that the agent could not read instead.")
@json_option
def tags(folder: Path, unreadable: bool, as_json: bool) -> None:
    """List the tagged files at or below FOLDER that the agent knows and you could read. Officers see all."""
    from haechi.inbound.control.client import call

    below = os.path.realpath(folder)
    listed = "unreadable" if unreadable else "files"
    found: list[dict[str, Any]] = []
    problems: list[dict[str, Any]] = []
    more = True
    while more:
        asked = {"below": below, "unreadable": unreadable, "after": found[-1]["path"] if found else ""}
        said = call("tags.list", asked, timeout=ATTENTION)
        found += said[listed]
        problems += said.get("problems", [])
        more = bool(said["more"] and said[listed])
    if not found and not unreadable and _is_gone(below):
        raise HaechiError("tag.no-folder", path=str(folder))
    result: dict[str, Any] = {listed: found, "count": len(found), "problems": problems}
    answer(
        result,
        as_json,
        lambda console: show_unreadable(console, result) if unreadable else show_listed(console, result),
    )


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--release",
    "release_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The release that the security team signed for exactly this content.",
)
@click.option("--lower-to", metavar="GRADE", help="Lower the grade instead of removing the tag.")
@click.option("--technology", default="", help="With --lower-to: which tag.")
@click.option(
    "--funding", default="unknown", show_default=True, help="With --lower-to: the funding that the tag then has."
)
@json_option
def untag(file: Path, release_file: Path, lower_to: str | None, technology: str, funding: str, as_json: bool) -> None:
    """Remove the tag of FILE, or lower it, with a signed release.

    The release counts for the content: every copy of it is released, once. Rules in a `.haechi.yaml` or in the policy
    that name the file must be taken away first, or they tag it again.
    """
    from haechi.inbound.control.client import call
    from haechi.outbound.tags import AttributeTags
    from haechi.outbound.tags.writing import tags_from

    arguments: dict[str, Any] = {
        "path": os.path.realpath(file),
        "release": base64.b64encode(release_file.read_bytes()).decode("ascii"),
        "action": "lower" if lower_to else "untag",
    }
    if lower_to and not technology:
        raise HaechiError("tag.lower-needs", path=str(file))
    if lower_to:
        arguments |= {"technology": technology, "grade": lower_to, "funding": funding}
    with file.open("rb") as opened:
        result = call("tags.release", arguments, timeout=ATTENTION, files=[opened.fileno()])
    AttributeTags(catalogue_in_force()).write(str(file), tags_from(result["after"]))
    answer(result, as_json, lambda console: show_released(console, result))


def _is_gone(path: str) -> bool:
    """Whether nothing is there; not so where the person may only not look."""
    try:
        os.stat(path)  # noqa: PTH116 - a name, not a file that is worked with
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _files(path: Path) -> list[Path]:
    """The file, or each file of the folder."""
    return [path] if path.is_file() else [name for name in path.rglob("*") if name.is_file() and not name.is_symlink()]
