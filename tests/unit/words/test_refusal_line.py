"""What a refused person reads in one line."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from haechi.app.refusing import RefusalWriter
from haechi.domain.decision import NO_POLICIES, Basis, Cause, Decision, Effect, Finding, Severity
from haechi.domain.upload import ActionKind


@dataclass(frozen=True)
class Spoken:
    title: str
    message: str = "It is so."
    remedy: str = "Do thus."
    unsure: bool = False


WORDS = {
    "r13_layer1": Spoken("Layer 1"),
    "unknown_facts": Spoken("Unknown facts"),
    "r15_key_custody": Spoken("Whose key"),
    "r24_approval": Spoken("Approval", unsure=True),
}


def line(*rules: tuple[str, str], basis: Basis = Basis.INFERENCE) -> str:
    found = tuple(Finding(rule, asks, basis, Severity.BLOCK, {}) for rule, asks in rules)
    writer = RefusalWriter(lambda rule, lang, params: WORDS[rule], "en")
    action: Any = SimpleNamespace(kind=ActionKind.UPLOAD, provider="aws", operation="PutObject")
    return writer(Decision(Effect.BLOCK, found, ()), action, "hd-1").message


def test_the_project_s_own_caution_is_named_by_its_title() -> None:
    said = line(("r13_layer1", "R13"), ("r15_key_custody", "R15"), ("unknown_facts", "haechi"))
    assert "[R13, inference]" in said
    assert "Also: R15 Whose key, Unknown facts." in said


def test_so_it_is_where_it_speaks_first() -> None:
    said = line(("unknown_facts", "haechi"), ("unknown_facts", "haechi"), ("r13_layer1", "R13"))
    assert "[Unknown facts, inference]" in said
    assert "Also: R13 Layer 1." in said


@pytest.mark.parametrize("count", [2, 5])
def test_what_is_found_twice_is_said_once(count: int) -> None:
    assert "Also" not in line(*[("r13_layer1", "R13")] * count)


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_without_policies_the_refusal_tells_why_there_are_none(lang: str) -> None:
    cause = Cause(NO_POLICIES, {"problem": "policy.invalid", "about": {"file": "data.yaml", "why": "choices: gone"}})
    writer = RefusalWriter(lambda *_: pytest.fail("no rule spoke"), lang)
    action: Any = SimpleNamespace(kind=ActionKind.UPLOAD, provider="aws", operation="PutObject")
    said = writer(Decision(Effect.BLOCK, (), (cause,)), action, "hd-1").message
    assert "data.yaml" in said
    assert "choices: gone" in said
    assert "haechi policy check" in said
    assert "{" not in said


def test_what_rests_on_something_unknown_claims_no_statute() -> None:
    assert "[R24, inference]" in line(("r24_approval", "R24"), basis=Basis.STATUTE)
    assert "[R13, statute]" in line(("r13_layer1", "R13"), basis=Basis.STATUTE)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ActionKind.UPLOAD, "refused this upload"),
        (ActionKind.COPY, "refused this upload"),
        (ActionKind.EXPOSE, "refused this change of settings"),
        (ActionKind.UNRECOGNISED, "refused this request"),
    ],
)
def test_what_was_refused_is_called_what_it_is(kind: ActionKind, said: str) -> None:
    writer = RefusalWriter(lambda rule, lang, params: WORDS[rule], "en")
    finding = Finding("r13_layer1", "R13", Basis.GUIDANCE, Severity.BLOCK, {})
    action: Any = SimpleNamespace(kind=kind, provider="aws", operation="PutObject")
    assert said in writer(Decision(Effect.BLOCK, (finding,), ()), action, "hd-1").message


def test_of_a_request_that_nobody_understands_the_operation_alone_is_at_fault() -> None:
    def found(rule: str, **params: str) -> Finding:
        return Finding(rule, "haechi", Basis.INFERENCE, Severity.BLOCK, params)

    worst = [found("r13_layer1", name=""), found("unknown_facts", fact="x"), found("r24_approval", operation="batch")]
    writer = RefusalWriter(lambda rule, lang, params: WORDS[rule], "en")
    action: Any = SimpleNamespace(kind=ActionKind.UNRECOGNISED, provider="gcp", operation="batch")
    said = writer(Decision(Effect.BLOCK, tuple(worst), ()), action, "hd-1").message
    assert "[Approval, inference]" in said and "Also" not in said
    worst.append(found("r15_key_custody", name="recipe.bin"))
    assert "Also: Whose key." in writer(Decision(Effect.BLOCK, tuple(worst), ()), action, "hd-1").message


def test_the_words_are_those_of_the_cloud_and_the_operation() -> None:
    asked: list[Any] = []
    writer = RefusalWriter(lambda rule, lang, params: asked.append(params) or WORDS[rule], "en")
    finding = Finding("r13_layer1", "R13", Basis.GUIDANCE, Severity.BLOCK, {"name": "f"})
    action: Any = SimpleNamespace(kind=ActionKind.UPLOAD, provider="azure", operation="Put Blob")
    writer(Decision(Effect.BLOCK, (finding,), ()), action, "hd-1")
    assert {"name": "f", "@cloud": "azure", "@operation": "Put Blob"} in asked
