"""A worker with policies loaded: how every set of policies is looked through before it may be in force.

Whatever engine is to answer, the interpreter in the worker reads the policies first, so that what it refuses (a
built-in that is not allowed, a rule that cannot speak, a probe without findings) is refused for every engine alike.
"""

from __future__ import annotations

import asyncio

import msgspec

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.frames import Kind, Policies
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.process import WorkerProcess

READY_SECONDS = 10.0
"""How long a worker may take to load policies before it counts as failed."""


async def load(worker: WorkerProcess, policies: PolicyFolder, module: bytes | None, *, beside: bool = False) -> str:
    """Have a worker that just started take these policies and answer the probe; why it cannot use the compiled
    ``module``, or nothing. ``beside``: another answers meanwhile.

    Raises ``HaechiError('policy.…')``; the worker is gone then.
    """
    body = msgspec.json.encode(Policies(list(policies.modules), dict(policies.data), probe_input(), module, beside))
    try:
        kind, said = await asyncio.wait_for(worker.ask(Kind.LOAD, body), READY_SECONDS)
    except (TimeoutError, ConnectionError, OSError) as error:
        await worker.end()
        raise HaechiError("policy.worker", why=str(error) or "it did not answer in time") from error
    except BaseException:
        await worker.end()
        raise
    if kind is not Kind.READY:
        await worker.end()
        rejected = msgspec.json.decode(said)
        raise HaechiError(rejected["code"], **rejected["params"])
    return said.decode()
