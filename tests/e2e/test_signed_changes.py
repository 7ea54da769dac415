"""Policies, trust list and registry that change while the agent runs: in force within seconds, without a restart."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from haechi.outbound.engine.folder import locate, read
from haechi.outbound.trust.keys import SigningKey

from tests.e2e.s3_lab import SEOUL, Answer, World, host_of, world
from tests.lab import Laboratory
from tests.stores import AGENT, OURS, Landscape, MotoStore, VersityStore, started_store

pytestmark = pytest.mark.e2e
SECONDS = 20.0
SITE = "objects.example.co.kr"


def until(holds: Callable[[], bool]) -> None:
    """Wait for what has to happen within seconds."""
    ends = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.2)


def put(at: World, bucket: str, key: str, body: bytes) -> Answer:
    host = host_of(bucket)
    return at.send("PUT", host, f"/{key}", at.signed("PUT", host, f"/{key}"), body)


def part(at: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = at.lab.status()["parts"][name]
    return found


def changes(at: World, what: str) -> list[dict[str, Any]]:
    """The audit's records of changes, oldest first."""
    lines = (line for file in sorted(at.lab.audit.glob("*.jsonl")) for line in file.read_bytes().splitlines())
    events = (msgspec.json.decode(line).get("event", {}) for line in lines)
    return [event for event in events if event.get("kind") == "change" and event["what"] == what]


# --- policies and trust ---


