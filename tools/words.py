"""Checks the words for people: both languages, the same parameters in both, and words for every error code in the code.

Run by ``make lint`` and by a test. It reads sources, it imports nothing of them but the loader of the words.
"""

from __future__ import annotations

import ast
import pathlib
import string
import sys
from collections.abc import Iterator

from haechi.words import LANGUAGES, catalogue

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = (ROOT / "agent", ROOT / "connectors")
SPEAKERS = {"HaechiError": 0, "say": 0}


def parameters(text: str) -> set[str]:
    """The names that a text's ``{…}`` fields start with."""
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(text) if name}


def spoken(source: pathlib.Path) -> Iterator[tuple[str, int]]:
    """Literal codes that a source file raises or says, with their line."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        position = SPEAKERS.get(name)
        if position is None or len(node.args) <= position:
            continue
        code = node.args[position]
        if isinstance(code, ast.Constant) and isinstance(code.value, str):
            yield code.value, node.lineno


def faults() -> Iterator[str]:
    """Everything that is wrong, one line each."""
    words = catalogue()
    for code, texts in sorted(words.items()):
        for language in LANGUAGES:
            if not str(texts.get(language) or "").strip():
                yield f"{code}: no words in {language}"
        extra = set(texts) - set(LANGUAGES)
        if extra:
            yield f"{code}: unknown languages {sorted(extra)}"
        try:
            named = {language: parameters(texts.get(language) or "") for language in LANGUAGES}
        except ValueError as error:
            yield f"{code}: {error}"
            continue
        if len({frozenset(names) for names in named.values()}) > 1:
            listed = ", ".join(f"{language} {sorted(names)}" for language, names in named.items())
            yield f"{code}: the parameters differ: {listed}"
    for folder in SOURCES:
        for source in sorted(folder.rglob("*.py")):
            for code, line in spoken(source):
                if code not in words:
                    yield f"{source.relative_to(ROOT)}:{line}: no words for {code}"


def main() -> int:
    """Print the faults; 1 where there are any."""
    found = list(faults())
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
