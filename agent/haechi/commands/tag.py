"""``haechi tag``, ``tags``, ``untag``: mark files as national core technology, list them, release them.

The attribute is written here, as the file's owner; the running agent then reads the file into its index, so that
uploads of the
content are refused from that moment.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._catalogue import catalogue_in_force
from haechi.commands._frame import answer, json_option, printable, progress
from haechi.domain.errors import HaechiError
from haechi.words import catalogue, language, say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.domain.tags import Tag

UNREADABLE_SHOWN = 50
"""Lines about unreadable files that a person reads; ``--json`` has all."""
_ATTENTION = 600
"""Seconds without a word from the agent while it reads large files."""


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
    and only
    tighten; lowering one needs a signed release (`haechi untag --help`).
    """
    from haechi.app.tagging import checked_tag
    from haechi.outbound.tags import AttributeTags

    catalogue = catalogue_in_force()
    wanted = checked_tag(catalogue, technology, grade, funding, owner, dt.datetime.now(dt.UTC))
    attribute = AttributeTags(catalogue)
    names = [name for path in files for name in _files(path)]
    notes = _mark(attribute, names, wanted)
    arguments = {
        "technology": wanted.technology,
        "grade": wanted.grade.value,
        "funding": wanted.funding.value,
        "owner": owner,
    }
    try:
        with progress(say("tag.progress", count=len(names)), shown=not as_json) as advance:
            result = _told_or_kept(names, arguments, wanted, advance)
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
    answer(result, as_json, lambda console: _show_tagged(console, result, len(files)))


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
        said = call("tags.list", asked, timeout=_ATTENTION)
        found += said[listed]
        problems += said.get("problems", [])
        more = bool(said["more"] and said[listed])
    if not found and not unreadable and _is_gone(below):
        raise HaechiError("tag.no-folder", path=str(folder))
    result: dict[str, Any] = {listed: found, "count": len(found), "problems": problems}
    answer(
        result,
        as_json,
        lambda console: _show_unreadable(console, result) if unreadable else _show_listed(console, result),
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
        result = call("tags.release", arguments, timeout=_ATTENTION, files=[opened.fileno()])
    AttributeTags(catalogue_in_force()).write(str(file), tags_from(result["after"]))
    answer(result, as_json, lambda console: _show_released(console, result))


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


def _told(
    names: Sequence[Path], arguments: Mapping[str, Any], advance: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Hand the files to the agent, open, some at a time: what a person may not read, that person cannot tag.

    ``advance`` is told the bytes that were read; of how far one file is nothing is known.
    """
    from haechi.inbound.control.client import call
    from haechi.inbound.control.protocol import MAX_FILES

    result: dict[str, Any] = {"files": [], "count": 0, "unreadable": [], "problems": [], "indexed": True}
    sizes = [_size(name) for name in names]
    for at in range(0, len(names), MAX_FILES):
        some = names[at : at + MAX_FILES]
        if at:
            advance({"done": sum(sizes[:at]), "total": sum(sizes), "unit": "bytes"})
        with contextlib.ExitStack() as stack:
            opened: dict[str, int] = {}
            for name in some:
                real = os.path.realpath(name)
                try:
                    opened[real] = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                except OSError as error:
                    result["unreadable"].append({"path": real, "cause": error.strerror or "", "tags": []})
                else:
                    stack.callback(os.close, opened[real])
            if not opened:
                continue
            asked = {**arguments, "paths": list(opened)}
            said = call("tags.index", asked, timeout=_ATTENTION, files=list(opened.values()))
        for part in ("files", "count", "unreadable", "problems"):
            result[part] += said[part]
    return result


def _told_or_kept(
    names: Sequence[Path], arguments: Mapping[str, Any], wanted: Tag, advance: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Hand the files to the agent; where none runs, keep their names for the next one, and say so by raising
    ``control.not-running``.

    Raises ``HaechiError('tag.not-kept')`` where they cannot be kept and no scan would lead to one of them.
    """
    from haechi.outbound.index.excluding import excluding
    from haechi.outbound.index.pending import PendingNames
    from haechi.settings import load

    try:
        return _told(names, arguments, advance)
    except HaechiError as error:
        if error.code != "control.not-running":
            raise
    settings, real = load(), [os.path.realpath(name) for name in names]
    try:
        settings.paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        PendingNames(settings.paths.pending).add(real, wanted)
    except OSError as error:
        excluded, roots = excluding(settings.watch.exclude), [os.path.realpath(root) for root in settings.watch_roots]
        for name in real:
            inside = any(name.startswith(root.rstrip("/") + "/") for root in roots)
            if not inside or any(excluded(str(above)) for above in Path(name).parents):
                raise HaechiError("tag.not-kept", path=name, reason=error.strerror or "") from error
    return _told(names, arguments, advance)  # one that started meanwhile may have looked before the names were kept


def _size(name: Path) -> int:
    try:
        return name.stat().st_size
    except OSError:  # it is told when it cannot be opened
        return 0


def _mark(attribute: Any, names: Sequence[Path], wanted: Tag) -> list[dict[str, Any]]:
    """Write the tag on each file; what could not be written is said, not fatal: the agent remembers."""
    from haechi.domain.tags import merge_tags

    notes: list[dict[str, Any]] = []
    for name in names:
        try:
            attribute.write(str(name), merge_tags([wanted, *attribute.read(str(name)).tags]))
        except HaechiError as error:
            notes.append({"code": error.code, "params": error.params})
        except OSError:
            notes.append({"code": "tag.not-permitted", "params": {"path": str(name)}})
    return notes


def _words(entries: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{entry['technology']} · {entry['grade']} · {_word('funding', entry)}" for entry in entries)


def _word(name: str, entry: Mapping[str, Any]) -> str:
    """A tag's value as people say it."""
    code = f"tag.{name}-{entry[name]}"
    return say(code) if code in catalogue() else str(entry[name])


def _show_tagged(console: Console, result: Mapping[str, Any], given: int) -> None:
    for problem in result["problems"]:
        console.print(say(problem["code"], **problem["params"]), style="yellow", markup=False)
    _show_unreadable(console, result)
    if result["indexed"]:
        empty = sum(not file["size"] for file in result["files"])
        if empty:
            console.print(say("tag.done-empty", count=empty), markup=False)
        if result["count"] > empty or not empty:
            console.print(say("tag.done", count=result["count"] - empty), markup=False)
        _show_files(console, result["files"])
    else:
        console.print(say("tag.done-without-agent", count=given), style="yellow", markup=False)


def _show_listed(console: Console, result: Mapping[str, Any]) -> None:
    for problem in result["problems"]:
        console.print(say(problem["code"], **problem["params"]), style="yellow", markup=False)
    _show_files(console, result["files"])


def _show_files(console: Console, files: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not files:
        console.print(say("tag.none"))
        return
    table = Table(
        say("tag.column-file"),
        say("tag.column-tags"),
        say("tag.column-owner"),
        say("tag.column-origin"),
        say("tag.column-bytes"),
    )
    for file in files:
        owners = ", ".join(sorted({entry["owner"] for entry in file["tags"] if entry["owner"]}))
        origins = ", ".join(sorted({_word("origin", entry) for entry in file["tags"]}))
        table.add_row(
            Text(printable(file["path"]), overflow="fold"), _words(file["tags"]), owners, origins, f"{file['size']:,}"
        )
    console.print(table)


def _show_unreadable(console: Console, result: Mapping[str, Any]) -> None:
    for file in result["unreadable"][:UNREADABLE_SHOWN]:
        console.print(say("tag.unreadable", path=file["path"], cause=file["cause"]), style="yellow", markup=False)
    if len(result["unreadable"]) > UNREADABLE_SHOWN:
        console.print(say("tag.more-unreadable", count=f"{len(result['unreadable']) - UNREADABLE_SHOWN:,}"))
    if not result["unreadable"] and "files" not in result:
        console.print(say("tag.all-readable"))


def _show_released(console: Console, result: Mapping[str, Any]) -> None:
    said = {"path": result["path"], "before": _words(result["before"]), "number": result["release"]["number"]}
    code = "tag.lowered" if result["after"] else "tag.untagged"
    console.print(say(code, after=_words(result["after"]), **said), markup=False)
