"""check, explain, status and doctor, from the command over the socket to the use case; the policy is a stand-in."""

from __future__ import annotations

import dataclasses
import getpass
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from haechi.app.assessing import Assessment
from haechi.app.checking import CheckFile, request_for
from haechi.app.explaining import ExplainDecision
from haechi.app.proving import Ending, Outcome, ProveTools, RecentDecisions, Verdict
from haechi.app.status import ReportStatus
from haechi.cli import run
from haechi.commands import _tools, doctor
from haechi.commands._frame import Exit
from haechi.domain.content import Content, ContentState
from haechi.domain.decision import Basis, Decision, Effect, Finding, Modes, Severity
from haechi.domain.destination import Destination
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Known, Unknown
from haechi.domain.scope import Scope
from haechi.domain.upload import Action, ActionKind, Location, Request
from haechi.inbound.control.calls import endings, register_answers
from haechi.inbound.control.peer import Role
from haechi.inbound.control.server import ControlServer
from haechi.ports.engine import RuleInfo
from haechi_connectors.clouds import clouds

from tests.command_line import served, settled_folder, told

RULE = RuleInfo("layer1", "R13", Basis.GUIDANCE, Severity.BLOCK, "guidebook 3.2", {"ko": "1차 암호화"}, "layer1.rego")
FINDING = Finding("layer1", "R13", Basis.GUIDANCE, Severity.BLOCK, {"bucket": "b"})


class Index:
    ready = True

    def scan(self, *, piece: bool = False) -> Any:
        return SimpleNamespace(matches=(), feed=lambda data: False, finish=lambda: Content(ContentState.CLEAN, size=5))


@dataclass
class Assessor:
    effect: Effect = Effect.BLOCK
    asked: list[Any] = field(default_factory=list)
    region: Known[str] = "ap-northeast-2"

    async def places(self, action: Action) -> tuple[Destination, None]:
        return Destination("aws", "b", region=self.region), None

    async def assess(self, about: Any, content: Content) -> Assessment:
        self.asked.append(about)
        findings = (FINDING,) if self.effect is not Effect.ALLOW else ()
        return Assessment(Decision(self.effect, findings), content, {"x": 1}, "p1", "r1", Modes())


class Connector:
    provider, scope = "aws", ("*",)

    def claims(self, host: str) -> bool:
        return "unknown" not in host

    def action(self, request: Request) -> Action:
        kind = ActionKind.READ if "read" in request.target else ActionKind.UPLOAD
        return Action("aws", "s3", "PutObject", kind, Location("aws", "b", request.target))


@dataclass
class Records:
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    async def find(self, decision_id: str) -> Mapping[str, Any] | None:
        return self.known.get(decision_id)

    def waits(self, decision_id: str) -> bool:
        return "delayed" in self.known[decision_id]


class Silent:
    async def durable(self, event: Mapping[str, Any]) -> None: ...

    def soon(self, event: Mapping[str, Any]) -> None: ...

    def later(self, event: Mapping[str, Any]) -> bool:
        return True


SCOPE = Scope(patterns=("*.amazonaws.com", "store.example"))


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roles: set[Role] = set(Role)
        self.assessor, self.records = Assessor(), Records()
        self.recent = RecentDecisions(Silent())
        self.protected: dict[str, bytes] = {}
        self.parts: dict[str, Callable[[], Any]] = {"engine": lambda: {"state": "ok", "rules": 12}}

    async def protect(self, name: str, content: bytes) -> None:
        self.protected[name] = content

    async def release(self, name: str) -> None:
        del self.protected[name]

    def register(self, server: ControlServer) -> None:
        engine: Any = SimpleNamespace(revision="p2", rules={"layer1": RULE})

        def words(rule: str, lang: str, params: Mapping[str, Any]) -> Any:
            return SimpleNamespace(message=f"{lang}:{params['bucket']}", remedy="seal it", unsure=False)

        register_answers(
            server,
            check=CheckFile([Connector()], clouds(), self.assessor, Index(), engine, words, lambda: SCOPE),  # type: ignore[arg-type, list-item]
            explain=ExplainDecision(self.records, engine, words, lambda rule: "package layer1"),
            status=ReportStatus(lambda: {"mode": "cooperative"}, self.parts),
            prove=ProveTools(self.recent, self.protect, self.release, lambda size: b"\7" * size),
            authorise=lambda peer: self.roles,
        )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with settled_folder() as folder, served(made := Bench(folder), monkeypatch):
        (folder / "f").write_bytes(b"plain")
        yield made


@pytest.mark.parametrize(("effect", "code"), [(Effect.ALLOW, 0), (Effect.BLOCK, 1), (Effect.WOULD_BLOCK, 1)])
def test_check_answers_by_its_exit_code(bench: Bench, effect: Effect, code: int) -> None:
    bench.assessor.effect = effect
    assert run(["check", str(bench.folder / "f"), "s3://b/k"]) == code


