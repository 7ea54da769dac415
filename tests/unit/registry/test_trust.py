"""Only a key in force, of the right role, over just these bytes, by the pinned algorithm."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from pathlib import Path

import jwt
import pytest
from blake3 import blake3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from haechi.cli import run
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Grade
from haechi.outbound.clock import SystemClock
from haechi.outbound.trust import KeyKind, Role, SignedReleases, SigningKey, TrustedKey, TrustStore, load_public_key
from haechi.outbound.trust.keys import typ_of
from haechi.outbound.trust.releases import make_release
from haechi.ports.releases import ReleaseAction
from hypothesis import given, settings
from hypothesis import strategies as st

DIGEST = "blake3:" + "a" * 64


def refused(code: str):
    return pytest.raises(HaechiError, match=rf"^{code.replace('.', '[.]')}\b")


def test_a_signature_by_the_right_key_names_its_signer(team):
    signature = team.keys["registry"].sign("registry", b"payload")
    signer = team.trust().verify("registry", b"payload", signature)
    assert (signer.key, signer.name, signer.role) == (team.keys["registry"].id, "registry", "registry")


def test_another_payload_another_role_another_key_are_refused(team):
    store = team.trust()
    signature = team.keys["registry"].sign("registry", b"payload")
    with refused("trust.signature-wrong"):
        store.verify("registry", b"payloaD", signature)
    with refused("trust.key-role"):
        store.verify("policy", b"payload", signature)
    with refused("trust.key-unknown"):
        store.verify("registry", b"payload", SigningKey.generate().sign("registry", b"payload"))


def test_a_key_of_two_roles_does_not_let_one_signature_serve_both(team):
    team.entries[1]["roles"] = ["registry", "policy"]
    signature = team.keys["registry"].sign("registry", b"payload")
    with refused("trust.signature-malformed"):
        team.trust().verify("policy", b"payload", signature)


def test_time_and_revocation(team, clock):
    signature = team.keys["registry"].sign("registry", b"p")
    entry = team.entries[1]
    entry |= {"not_before": "2026-02-01", "not_after": "2026-02-28"}
    for at, good in (
        ("2026-01-31T23:59:59+09:00", False),
        ("2026-02-01T00:00:00+09:00", True),
        ("2026-02-28T23:59:59+09:00", True),
        ("2026-03-01T00:00:00+09:00", False),
    ):
        clock.at = dt.datetime.fromisoformat(at)
        if good:
            team.trust().verify("registry", b"p", signature)
        else:
            with refused("trust.key-not-in-force"):
                team.trust().verify("registry", b"p", signature)
    clock.at = dt.datetime.fromisoformat("2026-02-10T00:00:00+09:00")
    entry["revoked"] = True
    with refused("trust.key-revoked"):
        team.trust().verify("registry", b"p", signature)


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def test_no_algorithm_is_taken_from_the_token(team):
    store, key = team.trust(), team.keys["registry"]
    head = {"kid": key.id, "typ": typ_of("registry"), "b64": False, "crit": ["b64"]}
    none = b64(json.dumps(head | {"alg": "none"}).encode()) + b".."
    public = key.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    confused_head = b64(json.dumps(head | {"alg": "HS256"}).encode())
    confused = confused_head + b".." + b64(hmac.new(public, confused_head + b".p", hashlib.sha256).digest())
    for token in (
        none,
        confused,
        b"",
        b".",
        b"..",
        b"a.b.c",
        b"\xff\xff..x",
        key.sign("registry", b"p").encode() + b".x",
    ):
        with pytest.raises(HaechiError, match=r"^trust\."):
            store.verify("registry", b"p", token)


def test_a_signature_without_key_id_is_refused(team):
    token = jwt.api_jws.encode(
        b"p", team.keys["registry"].key, "EdDSA", {"typ": typ_of("registry")}, is_payload_detached=True
    )
    with refused("trust.key-unknown"):
        team.trust().verify("registry", b"p", token)


def test_an_enveloped_token_is_no_detached_signature(team):
    token = team.keys["registry"].envelop("registry", b"other")
    with refused("trust.signature-malformed"):
        team.trust().verify("registry", b"p", token)


KEY = SigningKey.generate()
TOKEN = KEY.sign("registry", b"payload").encode()
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@settings(max_examples=150)
@given(at=st.integers(0, len(TOKEN) - 2), to=st.sampled_from(ALPHABET))
def test_any_changed_character_of_a_token_is_refused(at, to):
    """But the last one: it carries padding bits that every decoder ignores."""
    changed = TOKEN[:at] + bytes([to]) + TOKEN[at + 1 :]
    store = TrustStore([TrustedKey(KEY.id, KEY.public, frozenset(["registry"]))], SystemClock())
    if changed == TOKEN:
        assert store.verify("registry", b"payload", changed).key == KEY.id
    else:
        with pytest.raises(HaechiError, match=r"^trust\."):
            store.verify("registry", b"payload", changed)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d.update(schema="other"), "trust.malformed"),
        (lambda d: d["keys"][0].update(roles=["all"]), "trust.malformed"),
        (lambda d: d["keys"][0].update(roles=[]), "trust.malformed"),
        (lambda d: d["keys"][0].update(revoked="no"), "trust.malformed"),
        (lambda d: d["keys"][0].update(rovoked=True), "trust.malformed"),
        (lambda d: d["keys"][0].update(not_after="soon"), "trust.malformed"),
        (lambda d: d["keys"][0].update(not_after="2026-01-01T00:00:00"), "trust.malformed"),
        (lambda d: d["keys"][0].update(id="x"), "trust.key-id"),
        (lambda d: d["keys"][0].update(key="garbage"), "trust.key-unreadable"),
        (lambda d: d["keys"].append(d["keys"][0]), "trust.key-twice"),
    ],
)
def test_a_trust_list_with_a_fault_is_refused_whole(team, clock, tmp_path, change, code):
    document = {"schema": "haechi.trust/1", "keys": team.entries}
    change(document)
    path = tmp_path / "trust.yaml"
    path.write_text(json.dumps(document))
    path.chmod(0o644)
    with refused(code):
        TrustStore.load(path, clock)


def test_a_trust_list_that_others_may_write_is_refused(team, clock):
    team.trust()
    path = team.folder / "trust.yaml"
    path.chmod(0o666)
    with refused("trust.writable-by-others"):
        TrustStore.load(path, clock)


def test_pem_works_as_well_as_jwk_and_other_kinds_of_key_do_not(team):
    key = team.keys["registry"]
    pem = lambda k: k.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()  # noqa: E731
    team.entries[1]["key"] = pem(key.public)
    team.trust().verify("registry", b"p", key.sign("registry", b"p"))
    for other in (rsa.generate_private_key(65537, 2048), ed448.Ed448PrivateKey.generate()):
        with refused("trust.key-not-ed25519"):
            load_public_key(pem(other.public_key()))


def test_private_keys_are_kept_private(tmp_path):
    plain, locked = tmp_path / "plain.pem", tmp_path / "locked.pem"
    key = SigningKey.generate()
    key.save(plain)
    key.save(locked, b"open sesame")
    assert {p.stat().st_mode & 0o777 for p in (plain, locked)} == {0o600}
    assert SigningKey.load(plain).id == SigningKey.load(locked, lambda: b"open sesame").id == key.id
    with refused("trust.key-passphrase"):
        SigningKey.load(locked, b"wrong")
    with refused("trust.key-passphrase"):
        SigningKey.load(locked)
    with refused("trust.key-exists"):
        key.save(plain)
    plain.chmod(0o640)
    with refused("trust.key-exposed"):
        SigningKey.load(plain)


def release(team, **changes) -> bytes:
    wanted = {
        "number": "2026-12",
        "approver": "kim",
        "action": ReleaseAction.UNTAG,
        "digests": (DIGEST,),
        "expires": dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        "issued": dt.datetime(2026, 2, 1, tzinfo=dt.UTC),
        **changes,
    }
    return make_release(team.keys["release"], **wanted).encode()


def test_a_release_fits_its_content_and_act_until_it_expires(team, clock):
    releases = SignedReleases(team.trust(), clock)
    good = releases.verify(release(team, grade=Grade.B), content_digest=DIGEST, action="untag")
    assert (good.number, good.approver, good.grade, good.signer) == ("2026-12", "kim", Grade.B, "release")
    with refused("release.other-content"):
        releases.verify(release(team), content_digest="blake3:" + "b" * 64, action="untag")
    with refused("release.other-action"):
        releases.verify(release(team), content_digest=DIGEST, action="lower")
    clock.at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    with refused("release.expired"):
        releases.verify(release(team), content_digest=DIGEST, action="untag")


def test_a_release_by_a_registry_key_or_with_odd_content_is_none(team, clock):
    releases = SignedReleases(team.trust(), clock)
    with refused("trust.key-role"):
        token = make_release(
            team.keys["registry"],
            number="1",
            approver="k",
            action=ReleaseAction.UNTAG,
            digests=(DIGEST,),
            expires=clock.at,
            issued=clock.at,
        )
        releases.verify(token.encode(), content_digest=DIGEST, action="untag")
    for payload in (b"{}", b"[]", b"not json", b'{"schema":"haechi.release/1","kind":"release","everything":true}'):
        with refused("release.malformed"):
            releases.verify(
                team.keys["release"].envelop(Role.RELEASE, payload).encode(), content_digest=DIGEST, action="untag"
            )
    with refused("release.malformed"):
        releases.verify(release(team, digests=()), content_digest=DIGEST, action="untag")


def test_an_expired_release_is_not_signed_and_a_passphrase_needs_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAECHI_LANG", "en")
    key = str(tmp_path / "k.pem")
    assert run(["keys", "new", key, "--role", "release"]) == 1
    assert "--passphrase-file" in capsys.readouterr().err and not Path(key).exists()
    assert run(["keys", "new", key, "--role", "release", "--no-passphrase"]) == 0
    asked = ["keys", "release", "blake3:" + "0" * 64, "--key", key, "--action", "untag", "--number", "1"]
    assert run([*asked, "--approver", "kim", "--expires", "2020-01-01"]) == 2
    assert "2020-01-01 is over already" in capsys.readouterr().err
    document = tmp_path / "report.docx"
    document.write_bytes(b"nothing protected")
    asked[2] = f"file={document}"
    assert run([*asked, "--approver", "kim", "--expires", "2999-01-01"]) == 0
    payload = capsys.readouterr().out.split(".")[1]
    signed = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert signed["digests"] == [f"blake3:{blake3(b'nothing protected').hexdigest()}"]
    asked[2] = f"file={tmp_path / 'gone'}"
    assert run([*asked, "--approver", "kim", "--expires", "2999-01-01"]) == 1
    assert "gone" in capsys.readouterr().err
    assert run(["keys", "show", key]) == 0
    said = capsys.readouterr()
    assert 'name: ""' not in said.out and "registry" in said.out and "…" not in said.out


@pytest.mark.parametrize("kind", KeyKind)
def test_a_key_of_each_kind_is_kept_shown_and_verified(team, tmp_path, kind):
    SigningKey.generate(kind).save(tmp_path / "key.pem", b"secret")
    key = SigningKey.load(tmp_path / "key.pem", b"secret")
    team.entries[1] |= {"id": key.id, "key": key.jwk()}
    assert team.trust().verify("registry", b"p", key.sign("registry", b"p")).key == key.id
    team.entries[1]["key"] = key.public_pem()
    payload, signer = team.trust().open("registry", key.envelop("registry", b"p"))
    assert (payload, signer.key) == (b"p", key.id)
    with refused("trust.signature-wrong"):
        team.trust().verify("registry", b"q", key.sign("registry", b"p"))


def test_the_keys_type_says_how_it_signs_and_the_token_never(team):
    key = SigningKey.generate(KeyKind.P256)
    team.entries[1] |= {"id": key.id, "key": key.jwk()}
    good = key.envelop("registry", b"p").split(".")
    for algorithm in ("EdDSA", "ES384", "HS256", "none"):
        head = b64(json.dumps({"alg": algorithm, "kid": key.id, "typ": typ_of("registry")}).encode()).decode()
        with pytest.raises(HaechiError, match=r"^trust\.signature"):
            team.trust().open("registry", ".".join([head, *good[1:]]))


def test_a_key_on_another_curve_is_none(tmp_path):
    other = ec.generate_private_key(ec.SECP384R1())
    public = other.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with refused("trust.key-not-ed25519"):
        load_public_key(public.decode())
    file = tmp_path / "key.pem"
    file.touch(0o600)
    file.write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with refused("trust.key-not-ed25519"):
        SigningKey.load(file)
