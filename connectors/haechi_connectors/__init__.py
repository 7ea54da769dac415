"""One folder a cloud: pure wire knowledge, live facts through the provider's SDK, and hosts and regions as data.

For programs: ``guard(client)`` lets the agent judge what an SDK's client sends.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

Client = TypeVar("Client")


def guard(client: Client, *, comply: bool = False, agent: Path | str | None = None) -> Client:
    """Let the agent judge every upload of an SDK's client before it is sent; returns the same client.

    What the policy forbids is refused with the SDK's own exception (for boto3 a ``ClientError`` with ``AccessDenied``),
    and so is everything where no agent answers. The guard exempts nothing from the data path.

    ``comply``: an upload that would be refused is made compliant where that can be done: sealed by the agent, or
    stored with the institution's key. The guard says so in its log (``haechi.guard``) and in the response's metadata.
    ``agent`` is the agent's control socket, where it is not that of the settings.

    Raises ``TypeError`` for what is no client of an SDK that a cloud's folder knows, and
    ``haechi.domain.errors.HaechiError`` (``settings.…``) where the settings cannot be read.
    """
    from haechi_connectors.guarding import put_on

    put_on(client, comply=comply, socket=Path(agent) if agent else None)
    return client
