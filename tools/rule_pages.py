"""Write the pages about the rules: an overview, one a rule, and what stands for each requirement; in two languages.

From the rules' METADATA and words, ``policies/clauses.yaml`` and the cases. What stands before the overview's table is
``rule_pages.<language>.txt``. ``python tools/rule_pages.py`` writes them; ``--check`` exits with 1 where a page is
stale, is missing, or belongs to no rule. A test calls the latter.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haechi.domain.policy import RuleInfo
from haechi.outbound.engine.clauses import Clause, Coverage, How, coverage
from haechi.outbound.engine.folder import PolicyFolder, read
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LANGUAGES = ("en", "ko")
WORDS: Mapping[str, Any] = YAML(typ="safe", pure=True).load(Path(__file__).with_name("rule_pages.yaml"))
KOREAN: Mapping[str, Mapping[str, str]] = YAML(typ="safe", pure=True).load(
    Path(__file__).with_name("rule_pages.ko.yaml")
)
"""What METADATA says in English, by rule; a test asks for every rule, and for no other."""


def name(page: str, lang: str) -> str:
    """A page's file in a language."""
    return f"{page}.md" if lang == "en" else f"{page}.{lang}.md"


def say(code: str, lang: str, **params: object) -> str:
    """One of the pages' own words."""
    text: str = WORDS[code][lang]
    return text.format(**params) if params else text


