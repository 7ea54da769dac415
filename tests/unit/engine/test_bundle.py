"""A bundle is what OPA loads and verifies, the agent reads the same of it, and nothing that was changed passes."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from haechi.domain.errors import HaechiError
from haechi.domain.issue import Issue
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine import archive
from haechi.outbound.engine import bundle as bundle_module
from haechi.outbound.engine.archive import packed, unpacked
from haechi.outbound.engine.bundle import MANIFEST, SIGNATURES, build, opened, sign
from haechi.outbound.engine.folder import locate, read
from haechi.outbound.engine.opa_digests import digest_of
from haechi.outbound.engine.signature import SignedPolicies
from haechi.outbound.trust import SigningKey, TrustStore

from tests.lab.institution import Institution
from tests.policy import opa

WHERE = Path("haechi.tar.gz")
ISSUE = Issue(7, dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC))


@dataclass(frozen=True)
class Made:
    """A signed bundle, its key, and what opa needs of it."""

    signing: SigningKey
    bundle: bytes
    folder: Path

    def opa_takes(self, bundle: bytes | None = None, key: SigningKey | None = None) -> subprocess.CompletedProcess[str]:
        """Whether opa evaluates the bundle once it verified it."""
        file, pem = self.folder / "x.tar.gz", self.folder / "key.pub"
        file.write_bytes(bundle or self.bundle)
        pem.write_text((key or self.signing).public_pem(), encoding="ascii")
        command = [opa.binary(), "run", "--server", "--addr=unix://" + str(self.folder / "s"), "--bundle", str(file)]
        command += [*self.verification(pem), "--log-level=error"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(timeout=2.0)
        except subprocess.TimeoutExpired:  # it serves: it took the bundle
            process.terminate()
            out, err = process.communicate()
            return subprocess.CompletedProcess(command, 0, out, err)
        return subprocess.CompletedProcess(command, process.returncode or 1, out, err)

    def verification(self, pem: Path) -> list[str]:
        return [f"--verification-key={pem}", f"--verification-key-id={self.signing.id}", "--signing-alg=EdDSA"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    signing = SigningKey.generate()
    return Made(signing, sign(build(read(locate()), ISSUE), WHERE, signing), tmp_path_factory.mktemp("bundle"))


def accept(keys: dict[SigningKey, dict[str, Any]], folder: Path) -> SignedPolicies:
    institution = Institution(folder)
    institution.trust_keys(keys)
    return SignedPolicies(TrustStore.load(institution.trust, SystemClock()))


# --- the same for everybody ---


def test_the_same_policies_and_moment_are_the_same_bytes(made: Made) -> None:
    assert build(read(locate()), ISSUE) == build(read(locate()), ISSUE)
    assert sign(made.bundle, WHERE, made.signing) == made.bundle


def test_a_bundle_holds_what_the_folder_holds(made: Made) -> None:
    folder, policies = read(locate()), opened(made.bundle, WHERE)
    assert dict(policies.modules) == dict(folder.modules)
    assert policies.data == folder.data
    assert policies.rules == folder.rules
    assert policies.words == folder.words
    assert dict(policies.texts)["catalogue/catalogue.yaml"] == dict(folder.texts)["catalogue/data.yaml"]
    assert policies.catalogue.all() == folder.catalogue.all()
    assert policies.issue == ISSUE
    assert policies.revision != folder.revision


def test_another_number_or_moment_is_another_revision() -> None:
    one = opened(build(read(locate()), ISSUE), WHERE).revision
    for other in (
        Issue(8, ISSUE.issued_at),
        Issue(7, ISSUE.issued_at + dt.timedelta(seconds=1)),
        Issue(7, ISSUE.issued_at, 9),
    ):
        assert opened(build(read(locate()), other), WHERE).revision != one


def test_opa_verifies_it_and_gives_the_same_decision(made: Made) -> None:
    file, pem = made.folder / "served.tar.gz", made.folder / "served.pub"
    file.write_bytes(made.bundle)
    pem.write_text(made.signing.public_pem(), encoding="ascii")
    facts = json.loads((locate() / "testing" / "data.json").read_text(encoding="utf-8"))["sealed_seoul"]
    facts["destination"]["facts"]["country"] = "US"
    body = json.dumps({"input": facts}).encode()
    said = []
    left_out = [f"--ignore={name}" for name in ("*_test.rego", "cases", "schema", "words.yaml", "examples")]
    signed = ["--bundle", str(file), *made.verification(pem)]
    for source in (signed, ["--bundle", str(locate()), *left_out]):
        with opa.server(*source) as port:
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/data/haechi/decision/decision", body)
            with urllib.request.urlopen(asked, timeout=5) as answer:
                said.append(json.load(answer)["result"])
    assert said[0] == said[1]
    assert said[0]["findings"]


def test_opa_inspects_it(made: Made) -> None:
    file = made.folder / "inspected.tar.gz"
    file.write_bytes(made.bundle)
    told = subprocess.run([opa.binary(), "inspect", "-f", "json", str(file)], capture_output=True, check=True).stdout
    manifest = json.loads(told)["manifest"]
    assert manifest["roots"] == ["catalogue", "choices", "haechi"]
    assert manifest["revision"] == opened(made.bundle, WHERE).revision
    assert manifest["metadata"]["haechi"]["sequence"] == 7


def test_opa_takes_the_key_that_signed_it_and_no_other(made: Made) -> None:
    assert made.opa_takes().returncode == 0
    other = made.opa_takes(key=SigningKey.generate())
    assert other.returncode != 0
    assert "verify JWT signature" in other.stdout


def test_the_digests_are_opas_for_every_kind_of_text(made: Made) -> None:
    """What Python and Go write differently: control characters, separators, HTML, numbers, order, nothing."""
    odd = made.folder / "odd"
    odd.mkdir()
    texts = {
        "ko": "한글",
        "html": "<&>",
        "line": "\u2028\u2029",
        "\x07\x08\x0c": '\t\n"\\/\x7f',
        "𐀀": "",
        "\ue000": None,
    }
    numbers = '"numbers": [1, 1.50, 1e3, 1E+2, -0, 12345678901234567890123], "z": [], "a": {}, "t": [true, false]'
    (odd / "data.json").write_text(json.dumps(texts)[:-1] + ", " + numbers + "}", encoding="utf-8")
    (odd / ".manifest").write_text('{"revision": "<&>", "roots": [""]}', encoding="utf-8")
    (odd / "x.rego").write_text("package x\n", encoding="utf-8")
    key = made.folder / "odd.pem"
    made.signing.save(key)
    command = [opa.binary(), "sign", "--signing-alg=EdDSA", f"--signing-key={key}", "--bundle", "."]
    subprocess.run(command, cwd=odd, check=True, capture_output=True)
    token = json.loads((odd / SIGNATURES).read_text())["signatures"][0].split(".")[1]
    listed = json.loads(base64.urlsafe_b64decode(token + "=="))["files"]
    assert {file["name"]: file["hash"] for file in listed} == {
        name: digest_of(name, (odd / name).read_bytes()) for name in ("data.json", ".manifest", "x.rego")
    }


# --- changed by somebody else ---


def changed(bundle: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    files = unpacked(bundle)
    change(files)
    return packed(files)


def looser(files: dict[str, bytes]) -> None:
    files["data.json"] = files["data.json"].replace(b'"enforce"', b'"monitor"')


def without_a_rule(files: dict[str, bytes]) -> None:
    del files["rules/opaque/rule.rego"], files["rules/opaque/words.yaml"]


def with_another_rule(files: dict[str, bytes]) -> None:
    files["rules/more/rule.rego"] = files["rules/opaque/rule.rego"].replace(b"rules.opaque", b"rules.more")


def renumbered(files: dict[str, bytes]) -> None:
    files[MANIFEST] = files[MANIFEST].replace(b'"sequence":7', b'"sequence":9')


def respaced(files: dict[str, bytes]) -> None:
    """OPA would take this: the meaning is the same. Our revision is over the bytes."""
    files["data.json"] = files["data.json"].replace(b"\n", b"")


@pytest.mark.parametrize("change", [looser, without_a_rule, with_another_rule, renumbered])
def test_neither_we_nor_opa_take_what_was_changed(made: Made, change: Callable[[dict[str, bytes]], None]) -> None:
    tampered = changed(made.bundle, change)
    with pytest.raises(HaechiError) as refused:
        opened(tampered, WHERE)
    assert refused.value.code == "policy.bundle"
    theirs = made.opa_takes(tampered)
    assert theirs.returncode != 0
    assert "load error: bundle" in theirs.stdout


def test_not_a_byte_may_differ(made: Made) -> None:
    with pytest.raises(HaechiError):
        opened(changed(made.bundle, respaced), WHERE)


@pytest.mark.parametrize(
    "name",
    [
        "haechi/data.json",
        "data.yaml",
        "schema/patch.json",
        "schema/data.json",
        "x/.manifest",
        "policy.wasm",
        "README.md",
        "x_test.rego",
        "testing/data.json",
        ".signatures.json/x",
        "a/.signatures.json",
    ],
)
def test_what_opa_would_load_otherwise_is_in_no_bundle(made: Made, name: str) -> None:
    def more(files: dict[str, bytes]) -> None:
        files[name] = b"{}"

    with pytest.raises(HaechiError):
        opened(changed(made.bundle, more), WHERE)


def test_a_token_for_another_purpose_or_key_vouches_for_nothing(made: Made, tmp_path: Path) -> None:
    policies = opened(made.bundle, WHERE)
    assert accept({made.signing: {}}, tmp_path).vouch(policies) == policies.token
    for keys, cause in (
        ({SigningKey.generate(): {}}, "trust.key-unknown"),
        ({made.signing: {"revoked": True}}, "trust.key-revoked"),
        ({made.signing: {"roles": ["registry"]}}, "trust.key-role"),
    ):
        with pytest.raises(HaechiError) as refused:
            accept(keys, tmp_path).vouch(policies)
        assert refused.value.code == cause

    class Elsewhere:
        def envelop(self, role: str, payload: bytes) -> str:
            return made.signing.envelop("release", payload)

    with pytest.raises(HaechiError) as refused:
        accept({made.signing: {}}, tmp_path).vouch(opened(sign(made.bundle, WHERE, Elsewhere()), WHERE))
    assert refused.value.code == "trust.signature-malformed"


def test_a_bundle_without_signature_is_read_and_refused_even_if_it_is_what_ships(tmp_path: Path) -> None:
    policies = opened(build(read(locate()), ISSUE), WHERE)
    with pytest.raises(HaechiError) as refused:
        accept({SigningKey.generate(): {}}, tmp_path).vouch(policies)
    assert refused.value.code == "policy.bundle-unsigned"


def test_a_signature_holds_for_its_own_revision_alone(made: Made, tmp_path: Path) -> None:
    accepts, token = accept({made.signing: {}}, tmp_path), opened(made.bundle, WHERE).token
    with pytest.raises(HaechiError) as refused:
        accepts.holds("blake3:00", token)
    assert refused.value.code == "trust.signature-wrong"


# --- hostile archives ---


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as held:
        for member, content in members:
            held.addfile(member, io.BytesIO(content))
    return made.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    one = tarfile.TarInfo(name)
    one.type, one.size, one.linkname = kind, size, link
    return one, b"x" * size


HOSTILE = {
    "no gzip": b"hello",
    "no tar": gzip.compress(b"hello" * 400),
    "symbolic link": tar_of(member("a", tarfile.SYMTYPE, link="/etc/passwd")),
    "hard link": tar_of(member("b"), member("a", tarfile.LNKTYPE, link="b")),
    "device": tar_of(member("a", tarfile.CHRTYPE)),
    "pipe": tar_of(member("a", tarfile.FIFOTYPE)),
    "upwards": tar_of(member("../a")),
    "upwards within": tar_of(member("a/../../b")),
    "twice": tar_of(member("a"), member("a")),
    "twice under another spelling": tar_of(member("/a"), member("a")),
    "slashes": tar_of(member("//a")),
    "control character": tar_of(member("a\n")),
    "many": tar_of(*(member(f"f{number}") for number in range(archive.MAX_FILES + 1))),
    "bomb": gzip.compress(b"\0" * (archive.MAX_UNPACKED + 1024)),
    "large": b"\0" * (archive.MAX_PACKED + 1),
    "two after another": gzip.compress(b"") + gzip.compress(b""),
    "cut": tar_of(member("a", size=4096))[:-12],
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_by_name(name: str) -> None:
    with pytest.raises(HaechiError) as refused:
        opened(HOSTILE[name], WHERE)
    assert refused.value.code == "policy.bundle"


@pytest.mark.parametrize("at", range(0, 100, 5))
def test_a_bundle_that_is_cut_anywhere_is_none(made: Made, at: int) -> None:
    with pytest.raises(HaechiError):
        opened(made.bundle[: len(made.bundle) * at // 100], WHERE)


# --- verified, then read ---


def test_nothing_of_a_bundle_is_parsed_before_its_signature_counts(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        def called(*_: object, **__: object) -> Any:
            parsed.append(name)
            raise AssertionError(name)

        return called

    for name in ("policies_of", "strict_json", "digest_of"):
        monkeypatch.setattr(bundle_module, name, noted(name))
    good, stranger = accept({made.signing: {}}, tmp_path / "good"), accept({SigningKey.generate(): {}}, tmp_path / "no")
    file = tmp_path / "haechi.tar.gz"
    for content, keys, cause in (
        (made.bundle, stranger, "trust.key-unknown"),
        (changed(made.bundle, unsigned), good, "policy.bundle-unsigned"),
        (changed(made.bundle, resigned), good, "trust.signature-wrong"),
    ):
        file.write_bytes(content)
        with pytest.raises(HaechiError) as refused:
            keys.read(file)
        assert (refused.value.code, parsed) == (cause, [])


def test_what_was_changed_below_a_signature_that_counts_is_not_parsed(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(bundle_module, "policies_of", lambda *_: parsed.append("policies"))
    file = tmp_path / "haechi.tar.gz"
    for change in (looser, without_a_rule, with_another_rule, renumbered, respaced):
        file.write_bytes(changed(made.bundle, change))
        with pytest.raises(HaechiError) as refused:
            accept({made.signing: {}}, tmp_path).read(file)
        assert (refused.value.code, parsed) == ("policy.bundle", [])


def unsigned(files: dict[str, bytes]) -> None:
    del files[SIGNATURES]


def resigned(files: dict[str, bytes]) -> None:
    """The right key's name, another's signature."""
    head, payload, _ = json.loads(files[SIGNATURES])["signatures"][0].split(".")
    files[SIGNATURES] = json.dumps({"signatures": [f"{head}.{payload}.{'A' * 86}"]}).encode()


def test_a_folder_is_not_parsed_before_its_signature_counts(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    (folder / "data.yaml").write_text("&a [*a]", encoding="ascii")
    with pytest.raises(HaechiError) as refused:
        accept({SigningKey.generate(): {}}, tmp_path).read(folder)
    assert refused.value.code == "policy.unsigned"


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{n}: &{n} [{','.join([f'*{before}'] * 8)}]\n" for before, n in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "choices: &a {value: *a}\n",
        "[" * 5000 + "]" * 5000,
    ],
    ids=["names that name each other", "a value in itself", "nested"],
)
def test_a_few_lines_that_become_more_than_any_memory_are_refused(tmp_path: Path, bomb: str) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    (folder / "data.yaml").write_text(bomb, encoding="ascii")
    with pytest.raises(HaechiError) as refused:
        read(folder)
    assert refused.value.code == "policy.invalid"


@pytest.mark.parametrize("name", ["data.yaml", "rules/opaque/rule.rego", "policies.sig"])
@pytest.mark.parametrize("what", ["pipe", "endless", "huge"])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path, name: str, what: str) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    file = folder / name
    with (folder / "data.yaml").open("a", encoding="ascii") as ours:
        ours.write("# ours\n")
    file.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(file)
    elif what == "endless":
        file.symlink_to("/dev/zero")
    else:
        with file.open("wb") as made:
            made.truncate(1 << 40)
    with pytest.raises(HaechiError):
        accept({SigningKey.generate(): {}}, tmp_path).read(folder)


@pytest.mark.parametrize("number", ["1e400", "9007199254740992", "-9007199254740992", "123456789012345678901234567890"])
def test_a_number_that_not_every_engine_keeps_is_refused(tmp_path: Path, number: str) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    data = folder / "data.yaml"
    text = data.read_text(encoding="utf-8")
    data.write_text(text + f"\n  ours: {{value: {number}, whose: institution, why: x}}\n", encoding="utf-8")
    with pytest.raises(HaechiError) as refused:
        read(folder)
    assert refused.value.code == "policy.invalid"
    assert "no number" in str(refused.value.params["why"])
