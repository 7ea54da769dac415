"""Help in the person's language: the commands' own texts, and what click says by itself.

The English stands in the source, as docstring and ``help=``; the Korean in ``words/help/ko.yaml``, read only when it is
wanted. Commands are never changed: whoever asks in Korean is given copies. click asks gettext for its texts; its
modules are given a gettext of ours, which looks into the same file.
"""

from __future__ import annotations

import copy
import functools
import gettext
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import click
import click.core
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.termui
import click.types
import yaml

from haechi.words import language

MODULES: Final = (
    click.core,
    click.decorators,
    click.exceptions,
    click.formatting,
    click.parser,
    click.termui,
    click.types,
)
"""Those of click that speak to people."""


@functools.cache
def korean() -> Mapping[str, Any]:
    """``{"common": options, "commands": {path: {"help", "options"}}, "click": texts}``."""
    text = resources.files("haechi.words").joinpath("help", "ko.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return found


def localised(command: click.Command, path: str) -> click.Command:
    """The command, called ``path`` below ``haechi``, with its help in the language in force; itself in English."""
    return _korean_copy(command, path) if language() == "ko" else command


def option_name(option: click.Option) -> str:
    """How an option is looked up: by its longest name."""
    return max(option.opts, key=len)


def _korean_copy(command: click.Command, path: str) -> click.Command:
    words = korean()
    own = words["commands"].get(path, {})
    told = copy.copy(command)
    told._help_option = None  # click keeps the one that it made, in the language of that moment
    told.help = own.get("help", command.help)
    options = {**words["common"], **own.get("options", {})}
    told.params = [_korean_option(parameter, options) for parameter in told.params]
    if isinstance(told, click.Group):
        told.commands = {name: _korean_copy(one, f"{path} {name}") for name, one in told.commands.items()}
    return told


def _korean_option(parameter: click.Parameter, words: Mapping[str, str]) -> click.Parameter:
    if not isinstance(parameter, click.Option):
        return parameter
    told = copy.copy(parameter)
    told.help = words.get(option_name(parameter), parameter.help)
    return told


def teach_click() -> None:
    """From now on click speaks the language that is in force when it speaks."""
    for module in MODULES:
        for name, speaks in (("_", _one), ("ngettext", _one_or_many)):
            if hasattr(module, name):
                setattr(module, name, speaks)


def _one(text: str) -> str:
    return str(korean()["click"].get(text, text)) if language() == "ko" else gettext.gettext(text)


def _one_or_many(one: str, many: str, count: int) -> str:
    return _one(one if count == 1 else many)
