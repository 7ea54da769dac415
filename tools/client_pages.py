"""Write docs/clients.md and docs/clients.ko.md: what was seen of every client of the matrix.

``python -m tools.client_pages FOLDER`` takes what a run left in a folder (``HAECHI_CLIENTS``) into the record, drops
clients that the matrix has no more, and writes both pages; without a folder it writes them from the record alone, and
with ``--check`` it exits with 1 where a page is stale. ``make clients`` does the first, a test the last. A client that
no run has seen yet has its row, which says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.e2e.matrix.listing import asked, clients
from tests.e2e.matrix.outcomes import Outcome, record, recorded, reported

ROOT = Path(__file__).resolve().parents[1]
WORDS: Mapping[str, Any] = YAML(typ="safe", pure=True).load(Path(__file__).with_suffix(".yaml"))
LANGUAGES = ("en", "ko")


def page(outcomes: Sequence[Outcome], lang: str) -> str:
    """One page."""
    lines = [f"# {WORDS['title'][lang]}", "", f"*{WORDS['other'][lang]}*", "", WORDS["generated"][lang], ""]
    lines += [WORDS["told"][lang].format(count=sum(bool(one.version) for one in outcomes)).strip(), ""]
    for cloud in _clouds(outcomes):
        lines += _table(cloud, [one for one in outcomes if one.cloud == cloud], lang)
    lines += [f"## {WORDS['legend'][lang]}", "", *_legend(outcomes, lang), ""]
    lines += [f"## {WORDS['contract'][lang]}", "", WORDS["contract-told"][lang], ""]
    lines += [f"- {one[lang]}." for one in WORDS["unrun"]]
    return "\n".join([*lines, "", WORDS["more"][lang]]) + "\n"


def _clouds(outcomes: Sequence[Outcome]) -> list[str]:
    there = {one.cloud for one in outcomes}
    known = [cloud for cloud in WORDS["clouds"] if cloud in there]
    return [*known, *sorted(there - set(known))]


def _table(cloud: str, outcomes: Sequence[Outcome], lang: str) -> Iterator[str]:
    about = WORDS["clouds"].get(cloud, {})
    title, usual = about.get(lang, cloud), {about["store"]} if "store" in about else set()
    stores = sorted({store for one in outcomes for store in one.stores} or usual)
    yield from (f"## {title}", "")
    if stores:
        named = "; ".join(WORDS["stores"].get(store, {}).get(lang, store) for store in stores)
        yield from (WORDS["behind"][lang].format(stores=named), "")
    columns = WORDS["columns"][lang]
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for one in outcomes:
        yield "| " + " | ".join(_cells(one, lang)) + " |"
    yield ""


def _cells(one: Outcome, lang: str) -> tuple[str, ...]:
    count = str(one.requests) if one.requests == 1 else WORDS["upto"][lang].format(count=one.requests)
    short = (WORDS[column][code]["short"][lang] for column, code in _codes(one))
    words, sealed, left = short
    version = one.version or WORDS["never"][lang]
    return one.client, version, way(one.way, lang), words, count, sealed, left


def _codes(one: Outcome) -> tuple[tuple[str, str], ...]:
    return ("words", one.words), ("sealed", one.sealed), ("left", one.left)


def way(name: str, lang: str) -> str:
    """A way to upload, in a language."""
    return name if lang == "en" else str(WORDS["ways"].get(name, name))


def _legend(outcomes: Sequence[Outcome], lang: str) -> Iterator[str]:
    """What the short words stand for, of those that the tables use."""
    titles = dict(zip(("words", "requests", "sealed", "left"), WORDS["columns"][lang][3:], strict=True))
    used = {code for one in outcomes for code in _codes(one)}
    for column, title in titles.items():
        if column == "requests":
            yield f"- **{title}**: {WORDS[column][lang]}."
            continue
        yield f"- **{title}**"
        for code, words in WORDS[column].items():
            if (column, code) in used:
                yield f"  - *{words['short'][lang]}*: {words['long'][lang]}."


def pages(outcomes: Sequence[Outcome]) -> Mapping[Path, str]:
    """Both, by their files."""
    names = {"en": "clients.md", "ko": "clients.ko.md"}
    return {ROOT / "docs" / names[lang]: page(outcomes, lang) for lang in LANGUAGES}


def main(arguments: Sequence[str]) -> int:
    """Write or check both pages."""
    outcomes = recorded()
    if "--check" in arguments:
        stale = [path for path, text in pages(outcomes).items() if not path.is_file() or path.read_text() != text]
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run python -m tools.client_pages\n")
        return 1 if stale else 0
    there = {one.row: one for one in map(asked, clients())}
    seen = {one.row: one for one in outcomes} | {one.row: one for folder in arguments for one in reported(Path(folder))}
    outcomes = [seen.get(row) or there[row] for row in sorted(there)]
    record(outcomes)
    for path, text in pages(outcomes).items():
        path.write_text(text, encoding="utf-8")
    for one in outcomes:
        if not one.version:
            sys.stderr.write(f"{' · '.join(one.row)} was never run: the page says so\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
