"""Policies as an OPA server holds them: what it has to hold, whether it does, how they get there.

Theory. Beside the modules that were read stands one more (the seal), generated from their digest: every question asks
it for the decision and the digest together, so that a server that was restarted empty, or has another bundle, says so
with the very answer. The digest alone could stand beside other rules; so at the start, after every doubt and regularly,
the texts and the data on the server are compared, word by word, with those in force. Must not know: what asks, or when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from opa_client.errors import DeletePolicyError, RegoParseError  # type: ignore[import-untyped]

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.archive import packed
from haechi.outbound.engine.bundle import MANIFEST
from haechi.outbound.engine.folder import DATA_JSON, PolicyFolder
from haechi.outbound.engine.opa_server import OpaServer

SEAL_PACKAGE: Final = "haechi.in_force"
SEAL_RULE: Final = "answer"
_SEAL: Final = "in_force/in_force.rego"
_OURS: Final = "haechi/"
"""What the ids of the modules begin with that we publish."""


def sealed_modules(policies: PolicyFolder) -> tuple[tuple[str, str], ...]:
    """The modules of policies, by their path, with the one that tells their digest."""
    seal = (
        f"package {SEAL_PACKAGE}\n\n"
        f'{SEAL_RULE} := {{"revision": "{policies.revision}", "decision": data.haechi.decision.decision}}\n'
    )
    return (*policies.modules, (_SEAL, seal))


def opa_bundle(policies: PolicyFolder) -> bytes:
    """An OPA bundle (``.tar.gz``) of the policies; the same policies make the same bytes. For a server's own bundles,
    which OPA signs and verifies by itself (``opa sign``).
    """
    roots = ["haechi", *sorted(policies.data)]
    manifest = {"revision": policies.revision, "roots": roots, "rego_version": 1}
    files = {name: text.encode() for name, text in sealed_modules(policies)}
    files |= {MANIFEST: msgspec.json.encode(manifest), DATA_JSON: msgspec.json.encode(policies.data)}
    return packed(files, first=(MANIFEST,))


async def compared(server: OpaServer, policies: PolicyFolder) -> None:
    """Raises ``HaechiError('policy.opa-other')`` unless the server holds these policies and no other of their names."""
    wanted = sorted(text for _, text in sealed_modules(policies))
    held = [one for one in await server.modules() if one.package.split(".")[0] == "haechi"]
    if sorted(one.text for one in held) != wanted:
        known = set(wanted)
        other = next((one.id for one in held if one.text not in known), "")
        raise HaechiError("policy.opa-other", what=other or f"{len(held)} modules instead of {len(wanted)}")
    for name, value in policies.data.items():
        if _plain(await server.document(name)) != _plain(value):
            raise HaechiError("policy.opa-other", what=f"data.{name}")


async def publish(server: OpaServer, policies: PolicyFolder) -> None:
    """Put the policies on the server, in place of what was published there before.

    The seal goes first and comes last, so that no answer in between counts. Raises ``policy.opa-publish`` for
    what the server refuses, and what ``OpaServer`` raises.
    """
    held = {one.id: one.text for one in await server.modules() if one.id.startswith(_OURS)}
    if held.pop(_OURS + _SEAL, None) is not None:
        await server.delete_policy(_OURS + _SEAL)
    for name, value in policies.data.items():
        await server.update_or_create_data(msgspec.to_builtins(value), name)
    *modules, seal = sealed_modules(policies)
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
