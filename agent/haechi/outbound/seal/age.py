"""Sealing in the age format (age-encryption.org/v1), through pyrage. A standard tool can open what it writes.

What it must not know: whose keys these are, and which files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]
from pyrage import ssh, tag, tagpq, x25519

from haechi.domain.errors import HaechiError
from haechi.ports.sealing import Sink, Source

MAX_IDENTITY = 1 << 20
"""Bytes of an identity file; age's own files are a few hundred."""


class AgeCipher:
    """Encrypts to age recipients: native ``age1…``, tagged hardware keys ``age1tag…``, and SSH public keys."""

    def check(self, recipients: Sequence[str]) -> None:
        """Raises ``HaechiError('seal.bad-recipient')``."""
        for recipient in recipients:
            _recipient(recipient)

    def seal(self, source: Source, target: Sink, recipients: Sequence[str]) -> None:
        """Encrypt in constant memory (age chunks of 64 KiB). What source or target raised comes as ``EncryptError``."""
        pyrage.encrypt_io(source, target, [_recipient(recipient) for recipient in recipients])


def unseal(source: Source, target: Sink, identities: Sequence[Any]) -> None:
    """Decrypt. What was written before an error must be thrown away: age authenticates chunk by chunk.

    Raises ``HaechiError``: ``seal.not-age``, ``seal.wrong-identity``, ``seal.damaged``; and the files' ``OSError``.
    """
    try:
        pyrage.decrypt_io(source, target, identities)
    except pyrage.DecryptError as error:
        wrong = "no matching" in str(error).lower()
        raise HaechiError("seal.wrong-identity" if wrong else "seal.not-age") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise HaechiError("seal.damaged") from error  # age's own: a chunk that does not authenticate, or is missing


def new_identity() -> tuple[str, str]:
    """A fresh identity and its recipient, as age writes them."""
    made = x25519.Identity.generate()
    return str(made), str(made.to_public())


def identities(file: Path) -> list[Any]:
    """The identities of an age identity file or an unencrypted SSH private key.

    Raises ``HaechiError``: ``seal.no-identity``, ``seal.bad-identity``.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_IDENTITY)
    except OSError as error:
        raise HaechiError("seal.no-identity", file=str(file), reason=error.strerror or "") from error
    try:
        if raw.startswith(b"-----BEGIN"):
            return [ssh.Identity.from_buffer(raw)]
        lines = [line.strip() for line in raw.decode("ascii").splitlines()]
        found = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (pyrage.IdentityError, UnicodeDecodeError, ValueError) as error:
        raise HaechiError("seal.bad-identity", file=str(file)) from error
    if not found:
        raise HaechiError("seal.bad-identity", file=str(file))
    return found


def _recipient(text: str) -> Any:
    for kind in (x25519, tag, tagpq, ssh):
        try:
            return kind.Recipient.from_str(text)
        except (pyrage.RecipientError, ValueError):
            continue
    raise HaechiError("seal.bad-recipient", recipient=text[:80])
