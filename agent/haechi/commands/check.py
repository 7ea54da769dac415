"""``haechi check FILE s3://bucket/key``: what would be decided, before anyone uploads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi.commands._files import opened
from haechi.commands._findings import print_causes, print_findings
from haechi.commands._frame import Exit, answer, json_option
from haechi.commands.explain import describe_content
from haechi.words import language, say

if TYPE_CHECKING:
    from rich.console import Console

SILENCE = 600.0
"""Seconds: a large file is inspected, and its destination is read live."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("url", metavar="s3://BUCKET/KEY")
@click.option("--endpoint-url", default="", help="An S3-compatible store instead of AWS, as the AWS CLI takes it.")
@json_option
def check(file: Path, url: str, endpoint_url: str, as_json: bool) -> int:
    """Ask whether FILE may be uploaded to s3://BUCKET/KEY now, and why not.

    Exit code 0: it would be allowed; 1: it would be refused (or, in monitor mode, would be a violation); 4: nobody
    would judge it, because the store's host is out of scope: it would pass unseen.
    """
    from haechi.inbound.control import client

    with opened(file) as source:
        result = client.call(
            "judge.check",
            {"path": str(file.absolute()), "url": url, "endpoint": endpoint_url, "lang": language()},
            timeout=SILENCE,
            files=(source,),
        )

    def render(console: Console) -> None:
        console.print(say(f"check.{result['effect']}", file=file, url=url), style="bold", soft_wrap=True)
        console.print(say("check.carries", content=describe_content(result["content"])), soft_wrap=True)
        print_findings(console, result["findings"])
        print_causes(console, result["causes"])
        if not result.get("index_ready", True):
            console.print(say("check.index-not-ready"))

    answer(result, as_json, render)
    return Exit.OK if result["effect"] == "allow" else Exit.NEGATIVE
