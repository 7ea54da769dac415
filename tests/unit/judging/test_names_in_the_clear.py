"""Sensitive words outside layer 1: sealed content is refused for its name, and the word is told."""

from __future__ import annotations

import dataclasses

from haechi.app.assessing import Assessor, Circumstances
from haechi.domain.disclosure import Said, Where
from haechi.outbound.clock import SystemClock

from bench.decisions import Protecting, Stranger, Verified
from tests.policy.base import ACTION, ACTOR
from tests.unit.judging.conftest import Case, noise

SEALED = noise(2, 200_000)


async def test_sealed_content_is_refused_for_a_sensitive_word_in_its_name(case: Case) -> None:
    case.tag("recipe", noise(1, 200_000))
    case.seal(SEALED)
    assert await case.allowed("PUT", "/ours-seoul/0417.age", SEALED)
    assert not await case.allowed("PUT", "/ours-seoul/SEM-01-secret-plan.age", SEALED)
    last = case.records()[-1]
    assert [(f["rule"], f["params"]) for f in last["decision"]["findings"]] == [
        ("r31_names", {"role": "key", "word": "SEM-01"})
    ]


async def test_metadata_counts_as_the_name_does(case: Case) -> None:
    case.tag("recipe", noise(1, 200_000))
    case.seal(SEALED)
    assert await case.allowed("PUT", "/ours-seoul/1", SEALED, ("x-amz-meta-project", "harmless"))
    assert not await case.allowed("PUT", "/ours-seoul/2", SEALED, ("x-amz-meta-project", "%EB%8C%80%EC%99%B8%EB%B9%84"))


async def test_other_content_may_be_called_anything(case: Case) -> None:
    case.tag("recipe", noise(1, 200_000))
    assert await case.allowed("PUT", "/ours-seoul/SEM-01.txt", noise(3, 200_000))


async def test_a_verdict_on_one_name_is_not_reused_for_another(case: Case) -> None:
    """What nobody saw is judged once for all such bodies; the words found in its name belong to the question."""
    place = Stranger()
    engine = case.judge.assessor.engine
    assessor = Assessor(engine, place, place, Verified(), Protecting(), SystemClock(), None)  # type: ignore[arg-type]

    async def rules(text: str) -> tuple[bool, set[str]]:
        action = dataclasses.replace(ACTION, said=(Said(Where.KEY, text),))
        made = await assessor.assess(Circumstances(action, ACTOR, "https", "s3.example"), assessor.worst_case())
        assert text not in str(made.facts)
        return made.cached, {finding.rule for finding in made.decision.findings}

    cached, plain = await rules("one-name")
    assert not cached
    assert "r31_names" not in plain
    assert await rules("another-name") == (True, plain)
    assert await rules("dsp-01 of ours") == (False, plain | {"r31_names"})


BEGIN, PART, JOIN = "/ours-seoul/m?uploads", "/ours-seoul/m?partNumber=1&uploadId=u1", "/ours-seoul/m?uploadId=u1"
DONE = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"


async def test_what_the_beginning_of_a_multipart_upload_says_counts_for_its_parts(case: Case) -> None:
    case.tag("recipe", noise(1, 200_000))
    case.seal(SEALED)
    assert await case.allowed("POST", BEGIN, b"", ("x-amz-meta-project", "plan of SEM-01 for Lee"))
    assert not await case.allowed("PUT", PART, SEALED)
    assert {f["rule"] for f in case.records()[-1]["decision"]["findings"]} >= {"r31_names"}
    assert "for Lee" not in str(case.records()[-1])


async def test_a_harmless_beginning_says_nothing(case: Case) -> None:
    case.tag("recipe", noise(1, 200_000))
    case.seal(SEALED)
    assert await case.allowed("POST", BEGIN, b"", ("x-amz-meta-project", "harmless"))
    await case.allowed("PUT", PART, SEALED)
    assert "r31_names" not in {f["rule"] for f in case.records()[-1]["decision"]["findings"]}


def tags(value: str) -> bytes:
    tag = f"<Tag><Key>project</Key><Value>{value}</Value></Tag>"
    return f'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>{tag}</TagSet></Tagging>'.encode()


async def test_tags_set_afterwards_count_where_tagged_content_lies(case: Case) -> None:
    case.tag("recipe", noise(1, 200_000))
    case.seal(SEALED)
    assert await case.allowed("PUT", "/ours-seoul/0417.age", SEALED)
    assert await case.allowed("PUT", "/ours-seoul/0417.age?tagging", tags("harmless"))
    assert not await case.allowed("PUT", "/ours-seoul/0417.age?tagging", tags("대외비"))
    last = case.records()[-1]
    assert [(f["rule"], f["params"]) for f in last["decision"]["findings"]] == [
        ("r31_names", {"role": "tag", "word": "대외비"})
    ]


async def test_tags_of_a_place_where_nothing_tagged_lies_are_nobodys_business(case: Case) -> None:
    case.tag("recipe", noise(1, 200_000))
    assert await case.allowed("PUT", "/ours-seoul/holiday.jpg?tagging", tags("SEM-01"))
