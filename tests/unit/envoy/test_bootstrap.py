from __future__ import annotations

import subprocess

import pytest
from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy.bootstrap import as_text, bootstrap
from haechi.inbound.envoy.http import BODY_FILTER, JUDGE_FILTER, judged_filters
from haechi.inbound.envoy.settings import DataPathSettings, HostOverride, Unanswered, UpstreamProxy
from haechi.inbound.envoy.supervisor import envoy_binary
from haechi.inbound.envoy.trust import system_roots

SCOPE = Scope(ScopeMode.CLOUD, ("*.amazonaws.com", "storage.googleapis.com"), ("ok.amazonaws.com", "*.intra.example"))
SETTINGS = {
    "plain": DataPathSettings(SCOPE, proxy_port=18001),
    "all": DataPathSettings(Scope(ScopeMode.ALL, (), ("*.intra.example",)), proxy_port=18001),
    "list": DataPathSettings(Scope(ScopeMode.LIST, ("x.example",)), proxy_port=18001),
    "nothing": DataPathSettings(Scope(ScopeMode.LIST), proxy_port=18001),
    "full": DataPathSettings(
        SCOPE,
        proxy_port=18001,
        redirect_tls_port=18002,
        redirect_plain_port=18003,
        hosts=(
            HostOverride("*.s3.ap-northeast-2.amazonaws.com", "127.0.0.1", 9443),
            HostOverride("s3.ap-northeast-2.amazonaws.com", "127.0.0.1", 9443),
            HostOverride("*.amazonaws.com", "::1", 9444),
            HostOverride("*.amazonaws.com", "127.0.0.1", 9080, plain=True),
            HostOverride("git.corp.example", "git-internal.corp.example", 443),
            HostOverride("*.intra.example", "127.0.0.1", 9443),
        ),
        upstream_proxy=UpstreamProxy("proxy.corp.example", 3128, ("*.corp.example",)),
        unanswered=(
            Unanswered("application/json", '{"error": "100% refused"}', r".*\.googleapis\.com"),
            *DataPathSettings(SCOPE).unanswered,
        ),
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_envoy_accepts_the_configuration(tmp_path, name):
    config = tmp_path / "envoy.json"
    config.write_text(
        as_text(
            bootstrap(
                SETTINGS[name],
                str(tmp_path / "agent.sock"),
                str(tmp_path / "checks.sock"),
                str(system_roots()),
                str(tmp_path / "admin.sock"),
            )
        )
    )
    command = [str(envoy_binary(None)), "--mode", "validate", "-c", str(config), "--disable-hot-restart", "-l", "error"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("name", SETTINGS)
def test_only_loopback_is_listened_on_and_the_admin_is_a_private_socket(name):
    config = bootstrap(SETTINGS[name], "/run/agent.sock", "/run/checks.sock", "/roots.pem", "/run/admin.sock")
    listeners = config["static_resources"]["listeners"]
    addresses = {one["address"]["socket_address"]["address"] for one in listeners if "address" in one}
    assert addresses <= {"127.0.0.1", "::1"}
    assert config["admin"] == {"address": {"pipe": {"path": "/run/admin.sock", "mode": 0o600}}}


def filters_of(part: object) -> list[dict]:
    """Every ext_proc filter, wherever it stands."""
    if isinstance(part, list):
        return [found for one in part for found in filters_of(one)]
    if not isinstance(part, dict):
        return []
    own = [part] if str(part.get("@type", "")).endswith("ext_proc.v3.ExternalProcessor") else []
    return own + [found for one in part.values() for found in filters_of(one)]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_judge_filter_fails_closed(name):
    found = filters_of(
        bootstrap(SETTINGS[name], "/run/agent.sock", "/run/checks.sock", "/roots.pem", "/run/admin.sock")
    )
    assert len(found) >= 6
    assert {one["failure_mode_allow"] for one in found} == {False}
    assert {one["status_on_error"]["code"] for one in found} == {510}


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("way", ["proxy", "redirect"])
def test_names_are_looked_up_behind_the_head_and_before_the_body_is_judged(way, tls):
    names = [one["name"] for one in judged_filters(way, SETTINGS["full"], tls=tls)]
    assert names[-1] == BODY_FILTER and names.index(JUDGE_FILTER) < names.index(
        "envoy.filters.http.dynamic_forward_proxy"
    )


def test_equal_settings_give_equal_files():
    one, two = (as_text(bootstrap(SETTINGS["full"], "/a", "/b", "/c", "/d")) for _ in range(2))
    assert one == two
