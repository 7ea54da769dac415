"""No credential passes, whatever its case or encoding; nothing else changes."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from haechi.domain.redaction import MASK, SECRET_HEADERS, SECRET_PARAMETERS, redact_headers, redact_target
from hypothesis import given
from hypothesis import strategies as st

SECRET = "S3cr3tValue0123456789"
NAMES = st.sampled_from(sorted(SECRET_PARAMETERS))
HEADERS = st.sampled_from(sorted(SECRET_HEADERS))
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="?#&;=@/%+"), max_size=12)


@st.composite
def spelled(draw, names):
    """A name in any mix of cases and percent-encodings, encoded up to twice."""
    name = "".join(c.upper() if draw(st.booleans()) else c for c in draw(names))
    for _ in range(draw(st.integers(0, 2))):
        name = "".join(f"%{ord(c):02X}" if draw(st.booleans()) else quote(c, safe="%-_") for c in name)
    return name


@given(name=spelled(NAMES), before=PLAIN, after=PLAIN, mark=st.sampled_from("?#"), cut=st.sampled_from("&;"))
def test_a_secret_parameter_never_passes_and_the_rest_stays(name, before, after, mark, cut):
    target = f"/bucket/key{mark}a{before}{cut}{name}={SECRET}{cut}b{after}"
    text, masked = redact_target(target)
    assert SECRET not in text and masked
    assert text == target.replace(SECRET, MASK)
    assert redact_target(text) == (text, ())


@given(name=HEADERS, upper=st.booleans(), value=st.text(min_size=1, max_size=10))
def test_a_secret_header_never_passes(name, upper, value):
    name = name.title() if upper else name
    headers, masked = redact_headers([("host", "a"), (name, SECRET + value), ("x-other", "kept")])
    assert headers == (("host", "a"), (name, MASK), ("x-other", "kept"))
    assert masked == (name.lower(),)


@given(st.text(max_size=80))
def test_it_is_total_and_idempotent(target):
    once, _ = redact_target(target)
    assert redact_target(once)[0] == once


@given(PLAIN, PLAIN)
def test_what_holds_no_secret_is_untouched(path, value):
    target = f"/{path}?uploadId={value}&partNumber=3&X-Amz-Credential=AKIA%2F2026&versionId=7"
    assert redact_target(target) == (target, ())


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("https://user:pw@host/x", f"https://{MASK}@host/x"),
        ("//token@host/x", f"//{MASK}@host/x"),
        ("/k?sv=2022&sig=abc%3D&se=x", f"/k?sv=2022&sig={MASK}&se=x"),
        ("/k?X-Amz-Security-Token=FwoG&X-Amz-Date=1", f"/k?X-Amz-Security-Token={MASK}&X-Amz-Date=1"),
        ("/k?my_session_token=abc", f"/k?my_session_token={MASK}"),
        ("/k@v?list-type=2", "/k@v?list-type=2"),
    ],
)
def test_forms_that_clouds_use(target, wanted):
    assert redact_target(target)[0] == wanted


def test_links_in_headers_are_looked_into():
    headers, masked = redact_headers([("Referer", "https://h/x?token=abc"), ("Cookie", "")])
    assert headers == (("Referer", f"https://h/x?token={MASK}"), ("Cookie", ""))
    assert masked == ("referer:token",)


def test_digests_of_customer_keys_stay_and_the_keys_do_not():
    name = "x-amz-server-side-encryption-customer-key"
    headers, _ = redact_headers(
        [(name, "k"), (name + "-md5", "d"), ("x-amz-server-side-encryption-customer-algorithm", "AES256")]
    )
    assert [value for _, value in headers] == [MASK, "d", "AES256"]
