from __future__ import annotations

import datetime as dt
import errno
import os
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from haechi.domain.errors import HaechiError
from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy.authority import UNNAMED, Authority, Lifetimes

SCOPE = Scope(ScopeMode.CLOUD, ("*.amazonaws.com", "storage.googleapis.com"))
HOST = "b.s3.amazonaws.com"


class Clock:
    def __init__(self):
        self.time = dt.datetime.now(dt.UTC)

    def __call__(self):
        return self.time


def chain(pair):
    return x509.load_pem_x509_certificates(pair.chain)


def test_a_strict_verifier_accepts_a_leaf_for_its_host_alone():
    authority = Authority.create(None, SCOPE)
    leaf, *rest = chain(authority.leaf(HOST))
    store = Store(x509.load_pem_x509_certificates(authority.root_pem))
    PolicyBuilder().store(store).build_server_verifier(x509.DNSName(HOST)).verify(leaf, rest)
    with pytest.raises(VerificationError):
        PolicyBuilder().store(store).build_server_verifier(x509.DNSName("other.amazonaws.com")).verify(leaf, rest)


@pytest.mark.parametrize("host", ["example.org", "amazonaws.com", "xamazonaws.com", "*.amazonaws.com", "", "1.2.3.4"])
def test_nothing_is_minted_out_of_scope(host):
    with pytest.raises(HaechiError, match="name-out-of-scope"):
        Authority.create(None, SCOPE).leaf(host)


def test_a_verifier_rejects_what_a_stolen_intermediate_signs_out_of_scope(tmp_path):
    narrow = Authority.create(tmp_path / "a", SCOPE)
    wide = Authority(None, Scope(ScopeMode.ALL))
    wide._issuer = narrow._issuer
    pair = wide._mint("bank.example")
    (tmp_path / "root.pem").write_bytes(narrow.root_pem)
    (tmp_path / "chain.pem").write_bytes(pair.chain)
    command = ["openssl", "verify", "-CAfile", "root.pem", "-untrusted", "chain.pem", "chain.pem"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "permitted subtree violation" in said.stdout + said.stderr
    (tmp_path / "chain.pem").write_bytes(narrow.leaf(HOST).chain)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_keys_are_private_and_the_roots_key_is_gone(tmp_path):
    Authority.create(tmp_path / "a", SCOPE)
    names = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "a").iterdir()}
    assert names == {"root.pem": 0o644, "authority.pem": 0o600}
    assert (tmp_path / "a" / "authority.pem").read_bytes().count(b"PRIVATE KEY-----\n") == 2  # one key, two lines


def test_a_loaded_authority_is_the_same(tmp_path):
    made = Authority.create(tmp_path / "a", SCOPE)
    again = Authority.load(tmp_path / "a", SCOPE)
    assert (again.root_pem, again.intermediate_pem) == (made.root_pem, made.intermediate_pem)


def test_another_scope_gives_another_intermediate_under_a_kept_root(tmp_path):
    made = Authority.create(tmp_path / "a", SCOPE, keep_root=True)
    again = Authority.load(tmp_path / "a", Scope(ScopeMode.LIST, ("x.example",)), keep_root=True)
    assert again.root_pem == made.root_pem
    assert again.intermediate_pem != made.intermediate_pem
    assert again.leaf("x.example").host == "x.example"


def test_without_the_roots_key_another_scope_gives_another_root(tmp_path):
    made = Authority.create(tmp_path / "a", SCOPE)
    assert Authority.load(tmp_path / "a", Scope(ScopeMode.LIST, ("x.example",))).root_pem != made.root_pem


def test_leaves_are_cached_and_minted_anew_before_they_end():
    clock = Clock()
    authority = Authority.create(None, SCOPE, now=clock)
    first = authority.leaf(HOST)
    clock.time += dt.timedelta(days=4)
    assert authority.leaf(HOST.upper() + ":443") is first
    clock.time += dt.timedelta(days=1)
    second = authority.leaf(HOST)
    assert second is not first
    assert clock.time < first.not_after < second.not_after