@pytest.mark.parametrize(
    ("region", "more", "host"),
    [
        ("ap-northeast-2", (), "b.s3.ap-northeast-2.amazonaws.com"),
        (Unknown("access-denied"), (), "b.s3.amazonaws.com"),
        ("ap-northeast-2", ("--endpoint-url", "https://store.example"), "store.example"),
    ],
)
def test_check_asks_by_the_way_of_the_buckets_own_region(
    bench: Bench, region: Known[str], more: tuple[str, ...], host: str
) -> None:
    bench.assessor.region = region
    run(["check", str(bench.folder / "f"), "s3://b/k", *more])
    assert [about.host for about in bench.assessor.asked] == [host]


def test_a_store_that_nobody_judges_is_told_and_has_an_exit_code(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["check", str(bench.folder / "f"), "s3://b/k", "--endpoint-url"]
    assert run([*asked, "https://minio.example"]) == Exit.NOT_JUDGED == 4
    said = capsys.readouterr()
    assert "minio.example" in said.err and "passes unseen" in said.err and not said.out
    assert run([*asked, "http://minio.example"]) == Exit.NEGATIVE, "plain HTTP is judged wherever it goes"
    assert run([*asked, "https://192.0.2.7"]) == Exit.NEGATIVE, "so is what names no host"


def test_check_tells_rule_basis_and_remedy(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", str(bench.folder / "f"), "s3://b/k"])
    said = capsys.readouterr().out
    assert all(word in said for word in ("refused", "R13", "guidance", "en:b", "seal it"))


def test_check_of_a_place_that_is_none_is_refused(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--json", str(bench.folder / "f"), "ftp://b/k"]) == 1
    assert told(capsys)["error"]["code"] == "check.bad-url"
    unknown = ["--endpoint-url", "http://unknown.example"]
    assert run(["check", "--json", str(bench.folder / "f"), "s3://b/k", *unknown]) == 1
    assert told(capsys)["error"]["code"] == "check.unknown-store"


@pytest.mark.parametrize(
    ("url", "endpoint", "host", "target"),
    [
        ("s3://b/a/c.bin", "", "b.s3.amazonaws.com", "/a/c.bin"),
        ("s3://b.c/k", "", "s3.amazonaws.com", "/b.c/k"),
        ("s3://b/설계 1.gds", "", "b.s3.amazonaws.com", "/%EC%84%A4%EA%B3%84%201.gds"),
        ("s3://b/k#1?x", "", "b.s3.amazonaws.com", "/k%231%3Fx"),
        ("s3://b/k", "http://127.0.0.1:9000", "127.0.0.1:9000", "/b/k"),
    ],
)
def test_the_request_that_an_upload_would_make(url: str, endpoint: str, host: str, target: str) -> None:
    _, request = request_for(clouds(), url, endpoint, 7)
    assert (request.host, request.target, request.header("content-length")) == (host, target, "7")


def decided(uid: int) -> dict[str, Any]:
    return {
        "kind": "decision",
        "policy": "p1",
        "actor": {"uid": uid, "user": "kim", "executable": {"unknown": "timeout"}},
        "destination": {"container": "b", "key": "k"},
        "content": {"state": "clean", "tags": [], "matches": []},
        "decision": {"effect": "block", "findings": [FINDING.as_json()], "causes": []},
    }


def test_explain_tells_facts_findings_and_rule_text(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.records.known["D1"] = decided(0)
    assert run(["explain", "D1"]) == 0
    said = capsys.readouterr().out
    words = ("refused", "R13", "guidebook 3.2", "package layer1", "unknown (the store did not answer in time)")
    assert all(word in said for word in words)
    assert "policy has changed" in said


def test_explain_names_the_script_beside_what_runs_it(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    record = decided(0)
    record["actor"] |= {"executable": "/usr/bin/python3.11", "pid": 7, "script": "aws"}
    bench.records.known["D1"] = record
    assert run(["explain", "D1"]) == 0
    assert "kim · aws, /usr/bin/python3.11 (7)" in capsys.readouterr().out


def test_explain_tells_both_layers_and_the_place_without_the_facts(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    record = decided(0)
    record["content"] |= {"sealed": True, "matches": [{"name": "f", "how": "sealed", "share": 1.0}]}
    facts: dict[str, Any] = {
        "country": "KR",
        "region": "ap-northeast-2",
        "account": {"unknown": "timeout"},
        "public": {"blocked": True},
    }
    record["input"] = {"encryption": {"mode": "kms-dual"}, "destination": {"facts": facts}}
    bench.records.known["D1"] = record
    assert run(["explain", "D1"]) == 0
    said = capsys.readouterr().out
    assert "layer 1 (sealed by the user) + layer 2 (provider: DSSE-KMS)" in said
    assert "country KR, region ap-northeast-2, owner unknown (the store did not answer in time)" in said


def test_another_persons_decision_looks_like_none(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.records.known["D1"] = decided(4242)
    bench.roles = {Role.ANYONE, Role.ENGINEER}
    assert run(["explain", "D1", "--json"]) == 1
    hidden = told(capsys)["error"]
    assert run(["explain", "D2", "--json"]) == 1
    missing = told(capsys)["error"]
    assert (hidden["code"], missing["code"]) == ("explain.not-found",) * 2


def test_status_tells_how_far_the_first_scan_is(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    scanning = {"files": 12_345, "tagged": 67, "indexed": 60, "unreadable": 0, "bytes": 9, "folder": "/home/kim/work"}
    bench.parts["index"] = lambda: {"state": "starting", "files": 0, "scanning": scanning}
    assert run(["status"]) == Exit.NEGATIVE
    said = " ".join(capsys.readouterr().out.split())
    assert "12,345 files seen" in said and "67 of them tagged" in said and "/home/kim/work" in said


def test_status_is_0_only_when_every_part_works(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 0
    assert "cooperative" in capsys.readouterr().out

    def broken() -> dict[str, Any]:
        raise HaechiError("audit.full", folder="/x")

    bench.parts["audit"] = broken
    bench.parts["index"] = lambda: 1 / 0
    assert run(["status", "--json"]) == 1
    parts = told(capsys)["parts"]
    assert parts["engine"] == {"state": "ok", "rules": 12}
    assert parts["audit"] == {"state": "failed", "cause": "audit.full", "folder": "/x"}
    assert parts["index"] == {"state": "failed", "cause": "ZeroDivisionError"}


def tool(bench: Bench, effect: str | None, code: int) -> _tools.Tool:
    """A tool whose upload the agent decides as told, and which then exits with ``code``."""

    def attempt(about: _tools.Attempt) -> _tools.Command:
        assert about.file.read_bytes() in bench.protected.values()
        if effect:
            event: dict[str, Any] = {
                "kind": "decision",
                "id": "D1",
                "decision": {"effect": effect},
                "destination": {"key": about.key},
                "content": {"state": "matched", "matches": [{"name": next(iter(bench.protected))}]},
                "action": {"kind": "upload"},
                "actor": {"user": getpass.getuser(), "executable": "/bin/sh", "pid": 7},
                "connection": {"way": "proxy"},
            }
            bench.recent.soon(event)
        return _tools.Command(["sh", "-c", f"echo words; exit {code}"], {"SOME": "x"}, ("OTHER",))

    return _tools.Tool("sh", lambda: True, attempt)


@pytest.mark.parametrize(
    ("effect", "code", "outcome", "exit_code"),
    [
        ("block", 1, "refused", 0),
        ("block", 0, "refused", 0),
        ("would_block", 0, "observed", 0),
        ("allow", 0, "through", 1),
        ("allow", 1, "through", 1),
        (None, 0, "through", 1),
        (None, 1, "unproven", 1),
    ],
)
def test_doctor_believes_the_agent_and_not_the_tool(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    effect: str | None,
    code: int,
    outcome: str,
    exit_code: int,
) -> None:
    real = subprocess.run
    monkeypatch.setattr(doctor, "TOOLS", (tool(bench, effect, code),))
    # Without the proxy of `haechi run`, which is another's part.
    monkeypatch.setattr(
        doctor.subprocess, "run", lambda command, **more: real(command[command.index("--") + 1 :], **more)
    )
    assert run(["doctor", "--json"]) == exit_code
    assert [row["outcome"] for row in told(capsys)["tools"]] == [outcome]
    assert bench.protected == {}


def test_trying_one_tool_does_not_take_the_place_of_trying_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = subprocess.run
    tried = tool(bench, "block", 1)
    other = dataclasses.replace(tried, name="other")
    monkeypatch.setattr(doctor, "TOOLS", (tried, other))
    monkeypatch.setattr(
        doctor.subprocess, "run", lambda command, **more: real(command[command.index("--") + 1 :], **more)
    )
    for arguments in ([], ["--tool", tried.name]):
        run(["doctor", "--json", *arguments])
        capsys.readouterr()
    run(["status", "--json"])
    assert set(told(capsys)["self_test"]["tools"]) == {tried.name, "other"}


TOKEN = "07" * 8


def prover(bench: Bench) -> ProveTools:
    return ProveTools(bench.recent, bench.protect, bench.release, lambda size: b"\7" * size)


def decision(effect: str, tool: str = "git", **more: Any) -> dict[str, Any]:
    """A decision of the agent about the content of the proof."""
    name = f"haechi-doctor-{TOKEN}"
    return {
        "kind": "decision",
        "id": f"D-{effect}",
        "decision": {"effect": effect},
        "destination": {"key": f"{name}-{tool}"},
        "content": {"state": "matched", "matches": [{"name": f"/state/private/{name}"}]},
        "action": {"kind": "upload", "operation": "POST"},
        "actor": {"user": "eng", "executable": "/usr/bin/git", "pid": 7},
        "connection": {"way": "proxy"},
    } | more


async def concluded(bench: Bench, *events: dict[str, Any], ending: Ending = Ending.FAILED) -> Verdict:
    prove = prover(bench)
    await prove.prepare()
    for event in events:
        await bench.recent.durable(event)
    return (await prove.conclude(TOKEN, {"git": ending}, "2026-01-02T03:04:05+00:00", "eng"))["git"]


async def test_the_agent_names_decision_process_and_connection_of_its_proof(bench: Bench) -> None:
    found = await concluded(bench, decision("block"))
    assert (found.outcome, found.decision) == (Outcome.REFUSED, "D-block")
    assert (found.executable, found.pid, found.user, found.connection) == ("/usr/bin/git", 7, "eng", {"way": "proxy"})


@pytest.mark.parametrize(
    "other",
    [
        {"content": {"state": "matched", "matches": [{"name": "/home/eng/recipe.bin"}]}},
        {"content": {"state": "matched", "matches": [{"name": "", "content_id": "*"}]}},
        {"content": {"state": "not_inspected", "matches": []}},
        {"actor": {"user": "somebody-else"}},
        {"destination": {"key": f"haechi-doctor-{TOKEN}-gitk"}},
        {"destination": {"key": f"haechi-doctor-{'17' * 8}-git"}},
    ],
    ids=["another-file", "worst-case", "not-looked-at", "another-user", "another-tool", "another-proof"],
)
async def test_a_refusal_of_anything_else_proves_nothing(bench: Bench, other: dict[str, Any]) -> None:
    assert (await concluded(bench, decision("block", **other))).outcome is Outcome.UNPROVEN


async def test_one_that_passed_outweighs_a_refusal(bench: Bench) -> None:
    found = await concluded(bench, decision("block"), decision("allow"), decision("block"))
    assert (found.outcome, found.decision) == (Outcome.THROUGH, "D-allow")


async def test_what_a_tool_asks_first_says_nothing(bench: Bench) -> None:
    asked = decision("allow", content={"state": "clean", "matches": []}, action={"kind": "read"})
    assert (await concluded(bench, asked, decision("block"))).outcome is Outcome.REFUSED


async def test_a_caller_cannot_say_that_it_was_refused(bench: Bench) -> None:
    """Whatever the command sends: an ending is all that it is asked for."""
    assert (await concluded(bench, ending=Ending.WELL)).outcome is Outcome.THROUGH
    assert (await concluded(bench, ending=Ending.FAILED)).outcome is Outcome.UNPROVEN
    with pytest.raises(HaechiError, match=r"control\.bad-request"):
        endings({"tools": {"git": "refused"}})


async def test_a_refusal_without_a_destination_is_found_by_its_request(bench: Bench) -> None:
    host = {"host": f"haechi-doctor-elsewhere-{TOKEN}-git.s3.ap-northeast-2.amazonaws.com"}
    found = await concluded(bench, decision("block", destination=None, request=host))
    assert found.outcome is Outcome.REFUSED


async def test_a_token_that_was_never_given_out_concludes_nothing(bench: Bench) -> None:
    with pytest.raises(HaechiError) as caught:
        await prover(bench).conclude(TOKEN, {}, "", "eng")
    assert caught.value.code == "doctor.unknown-token"


async def test_decisions_about_anything_else_are_not_kept(bench: Bench) -> None:
    prove = prover(bench)
    await prove.prepare()
    await bench.recent.durable(decision("block"))
    for number in range(1000):
        bench.recent.soon(decision("allow", destination={"key": f"work-{number}"}))
    found = await prove.conclude(TOKEN, {"git": Ending.FAILED}, "", "eng")
    assert found["git"].outcome is Outcome.REFUSED


async def test_synthetic_content_never_piles_up(bench: Bench) -> None:
    numbers: Sequence[int] = range(100)
    fresh = iter(numbers)
    prove = ProveTools(
        bench.recent, bench.protect, bench.release, lambda size: next(fresh).to_bytes(2, "big") * (size // 2)
    )
    for _ in range(20):
        await prove.prepare()
    assert len(bench.protected) == 8


@pytest.mark.parametrize("known", _tools.TOOLS, ids=lambda one: one.name)
def test_every_tools_command_names_file_and_object(known: _tools.Tool, tmp_path: Path) -> None:
    about = _tools.Attempt(tmp_path / "f.bin", "bucket-1", "key-1", tmp_path, "else.where")
    made = known.attempt(about)
    assert "key-1" in " ".join(made.command)
    assert str(about.file) in made.command
