"""boto3's clients out of one session a process.

A session reads the descriptions of a service anew: a fifth of a second of a processor for each client. What a client is
(credentials, region, connections, events) is its own either way.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

import boto3

_making = threading.Lock()


@functools.cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()


def sdk_client(service: str, **arguments: Any) -> Any:
    """A new client; arguments as ``boto3.client`` takes them. From any thread: making clients is not safe by itself."""
    with _making:
        return _session().client(service, **arguments)  # type: ignore[call-overload]
