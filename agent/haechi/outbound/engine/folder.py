"""A folder of policies: found, read, and taken for what it says before any engine sees it.

Layout: ``data.yaml`` (the institution's choices; in a bundle ``data.json``), ``catalogue/data.yaml`` (technologies that
a tag may name; OPA finds it as ``data.catalogue``), ``clauses.yaml`` (what stands for which requirement), Rego modules
in folders named like their packages, ``rules/<id>/rule.rego`` with ``words.yaml`` beside it, ``schema/`` (what an input
looks like). ``*_test.rego``, ``testing/`` and ``cases/`` are never loaded. All that is read here is in the digest, and
nothing else of the folder is read anywhere. Must not know: engines, processes.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import haechi
from haechi.domain.catalogue import Catalogue
from haechi.domain.decision import Modes, Severity
from haechi.domain.errors import HaechiError
from haechi.domain.issue import Issue
from haechi.domain.policy import RuleInfo
from haechi.outbound import quick_yaml
from haechi.outbound.engine.choices import FILE as DATA
from haechi.outbound.engine.choices import Choices, policy_data
from haechi.outbound.engine.metadata import package_of, rule_info
from haechi.outbound.engine.texts import (
    BUNDLED_CATALOGUE,
    CATALOGUE,
    DATA_JSON,
    MAX_FILES,
    revision_of,
    texts_at,
)
from haechi.outbound.tags.catalogue import catalogue_from
from haechi.outbound.tags.policy import PolicyTags
from haechi.settings import Settings

CATALOGUE_DATA = "catalogue"
"""Where rules find the catalogue: ``data.catalogue``."""
MAX_NUMBER = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly."""
MAX_VALUES = 200_000
"""Bound of what one file may come to, once names in it that stand for others were followed."""


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """Policies as they were read, once and as a whole. ``revision`` is ``blake3:<hex>`` over every file that was read,
    and over the issue where there is one.

    ``tags`` are those that the policies give to files by name; ``texts`` all that was read, by its path in the folder.
    ``bundle`` are the bytes that they came in, and ``token`` is what a bundle is signed with; both empty for a folder.
    """

    path: Path
    modules: tuple[tuple[str, str], ...]
    data: Mapping[str, Any]
    rules: Mapping[str, RuleInfo]
    modes: Modes
    revision: str
    words: Mapping[str, Mapping[str, Any]]
    choices: Choices
    catalogue: Catalogue
    tags: PolicyTags
    texts: tuple[tuple[str, str], ...] = ()
    issue: Issue | None = None
    bundle: bytes = b""
    token: bytes = b""

    @property
    def sensitive_words(self) -> tuple[str, ...]:
        """See ``haechi.ports.engine.Policies``."""
        return self.choices.sensitive_words

    @property
    def read_window(self) -> dt.timedelta:
        """See ``haechi.ports.engine.Policies``."""
        return self.choices.read_window

    def text(self, rule: RuleInfo) -> str:
        """The Rego of a rule; empty where there is no such file."""
        return dict(self.modules).get(rule.file, "")


def none_of(stand_in: PolicyFolder) -> PolicyFolder:
    """No policies, for when none may be in force: enforcing, and failing closed. ``stand_in`` gives scope, tags,
    catalogue, and the words of rules that earlier records name; it judges nothing.
    """
    return replace(stand_in, modes=Modes(), revision="none:policy-withdrawn", issue=None, bundle=b"", token=b"")


def locate(explicit: Path | str | None = None) -> Path:
    """The folder of the policies: the setting ``policy.folder``, else the source tree's, else the installed one.

    Raises ``HaechiError('policy.folder-missing')``.
    """
    if explicit:
        candidates = [Path(explicit)]
    else:
        candidates = [
            Path(haechi.__file__).resolve().parents[2] / "policies",
            Path(sys.prefix) / "share" / "haechi" / "policies",
        ]
    for folder in candidates:
        if (folder / "decision").is_dir():
            return folder
    raise HaechiError("policy.folder-missing", folders=", ".join(map(str, candidates)))


def in_force(settings: Settings) -> Path:
    """Where the agent's policies lie, a folder or a bundle: what the settings name, else what lies in the configuration
    folder, else those that ship.

    Raises as ``locate``.
    """
    place = settings.policy_bundle
    if place is not None:
        return place
    own = settings.policy_folder
    return locate(own if settings.policy.folder or own.is_dir() else None)


def read(folder: Path) -> PolicyFolder:
    """Read everything.

    Raises ``HaechiError``: ``policy.unreadable``, ``policy.invalid`` (file and why), ``catalogue.unreadable``,
    ``tag.bad-policy-rule``.
    """
    return read_texts(folder, texts_at(folder))


def read_texts(folder: Path, texts: Sequence[tuple[str, str]]) -> PolicyFolder:
    """What the texts of a folder say. Raises as ``read``."""
    try:
        return policies_of(folder, texts)
    except HaechiError:
        raise
    except Exception as error:  # whatever else a file's form can break is a fault of the file all the same
        raise HaechiError("policy.invalid", file=str(folder), why=f"{type(error).__name__}: {error}") from error


