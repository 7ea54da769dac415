"""A refusal in Azure's own shape: readable whoever reads it."""

from __future__ import annotations

import json

import pytest
from defusedxml.ElementTree import fromstring
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi_connectors.azure.connector import AzureConnector
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = RefusalText("AccessDenied", "국가핵심기술 <SEM-01> & R24: 승인이 없습니다 [dec-01J]", "dec-01J")
BLOB, LAKE = "fab1.blob.core.windows.net", "fab1.dfs.core.windows.net"


def test_blobs_are_refused_in_xml_and_data_lake_in_json():
    blob = AzureConnector().refusal(TEXT, Request("PUT", "https", BLOB, "/c1x/k"))
    lake = AzureConnector().refusal(TEXT, Request("PATCH", "https", LAKE, "/c1x/k"))
    headers = dict(blob.headers)
    assert (blob.status, lake.status) == (403, 403)
    assert fromstring(blob.body).find("Message").text == TEXT.message
    assert json.loads(lake.body)["error"]["message"] == TEXT.message
    assert headers["x-ms-error-code"] == fromstring(blob.body).find("Code").text
    assert headers["x-ms-request-id"] == "dec-01J"


@pytest.mark.parametrize("code", ["AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthenticationFailed"])
def test_the_code_is_none_for_which_az_prints_words_of_its_own(code):
    assert code not in str(AzureConnector().refusal(TEXT, Request("PUT", "https", BLOB, "/c1x/k")))


def test_head_has_no_body():
    assert AzureConnector().refusal(TEXT, Request("HEAD", "https", BLOB, "/c1x/k")).body == b""


@settings(max_examples=100)
@given(st.text(max_size=60), st.text(max_size=30), st.sampled_from([BLOB, LAKE, "else.example"]))
def test_any_words_make_a_well_formed_answer(message, number, host):
    reply = AzureConnector().refusal(RefusalText("AccessDenied", message, number), Request("PUT", "https", host, "/k"))
    if host == LAKE:
        assert json.loads(reply.body)["error"]["code"]
    else:
        assert fromstring(reply.body).find("Code").text
    assert all(c.isprintable() and c.isascii() for _, value in reply.headers for c in value)
