"""Builds the one native part, the anchor search, and places the policies; all else is declared in pyproject.toml."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from setuptools import Extension, setup

POLICIES = Path("policies")
ANCHORS = Path("agent/haechi/payload/anchors")


def policies() -> list[tuple[str, list[str]]]:
    """Rules, catalogue and schemas for ``<prefix>/share/haechi/policies``; what tests them stays in the source tree."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(POLICIES.rglob("*")):
        if path.is_file() and not path.name.endswith("_test.rego") and path.parts[1] != "cases":
            found[f"share/haechi/{path.parent}"].append(str(path))
    return list(found.items())


setup(
    ext_modules=[
        Extension(
            "haechi.payload.anchors._anchors",
            sorted(str(path) for path in ANCHORS.glob("*.c")),
            depends=sorted(str(path) for path in ANCHORS.glob("*.[ch]")),
            extra_compile_args=["-O3", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wno-unused-parameter"],
            py_limited_api=True,
        )
    ],
    data_files=policies(),
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
