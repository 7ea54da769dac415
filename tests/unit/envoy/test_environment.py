from __future__ import annotations

import dataclasses
import json
import socket

import pytest
from click.testing import CliRunner
from haechi.commands._frame import exit_of
from haechi.commands.run import run
from haechi.domain.errors import HaechiError
from haechi.inbound.envoy.environment import (
    BUNDLES,
    ProxyAccess,
    bearable,
    replaced,
    s3cmd_configuration,
    tool_environment,
)

ACCESS = ProxyAccess("127.0.0.1", 3900, "/run/bundle.pem", "/run/truststore.p12", "haechi")
SAID = {
    "proxy_host": "127.0.0.1",
    "proxy_port": 3900,
    "bundle": "/run/bundle.pem",
    "truststore": "/run/truststore.p12",
    "truststore_password": "haechi",
    "healthy": True,
}


def test_each_tool_finds_proxy_and_bundle():
    made = tool_environment(ACCESS, {"PATH": "/bin"})
    assert made["HTTPS_PROXY"] == made["https_proxy"] == "http://127.0.0.1:3900"
    assert made["AWS_CA_BUNDLE"] == made["SSL_CERT_FILE"] == made["NODE_EXTRA_CA_CERTS"] == "/run/bundle.pem"
    assert "-Djavax.net.ssl.trustStore=/run/truststore.p12" in made["JAVA_TOOL_OPTIONS"]
    assert made["PATH"] == "/bin"


def test_git_s_own_proxy_setting_gives_way_and_its_other_settings_stay():
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "eng"}
    made = tool_environment(ACCESS, given)
    assert (made["GIT_CONFIG_COUNT"], made["GIT_CONFIG_KEY_0"], made["GIT_CONFIG_KEY_1"]) == (
        "2",
        "user.name",
        "http.proxy",
    )
    assert made["GIT_CONFIG_VALUE_1"] == "http://127.0.0.1:3900"
    assert tool_environment(ACCESS, made)["GIT_CONFIG_COUNT"] == "2", "once, also when one run starts another"
    assert tool_environment(ACCESS, {"GIT_CONFIG_COUNT": "x"})["GIT_CONFIG_COUNT"] == "1"


@pytest.mark.parametrize(("program", "kept"), [("/usr/bin/rclone", False), ("/usr/bin/aws", True), ("rclone", False)])
def test_a_program_is_spared_what_it_ends_with(program, kept):
    made = bearable(tool_environment(ACCESS, {}), program)
    assert ("AWS_CA_BUNDLE" in made) is kept
    assert made["RCLONE_CA_CERT"] == "/run/bundle.pem"


def test_an_earlier_no_proxy_leads_around_nothing():
    made = tool_environment(ACCESS, {"NO_PROXY": "*,.amazonaws.com,127.0.0.2", "no_proxy": "s3.amazonaws.com"})
    assert made["NO_PROXY"] == made["no_proxy"] == "localhost,127.0.0.1,::1,127.0.0.2"


def test_earlier_java_options_are_kept():
    assert tool_environment(ACCESS, {"JAVA_TOOL_OPTIONS": "-Xmx1g"})["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -D")


def test_variables_as_json(monkeypatch):
    monkeypatch.setattr("haechi.inbound.control.client.call", lambda name, args: SAID)
    result = CliRunner().invoke(run, ["--json"])
    assert json.loads(result.stdout)["environment"]["HTTPS_PROXY"] == "http://127.0.0.1:3900"
    assert result.exit_code == 0


@pytest.mark.parametrize("said", [{**SAID, "healthy": False}, None])
def test_without_a_working_agent_nothing_runs(monkeypatch, said):
    def call(name, args):
        if said is None:
            raise HaechiError("control.not-running", socket="/run/x")
        return said

    monkeypatch.setattr("haechi.inbound.control.client.call", call)
    monkeypatch.setattr("os.execve", lambda *words: pytest.fail("it ran unjudged"))
    result = CliRunner().invoke(run, ["--", "true"])
    assert isinstance(result.exception, HaechiError)
    assert exit_of(result.exception) == 3