def overview(policies: PolicyFolder, lang: str) -> str:
    """All rules in one table."""
    intro = Path(__file__).with_name(f"rule_pages.{lang}.txt").read_text(encoding="utf-8")
    columns = WORDS["columns"][lang]
    lines = [intro, "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for rule_id, info in sorted(policies.rules.items()):
        asked = ", ".join((info.requirement, *info.also))
        link = f"[`{rule_id}`](rules/{name(rule_id, lang)})"
        lines.append(f"| {link} | {asked} | {info.basis} | {info.certainty} | {info.severity} | {info.title[lang]} |")
    return "\n".join(lines) + "\n"


def rule_page(policies: PolicyFolder, said: Coverage, examples: Mapping[str, Case], rule_id: str, lang: str) -> str:
    """What a rule asks, why, what to do, where it comes from, and an input on which it speaks."""
    info, words = policies.rules[rule_id], policies.words[rule_id]
    lines = [f"# {rule_id}: {info.title[lang]}", "", say("generated", lang), "", words["why"][lang], ""]
    lines += [f"- {say('message', lang)}: {words['message'][lang]}"]
    lines += [f"- {say('remedy', lang)}: {words['remedy'][lang]}"]
    reasons = words.get("reasons", {})
    if reasons:
        lines += [f"- {say('reasons', lang)}:"]
        lines += [f"  - `{code}`: {text[lang]}" for code, text in reasons.items()]
    lines += ["", f"## {say('where', lang)}", "", *_origin(info, said, lang)]
    lines += ["", f"## {say('severity', lang)}", "", say(f"severity-{info.severity}", lang, rule=rule_id)]
    lines += ["", f"## {say('example', lang)}", "", *_example(examples.get(rule_id), rule_id, lang)]
    folder = f"../../policies/rules/{rule_id}"
    lines += ["", f"[rule.rego]({folder}/rule.rego) · [rule_test.rego]({folder}/rule_test.rego)"]
    lines += ["", f"[{say('back', lang)}](../{name('policies', lang)})"]
    return "\n".join(lines) + "\n"


def _origin(info: RuleInfo, said: Coverage, lang: str) -> list[str]:
    lines = []
    for requirement in (info.requirement, *info.also):
        clause = said.clauses.get(requirement)
        if clause is None:
            lines.append(f"- {say('no-document', lang)}")
            continue
        note = f" ({clause.note.of(lang)})" if clause.note else ""
        link = f"[{requirement}](../{name('coverage', lang)}#{requirement.lower()})"
        lines.append(f"- {link} {clause.title.of(lang)}: {clause.source.of(lang)}, {clause.certainty}{note}")
    basis, certainty = say(f"basis-{info.basis}", lang), say(f"certainty-{info.certainty}", lang)
    lines += [f"- {say('basis', lang)}: {basis}; {certainty}"]
    lines += [
        f"- {say('source', lang)}: {KOREAN[info.id]['source'] if lang == 'ko' else info.source}",
        f"- {say('detail', lang)}: {KOREAN[info.id]['detail'] if lang == 'ko' else ' '.join(info.description.split())}",
    ]
    return lines


Case = Mapping[str, Any]


def examples_of(folder: Path) -> Mapping[str, Case]:
    """For each rule the case in which it speaks with the fewest others: ``{name, changes, rules}``."""
    reader = YAML(typ="safe", pure=True)
    fragments = reader.load((folder / "cases" / "fragments.yaml").read_text(encoding="utf-8"))
    best: dict[str, Case] = {}
    for case in reader.load((folder / "cases" / "cases.yaml").read_text(encoding="utf-8")):
        changes: dict[str, Any] = {}
        for fragment in case.get("with", ()):
            changes.update(fragments[fragment])
        changes.update(case.get("set", {}))
        entry = {"name": case["name"], "changes": changes, "rules": case["rules"]}
        for rule_id in case["rules"]:
            known = best.get(rule_id)
            if known is None or (len(case["rules"]), len(changes)) < (len(known["rules"]), len(known["changes"])):
                best[rule_id] = entry
    return best


def _example(case: Case | None, rule_id: str, lang: str) -> list[str]:
    if case is None:
        return [say("no-example", lang)]
    lines = [say("example-told", lang, case=case["name"]), "", "| | |", "|---|---|"]
    for path, value in case["changes"].items():
        told = json.dumps(value, ensure_ascii=False)
        lines.append(f"| `{path}` | `{told}` |")
    others = [f"`{other}`" for other in case["rules"] if other != rule_id]
    if others:
        lines += ["", say("others", lang, rules=", ".join(others))]
    return lines


def coverage_page(policies: PolicyFolder, said: Coverage, lang: str) -> str:
    """Every requirement in one table, and each with its parts."""
    columns = WORDS["coverage-columns"][lang]
    lines = [f"# {say('coverage', lang)}", "", say("generated-clauses", lang), "", say("coverage-told", lang), ""]
    counted = {str(how): count for how, count in said.counted().items()}
    lines += [say("counted", lang, requirements=len(said.clauses), **counted), ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for requirement, clause in said.clauses.items():
        hows = ", ".join(say(how, lang) for how in clause.hows)
        rules = ", ".join(_link(rule, lang) for part in clause.parts for rule in part.rules) or "–"
        whose = say(f"whose-{clause.whose}", lang)
        link = f"[{requirement}](#{requirement.lower()})"
        lines.append(f"| {link} | {clause.title.of(lang)} | {clause.certainty} | {hows} | {rules} | {whose} |")
    for requirement, clause in said.clauses.items():
        lines += ["", f"## {requirement}", "", *_clause(policies, clause, lang)]
    return "\n".join(lines) + "\n"


def _clause(policies: PolicyFolder, clause: Clause, lang: str) -> list[str]:
    note = f" ({clause.note.of(lang)})" if clause.note else ""
    lines = [f"**{clause.title.of(lang)}**. {clause.source.of(lang)}, {clause.certainty}{note}.", ""]
    for part in clause.parts:
        lines.append(f"- {say(part.how, lang)}: {part.what.of(lang)}.")
        lines += [f"  - {_link(rule, lang)} ({policies.rules[rule].severity})" for rule in part.rules]
        if part.how is How.ATTESTED:
            lines.append(f"  - {say('subjects', lang)}: {', '.join(f'`{subject}`' for subject in part.subjects)}")
        if part.why:
            lines.append(f"  - {part.why.of(lang)}")
    return lines


def _link(rule_id: str, lang: str) -> str:
    return f"[`{rule_id}`](rules/{name(rule_id, lang)})"


def pages(folder: Path) -> Mapping[Path, str]:
    """Every page by its file."""
    policies = read(folder)
    said, examples = coverage(policies), examples_of(folder)
    made: dict[Path, str] = {}
    for lang in LANGUAGES:
        made[DOCS / name("policies", lang)] = overview(policies, lang)
        made[DOCS / name("coverage", lang)] = coverage_page(policies, said, lang)
        for rule_id in policies.rules:
            made[DOCS / "rules" / name(rule_id, lang)] = rule_page(policies, said, examples, rule_id, lang)
    return made


def main(arguments: list[str]) -> int:
    """Write or check all pages."""
    made = pages(ROOT / "policies")
    left = set((DOCS / "rules").glob("*.md")) - set(made)
    if "--check" not in arguments:
        (DOCS / "rules").mkdir(exist_ok=True)
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        for path in left:
            path.unlink()
        return 0
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in sorted({*stale, *left}):
        sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run python tools/rule_pages.py\n")
    return 1 if stale or left else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
