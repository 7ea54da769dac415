"""Issues of policies as a security team signs them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from haechi.domain.issue import Issue
from haechi.outbound.engine.bundle import build, sign
from haechi.outbound.engine.folder import locate, policies_of, read
from haechi.outbound.trust import SigningKey

ISSUED = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def signed_issue(
    key: SigningKey, sequence: int, mode: str = "enforce", back: int | None = None, issued: dt.datetime = ISSUED
) -> bytes:
    """A signed bundle of what ships, in this mode."""
    texts = dict(read(locate()).texts)
    texts["data.yaml"] = texts["data.yaml"].replace("default: enforce", f"default: {mode}")
    policies = policies_of(locate(), tuple(texts.items()))
    return sign(build(policies, Issue(sequence, issued, back)), Path("x"), key)


def served(folder: Path, bundle: bytes, key: SigningKey) -> tuple[str, ...]:
    """Arguments by which OPA loads a bundle and verifies it with a key. Writes both into the folder."""
    file, pem = folder / "haechi.tar.gz", folder / "policy-signing.pub"
    file.write_bytes(bundle)
    pem.write_text(key.public_pem(), encoding="ascii")
    return (
        "--bundle",
        str(file),
        f"--verification-key={pem}",
        f"--verification-key-id={key.id}",
        f"--signing-alg={key.algorithm}",
    )
