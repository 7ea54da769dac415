"""What the judge answers, with everything behind it real."""

from __future__ import annotations

from haechi.domain.facts import Unknown

from tests.unit.judging.conftest import Case, noise

PLAIN = noise(1, 200_000)
SEALED = noise(2, 200_000)


async def test_untagged_content_passes_anywhere(case: Case) -> None:
    case.tag("recipe", PLAIN)
    assert await case.allowed("PUT", "/abroad/holiday.jpg", noise(3, 100_000))


async def test_tagged_content_is_refused_and_the_record_says_why(case: Case) -> None:
    case.tag("recipe", PLAIN)
    assert not await case.allowed("PUT", "/ours-seoul/recipe", PLAIN)
    (record,) = case.records()
    assert "r13_layer1" in {finding["rule"] for finding in record["decision"]["findings"]}
    assert record["content"]["state"] == "matched"


async def test_sealed_content_goes_to_seoul_and_not_abroad(case: Case) -> None:
    case.tag("recipe", PLAIN)
    case.seal(SEALED)
    assert await case.allowed("PUT", "/ours-seoul/recipe.age", SEALED)
    assert not await case.allowed("PUT", "/abroad/recipe.age", SEALED)


async def test_an_excerpt_of_a_guaranteed_run_is_found_wherever_pieces_are_cut(case: Case) -> None:
    case.tag("recipe", PLAIN)
    body = noise(4, 8191) + PLAIN[50_001 : 50_001 + 8196] + noise(5, 9000)
    for pieces in (1000, 8192, 1 << 20):
        assert not await case.allowed("PUT", "/ours-seoul/x", body, pieces=pieces)


async def test_ciphertext_with_anything_added_is_not_sealed(case: Case) -> None:
    case.tag("recipe", PLAIN)
    case.seal(SEALED)
    assert not await case.allowed("PUT", "/ours-seoul/x", SEALED + PLAIN[:5000])
    assert not await case.allowed("PUT", "/ours-seoul/x", SEALED[:100_000])
    assert not await case.allowed("PUT", "/ours-seoul/x", SEALED[:-1] + b"x")


async def test_facts_that_change_during_the_body_decide(case: Case) -> None:
    case.tag("recipe", PLAIN)
    case.seal(SEALED)
    assert await case.allowed("PUT", "/ours-seoul/a", SEALED)
    case.destinations.change("ours-seoul", country="JP")
    assert not await case.allowed("PUT", "/ours-seoul/a", SEALED)
    case.destinations.change("ours-seoul", country=Unknown("denied"))
    assert not await case.allowed("PUT", "/ours-seoul/a", SEALED)


async def test_a_verdict_on_clean_content_never_serves_another_question(case: Case) -> None:
    case.tag("recipe", PLAIN)
    for target in ("/ours-seoul/a", "/abroad/a", "/unreadable/a"):
        assert await case.allowed("PUT", target, noise(6, 20_000))
        assert not await case.allowed("PUT", target, PLAIN)


async def test_exposing_our_place_is_refused_also_in_a_document(case: Case) -> None:
    document = b'{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}'
    assert not await case.allowed("PUT", "/ours-seoul?policy", document)
    assert not await case.allowed("PUT", "/ours-seoul?acl", b"", ("x-amz-acl", "public-read"))


async def test_the_ledger_follows_copies(case: Case) -> None:
    case.tag("recipe", PLAIN)
    case.seal(SEALED)
    assert await case.allowed("PUT", "/ours-seoul/a", SEALED)
    assert not await case.allowed("PUT", "/abroad/a", b"", ("x-amz-copy-source", "ours-seoul/a"))
    assert await case.allowed("PUT", "/ours-seoul/b", b"", ("x-amz-copy-source", "/ours-seoul/%61?versionId=3"))
    assert not await case.allowed("PUT", "/abroad/b", b"", ("x-amz-copy-source", "ours-seoul/b"))
    assert not await case.allowed("PUT", "/abroad/c", b"", ("x-amz-copy-source", "ours-seoul/never-seen"))


async def test_multipart_is_judged_on_the_union(case: Case) -> None:
    case.tag("recipe", PLAIN)
    cut = [PLAIN[at : at + 4000] for at in range(0, 48_000, 4000)]
    order = [3, 1, 2, *range(4, 13)]
    verdicts = [await case.allowed("PUT", f"/ours-seoul/m?partNumber={n}&uploadId=u", cut[n - 1]) for n in order]
    assert verdicts[0] and not all(verdicts)
