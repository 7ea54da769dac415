"""A folder of policies: found, read, and taken for what it says before any engine sees it.

Layout: ``data.yaml`` (the institution's choices), ``catalogue/data.yaml`` (technologies that a tag may name; OPA finds
it as ``data.catalogue``), ``clauses.yaml`` (what stands for which requirement), Rego modules in folders named like
their packages, ``rules/<id>/rule.rego`` with ``words.yaml`` beside it, ``schema/`` (what an input looks like).
``*_test.rego``, ``testing/`` and ``cases/`` are never loaded. All that is read here is in the digest, and nothing else
of the folder is read anywhere. Must not know: engines, processes.
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
from haechi.domain.decision import Modes, Severity
from haechi.domain.errors import HaechiError
from haechi.domain.policy import RuleInfo
from haechi.outbound.engine.choices import FILE as DATA
from haechi.outbound.engine.choices import Choices, policy_data
from haechi.outbound.engine.metadata import package_of, rule_info
from haechi.outbound.tags.catalogue import catalogue_from
from haechi.outbound.tags.policy import PolicyTags
from haechi.settings import Settings

CATALOGUE = "catalogue/data.yaml"
CLAUSES = "clauses.yaml"
MAX_FILES = 500
MAX_BYTES = 4 * 1024 * 1024
"""Bounds of what is read at all: a policy folder is small, and whoever can write it could otherwise exhaust us."""


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """Policies as they were read, once and as a whole. ``revision`` is ``blake3:<hex>`` over every file that was read.

    ``tags`` are those that the policies give to files by name; ``texts`` all that was read, by its path in the folder.
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

    @property
    def sensitive_words(self) -> tuple[str, ...]:
        """See ``haechi.ports.engine.Policies``."""
        return self.choices.sensitive_words

    def text(self, rule: RuleInfo) -> str:
        """The Rego of a rule; empty where there is no such file."""
        return dict(self.modules).get(rule.file, "")


def none_of(stand_in: PolicyFolder) -> PolicyFolder:
    """No policies, for when none may be in force: enforcing, and failing closed. ``stand_in`` gives scope, tags,
    catalogue, and the words of rules that earlier records name; it judges nothing.
    """
    return replace(stand_in, modes=Modes(), revision="none:policy-withdrawn")


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
    try:
        return _read(folder)
    except HaechiError:
        raise
    except Exception as error:  # whatever else a file's form can break is a fault of the file all the same
        raise HaechiError("policy.invalid", file=str(folder), why=f"{type(error).__name__}: {error}") from error


def _read(folder: Path) -> PolicyFolder:
    digest = blake3.blake3()
    modules: list[tuple[str, str]] = []
    rules: dict[str, RuleInfo] = {}
    words: dict[str, Mapping[str, Any]] = {}
    data: Mapping[str, Any] = {}
    listed = ""
    texts = tuple(_texts(folder))
    for name, text in texts:
        digest.update(f"{name}\0{len(text.encode())}\0".encode() + text.encode())
        if name == DATA:
            data = _mapping(name, text)
        elif name == CATALOGUE:
            listed = text
        elif name.endswith("/words.yaml"):
            words[name.split("/")[-2]] = _mapping(name, text)
        elif name.endswith(".rego"):
            modules.append((name, text))
    said = policy_data(data)
    for name, text in modules:
        rule_id = _rule_id(name, text)
        if rule_id:
            title = words.get(rule_id, {}).get("title", {})
            rules[rule_id] = _info(rule_id, name, text, title, said.severities)
    if not rules:
        raise HaechiError("policy.invalid", file=str(folder), why="no rules/<id>/rule.rego")
    for rule_id in sorted(said.named - set(rules)):
        raise HaechiError("policy.invalid", file=DATA, why=f"names a rule that does not exist: {rule_id}")
    catalogue = catalogue_from(listed, str(folder / CATALOGUE))
    return PolicyFolder(
        folder,
        tuple(modules),
        {**data, "catalogue": _designated(catalogue)},
        rules,
        said.modes,
        f"blake3:{digest.hexdigest()}",
        words,
        said.choices,
        catalogue,
        PolicyTags.from_data(said.choices.tag_rules, catalogue),
        texts,
    )


def _designated(catalogue: Catalogue) -> dict[str, Any]:
    """What the rules look technologies up in: the same places as in the file, which an OPA server reads by itself."""
    fields: dict[str, Any] = {}
    for one in catalogue.all():
        group = fields.setdefault(one.field, {"technologies": {}})
        group["technologies"][one.id] = {"ko": one.ko, "en": one.en}
    return {"fields": fields}


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
    if name in (DATA, CATALOGUE, CLAUSES):
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


def _info(rule_id: str, name: str, text: str, title: Mapping[str, str], severities: Mapping[str, Severity]) -> RuleInfo:
    try:
        info = rule_info(rule_id, text, name, title)
    except ValueError as error:
        raise HaechiError("policy.invalid", file=name, why=str(error)) from error
    return replace(info, severity=severities.get(rule_id, info.severity))


def _mapping(name: str, text: str) -> Mapping[str, Any]:
    try:
        loaded = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:  # a date that there is not, or nested without end
        raise HaechiError("policy.invalid", file=name, why=" ".join(str(error).split())) from error
    if not isinstance(loaded, Mapping):
        raise HaechiError("policy.invalid", file=name, why="not a mapping")
    return loaded