def policies_of(
    place: Path, texts: Sequence[tuple[str, str]], issue: Issue | None = None, revision: str = ""
) -> PolicyFolder:
    """What texts say, by their names, in this order. ``place`` is for messages, ``revision`` theirs where it is known.
    Raises as ``read``, and whatever else a text's form can break.
    """
    modules: list[tuple[str, str]] = []
    rules: dict[str, RuleInfo] = {}
    words: dict[str, Mapping[str, Any]] = {}
    data: Mapping[str, Any] = {}
    listed = ""
    named = {name for name, _ in texts}
    for one, other in ((DATA_JSON, DATA), (BUNDLED_CATALOGUE, CATALOGUE)):
        if {one, other} <= named:
            raise HaechiError("policy.invalid", file=one, why=f"{other} says the same: keep one of them")
    for name, text in texts:
        if name == DATA:
            data = _mapping(name, text)
        elif name == DATA_JSON:
            data = _json(name, text)
        elif name in (CATALOGUE, BUNDLED_CATALOGUE):
            listed = text
        elif name.endswith("/words.yaml"):
            words[name.split("/")[-2]] = _mapping(name, text, quick_yaml.load)
        elif name.endswith(".rego"):
            modules.append((name, text))
    said = policy_data(data)
    for name, text in modules:
        rule_id = _rule_id(name, text)
        if rule_id:
            title = words.get(rule_id, {}).get("title", {})
            rules[rule_id] = _info(rule_id, name, text, title, said.severities)
    if not rules:
        raise HaechiError("policy.invalid", file=str(place), why="no rules/<id>/rule.rego")
    for rule_id in sorted(said.named - set(rules)):
        raise HaechiError("policy.invalid", file=DATA, why=f"names a rule that does not exist: {rule_id}")
    catalogue = catalogue_from(listed, str(place / CATALOGUE))
    designated = _designated(catalogue)
    if data.get(CATALOGUE_DATA, designated) != designated:
        raise HaechiError("policy.invalid", file=DATA, why=f"{CATALOGUE_DATA} is not what {CATALOGUE} says")
    return PolicyFolder(
        place,
        tuple(modules),
        {**data, CATALOGUE_DATA: designated},
        rules,
        said.modes,
        revision or revision_of(texts, issue),
        words,
        said.choices,
        catalogue,
        PolicyTags.from_data(said.choices.tag_rules, catalogue),
        tuple(texts),
        issue,
    )


def _designated(catalogue: Catalogue) -> dict[str, Any]:
    """What the rules look technologies up in: the same places as in the file, which an OPA server reads by itself."""
    fields: dict[str, Any] = {}
    for one in catalogue.all():
        group = fields.setdefault(one.field, {"technologies": {}})
        group["technologies"][one.id] = {"ko": one.ko, "en": one.en}
    return {"fields": fields}


def _rule_id(name: str, text: str) -> str:
    """The rule a module is, or nothing. The folder is the package; a rule that says otherwise would never speak."""
    parts = name.split("/")
    package = package_of(text)
    if parts[0] != "rules":
        if package.startswith("haechi.rules"):
            raise HaechiError("policy.invalid", file=name, why=f"{package} belongs under rules/")
        return ""
    if len(parts) != 3 or package != f"haechi.rules.{parts[1]}":
        raise HaechiError("policy.invalid", file=name, why=f"its package is {package or 'missing'}, not its folder")
    return parts[1] if parts[2] == "rule.rego" else ""


def _info(rule_id: str, name: str, text: str, title: Mapping[str, str], severities: Mapping[str, Severity]) -> RuleInfo:
    try:
        info = rule_info(rule_id, text, name, title)
    except ValueError as error:
        raise HaechiError("policy.invalid", file=name, why=str(error)) from error
    return replace(info, severity=severities.get(rule_id, info.severity))


def _yaml(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _mapping(name: str, text: str, parse: Callable[[str], Any] = _yaml) -> Mapping[str, Any]:
    try:
        loaded = _within_bounds(text, parse)
    except (YAMLError, ValueError, RecursionError) as error:  # a date that there is not, or nested without end
        raise HaechiError("policy.invalid", file=name, why=" ".join(str(error).split())) from error
    if not isinstance(loaded, Mapping):
        raise HaechiError("policy.invalid", file=name, why="not a mapping")
    return loaded


@lru_cache(maxsize=2 * MAX_FILES)
def _within_bounds(text: str, parse: Callable[[str], Any]) -> Any:
    """Most files of the next issue are those of the last. Nobody changes what this gives."""
    loaded = parse(text)
    _bounded(loaded)
    return loaded


def _bounded(loaded: object) -> None:
    """Raises ``ValueError`` for a few lines that name each other until they are more than any memory holds, and for
    numbers that not every engine keeps as they are written.
    """
    left, seen = [loaded], 0
    while left:
        one = left.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")
        if isinstance(one, int | float) and not -MAX_NUMBER <= one <= MAX_NUMBER:  # not a number is in no order
            raise ValueError(f"{str(one)[:40]} is no number up to {MAX_NUMBER}")
        if isinstance(one, Mapping):
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _json(name: str, text: str) -> Mapping[str, Any]:
    try:
        loaded = json.loads(text)
        _bounded(loaded)
    except (ValueError, RecursionError) as error:
        raise HaechiError("policy.invalid", file=name, why=str(error)) from error
    if not isinstance(loaded, Mapping):
        raise HaechiError("policy.invalid", file=name, why="not a mapping")
    return loaded
