"""Write ``docs/policies.md`` and ``docs/policies.ko.md`` from the rules' METADATA and words.

What stands before the rules is ``rule_pages.<language>.txt``.

``python tools/rule_pages.py`` writes them; ``--check`` exits with 1 where they are stale. A test calls the latter.
"""

from __future__ import annotations

import sys
from pathlib import Path

from haechi.outbound.engine.folder import PolicyFolder, read

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"en": ROOT / "docs" / "policies.md", "ko": ROOT / "docs" / "policies.ko.md"}

INTRO = {lang: Path(__file__).with_name(f"rule_pages.{lang}.txt").read_text(encoding="utf-8") for lang in PAGES}
COLUMNS = {
    "en": ("Rule", "Requirement", "Basis", "Certainty", "Severity", "What it asks"),
    "ko": ("규칙", "요건", "근거", "확실성", "수준", "내용"),
}
LABELS = {
    "en": {"why": "Why", "message": "It says", "remedy": "Remedy", "source": "Source", "detail": "Precisely"},
    "ko": {"why": "이유", "message": "메시지", "remedy": "조치", "source": "출처(영문)", "detail": "상세(영문)"},
}


def page(policies: PolicyFolder, lang: str) -> str:
    """One page in one language."""
    lines = [INTRO[lang], "| " + " | ".join(COLUMNS[lang]) + " |", "|" + "---|" * len(COLUMNS[lang])]
    for rule_id in sorted(policies.rules):
        info = policies.rules[rule_id]
        asked = ", ".join((info.requirement, *info.also))
        title = info.title[lang]
        lines.append(
            f"| [`{rule_id}`](#{rule_id}) | {asked} | {info.basis} | {info.certainty} | {info.severity} | {title} |"
        )
    for rule_id in sorted(policies.rules):
        info, words, label = policies.rules[rule_id], policies.words[rule_id], LABELS[lang]
        lines += [
            "",
            f"## {rule_id}",
            "",
            f"**{info.title[lang]}**. {words['why'][lang]}",
            "",
            f"- {label['message']}: {words['message'][lang]}",
            f"- {label['remedy']}: {words['remedy'][lang]}",
            f"- {label['detail']}: {' '.join(info.description.split())}",
            f"- {label['source']}: {info.source}",
        ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check both pages."""
    policies = read(ROOT / "policies")
    stale = [path for lang, path in PAGES.items() if not path.is_file() or path.read_text() != page(policies, lang)]
    if "--check" not in arguments:
        for lang, path in PAGES.items():
            path.write_text(page(policies, lang))
        return 0
    for path in stale:
        sys.stderr.write(f"{path.name} is stale: run python tools/rule_pages.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
