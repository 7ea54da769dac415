"""The names of a proof: by them a request is known to belong to a self-test of the tools. Pure.

``haechi doctor`` gives each tool a name of its own, made of the proof's token. A tool that uploads to S3 gets it as
bucket and object. One whose store is another cloud's gets it *elsewhere*: as a host below a name of S3, so that it is
in every scope and can be resolved, of which no bucket is asked: what the tool wants to know first is answered by the
agent itself (``haechi.app.elsewhere``), and what it uploads is judged as toward any unknown host.
"""

from __future__ import annotations

import re
from typing import Final

from haechi.domain.names import host_name

STEM: Final = "haechi-doctor-"
_ELSEWHERE: Final = re.compile(re.escape(STEM) + r"elsewhere-(?P<token>[0-9a-f]{16})-(?P<tool>[a-z0-9]{1,16})\..+")


def content_name(token: str) -> str:
    """What the synthetic content is called."""
    return STEM + token


def object_name(token: str, tool: str) -> str:
    """The bucket and the object of a tool that uploads to S3."""
    return f"{STEM}{token}-{tool}"


def elsewhere(token: str, tool: str, below: str) -> str:
    """The host of a tool that uploads to another cloud."""
    return f"{STEM}elsewhere-{token}-{tool}.{below}"


def token_of(host: str) -> str:
    """The token of a host of ``elsewhere``; empty for every other host."""
    found = _ELSEWHERE.fullmatch(host_name(host))
    return found["token"] if found else ""


def concerns(text: str, token: str, tool: str) -> bool:
    """Whether a text names this tool of this proof (and not one whose name only begins with it)."""
    return re.search(rf"(?<![0-9a-f]){re.escape(token)}-{re.escape(tool)}(?![a-z0-9])", text) is not None