def test_an_ending_intermediate_is_renewed_without_a_restart():
    clock = Clock()
    authority = Authority.create(
        None, SCOPE, now=clock, lifetimes=Lifetimes(dt.timedelta(days=30), dt.timedelta(days=7))
    )
    before = authority.intermediate_pem
    clock.time += dt.timedelta(days=24)
    pair = authority.leaf(HOST)
    assert authority.intermediate_pem != before
    assert pair.not_after - clock.time == dt.timedelta(days=7)


def test_the_cache_has_a_bound():
    authority = Authority.create(None, SCOPE, max_leaves=3)
    for n in range(9):
        authority.leaf(f"b{n}.amazonaws.com")
    assert len(authority._leaves) == 3


def test_torn_files_are_named(tmp_path):
    Authority.create(tmp_path / "a", SCOPE)
    whole = (tmp_path / "a" / "authority.pem").read_bytes()
    (tmp_path / "a" / "authority.pem").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HaechiError, match="authority-unreadable"):
        Authority.load(tmp_path / "a", SCOPE)


def test_a_client_that_names_nothing_gets_a_name_that_cannot_exist():
    assert Authority.create(None, SCOPE).leaf(UNNAMED).host == UNNAMED


WIDER = Scope(ScopeMode.CLOUD, (*SCOPE.patterns, "objects.example.co.kr"))


def test_another_scope_takes_another_root_and_is_minted_for(tmp_path):
    authority = Authority.create(tmp_path, SCOPE)
    before = authority.root_pem
    assert authority.rescope(WIDER)
    assert authority.root_pem != before
    assert authority.leaf("objects.example.co.kr").chain
    assert authority.uncovered == ()
    assert Authority.load(tmp_path, WIDER).root_pem == authority.root_pem
    assert not authority.rescope(WIDER)


def test_a_root_that_the_machine_was_told_of_is_kept_for_the_names_that_it_is_made_for(tmp_path):
    authority = Authority.create(tmp_path, SCOPE)
    before = authority.root_pem
    assert not authority.rescope(WIDER, keep=True)
    assert authority.root_pem == before
    assert authority.uncovered == ("objects.example.co.kr",)
    authority.leaf(HOST)
    with pytest.raises(HaechiError, match="name-not-covered"):
        authority.leaf("objects.example.co.kr")
    narrow = Scope(ScopeMode.CLOUD, ("*.amazonaws.com",))
    assert not authority.rescope(narrow, keep=True)
    assert authority.uncovered == ()
    with pytest.raises(HaechiError, match="name-out-of-scope"):
        authority.leaf("storage.googleapis.com")


def test_a_scope_that_is_not_the_institutions_takes_no_other_root(tmp_path):
    root = Authority.open(tmp_path, WIDER).root_pem
    assert Authority.open(tmp_path, SCOPE, keep=True).root_pem == root
    assert Authority.open(tmp_path, SCOPE).root_pem != root


def test_a_kept_root_covers_less_than_everything():
    authority = Authority.create(None, SCOPE)
    authority.rescope(Scope(ScopeMode.ALL), keep=True)
    assert "*" in authority.uncovered


class Moments:
    """What a folder held before each step of a change: what a kill at that moment would leave."""

    def __init__(self, folder, copies):
        self.folder, self.copies, self.taken = folder, copies, []

    def __enter__(self):
        self._patch = pytest.MonkeyPatch()
        for name in ("open", "fsync", "replace", "link", "unlink"):
            self._patch.setattr(os, name, self._noting(getattr(os, name)))
        return self

    def __exit__(self, *_):
        self._patch.undo()
        self.note()

    def _noting(self, real):
        def call(*arguments, **more):
            self.note()
            return real(*arguments, **more)

        return call

    def note(self):
        held = {path.name: path.read_bytes() for path in self.folder.glob("*") if path.suffix != ".new"}
        if not self.taken or held != self.taken[-1]:
            self.taken.append(held)

    def each(self):
        for n, held in enumerate(self.taken):
            folder = self.copies / str(n)
            folder.mkdir(parents=True)
            for name, data in held.items():
                (folder / name).write_bytes(data)
            yield folder