def in_mode(at: World, mode: str) -> Path:
    """The institution's policies in another mode, not signed yet."""
    folder = at.lab.folder / "config" / "policies"
    data = (locate() / "data.yaml").read_text(encoding="utf-8")
    (folder / "data.yaml").write_text(data.replace("default: enforce", f"default: {mode}"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[MotoStore, Landscape]]:
    """The store before which each agent here stands: what is stored and how buckets are set matters to none of them."""
    with started_store() as made:
        yield made


@pytest.fixture
def at(shop: tuple[MotoStore, Landscape]) -> Iterator[World]:
    def own_policies(lab: Laboratory) -> None:
        folder = lab.folder / "config" / "policies"
        shutil.copytree(locate(), folder)
        (folder / "data.yaml").open("a", encoding="utf-8").write("# ours\n")
        lab.institution.sign_policies(folder)

    counted = '[telemetry]\nmetrics = "textfile"\ntextfile_interval = 1\n'
    folder = "config/policies"
    where = {"before": own_policies, "policies": lambda lab: lab.folder / folder, "shop": shop}
    with world("moto", more=counted, **where) as made:
        yield made


def test_signed_policies_take_effect_while_the_agent_runs_and_unsigned_ones_do_not(at: World) -> None:
    pid, before = at.lab.pid, part(at, "engine")["revision"]
    assert put(at, at.land.foreign, "first", at.tagged).refused
    folder = in_mode(at, "monitor")
    until(lambda: part(at, "engine")["problem"] == "trust.signature-wrong")
    assert part(at, "engine")["state"] == "degraded"
    assert "stay in force" in at.lab.haechi("status").out
    assert put(at, at.land.foreign, "unsigned", at.tagged).refused
    at.lab.institution.sign_policies(folder)
    until(lambda: part(at, "engine")["mode"] == "monitor")
    assert at.accepted(put(at, at.land.foreign, "signed", at.tagged))
    assert at.decided("signed")["policy"] == read(folder).revision
    (folder / "rules/opaque/rule.rego").write_text("package haechi.rules.opaque\nthis is no rego", encoding="utf-8")
    until(lambda: part(at, "engine")["problem"] == "trust.signature-wrong")  # not even looked at before it is signed
    at.lab.institution.sign_policies(folder)
    until(lambda: part(at, "engine")["problem"] == "policy.invalid")
    assert part(at, "engine")["mode"] == "monitor"
    recorded = changes(at, "policy")
    assert recorded[0]["after"] in at.lab.haechi("audit", "tail", "-n", "100").out
    counted = 'haechi_changes_refused_total{cause="policy.invalid",what="policy"} 1.0'
    until(lambda: counted in (at.lab.folder / "state" / "haechi.prom").read_text(encoding="utf-8"))
    assert 'haechi_changes_total{what="policy"} 1.0' in (at.lab.folder / "state" / "haechi.prom").read_text()
    assert [(event["before"], event["after"]) for event in recorded] == [(before, at.decided("signed")["policy"])]
    assert at.lab.pid == pid
    assert at.lab.haechi("audit", "verify").status == 0


def test_what_the_parts_count_themselves_is_among_the_metrics(at: World) -> None:
    def said(name: str) -> str:
        text = (at.lab.folder / "state" / "haechi.prom").read_text(encoding="utf-8")
        return next((line.split()[1] for line in text.splitlines() if line.startswith(f"haechi_{name}_total ")), "")

    zero = {"requests_failed", "requests_abandoned", "spool_full", "names_refused", "watch_dropped", "watch_failures"}
    until(lambda: all(said(name) == "0.0" for name in (*zero, "envoy_restarts", "watch_overflows")))
    (envoy,) = (process for process in at.lab.processes("envoy.json") if process.name() == "envoy")
    envoy.kill()
    until(lambda: said("envoy_restarts") == "1.0")


def test_a_revoked_key_takes_with_it_all_that_it_signed(at: World) -> None:
    institution, revoked = at.lab.institution, at.lab.institution.signing
    institution.sign_policies(in_mode(at, "monitor"))
    until(lambda: part(at, "engine")["mode"] == "monitor")
    release = revoked.envelop("release", b"{}")
    (at.lab.work / "x.release").write_text(release, encoding="ascii")
    institution.trust_keys({revoked: {"revoked": True}})
    until(lambda: part(at, "registry")["problem"] == "trust.key-revoked" and part(at, "engine")["mode"] == "enforce")
    assert part(at, "engine")["void"]
    refused = put(at, at.land.own_key, "sealed", at.sealed)
    assert refused.refused  # without a registry nobody knows whose account it is
    assert at.decided(refused)["registry"] == "none:registry-invalid"
    said = at.lab.haechi("untag", "recipe.bin", "--release", "x.release")
    assert "revoked" in said.said
    assert changes(at, "policy")[-1]["cause"] == "trust.key-revoked"
    assert changes(at, "registry")[-1]["cause"] == "trust.key-revoked"
    assert len(changes(at, "trust")) == 1
    # The security team signs anew with its next key.
    institution.signing = SigningKey.generate()
    institution.trust_keys({institution.signing: {}})
    institution.sign_policies(at.lab.folder / "config" / "policies")
    institution.publish(accounts=[OURS.id], keys=[at.land.seoul_key])
    until(lambda: part(at, "engine")["problem"] is None and part(at, "registry")["problem"] is None)
    assert (part(at, "engine")["mode"], part(at, "engine")["void"]) == ("monitor", False)
    until(lambda: at.accepted(put(at, at.land.own_key, "sealed-again", at.sealed)))
    assert at.rules("sealed-again") == []


def test_a_trust_list_that_cannot_be_read_says_so_and_changes_nothing(at: World) -> None:
    at.lab.institution.trust.write_text("keys: [{", encoding="utf-8")
    until(lambda: part(at, "trust")["problem"] == "trust.malformed")
    assert (part(at, "registry")["state"], part(at, "engine")["state"]) == ("ok", "ok")
    assert at.accepted(put(at, at.land.own_key, "sealed", at.sealed))


def test_an_agent_that_starts_over_broken_policies_says_so_refuses_and_recovers(at: World) -> None:
    accepted, folder = part(at, "engine")["revision"], at.lab.folder / "config" / "policies"
    broken = in_mode(at, "enforce") / "data.yaml"
    broken.write_text(broken.read_text(encoding="utf-8").replace("rules: {}", "rules: "), encoding="utf-8")
    at.lab.institution.sign_policies(folder)
    at.lab.stop()
    at.lab.start()
    kept = part(at, "engine")
    assert (kept["state"], kept["revision"], kept["in_force"]) == ("degraded", accepted, "kept")
    at.lab.stop()
    shutil.rmtree(at.lab.folder / "state" / "policies")
    at.lab.launch()
    until(lambda: "healthy" in at.lab.haechi("status", "--json").out and part(at, "index")["state"] == "ok")
    at.connect()
    refused = put(at, at.land.own_key, "harmless", at.harmless)
    assert refused.refused
    assert refused.code == "AccessDenied"
    assert b"choices.modes.value.rules" in refused.body
    assert at.decided(refused)["decision"]["causes"][0]["code"] == "no-policies"
    said = at.lab.haechi("status", COLUMNS="500")
    assert said.status == 1
    assert "no policies are in force" in said.out
    assert "choices.modes.value.rules" in said.out
    at.lab.institution.sign_policies(in_mode(at, "enforce"))
    until(lambda: part(at, "engine")["state"] == "ok")
    assert at.accepted(put(at, at.land.own_key, "harmless", at.harmless))
    assert put(at, at.land.foreign, "tagged", at.tagged).refused
    assert at.rules(put(at, at.land.foreign, "tagged", at.tagged))
    assert at.decided("tagged")["policy"] == read(folder).revision


# --- the registry's sites and accounts ---


@pytest.fixture
def site(shop: tuple[MotoStore, Landscape]) -> Iterator[tuple[World, VersityStore]]:
    """A store that the agent could reach and that the registry does not name yet."""
    with VersityStore(AGENT, names=(SITE, f"*.{SITE}")) as store:
        store.client().create_bucket(Bucket="vault")

        def reachable(lab: Laboratory) -> None:
            lab.hosts = {SITE: f"127.0.0.1:{store.port}"}
            lab.roots = [store.ca]

        with world("moto", before=reachable, shop=shop) as made:
            made.store = store
            yield made, store


def to_site(at: World, key: str, body: bytes) -> Answer:
    head = at.signed("PUT", SITE, f"/vault/{key}", account=AGENT)
    return at.send("PUT", SITE, f"/vault/{key}", head, body)


def test_a_site_that_the_registry_names_is_judged_within_seconds(site: tuple[World, VersityStore]) -> None:
    at, store = site
    pid, hosts = at.lab.pid, {"accounts": [OURS.id], "keys": [at.land.seoul_key]}
    assert at.accepted(to_site(at, "before", at.tagged))
    watched = {"host": SITE, "provider": "example", "service": "s3", "region": SEOUL, "country": "KR"}
    at.lab.institution.publish(watched=[watched], **hosts)  # type: ignore[arg-type]

    def judged() -> bool:
        try:
            return to_site(at, "tagged", at.tagged).refused
        except OSError:  # the moment in which the way in is started anew
            return False

    until(judged)
    answer = to_site(at, "tagged-again", at.tagged)
    assert at.decided(answer)["action"]["provider"] == "example"
    assert store.digest("vault", "tagged-again") is None
    assert at.accepted(to_site(at, "clean", at.harmless))
    assert put(at, at.land.foreign, "tagged", at.tagged).refused  # what was judged before still is
    assert at.lab.pid == pid
    assert len(changes(at, "registry")) == 1
    at.lab.institution.publish(**hosts)  # type: ignore[arg-type]
    until(lambda: not judged())
    assert at.lab.pid == pid


def test_an_account_that_the_registry_no_longer_names_is_not_ours_within_seconds(at: World) -> None:
    assert at.accepted(put(at, at.land.own_key, "sealed", at.sealed))
    at.lab.institution.publish(keys=[at.land.seoul_key])
    until(lambda: put(at, at.land.own_key, "sealed", at.sealed).refused)
    at.lab.institution.publish(accounts=[OURS.id], keys=[at.land.seoul_key])
    until(lambda: not put(at, at.land.own_key, "sealed", at.sealed).refused)