def test_the_command_replaces_us_with_its_own_arguments(monkeypatch):
    became = []
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("haechi.inbound.control.client.call", lambda name, args: SAID)
    monkeypatch.setattr("os.execve", lambda *words: became.append(words))
    result = CliRunner().invoke(run, ["--", "env", "--json", "-x"])
    assert became[0][1] == ["env", "--json", "-x"]
    assert became[0][2]["AWS_CA_BUNDLE"] == "/run/bundle.pem"
    assert "cooperative" in result.stderr


@pytest.mark.parametrize("sign", ["the service was asked", "the service runs beside the person's own agent"])
def test_where_the_machine_enforces_it_is_not_called_cooperative(monkeypatch, tmp_path, sign):
    said = {**SAID, "redirect_tls_port": 15001 if sign == "the service was asked" else 0}
    monkeypatch.setattr("haechi.inbound.control.client.call", lambda name, args: said)
    monkeypatch.setattr("os.execve", lambda *words: None)
    place = tmp_path / "control.sock"
    monkeypatch.setattr("haechi.commands.run.SERVICE_SOCKET", place)
    with socket.socket(socket.AF_UNIX) as service:
        if not said["redirect_tls_port"]:
            service.bind(str(place))
        result = CliRunner().invoke(run, ["--", "env"])
        assert json.loads(CliRunner().invoke(run, ["--json"]).stdout)["mode"] == "enforced"
    assert "enforced" in result.stderr
    assert "cooperative" not in result.stderr


def test_an_unknown_command_says_so(monkeypatch):
    monkeypatch.setattr("haechi.inbound.control.client.call", lambda name, args: SAID)
    assert CliRunner().invoke(run, ["--", "no-such-command-here"]).exit_code == 127


def test_no_command_is_a_usage_error():
    assert CliRunner().invoke(run, []).exit_code == 2


def test_earlier_node_and_gsutil_settings_are_kept():
    access = dataclasses.replace(ACCESS, boto="/run/boto.cfg", node="/opt/my haechi/node_proxy.cjs")
    made = tool_environment(access, {"NODE_OPTIONS": "--max-old-space-size=4096", "BOTO_CONFIG": "/home/me/boto"})
    assert made["NODE_OPTIONS"] == '--max-old-space-size=4096 --require "/opt/my haechi/node_proxy.cjs"'
    assert made["BOTO_PATH"] == "/home/me/boto:/run/boto.cfg"
    assert "BOTO_CONFIG" not in made  # it would hide BOTO_PATH
    assert tool_environment(access, {})["BOTO_PATH"] == "/etc/boto.cfg:~/.boto:/run/boto.cfg"


def test_one_run_inside_another_says_everything_once():
    access = dataclasses.replace(ACCESS, boto="/run/boto.cfg", node="/opt/node_proxy.cjs")
    once = tool_environment(access, {"PATH": "/bin"})
    assert tool_environment(access, once) == once
    assert replaced(access, once, {}) == []


def test_what_gives_way_is_named_and_never_shown():
    earlier = {
        "HTTPS_PROXY": "http://me:secret@proxy:3128",
        "NO_PROXY": ".amazonaws.com,localhost",
        "AWS_CA_BUNDLE": "/my/roots.pem",
        "CURL_CA_BUNDLE": "/gone.pem",
        "JAVA_TOOL_OPTIONS": "-Djavax.net.ssl.trustStore=/my/store",
    }
    said = replaced(ACCESS, earlier, {"AWS_CA_BUNDLE": "/proc/1/fd/3"})
    assert said == ["CURL_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY", "JAVA_TOOL_OPTIONS -Djavax.net.ssl.trustStore"]


def test_s3cmd_keeps_its_settings_and_gets_the_proxy():
    made = s3cmd_configuration(ACCESS, "[default]\naccess_key = K\nproxy_host = other")
    assert made.splitlines()[:2] == ["[default]", "access_key = K"]
    assert made.splitlines()[-3] == "proxy_host = 127.0.0.1"
    assert s3cmd_configuration(ACCESS, "").startswith("[default]\n")