def usable(authority):
    """Clients that trust its root take its leaves."""
    leaf, *rest = chain(authority.leaf(HOST))
    store = Store(x509.load_pem_x509_certificates(authority.root_pem))
    PolicyBuilder().store(store).time(authority._now()).build_server_verifier(x509.DNSName(HOST)).verify(leaf, rest)
    return authority.root_pem


@pytest.mark.parametrize("keep_root", [False, True])
def test_a_kill_in_mid_renewal_leaves_the_old_authority_or_the_new(tmp_path, keep_root):
    clock = Clock()
    authority = Authority.create(tmp_path / "a", SCOPE, now=clock, keep_root=keep_root)
    old = (authority.root_pem, authority.intermediate_pem)
    clock.time += dt.timedelta(days=725)
    with Moments(tmp_path / "a", tmp_path / "moments") as moments:
        authority.leaf(HOST)
    new = (authority.root_pem, authority.intermediate_pem)
    assert new != old
    patient = Lifetimes(leaf=dt.timedelta(days=1))  # so that nothing is due yet where the old one was left
    seen = set()
    for folder in moments.each():
        left = Authority.load(folder, SCOPE, now=clock, lifetimes=patient)
        assert usable(left) == (folder / "root.pem").read_bytes()
        seen.add((left.root_pem, left.intermediate_pem))
    assert seen == {old, new}


def test_a_kill_in_mid_making_leaves_nothing_or_the_new_authority(tmp_path):
    with Moments(tmp_path / "a", tmp_path / "moments") as moments:
        made = Authority.create(tmp_path / "a", SCOPE)
    roots = [usable(Authority.open(folder, SCOPE)) for folder in moments.each()]
    assert roots[-1] == made.root_pem


def test_an_authority_of_the_earlier_layout_is_taken_over(tmp_path):
    made = Authority.create(None, SCOPE)
    issuer = made._issuer
    earlier = tmp_path / "a"
    earlier.mkdir()
    (earlier / "root.pem").write_bytes(made.root_pem)
    (earlier / "intermediate.pem").write_bytes(made.intermediate_pem)
    (earlier / "intermediate.key").write_bytes(
        issuer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with Moments(earlier, tmp_path / "moments") as moments:
        Authority.open(earlier, SCOPE)
    assert {path.name for path in earlier.iterdir()} == {"authority.pem", "root.pem"}
    for folder in moments.each():
        assert usable(Authority.open(folder, SCOPE)) == made.root_pem
        assert {path.name for path in folder.iterdir()} == {"authority.pem", "root.pem"}


def test_certificates_that_do_not_belong_together_are_not_taken(tmp_path):
    one, other = Authority.create(tmp_path / "a", SCOPE), Authority.create(None, SCOPE)
    mixed = (tmp_path / "a" / "authority.pem").read_bytes().replace(one.root_pem, other.root_pem)
    (tmp_path / "a" / "authority.pem").write_bytes(mixed)
    with pytest.raises(HaechiError, match="authority-unreadable"):
        Authority.load(tmp_path / "a", SCOPE)


def test_what_cannot_be_kept_is_not_used(tmp_path, monkeypatch):
    clock = Clock()
    authority = Authority.create(tmp_path / "a", SCOPE, now=clock)
    before = (authority.root_pem, authority.intermediate_pem, authority.scope)

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(HaechiError, match="authority-unwritable"):
            authority.rescope(WIDER)
        clock.time += dt.timedelta(days=729)
        assert usable(authority) == before[0]
        assert authority.problem.code == "datapath.authority-unwritable"
        clock.time += dt.timedelta(days=2)
        with pytest.raises(HaechiError, match="authority-unwritable"):
            authority.leaf(HOST)
        assert (authority.root_pem, authority.intermediate_pem, authority.scope) == before
        with pytest.raises(HaechiError, match="authority-unwritable"):
            Authority.create(tmp_path / "b", SCOPE)
    assert usable(authority) != before[0]
    assert authority.problem is None
