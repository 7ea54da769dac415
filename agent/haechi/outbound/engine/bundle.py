"""Policies as an OPA bundle: what `opa` loads and verifies, and what an agent does, are the same files.

Theory. A bundle is an archive of the folder's files, its choices as ``data.json``, ``.manifest`` with our issue in its
metadata, and ``.signatures.json``: one token over the hash of every file. OPA checks those hashes. So do we, and two
things more. The token names the revision, which is over every byte and the issue, and is what policies are known by in
records and while they are in force. And nothing may be in a bundle that OPA would load and we would not, or read
otherwise: a second data file, a test, a compiled module, another root.

Must not know: whose signatures count, which issue may follow which.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import jwt
import msgspec

from haechi.domain.errors import HaechiError
from haechi.domain.issue import Issue
from haechi.outbound.engine.archive import MAX_PACKED, ArchiveError, packed, unpacked
from haechi.outbound.engine.choices import FILE as DATA
from haechi.outbound.engine.folder import PolicyFolder, policies_of
from haechi.outbound.engine.metadata import package_of
from haechi.outbound.engine.opa_digests import ALGORITHM, digest_of, strict_json
from haechi.outbound.engine.texts import BUNDLED_CATALOGUE, CATALOGUE, DATA_JSON, bytes_of, matters, revision_of

MANIFEST = ".manifest"
SIGNATURES = ".signatures.json"
SCHEMA = "haechi.policy-bundle/1"
_ROLE = "policy"
_SPECIAL = ("data.json", "patch.json")
"""Names that mean something to OPA in whatever folder they lie."""

Verify = Callable[[bytes], bytes]
"""Checks a token, empty where a bundle has none, and gives what it says. Raises ``HaechiError`` unless it counts."""


class Signing(Protocol):
    """A private key."""

    def envelop(self, role: str, payload: bytes) -> str:
        """A JWS that carries the payload and names its key."""


class _Signatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signatures: tuple[str]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    hash: str
    algorithm: str


class Claims(msgspec.Struct, frozen=True):
    """What a bundle's token says. ``revision`` is ours; ``files`` is OPA's."""

    files: tuple[_File, ...]
    revision: str


class _Ours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: str
    sequence: int
    issued_at: dt.datetime
    rolls_back_from: int | None = None


def build(policies: PolicyFolder, issue: Issue) -> bytes:
    """The bundle of a folder that was read, not signed yet. Raises ``HaechiError('policy.invalid')``."""
    texts = {name: text for name, text in policies.texts if name not in (DATA, DATA_JSON)}
    if CATALOGUE in texts:  # OPA would take it for data of its own, and read YAML its own way
        texts[BUNDLED_CATALOGUE] = texts.pop(CATALOGUE)
    data = msgspec.json.format(msgspec.json.encode(policies.data, order="sorted"), indent=1)
    texts[DATA_JSON] = data.decode() + "\n"
    for name in texts:
        if _foreign(name):
            raise HaechiError("policy.invalid", file=name, why="OPA would take it for something else in a bundle")
    ordered = tuple(sorted(texts.items()))
    made = policies_of(policies.path, ordered, issue)
    files = {name: text.encode() for name, text in ordered}
    return _archive({**files, MANIFEST: msgspec.json.encode(_manifest(made, issue)) + b"\n"})


def sign(bundle: bytes, where: Path, signing: Signing) -> bytes:
    """The same bundle with a signature, in the place of an earlier one. Raises as ``opened``."""
    policies = opened(bundle, where)
    files = {name: content for name, content in unpacked(bundle).items() if name != SIGNATURES}
    claims = Claims(
        tuple(_File(name, digest_of(name, content), ALGORITHM) for name, content in sorted(files.items())),
        policies.revision,
    )
    said = _Signatures((signing.envelop(_ROLE, msgspec.json.encode(claims)),))
    return _archive({**files, SIGNATURES: msgspec.json.encode(said) + b"\n"})


def bundle_bytes(file: Path) -> bytes:
    """A bundle's bytes, one more at most than are taken. Raises ``HaechiError('policy.unreadable')``."""
    try:
        return bytes_of(file, MAX_PACKED + 1)
    except OSError as error:
        raise HaechiError("policy.unreadable", folder=str(file), why=error.strerror or "") from error


