"""The store that is not there: it answers questions about open proofs, and judges whatever carries anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from haechi.app.elsewhere import Elsewhere, answer
from haechi.domain.proof import concerns, elsewhere, token_of
from haechi.domain.upload import Request
from haechi.ports.judge import Connection, Refuse
from haechi_connectors.generic.elsewhere import ElsewhereConnector

TOKEN = "0123456789abcdef"
HOST = elsewhere(TOKEN, "git", "s3.ap-northeast-2.amazonaws.com")
REFS = "/k.git/info/refs?service=git-receive-pack"


class RealJudge:
    """Notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def open(self, connection: Connection, request: Request) -> Any:
        self.asked.append(request)
        return None


def opened(request: Request, *, proofs: tuple[str, ...] = (TOKEN,), connection: Connection | None = None) -> Any:
    """The judgement; None where the real judge was asked."""
    made = connection or Connection("127.0.0.1", 1, f"{HOST}:443", HOST)
    return Elsewhere(RealJudge(), ElsewhereConnector(), proofs).open(made, request)


def asks(target: str = REFS, method: str = "GET", host: str = HOST, *headers: tuple[str, str]) -> Request:
    return Request(method, "https", host, target, headers)


async def test_what_git_asks_first_is_an_empty_repository() -> None:
    verdict = await opened(asks()).head()
    assert isinstance(verdict, Refuse)
    assert verdict.reply.status == 200
    assert verdict.reply.body.startswith(b"001f# service=git-receive-pack\n0000")
    assert verdict.reply.body.endswith(b"0000")
    refs = verdict.reply.body[35:-4]
    assert int(refs[:4], 16) == len(refs)
    assert b"capabilities^{}\0" in refs


@pytest.mark.parametrize(
    ("target", "status", "says"),
    [
        ("/storage/v1/b/bucket-1/o?prefix=k", 200, "storage#objects"),
        ("/storage/v1/b/bucket-1?alt=json", 200, "storage#bucket"),
        ("/storage/v1/b/bucket-1/o/key-1?alt=json", 404, "nothing is here"),
        ("/container/blob?sv=1", 404, "nothing is here"),
        ("//[", 404, "nothing is here"),
    ],
)
def test_an_empty_store_answers(target: str, status: int, says: str) -> None:
    reply = answer(asks(target))
    assert reply.status == status
    assert says in json.dumps(json.loads(reply.body))


@pytest.mark.parametrize(
    "request_",
    [
        asks("/k.git/git-receive-pack", "POST", HOST, ("content-length", "9")),
        asks("/k.git/git-receive-pack", "POST", HOST, ("transfer-encoding", "chunked")),
        asks("/k", "PUT"),
        asks(REFS, "GET", HOST, ("content-length", "9")),
        asks(REFS, "GET", HOST, ("transfer-encoding", "chunked")),
        asks(host=elsewhere("f" * 16, "git", "s3.ap-northeast-2.amazonaws.com")),
        asks(host="bucket.s3.ap-northeast-2.amazonaws.com"),
    ],
)
def test_what_carries_anything_or_belongs_to_no_open_proof_is_judged(request_: Request) -> None:
    assert opened(request_) is None


def test_names_that_disagree_are_judged() -> None:
    assert opened(asks(), connection=Connection("127.0.0.1", 1, "bucket.example.org:443", HOST)) is None


def test_without_a_proof_nothing_is_answered() -> None:
    assert opened(asks(), proofs=()) is None


def test_the_names_of_a_proof_lead_back_to_it() -> None:
    assert token_of(HOST + ":443") == TOKEN
    assert token_of("haechi-doctor-elsewhere-git.s3.amazonaws.com") == ""
    assert concerns(f"x/haechi-doctor-{TOKEN}-az", TOKEN, "az")
    assert not concerns(f"x/haechi-doctor-{TOKEN}-azcopy", TOKEN, "az")
    assert not concerns(f"x/haechi-doctor-0{TOKEN}-az", TOKEN, "az")


def test_the_connector_claims_the_hosts_of_proofs_alone() -> None:
    assert ElsewhereConnector().claims(HOST)
    assert not ElsewhereConnector().claims("haechi-doctor-0123456789abcdef-aws.s3.ap-northeast-2.amazonaws.com")
