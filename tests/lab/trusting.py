"""What a client trusts, read once for many connections: an agent's bundle holds every root of the system as well."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path


def trusting(bundle: Path) -> ssl.SSLContext:
    """A client's context for HTTP/1.1 that trusts a bundle as it is now. It is shared: change nothing of it."""
    about = bundle.stat()
    return _trusting(bundle, about.st_ino, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=8)
def _trusting(bundle: Path, *_: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(bundle))
    context.set_alpn_protocols(["http/1.1"])
    return context
