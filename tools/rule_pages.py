"""Write ``docs/policies.md`` and ``docs/policies.ko.md`` from the rules' METADATA and words.

``python tools/rule_pages.py`` writes them; ``--check`` exits with 1 where they are stale. A test calls the latter.
"""

from __future__ import annotations

import sys
from pathlib import Path

from haechi.outbound.engine.folder import PolicyFolder, read

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"en": ROOT / "docs" / "policies.md", "ko": ROOT / "docs" / "policies.ko.md"}

INTRO = {
    "en": """# The rules

This page is written by `tools/rule_pages.py` from the rules themselves (`policies/rules/*`); change those, not
this.

Each rule speaks unless the good case is proven: an unknown fact, a missing one or one of the wrong kind is
never good.
**Basis** says how certain the source is: *statute* (law or decree), *guidance* (the guidebook of April 2025,
over which law
prevails), *inference* (our own reading, or the project's own caution). The numbers R01–R32 name the project's
list of
requirements; `haechi` means that no document asks for it. **Certainty**: Q legal text seen, S secondary source,
I inferred.
None of this is legal advice, and the primary text of the guidebook was not at hand.

Severity `block` refuses (in monitor mode: records that it would have), `log` records. What an institution may
choose
(modes, severities, which keys and credentials count) stands in `policies/data.yaml`, each with whose choice it is.
Content without a match in the index counts as untagged, and no rule blocks it for where it goes; only changes
of exposure,
unrecognised operations and contradicting names are judged whatever the content.
""",
    "ko": """# 규칙

이 문서는 `tools/rule_pages.py`가 규칙(`policies/rules/*`)에서 생성합니다. 문서가 아니라 규칙을 고치십시오.

모든 규칙은 안전하다는 것이 확인되지 않으면 위반으로 판정합니다. 알 수 없거나 빠졌거나 형식이 다른 사실은 결코
좋은 쪽으로 보지 않습니다.
**근거**는 출처가 얼마나 확실한지를 나타냅니다. *statute*는 법령, *guidance*는 2025년 4월 안내서(법령이 우선),
*inference*는 이 도구의 해석이나
원칙입니다. R01–R32는 이 프로젝트의 요건 목록 번호이며, `haechi`는 어떤 문서의 요건도 아니라는 뜻입니다.
**확실성**은 Q(법령 원문 확인),
S(2차 자료), I(추론)입니다. 이 문서는 법률 자문이 아니며, 안내서 원문은 확인하지 못했습니다.

`block`은 업로드를 거부하고(모니터 모드에서는 거부했을 것이라고 기록), `log`는 기록만 합니다. 기관이 정할 수
있는 사항(모드, 수준, 인정하는 키와
자격 증명)은 `policies/data.yaml`에 누구의 선택인지와 함께 적혀 있습니다. 색인과 일치하지 않는 내용은 태그가
없는 것으로 보며, 어디로 가든
차단하지 않습니다. 다만 공개 설정 변경, 알 수 없는 작업, 서로 다른 목적지 이름은 내용과 관계없이 판정합니다.
""",
}
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
