"""YAML by libyaml, and by the reader in Python where libyaml does not take what is sound."""

from __future__ import annotations

import pytest
from haechi.outbound import quick_yaml
from ruamel.yaml.error import YAMLError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: no\nb: on\nc: 012\nd: 0o12\n", {"a": "no", "b": "on", "c": 12, "d": 10}),  # YAML 1.2, whichever reads
        ("nets: [2600:1f14::/36, 10.0.0.0/8]", {"nets": ["2600:1f14::/36", "10.0.0.0/8"]}),
        ("말: 이름\n", {"말": "이름"}),
    ],
)
def test_what_is_sound_is_read_as_yaml_1_2(text: str, said: object) -> None:
    assert quick_yaml.load(text) == said


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t- x", "a: 1\na: 2", "!!python/object:os.system x", "\x00"])
def test_what_is_wrong_is_an_error_of_yaml(text: str) -> None:
    with pytest.raises(YAMLError):
        quick_yaml.load(text)
