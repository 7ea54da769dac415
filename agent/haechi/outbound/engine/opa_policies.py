"""Policies as an OPA server holds them: what it has to hold, what its answers have to say, how policies get there.

Theory. There are two ways. From a **bundle** (``bundle``): OPA says with every answer, out of the same transaction,
which bundles it holds and their revisions. **Published** by us, without a bundle: one module more (the seal) stands
there, and every question asks it for the decision and the policies' digest together. OPA keeps both from standing
beside other rules as long as nobody writes to it, so the texts and data there are compared, word by word, at the start,
after every doubt and regularly; and of a server that we publish to, each answer counts only where OPA counted no write
since. Must not know: what asks, or when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from opa_client.errors import DeletePolicyError, RegoParseError  # type: ignore[import-untyped]

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.metadata import package_of
from haechi.outbound.engine.opa_server import OpaServer

SEAL_PACKAGE: Final = "haechi.in_force"
_DECISION: Final = "haechi/decision/decision"
_SEALED: Final = "haechi/in_force/answer"
_SEAL: Final = "in_force/in_force.rego"
_OURS: Final = "haechi/"
"""What the ids of the modules begin with that we publish."""
_BUNDLES: Final = "system/bundles"
"""Where OPA keeps the manifests of its bundles, in its data."""


@dataclass(frozen=True, slots=True)
class Proof:
    """By what an answer shows who gave it: the ``bundle`` of that name with the ``revision``; or, where there is none,
    the seal with it, and that the server has had just so many ``writes``.
    """

    revision: str
    bundle: str = ""
    writes: int = 0

    @property
    def asked(self) -> str:
        """The document to ask for."""
        return _DECISION if self.bundle else _SEALED

    def decision(self, said: Mapping[str, Any]) -> object:
        """The decision in an answer; None where it is undefined. Raises ``HaechiError('policy.opa-other')`` where
        others gave it.
        """
        answer = said.get("result")
        if self.bundle:
            revision = _revision(said, self.bundle)
            if revision != self.revision:
                raise HaechiError("policy.opa-other", what=f"bundle {self.bundle}: {revision or '–'}"[:200])
            return answer
        if answer is None:  # not an input, or a server without our policies: a look tells
            return None
        if not isinstance(answer, Mapping) or answer.get("revision") != self.revision:
            raise HaechiError("policy.opa-other", what=SEAL_PACKAGE)
        return answer.get("decision")


def _revision(said: Mapping[str, Any], bundle: str) -> str:
    """The revision that a bundle had when an answer was given; empty where it was not there."""
    found: object = said
    for name in ("provenance", "bundles", bundle, "revision"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else ""


async def proof_by_bundle(server: OpaServer, policies: PolicyFolder) -> Proof:
    """How the server's answers will show that a bundle of these policies gave them.

    Policies of a folder have no number: they are taken from any bundle with the same texts and data. Raises
    ``HaechiError('policy.opa-other')`` unless one bundle holds them, and nothing else can put anything beside it.
    """
    wanted = {*_roots(policies), *policies.data}
    held = await server.document(_BUNDLES)
    for name, manifest in _manifests(held):
        roots = manifest.get("roots")
        if not isinstance(roots, list) or not (wanted <= set(roots) or "" in roots):
            continue
        revision = str(manifest.get("revision", ""))
        if not revision or (policies.bundle and revision != policies.revision):
            raise HaechiError("policy.opa-other", what=f"bundle {name}: {revision[:100] or '–'}")
        await _compared(server, policies.modules, policies)
        return Proof(revision, name)
    raise HaechiError("policy.opa-other", what="no bundle")


def _manifests(held: object) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(held, Mapping):
        return []
    said = [(str(name), one.get("manifest")) for name, one in held.items() if isinstance(one, Mapping)]
    return [(name, manifest) for name, manifest in said if isinstance(manifest, Mapping)]


def _roots(policies: PolicyFolder) -> set[str]:
    return {package_of(text).split(".")[0] for _, text in policies.modules}


async def proof_by_seal(server: OpaServer, policies: PolicyFolder) -> Proof:
    """How the answers of a server will show that what was published gave them. Raises
    ``HaechiError('policy.opa-other')`` unless it is there.
    """
    writes = await server.writes()  # before the texts, so that what is written meanwhile is seen afterwards
    await _compared(server, _sealed(policies), policies)
    return Proof(policies.revision, writes=writes)


async def _compared(server: OpaServer, modules: Sequence[tuple[str, str]], policies: PolicyFolder) -> None:
    wanted = sorted(text for _, text in modules)
    roots = _roots(policies)
    held = [one for one in await server.modules() if one.package.split(".")[0] in roots]
    if sorted(one.text for one in held) != wanted:
        known = set(wanted)
        other = next((one.id for one in held if one.text not in known), "")
        raise HaechiError("policy.opa-other", what=other or f"{len(held)} modules instead of {len(wanted)}")
    for name, value in policies.data.items():
        if _plain(await server.document(name)) != _plain(value):
            raise HaechiError("policy.opa-other", what=f"data.{name}")


def _sealed(policies: PolicyFolder) -> tuple[tuple[str, str], ...]:
    """The modules of policies, by their path, with the one that tells their digest, which is the last."""
    seal = (
        f"package {SEAL_PACKAGE}\n\n"
        f'answer := {{"revision": "{policies.revision}", "decision": data.haechi.decision.decision}}\n'
    )
    return (*policies.modules, (_SEAL, seal))


async def publish(server: OpaServer, policies: PolicyFolder) -> None:
    """Put the policies on the server, in place of all that stands in their packages there.

    The seal goes first and comes last, so that no answer in between counts. Raises ``policy.opa-publish`` for
    what the server refuses, and what ``OpaServer`` raises.
    """
    roots = _roots(policies)
    held = {
        one.id: one.text
        for one in await server.modules()
        if one.package.split(".")[0] in roots or one.id.startswith(_OURS)
    }
    if held.pop(_OURS + _SEAL, None) is not None:
        await server.delete_policy(_OURS + _SEAL)
    for name, value in policies.data.items():
        await server.update_or_create_data(msgspec.to_builtins(value), name)
    *modules, seal = _sealed(policies)
    wanted = {_OURS + name for name, _ in modules}
    removed = [_removing(server, name) for name in held if name not in wanted]
    # Only what differs, for the server compiles everything at each step; what rules call before the rules.
    other = [(name, text) for name, text in modules if held.get(_OURS + name) != text]
    other.sort(key=lambda one: one[0].startswith("rules/"))
    await _all_of([*removed, *(_putting(server, name, text) for name, text in other)])
    await _all_of([_putting(server, *seal)])


def _putting(server: OpaServer, name: str, text: str) -> Callable[[], Awaitable[object]]:
    return lambda: server.update_policy_from_string(text, _OURS + name, rego_compat=False)


def _removing(server: OpaServer, name: str) -> Callable[[], Awaitable[object]]:
    return lambda: server.delete_policy(name)


async def _all_of(steps: Sequence[Callable[[], Awaitable[object]]]) -> None:
    """Take every step, in an order that works: OPA compiles after each, and a function must be there before its use."""
    left = list(steps)
    while left:
        refused: list[Callable[[], Awaitable[object]]] = []
        why: Exception | None = None
        for step in left:
            try:
                await step()
            except (RegoParseError, DeletePolicyError) as error:
                refused.append(step)
                why = error
        if len(refused) == len(left):
            raise HaechiError("policy.opa-publish", why=" ".join(str(why).split())[:400]) from why
        left = refused
        await asyncio.sleep(0)


def _plain(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")
