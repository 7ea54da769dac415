"""A refusal in a browser: a page for the person, and for another origin's script an answer that tells no facts."""

from __future__ import annotations

import pytest
from haechi.app.browsers import answered
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply
from haechi_connectors.azure.connector import AzureConnector
from haechi_connectors.gcs.connector import GcsConnector
from haechi_connectors.generic.connector import GenericConnector
from haechi_connectors.s3.connector import S3Connector

HOST = "vault.s3.ap-northeast-2.amazonaws.com"
SECRET = "계정 111122223333 <b>"
TEXT = RefusalText(
    "AccessDenied", f"R13: {SECRET}", "hd-1", "ko", (("why", SECRET), ("remedy", "봉인"), ("also", "R24 승인"))
)
CONNECTORS = [S3Connector(), GcsConnector(), AzureConnector(), GenericConnector()]


def asked(connector: object, *, text: RefusalText = TEXT, host: str = HOST, **headers: str) -> Reply:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return answered(connector.refusal, text, Request("PUT", "https", host, "/key", named))  # type: ignore[attr-defined]


def header(reply: Reply, name: str) -> list[str]:
    return [value for key, value in reply.headers if key == name]


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda one: one.provider)
def test_a_person_sees_a_page_with_all_of_it(connector: object) -> None:
    made = asked(connector, sec_fetch_mode="navigate", origin="https://site.example")
    page = made.body.decode()
    assert made.status == 403
    assert header(made, "content-type") == ["text/html; charset=utf-8"]
    assert header(made, "access-control-allow-origin") == []
    assert '<html lang="ko">' in page and "업로드가 차단되었습니다" in page
    assert "계정 111122223333 &lt;b&gt;" in page and "<b>" not in page
    assert "haechi explain hd-1" in page and "R24 승인" in page


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda one: one.provider)
def test_another_origins_script_may_read_that_it_was_refused_and_no_fact(connector: object) -> None:
    made = asked(connector, origin="https://site.example", sec_fetch_mode="cors")
    assert made.status == 403
    assert header(made, "access-control-allow-origin") == ["*"]
    assert header(made, "access-control-allow-credentials") == []
    said = made.body.decode("utf-8").encode("ascii", "ignore").decode()
    assert "haechi explain hd-1" in said and "haechi seal" in said
    assert "111122223333" not in said and "R13" not in said


@pytest.mark.parametrize("origin", ["null", "https://other.example", f"http://{HOST}", f"https://{HOST}.evil.example"])
def test_every_other_origin_is_another(origin: str) -> None:
    assert "111122223333" not in asked(S3Connector(), origin=origin).body.decode()


@pytest.mark.parametrize("headers", [{}, {"origin": f"https://{HOST}"}, {"sec_fetch_mode": "cors"}])
def test_anybody_else_gets_the_connectors_answer(headers: dict[str, str]) -> None:
    made = asked(S3Connector(), **headers)
    assert "111122223333" in made.body.decode()
    assert header(made, "access-control-allow-origin") == []
    assert header(made, "content-type") == ["application/xml"]


def test_a_refusal_without_a_record_has_no_number() -> None:
    text = RefusalText("AccessDenied", "why", "", "en")
    page = asked(S3Connector(), text=text, sec_fetch_mode="navigate").body.decode()
    assert "<p>why</p>" in page and "haechi explain" not in page
    assert "no decision number" in asked(S3Connector(), text=text, origin="https://site.example").body.decode()
