"""Uploads of a guarded client made compliant as a whole, before Azure's SDK cuts them into blocks.

The SDK has no event for ``upload_blob``, and clients are made from clients, so the method of the class is wrapped,
once; only for clients with such a guard does it do anything. What is staged block by block stays as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.guard import Asked, Mending

from haechi_connectors.azure.guard import MODULES
from haechi_connectors.bodies import kept
from haechi_connectors.mending import head_of, opened, sealed, told, unmended

METHOD: Final = "upload_blob"
SCOPE: Final = "scope/"
"""What stands before an encryption scope's name where a key is named (``details.SCOPE``)."""
BLOCKS: Final = "BlockBlob"


@dataclass(frozen=True, slots=True)
class Made:
    """What an upload became: the ciphertext, open, where it was sealed; what the caller is told."""

    sealed: Any
    scope: str
    said: Mapping[str, Any]


def make_compliant() -> None:
    """See the module."""
    for name in MODULES:
        kind = getattr(sys.modules.get(name), "BlobClient", None)
        original = getattr(kind, METHOD, None)
        if original is not None and not hasattr(original, "compliant"):
            made = _wrapped_async(original) if name.endswith(".aio") else _wrapped(original)
            made.compliant = True  # type: ignore[attr-defined]
            setattr(kind, METHOD, made)


def _wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def upload_blob(self: Any, data: Any, blob_type: Any = BLOCKS, length: Any = None, *more: Any, **named: Any) -> Any:
        agent = _agent(self) if blob_type == BLOCKS else None
        made = None if agent is None else _mended(agent, self, data, length, named)
        if made is None:
            return original(self, data, blob_type, length, *more, **named)
        with _instead(made, data, length) as (body, size):
            return _told(made, original(self, body, blob_type, size, *more, **_named(made, named)))

    return upload_blob


def _wrapped_async(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def upload_blob(
        self: Any, data: Any, blob_type: Any = BLOCKS, length: Any = None, *more: Any, **named: Any
    ) -> Any:
        agent = _agent(self) if blob_type == BLOCKS else None
        if agent is not None and hasattr(data, "__aiter__"):
            data = await kept(data)
        made = None if agent is None else await asyncio.to_thread(_mended, agent, self, data, length, named)
        if made is None:
            return await original(self, data, blob_type, length, *more, **named)
        with _instead(made, data, length) as (body, size):
            return _told(made, await original(self, body, blob_type, size, *more, **_named(made, named)))

    return upload_blob


def _agent(client: Any) -> Asked | None:
    """The agent of a client's guard, where that makes compliant."""
    transport = client._pipeline._transport
    while transport is not None:
        guarded = vars(transport).get("send")
        if getattr(guarded, "comply", False):
            return guarded.agent  # type: ignore[no-any-return]
        transport = vars(transport).get("_transport")  # a client that was made from another has it within
    return None


def _mended(agent: Asked, client: Any, data: Any, length: int | None, named: Mapping[str, Any]) -> Made | None:
    if isinstance(data, str):
        data = data.encode(named.get("encoding") or "UTF-8")
    made, name = None, f"/{client.container_name}/{client.blob_name}"
    try:
        with opened(data, size=length) as source:
            head = _head(client, os.fstat(source.fileno()).st_size, named)
            mending = agent.mending(head, source.fileno(), name)
            scope = mending.key.removeprefix(SCOPE) if mending.key.startswith(SCOPE) else ""
            if mending.seal:
                made = sealed(agent, source, name)
    except HaechiError as error:
        unmended(error)
        return None
    if not (mending.seal or scope):
        return None
    return Made(made, scope, told(Mending(mending.seal, scope), name))


def _head(client: Any, length: int, named: Mapping[str, Any]) -> Request:
    """Of the request that would send the blob as one."""
    headers = {"content-length": str(length), "x-ms-blob-type": BLOCKS}
    if named.get("encryption_scope"):
        headers["x-ms-encryption-scope"] = str(named["encryption_scope"])
    if named.get("cpk"):
        headers["x-ms-encryption-algorithm"] = "AES256"  # that there is a key of the client's; the key stays here
    return head_of("PUT", client.url, headers)


@contextlib.contextmanager
def _instead(made: Made, data: Any, length: int | None) -> Any:
    if made.sealed is None:
        yield data, length
        return
    with made.sealed as body:
        yield body, os.fstat(body.fileno()).st_size


def _named(made: Made, named: Mapping[str, Any]) -> dict[str, Any]:
    return {**named, "encryption_scope": made.scope} if made.scope else dict(named)


def _told(made: Made, answer: Any) -> Any:
    return {**answer, "haechi": made.said} if isinstance(answer, Mapping) else answer
