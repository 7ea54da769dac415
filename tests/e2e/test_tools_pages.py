"""What a person reads on the terminal: pages, not dumps. ``--json`` keeps everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.tools_lab import Bench, bench, found

pytestmark = pytest.mark.e2e
KOREAN = {"HAECHI_LANG": "ko"}


@pytest.fixture(scope="module")
def there() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.fixture(scope="module")
def decision(there: Bench) -> str:
    """A refusal with many findings, some of them of the project's own caution."""
    done = there.lab.through(found("aws"), "s3", "cp", there.tagged, f"s3://{there.land.missing}/x")
    assert done.status != 0
    assert "haechi," not in done.err
    assert "Unknown facts" in done.err
    return str(there.lab.decisions()[-1]["id"])


def readable(text: str) -> None:
    for dump in ("{'", '{"', "blake3:", "None", "Traceback", "truststore"):
        assert dump not in text


@pytest.mark.parametrize(("language", "words"), [({}, "everything works"), (KOREAN, "모두 정상")])
def test_status_is_a_page(there: Bench, language: dict[str, str], words: str) -> None:
    done = there.lab.haechi("status", **language)
    assert done.status == 0, done.said
    readable(done.out)
    assert words in done.out
    assert "haechi doctor" in done.out
    assert len(done.out.splitlines()) <= 15
    assert max(map(len, done.out.splitlines())) < 170


@pytest.mark.parametrize(("language", "words"), [({}, "refuses"), (KOREAN, "차단")])
def test_explain_tells_every_rule_once(there: Bench, decision: str, language: dict[str, str], words: str) -> None:
    short = there.lab.haechi("explain", decision, "--no-rules", **language)
    readable(short.out)
    assert words in short.out
    assert "haechi seal" in short.out
    full = there.lab.haechi("explain", decision, **language).out
    assert full.startswith(short.out.rstrip()[:200])
    assert full.count("package haechi.rules.r13_layer1") == 1
    assert full.count("package haechi.rules.unknown_facts") == 1


@pytest.mark.parametrize("language", [{}, KOREAN])
def test_check_says_what_would_come(there: Bench, language: dict[str, str]) -> None:
    url = f"s3://{there.land.tokyo}/x"
    done = there.lab.haechi("check", there.tagged, url, **language)
    assert done.status == 1
    readable(done.out)
    assert done.out.splitlines()[0].endswith(url)
    assert "SEM-01" in done.out
    assert there.lab.haechi("check", there.plain, url, **language).status == 0


@pytest.mark.parametrize(("language", "words"), [({}, "BLOCKED"), (KOREAN, "차단")])
def test_audit_tail_is_one_line_a_record(there: Bench, decision: str, language: dict[str, str], words: str) -> None:
    done = there.lab.haechi("audit", "tail", **language)
    line = next(line for line in done.out.splitlines() if decision in line)
    assert words in line
    assert "+" in line  # the first three rules, and how many more
    assert len(line) < 200


@pytest.mark.parametrize(("language", "words"), [({}, "attribute"), (KOREAN, "파일 속성")])
def test_tags_speak_the_person_s_language(there: Bench, language: dict[str, str], words: str) -> None:
    assert words in there.lab.haechi("tags", **language).out
    nothing = there.lab.haechi("tags", "--unreadable", **language)
    assert nothing.status == 0
    assert nothing.out.strip()