def opened(bundle: bytes, where: Path, verified: Verify | None = None) -> PolicyFolder:
    """What a bundle holds, its own claims checked. ``where`` is for messages.

    ``verified`` checks the signature before anything of the bundle is read but its names and the signature itself;
    without it nobody did, and ``token`` is empty where there is none. Raises ``HaechiError``: ``policy.bundle``, and
    what ``folder.read`` and ``verified`` raise.
    """
    try:
        return _opened(bundle, where, verified)
    except HaechiError:
        raise
    except ArchiveError as error:
        raise HaechiError("policy.bundle", file=str(where), why=str(error)) from error
    except Exception as error:  # whatever else a file's form can break is a fault of the file all the same
        raise HaechiError("policy.bundle", file=str(where), why=f"{type(error).__name__}: {error}") from error


def _opened(bundle: bytes, where: Path, verified: Verify | None) -> PolicyFolder:
    files = unpacked(bundle)
    signatures, manifest = files.pop(SIGNATURES, None), files.get(MANIFEST)
    token = _token(signatures) if signatures is not None else b""
    payload = verified(token) if verified is not None else _unverified(token)
    claims = msgspec.json.decode(payload, type=Claims) if token else None
    for name in files:
        if name != MANIFEST and (_foreign(name) or not matters(name)):
            raise ArchiveError(f"{name!r} does not belong into a bundle of policies")
    if claims is not None:
        _fit(files, claims)
    if manifest is None:
        raise ArchiveError(f"no {MANIFEST}")
    said = strict_json(manifest)
    issue = _issue(said)
    texts = [(name, content.decode()) for name, content in sorted(files.items()) if name != MANIFEST]
    revision = revision_of(texts, issue)
    if claims is not None and claims.revision != revision:
        raise ArchiveError("its signature is over another revision")
    if DATA_JSON in files:
        strict_json(files[DATA_JSON])
    policies = policies_of(where, texts, issue, revision)
    if said != _manifest(policies, issue):
        raise ArchiveError(f"{MANIFEST} does not fit what the bundle holds")
    return replace(policies, bundle=bundle, token=token)


def _token(signatures: bytes) -> bytes:
    return msgspec.json.decode(signatures, type=_Signatures).signatures[0].encode("ascii")


def _unverified(token: bytes) -> bytes:
    """What a token says. Whether it was signed, and by whom, it does not tell."""
    if not token:
        return b""
    payload: bytes = jwt.api_jws.decode_complete(token, options={"verify_signature": False})["payload"]
    return payload


def _fit(files: Mapping[str, bytes], claims: Claims) -> None:
    """Raises ``ArchiveError`` unless these are the files of the claims."""
    named = {file.name: file for file in claims.files}
    if len(named) != len(claims.files) or set(named) != set(files):
        raise ArchiveError("its signature is over other files")
    for name, content in files.items():
        if named[name].algorithm != ALGORITHM or named[name].hash != digest_of(name, content):
            raise ArchiveError(f"{name!r} is not the file that was signed")


def _archive(files: Mapping[str, bytes]) -> bytes:
    return packed(files, first=(MANIFEST, SIGNATURES))


def _foreign(name: str) -> bool:
    """Whether OPA would take a file for data, or for a bundle's own, that we read as something else."""
    base = PurePosixPath(name).name
    return (base in _SPECIAL and name != DATA_JSON) or base.endswith(MANIFEST) or base in ("data.yaml", "data.yml")


def _issue(manifest: Any) -> Issue:
    ours = msgspec.convert(manifest["metadata"]["haechi"], _Ours)
    if ours.schema != SCHEMA:
        raise ArchiveError(f"its schema is not {SCHEMA}")
    return Issue(ours.sequence, ours.issued_at.astimezone(dt.UTC), ours.rolls_back_from)


def _manifest(policies: PolicyFolder, issue: Issue) -> dict[str, Any]:
    """The only manifest that fits. ``roots`` are all places in OPA's data that rules and choices take up."""
    roots = {package_of(text).split(".")[0] for _, text in policies.modules} | set(policies.data)
    if "haechi" in policies.data:
        raise HaechiError("policy.invalid", file=DATA_JSON, why="haechi is the rules' own name")
    ours = {
        "schema": SCHEMA,
        "sequence": issue.sequence,
        "issued_at": issue.issued_at.astimezone(dt.UTC).isoformat(),
        "rolls_back_from": issue.rolls_back_from,
    }
    return {
        "revision": policies.revision,
        "roots": sorted(roots),
        "rego_version": 1,
        "metadata": {"haechi": ours},
    }
