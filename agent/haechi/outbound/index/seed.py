"""The secret that fingerprints of this installation are keyed with: eight random bytes in a file of its own."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from haechi.domain.errors import HaechiError


def read_seed(path: Path) -> int:
    """Read the seed, or make it; only its owner may read it."""
    try:
        return int.from_bytes(bytes.fromhex(path.read_text("ascii")), "big")
    except FileNotFoundError:
        pass
    except (ValueError, OSError) as error:
        raise HaechiError("index.corrupt", path=str(path), cause=type(error).__name__) from error
    secret = secrets.token_bytes(8)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secret.hex())
    return int.from_bytes(secret, "big")
