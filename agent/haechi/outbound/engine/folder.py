"""A folder of policies: found, read, and taken for what it says before any engine sees it.

Layout: ``data.yaml`` (the institution's choices), ``catalogue.yaml`` (technologies that a tag may name), Rego modules
in folders named like their packages, ``rules/<id>/rule.rego`` with ``words.yaml`` beside it, ``schema/`` (what an input
looks like). ``*_test.rego``, ``testing/`` and ``cases/`` are never loaded. All that is read here is in the digest, and
nothing else of the folder is read anywhere. Must not know: engines, processes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import blake3
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import haechi
from haechi.domain.catalogue import Catalogue
from haechi.domain.decision import FailMode, Mode, Modes, Severity
from haechi.domain.errors import HaechiError
from haechi.domain.policy import RuleInfo
from haechi.outbound.engine.choices import Choices, choices_from
from haechi.outbound.engine.metadata import package_of, rule_info
from haechi.outbound.tags.catalogue import catalogue_from
from haechi.outbound.tags.policy import PolicyTags
from haechi.settings import Settings

CATALOGUE = "catalogue.yaml"
MAX_FILES = 500
MAX_BYTES = 4 * 1024 * 1024
"""Bounds of what is read at all: a policy folder is small, and whoever can write it could otherwise exhaust us."""


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """Policies as they were read, once and as a whole. ``revision`` is ``blake3:<hex>`` over every file that was read.

    ``tags`` are those that the policies give to files by name.
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

    def text(self, rule: RuleInfo) -> str:
        """The Rego of a rule; empty where there is no such file."""
        return dict(self.modules).get(rule.file, "")


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
    """The folder of the agent's policies: the setting's, else the configuration folder's, else those that ship.

    Raises as ``locate``.
    """
    own = settings.policy_folder
    return locate(own if settings.policy.folder or own.is_dir() else None)


def read(folder: Path) -> PolicyFolder:
    """Read everything.

    Raises ``HaechiError``: ``policy.unreadable``, ``policy.invalid`` (file and why), ``catalogue.unreadable``,
    ``tag.bad-policy-rule``.
    """
    digest = blake3.blake3()
    modules: list[tuple[str, str]] = []
    rules: dict[str, RuleInfo] = {}
    words: dict[str, Mapping[str, Any]] = {}
    data: Mapping[str, Any] = {}
    listed = ""
    for name, text in _texts(folder):
        digest.update(f"{name}\0{len(text.encode())}\0".encode() + text.encode())
        if name == "data.yaml":
            data = _mapping(name, text)
        elif name == CATALOGUE:
            listed = text
        elif name.endswith("/words.yaml"):
            words[name.split("/")[-2]] = _mapping(name, text)
        elif name.endswith(".rego"):
            modules.append((name, text))
    severities = _choice(data, "severities")
    for name, text in modules:
        rule_id = _rule_id(name, text)
        if rule_id:
            title = words.get(rule_id, {}).get("title", {})
            rules[rule_id] = _info(rule_id, name, text, title, severities)
    if not rules:
        raise HaechiError("policy.invalid", file=str(folder), why="no rules/<id>/rule.rego")
    for rule_id in {*severities, *_choice(data, "modes").get("rules", {})} - set(rules):
        raise HaechiError("policy.invalid", file="data.yaml", why=f"names a rule that does not exist: {rule_id}")
    _check_age(data)
    choices, catalogue = choices_from(data), catalogue_from(listed, str(folder / CATALOGUE))
    return PolicyFolder(
        folder,
        tuple(modules),
        data,
        rules,
        _modes(data),
        f"blake3:{digest.hexdigest()}",
        words,
        choices,
        catalogue,
        PolicyTags.from_data(choices.tag_rules, catalogue),
    )


def files(folder: Path) -> list[Path]:
    """Every file of a folder that ``read`` would read, ordered."""
    return [path for path in sorted(folder.rglob("*")) if _matters(path.relative_to(folder).as_posix())]


def _texts(folder: Path) -> list[tuple[str, str]]:
    """Every file that matters, by its path in the folder, ordered."""
    found: list[tuple[str, str]] = []
    total = 0
    try:
        for path in files(folder):
            name = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            total += len(content)
            if len(found) >= MAX_FILES or total > MAX_BYTES:
                raise HaechiError("policy.invalid", file=name, why=f"more than {MAX_FILES} files or {MAX_BYTES} bytes")
            found.append((name, content.decode()))
    except OSError as error:
        raise HaechiError("policy.unreadable", folder=str(folder), why=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise HaechiError("policy.invalid", file=name, why="not UTF-8") from error
    return found


def _matters(name: str) -> bool:
    if name.startswith(("testing/", "cases/")):
        return False
    if name.endswith(".rego"):
        return not name.endswith("_test.rego")
    if name in ("data.yaml", CATALOGUE):
        return True
    if name.startswith("schema/"):
        return name.endswith(".json")
    return name.startswith("rules/") and name.endswith("/words.yaml")


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


def _info(rule_id: str, name: str, text: str, title: Mapping[str, str], severities: Mapping[str, str]) -> RuleInfo:
    try:
        info = rule_info(rule_id, text, name, title)
        chosen = Severity(severities[rule_id]) if rule_id in severities else info.severity
    except ValueError as error:
        raise HaechiError("policy.invalid", file=name, why=str(error)) from error
    if chosen is info.severity:
        return info
    return replace(info, severity=chosen)


def _modes(data: Mapping[str, Any]) -> Modes:
    chosen = _choice(data, "modes")
    try:
        return Modes(
            Mode(chosen.get("default", Mode.ENFORCE.value)),
            {str(rule): Mode(mode) for rule, mode in chosen.get("rules", {}).items()},
            FailMode(chosen.get("fail", FailMode.CLOSED.value)),
        )
    except (ValueError, AttributeError) as error:
        raise HaechiError("policy.invalid", file="data.yaml", why=f"modes: {error}") from error


def _check_age(data: Mapping[str, Any]) -> None:
    """A limit that is no number would be no limit."""
    limit = data["choices"].get("registry_max_age_days", {}).get("value")
    if limit is not None and (not isinstance(limit, int | float) or isinstance(limit, bool) or limit <= 0):
        raise HaechiError("policy.invalid", file="data.yaml", why="registry_max_age_days is not a number of days")


def _choice(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    try:
        value = data["choices"][name]["value"]
    except (KeyError, TypeError) as error:
        raise HaechiError("policy.invalid", file="data.yaml", why=f"choices.{name}.value is missing") from error
    if not isinstance(value, Mapping):
        raise HaechiError("policy.invalid", file="data.yaml", why=f"choices.{name}.value is not a mapping")
    return value


def _mapping(name: str, text: str) -> Mapping[str, Any]:
    try:
        loaded = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise HaechiError("policy.invalid", file=name, why=" ".join(str(error).split())) from error
    if not isinstance(loaded, Mapping):
        raise HaechiError("policy.invalid", file=name, why="not a mapping")
    return loaded
