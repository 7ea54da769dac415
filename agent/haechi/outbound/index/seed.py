"""The secret that fingerprints of this installation are keyed with: eight random bytes in a file of its own."""

from __future__ import annotations

import secrets
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.durable import create_file


def read_seed(path: Path) -> int:
    """Read the seed, or make it; only its owner may read it."""
    try:
        return int.from_bytes(bytes.fromhex(path.read_text("ascii")), "big")
    except FileNotFoundError:
        pass
    except (ValueError, OSError) as error:
        raise HaechiError("index.corrupt", path=str(path), cause=type(error).__name__) from error
    secret = secrets.token_bytes(8)
    create_file(path, secret.hex().encode("ascii"))
    return int.from_bytes(secret, "big")
