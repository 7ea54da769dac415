"""Settings: what is in force, where it came from, and what a mistake is told."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.settings import Layout, load, parse
from haechi.settings.model import described
from haechi.settings.reading import effective
from hypothesis import given, settings
from hypothesis import strategies as st

FILE = Path("/home/kim/haechi.toml")


def fault(text: str) -> HaechiError:
    with pytest.raises(HaechiError) as caught:
        parse(text, FILE, {"HOME": "/home/kim"})
    return caught.value


def test_without_a_file_every_setting_has_its_default(tmp_path: Path) -> None:
    made = load(environ={"HOME": str(tmp_path)}, service_file=tmp_path / "none.toml")
    assert made.file is None
    assert made.origins == {}
    assert effective(made) == {entry.key: entry.default for entry in described()}


def test_a_value_of_the_file_wins_and_its_line_is_known() -> None:
    made = parse('language = "ko"\n\n[datapath]\nproxy_port = 18080\n', FILE, {"HOME": "/home/kim"})
    assert (made.language, made.datapath.proxy_port) == ("ko", 18080)
    assert made.origins == {"language": f"{FILE}:1", "datapath.proxy_port": f"{FILE}:4"}


def test_an_unknown_key_is_told_with_line_and_neighbour() -> None:
    error = fault("[datapath]\nproxy_prot = 1\n")
    assert error.code == "settings.unknown-key"
    assert error.params["where"] == f"{FILE}:2"
    assert "datapath.proxy_port" in str(error.params["allowed"])


def test_an_unknown_section_is_an_error_too() -> None:
    assert fault("[fail]\nmode = 'open'\n").code == "settings.unknown-key"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("[datapath]\nproxy_port = '1'", "whole number"),
        ("[datapath]\nproxy_port = true", "whole number"),
        ("[notify]\ndesktop = 1", "true | false"),
        ("[watch]\nroots = 'x'", "list of path"),
        ("[watch]\nroots = ['relative/folder']", "list of path"),
        ("[telemetry]\nmetrics = 'pull'", '"off" | "http" | "textfile"'),
        ("[datapath]\nhosts = {a = 1}", "table of text"),
        ("datapath = 3", "[datapath]"),
    ],
)
def test_a_wrong_type_is_told_with_what_is_allowed(text: str, allowed: str) -> None:
    error = fault(text)
    assert (error.code, error.params["allowed"]) == ("settings.wrong-type", allowed)


@pytest.mark.parametrize(
    "text", ["[datapath]\nproxy_port = 65536", "[engine]\ndeadline_ms = 0", "[destinations]\nttl = nan"]
)
def test_a_number_out_of_bounds_is_refused(text: str) -> None:
    assert fault(text).code == "settings.out-of-bounds"


def test_broken_toml_is_told_with_its_place() -> None:
    error = fault("[datapath\n")
    assert error.code == "settings.not-toml"
    assert "line 1" in str(error.params["reason"])


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HaechiError) as caught:
        load(environ={"HAECHI_CONFIG": str(tmp_path / "gone.toml"), "HOME": str(tmp_path)})
    assert caught.value.code == "settings.unreadable"


def test_the_services_file_wins_over_the_persons_and_brings_its_layout(tmp_path: Path) -> None:
    service = tmp_path / "etc.toml"
    service.write_text("[datapath]\nproxy_port = 1\n")
    own = tmp_path / ".config/haechi/haechi.toml"
    own.parent.mkdir(parents=True)
    own.write_text("[datapath]\nproxy_port = 2\n")
    made = load(environ={"HOME": str(tmp_path)}, service_file=service)
    assert (made.datapath.proxy_port, made.paths.layout) == (1, Layout.SERVICE)
    assert str(made.paths.control_socket) == "/run/haechi/control.sock"
    service.unlink()
    made = load(environ={"HOME": str(tmp_path)}, service_file=service)
    assert (made.datapath.proxy_port, made.paths.layout) == (2, Layout.USER)
    assert made.paths.control_socket == tmp_path / ".local/state/haechi/run/control.sock"


def test_a_persons_folders_follow_xdg_and_named_ones_win(tmp_path: Path) -> None:
    environ = {
        "HOME": "/home/kim",
        "XDG_STATE_HOME": "/s",
        "XDG_CONFIG_HOME": "relative",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    paths = parse("", FILE, environ).paths
    assert (str(paths.state), str(paths.config), paths.runtime) == (
        "/s/haechi",
        "/home/kim/.config/haechi",
        tmp_path / "haechi",
    )
    paths = parse("[paths]\nstate = '/elsewhere'", FILE, {"HOME": "/home/kim"}).paths
    assert str(paths.control_socket) == "/elsewhere/run/control.sock"


def test_a_runtime_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    paths = parse("", FILE, {"HOME": "/home/kim", "XDG_RUNTIME_DIR": "/proc/nowhere"}).paths
    assert str(paths.runtime) == "/home/kim/.local/state/haechi/run"


TOML_VALUES = st.sampled_from(
    ["1", "-1", "true", "'x'", "''", "[]", "['a', 1]", "{}", "{a='b'}", "1.5", "nan", "1979-05-27", "['/a']"]
)


@settings(max_examples=150)
@given(st.sampled_from([entry.key for entry in described()]), TOML_VALUES)
def test_any_value_of_any_setting_is_taken_or_named(key: str, value: str) -> None:
    text = f"{key} = {value}"
    tomllib.loads(text)
    try:
        parse(text, FILE, {"HOME": "/home/kim"})
    except HaechiError as error:
        assert error.params["key"] == key
