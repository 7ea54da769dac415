"""A refusal in the shape of the API that was asked."""

from __future__ import annotations

import json

import pytest
from defusedxml.ElementTree import fromstring
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi_connectors.gcs.connector import GcsConnector
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = RefusalText("AccessDenied", "국가핵심기술 <SEM-01> & R24: 승인이 없습니다 [dec-01J]", "dec-01J")
HOST = "storage.googleapis.com"


def refused(method, target, host=HOST, text=TEXT):
    return GcsConnector().refusal(text, Request(method, "https", host, target))


@pytest.mark.parametrize(
    "target",
    [
        "/upload/storage/v1/b/bkt/o?uploadType=media&name=k",
        "/storage/v1/b/bkt/iam",
        "/batch/storage/v1",
        "/batch",
        "/resumable/upload/storage/v1/b/bkt/o?upload_id=U",
        "https://storage.googleapis.com/storage/v1/b/bkt",
    ],
)
def test_the_json_api_gets_googles_json_error(target):
    reply = refused("POST", target)
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"], error["message"]) == (403, 403, TEXT.message)
    assert error["errors"] == [{"message": TEXT.message, "domain": "global", "reason": "forbidden"}]
    assert dict(reply.headers)["content-type"].startswith("application/json")


@pytest.mark.parametrize(("target", "host"), [("/bkt/k", HOST), ("/storage/v1/b", f"bkt.{HOST}")])
def test_the_xml_api_gets_its_xml_error(target, host):
    root = fromstring(refused("PUT", target, host).body)
    assert (root.tag, root.find("Code").text, root.find("Message").text) == ("Error", "AccessDenied", TEXT.message)


def test_other_services_behind_the_same_host_get_plain_text():
    reply = refused("POST", "/upload/drive/v3/files", "www.googleapis.com")
    assert TEXT.message in reply.body.decode()


def test_head_has_no_body_and_the_decision_is_in_the_headers():
    reply = refused("HEAD", "/bkt/k")
    assert reply.body == b""
    assert dict(reply.headers)["x-guploader-uploadid"] == "dec-01J"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.text(max_size=30), st.sampled_from(["/storage/v1/b", "/bkt/k"]))
def test_any_words_make_a_well_formed_answer(message, number, target):
    reply = refused("PUT", target, text=RefusalText("AccessDenied", message, number))
    if target == "/bkt/k":
        assert fromstring(reply.body).find("Code").text == "AccessDenied"
    else:
        assert json.loads(reply.body)["error"]["message"] == message
    assert all(c.isprintable() and c.isascii() for _, value in reply.headers for c in value)
