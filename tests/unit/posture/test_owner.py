"""Whose bucket it is: proof, exclusion, and never a guess."""

from __future__ import annotations

from haechi.domain.facts import Unknown
from haechi_connectors.s3.posture_answers import Answer
from haechi_connectors.s3.posture_owner import NOT_OURS, Evidence, owner
from hypothesis import given, settings
from hypothesis import strategies as st

OURS, SECOND, BUCKET = "111122223333", "444455556666", "bucket"
YES, DENIED, SLOW = Answer(), Answer(cause="access-denied"), Answer(cause="timeout")
LISTED, NOT_LISTED = Answer({"Buckets": [{"Name": BUCKET}]}), Answer({"Buckets": [{"Name": f"{BUCKET}-2"}]})


def test_a_head_that_expects_the_owner_proves_it() -> None:
    evidence = Evidence(BUCKET, YES, {OURS: DENIED, SECOND: YES}, honoured=True, listed=NOT_LISTED, caller=OURS)
    assert owner(evidence) == (SECOND, "HeadBucket ExpectedBucketOwner")


def test_a_store_that_ignores_the_expectation_proves_nothing_by_it() -> None:
    evidence = Evidence(BUCKET, YES, {OURS: YES}, honoured=False, listed=NOT_LISTED, caller=OURS)
    assert owner(evidence)[0] == NOT_OURS


def test_an_expectation_not_known_to_be_heeded_proves_nothing() -> None:
    assert isinstance(owner(Evidence(BUCKET, YES, {OURS: YES}))[0], Unknown)


def test_two_proven_owners_are_none() -> None:
    evidence = Evidence(BUCKET, YES, {OURS: YES, SECOND: YES}, honoured=True)
    assert isinstance(owner(evidence)[0], Unknown)


def test_the_list_of_our_own_buckets_proves_where_heads_are_denied() -> None:
    evidence = Evidence(BUCKET, DENIED, {OURS: DENIED}, listed=LISTED, caller=OURS)
    assert owner(evidence) == (OURS, "ListBuckets")


def test_a_name_that_only_begins_alike_is_not_listed() -> None:
    evidence = Evidence(BUCKET, DENIED, {OURS: DENIED}, listed=NOT_LISTED, caller=OURS)
    assert owner(evidence)[0] == NOT_OURS


def test_a_bucket_that_is_not_there_is_nobody_else_s() -> None:
    missing = Answer(cause="no-such-container")
    evidence = Evidence(BUCKET, missing, {OURS: missing}, honoured=True, listed=NOT_LISTED, caller=OURS)
    assert owner(evidence)[0] == Unknown("no-such-container")


def test_an_incomplete_list_excludes_nothing() -> None:
    partial = Answer({"Buckets": [], "ContinuationToken": "more"})
    evidence = Evidence(BUCKET, DENIED, {OURS: DENIED}, listed=partial, caller=OURS)
    assert owner(evidence)[0] == Unknown("access-denied")


def test_a_second_account_is_excluded_only_by_a_head_that_we_may_make() -> None:
    readable = Evidence(BUCKET, YES, {OURS: DENIED, SECOND: DENIED}, honoured=True, listed=NOT_LISTED, caller=OURS)
    hidden = Evidence(BUCKET, DENIED, {OURS: DENIED, SECOND: DENIED}, honoured=True, listed=NOT_LISTED, caller=OURS)
    assert owner(readable)[0] == NOT_OURS
    assert owner(hidden)[0] == Unknown("access-denied")


def test_a_question_that_timed_out_excludes_nothing() -> None:
    evidence = Evidence(BUCKET, YES, {OURS: SLOW}, honoured=True)
    assert owner(evidence)[0] == Unknown("timeout")


def test_without_registered_accounts_nothing_can_be_ours() -> None:
    assert owner(Evidence(BUCKET, YES, {}, honoured=True))[0] == Unknown("no-registered-account")


def test_a_compatible_stores_acl_names_the_owner_and_awss_does_not() -> None:
    acl = Answer({"Owner": {"ID": "tenant-7"}})
    assert owner(Evidence(BUCKET, YES, {OURS: DENIED}, acl=acl, acl_names_account=True))[0] == "tenant-7"
    assert isinstance(owner(Evidence(BUCKET, YES, {OURS: DENIED}, acl=acl))[0], Unknown)


ANSWERS = st.sampled_from([YES, DENIED, SLOW, Answer(cause="not-read")])


@settings(max_examples=150)
@given(
    ANSWERS,
    st.dictionaries(st.sampled_from([OURS, SECOND]), ANSWERS),
    st.sampled_from([True, False, Unknown("not-read")]),
    st.sampled_from([LISTED, NOT_LISTED, DENIED]),
    st.sampled_from([OURS, "777788889999", Unknown("timeout")]),
)
def test_no_account_is_named_without_proof(
    head: Answer, expected: dict[str, Answer], honoured: object, listed: Answer, caller: object
) -> None:
    named, _ = owner(Evidence(BUCKET, head, expected, honoured, listed, caller))  # type: ignore[arg-type]
    if not isinstance(named, Unknown):
        by_head = honoured is True and expected.get(named) is YES
        assert by_head or (listed is LISTED and caller == named)
