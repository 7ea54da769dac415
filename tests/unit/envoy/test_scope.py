from __future__ import annotations

import pytest
from haechi.domain.scope import Classification, Scope, ScopeMode, matches
from hypothesis import given, settings
from hypothesis import strategies as st

SCOPE = Scope(ScopeMode.CLOUD, ("*.amazonaws.com", "storage.googleapis.com"), ("ok.amazonaws.com",))
LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("connect", "sni", "expected"),
    [
        ("b.s3.amazonaws.com:443", "b.s3.amazonaws.com", Classification.JUDGED),
        ("", "B.S3.AmazonAWS.com", Classification.JUDGED),
        ("b.s3.amazonaws.com.:443", "b.s3.amazonaws.com", Classification.JUDGED),
        ("example.org:443", "example.org", Classification.TUNNEL),
        ("ok.amazonaws.com:443", "ok.amazonaws.com", Classification.TUNNEL),
        ("amazonaws.com:443", "amazonaws.com", Classification.TUNNEL),
        ("notamazonaws.com:443", "notamazonaws.com", Classification.TUNNEL),
        ("example.org:443", "b.s3.amazonaws.com", Classification.REFUSED),
        ("b.s3.amazonaws.com:443", "example.org", Classification.REFUSED),
        ("example.org:443", "", Classification.UNKNOWN),
        ("52.1.1.1:443", "example.org", Classification.UNKNOWN),
        ("[2001:db8::1]:443", "", Classification.UNKNOWN),
    ],
)
def test_classification(connect, sni, expected):
    assert SCOPE.classify(connect, sni) is expected


def test_mode_all_covers_all_but_the_exempt():
    scope = Scope(ScopeMode.ALL, (), ("*.intra.example",))
    assert scope.classify("", "anything.example") is Classification.JUDGED
    assert scope.classify("", "wiki.intra.example") is Classification.TUNNEL


def test_list_takes_the_listed_hosts_alone():
    scope = Scope.of(ScopeMode.LIST, ["*.amazonaws.com"], ["upload.example"])
    assert scope.patterns == ("upload.example",)


@pytest.mark.parametrize("pattern", ["", "*", "*.", "s3.*.com", "A.com", "10.0.0.1", "a..b", "a b", "x." + "y" * 64])
def test_malformed_patterns_are_refused(pattern):
    with pytest.raises(ValueError, match="pattern"):
        Scope(patterns=(pattern,))


@settings(max_examples=100)
@given(LABEL, LABEL, LABEL)
def test_a_wildcard_covers_every_name_below_and_no_other(prefix, left, right):
    suffix = f"{left}.{right}"
    assert matches(f"*.{suffix}", f"{prefix}.{suffix}")
    assert not matches(f"*.{suffix}", suffix)
    assert not matches(f"*.{suffix}", f"{prefix}{suffix}")


@settings(max_examples=100)
@given(st.lists(LABEL, min_size=1, max_size=3).map(".".join), st.lists(LABEL, min_size=1, max_size=3).map(".".join))
def test_two_names_that_differ_never_pass(connect, sni):
    verdict = SCOPE.classify(f"{connect}:443", sni)
    assert (verdict is Classification.REFUSED) == (connect != sni)


def test_two_scopes_joined_intercept_what_either_does():
    other = Scope(ScopeMode.LIST, ("upload.example",), ("ok.amazonaws.com", "spare.example"))
    joined = SCOPE.joined(other)
    assert all(name in joined for name in ("a.amazonaws.com", "upload.example"))
    assert joined.exempt == ("ok.amazonaws.com",)
    assert "anything.example" in SCOPE.joined(Scope(ScopeMode.ALL))
