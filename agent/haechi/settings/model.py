"""Every setting with its type, default, unit, bounds and whose choice it is. Pure data: reading is elsewhere."""

# ruff: noqa: RUF009 — `_of` builds a dataclasses.field; the rule knows only the bare name.

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_type_hints

from haechi.settings.paths import Layout, Paths


class Whose(StrEnum):
    """Who decides a setting."""

    PERSON = "person"
    """A matter of taste or of the own machine."""
    OPERATIONS = "operations"
    """Whoever runs the machine and its network."""
    SECURITY = "security"
    """The security team: it decides how much is seen or kept."""


def _of(
    whose: Whose, default: Any = MISSING, *, unit: str = "", least: float | None = None, most: float | None = None
) -> Any:
    metadata = {"whose": whose, "unit": unit, "least": least, "most": most}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


COMMON = tuple(
    Path("/usr") / folder
    for folder in (
        "share/common-licenses",
        "share/licenses",
        "share/templates",
        "lib/libreoffice/share/template",
        "share/color/icc",
        "share/doc",
        "lib",
        "lib64",
    )
)
"""Where packages put what is on every machine: licence texts and templates first, then libraries."""


@dataclass(frozen=True, slots=True)
class PathsSection:
    """Folders. Empty: what the layout says (``haechi.settings.paths``)."""

    layout: Literal["auto", "user", "service"] = _of(Whose.OPERATIONS, "auto")
    state: Path | None = _of(Whose.OPERATIONS, None)
    runtime: Path | None = _of(Whose.OPERATIONS, None)
    config: Path | None = _of(Whose.OPERATIONS, None)


@dataclass(frozen=True, slots=True)
class Datapath:
    """The proxy. Ports are on loopback; 0 is a free one, chosen at each start."""

    proxy_port: int = _of(Whose.OPERATIONS, 0, unit="port", least=0, most=65535)
    redirect_https_port: int = _of(Whose.OPERATIONS, 15001, unit="port", least=0, most=65535)
    redirect_http_port: int = _of(Whose.OPERATIONS, 15002, unit="port", least=0, most=65535)
    envoy: Path | None = _of(Whose.OPERATIONS, None)
    concurrency: int = _of(Whose.OPERATIONS, 1, unit="threads", least=1, most=64)
    upstream_proxy: str = _of(Whose.OPERATIONS, "", unit="URL")
    no_proxy: tuple[str, ...] = _of(Whose.OPERATIONS, ())
    extra_roots: tuple[Path, ...] = _of(Whose.OPERATIONS, ())
    hosts: Mapping[str, str] = _of(Whose.OPERATIONS, {})
    buffer: int = _of(Whose.OPERATIONS, 1 << 20, unit="bytes", least=65536, most=64 << 20)
    hold_abroad: Literal["whole", "pieces"] = _of(Whose.SECURITY, "whole")
    hold_home: Literal["whole", "pieces"] = _of(Whose.SECURITY, "pieces")
    spool_limit: int = _of(Whose.OPERATIONS, 8 << 30, unit="bytes", least=1 << 20)
    spool_folder: Path | None = _of(Whose.OPERATIONS, None)
    unpack_threads: int = _of(Whose.OPERATIONS, 1, unit="threads", least=1, most=64)
    parts_limit: int = _of(Whose.OPERATIONS, 2 << 30, unit="bytes", least=1 << 20)
    parts_objects: int = _of(Whose.OPERATIONS, 32, unit="objects", least=1, most=1024)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is intercepted besides what the signed policy data says: a local scope only adds."""

    add: Literal["nothing", "cloud", "all"] = _of(Whose.SECURITY, "nothing")
    patterns: tuple[str, ...] = _of(Whose.SECURITY, ())


@dataclass(frozen=True, slots=True)
class Watch:
    """Where tagged files are looked for. No roots: the home folder (user), ``/home`` (service)."""

    roots: tuple[Path, ...] = _of(Whose.SECURITY, ())
    exclude: tuple[str, ...] = _of(Whose.SECURITY, ("**/.git/objects/**", "**/node_modules/**", "**/.cache/**"))
    rescan: int = _of(Whose.OPERATIONS, 3600, unit="seconds", least=60)
    late_ms: int = _of(Whose.SECURITY, 1000, unit="milliseconds", least=100, most=60_000)
    elsewhere: int = _of(Whose.OPERATIONS, 256, unit="folders", least=0, most=4096)
    common: tuple[Path, ...] = _of(Whose.SECURITY, COMMON)
    common_limit: int = _of(Whose.SECURITY, 256 << 20, unit="bytes", least=0)


@dataclass(frozen=True, slots=True)
class Engine:
    """The policy engine: embedded, or the institution's OPA server (``opa_…``)."""

    kind: Literal["embedded", "opa"] = _of(Whose.SECURITY, "embedded")
    deadline_ms: int = _of(Whose.OPERATIONS, 500, unit="milliseconds", least=5, most=60_000)
    compiler: Path | None = _of(Whose.SECURITY, None)
    opa_url: str = _of(Whose.SECURITY, "http://127.0.0.1:8181", unit="URL")
    opa_publish: bool = _of(Whose.SECURITY, False)
    opa_token_file: Path | None = _of(Whose.OPERATIONS, None)
    opa_ca: Path | None = _of(Whose.SECURITY, None)
    opa_certificate: Path | None = _of(Whose.OPERATIONS, None)
    opa_key: Path | None = _of(Whose.OPERATIONS, None)


@dataclass(frozen=True, slots=True)
class Policy:
    """The policies; signed, unless they are those that ship. ``source`` is a bundle: its file, or where it is fetched.
    Empty: ``policies.tar.gz`` or ``policies`` in the configuration folder, or those that ship.
    """

    folder: Path | None = _of(Whose.SECURITY, None)
    source: str = _of(Whose.SECURITY, "", unit="URL or path")
    token_file: Path | None = _of(Whose.SECURITY, None)


@dataclass(frozen=True, slots=True)
class Fetch:
    """How signed documents are fetched that a source gives out over HTTPS."""

    interval: int = _of(Whose.OPERATIONS, 60, unit="seconds", least=5, most=86_400)
    timeout: float = _of(Whose.OPERATIONS, 20.0, unit="seconds", least=1, most=300)
    roots: tuple[Path, ...] = _of(Whose.SECURITY, ())


@dataclass(frozen=True, slots=True)
class Registry:
    """The institution's signed registry. Empty: ``registry.yaml`` in the configuration folder. ``source`` is where it
    is fetched instead, its signature beside it under the same address with ``.sig``.
    """

    path: Path | None = _of(Whose.SECURITY, None)
    source: str = _of(Whose.SECURITY, "", unit="URL")
    token_file: Path | None = _of(Whose.SECURITY, None)
    interval: int = _of(Whose.SECURITY, 10, unit="seconds", least=2, most=3600)


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys whose signatures count. Empty: ``trust.yaml`` in the configuration folder."""

    path: Path | None = _of(Whose.SECURITY, None)


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit log. Empty folder: ``audit`` in the state folder."""

    folder: Path | None = _of(Whose.SECURITY, None)
    flush_ms: int = _of(Whose.OPERATIONS, 50, unit="milliseconds", least=1, most=10_000)
    segment_size: int = _of(Whose.OPERATIONS, 64 << 20, unit="bytes", least=65536)
    checkpoint_interval: int = _of(Whose.SECURITY, 60, unit="seconds", least=1)


@dataclass(frozen=True, slots=True)
class Destinations:
    """Reading facts about destinations, with the agent's own credentials."""

    ttl: float = _of(Whose.SECURITY, 300.0, unit="seconds", least=1)
    unknown_ttl: float = _of(Whose.OPERATIONS, 15.0, unit="seconds", least=0)
    connect_timeout: float = _of(Whose.OPERATIONS, 2.0, unit="seconds", least=0.1)
    read_timeout: float = _of(Whose.OPERATIONS, 5.0, unit="seconds", least=0.1)
    aws_profile: str = _of(Whose.OPERATIONS, "")
    aws_credentials_file: Path | None = _of(Whose.OPERATIONS, None)
    survey_profiles: tuple[str, ...] = _of(Whose.OPERATIONS, ())
    credentials: Mapping[str, str] = _of(Whose.OPERATIONS, {})
    endpoints: Mapping[str, str] = _of(Whose.OPERATIONS, {}, unit="URL")

    def credentials_of(self, cloud: str) -> dict[str, str]:
        """The agent's own credentials at one cloud: ``gcs.credentials_file`` is ``credentials_file`` of ``gcs``."""
        named = {
            name.partition(".")[2]: value for name, value in self.credentials.items() if name.partition(".")[0] == cloud
        }
        if cloud == "s3":
            named = {"profile": self.aws_profile, "credentials_file": str(self.aws_credentials_file or ""), **named}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Drift:
    """The watch over containers that hold tagged content. An interval of 0: only when ``haechi drift --now`` asks."""

    interval: int = _of(Whose.SECURITY, 3600, unit="seconds", least=0, most=604_800)
    at_once: int = _of(Whose.OPERATIONS, 4, unit="containers", least=1, most=32)
    confirm: int = _of(Whose.OPERATIONS, 16, unit="objects", least=0, most=1000)


@dataclass(frozen=True, slots=True)
class Control:
    """The control socket."""

    officer_group: str = _of(Whose.SECURITY, "haechi-officers")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Operations logs and metrics; never the audit."""

    metrics: Literal["off", "http", "textfile"] = _of(Whose.OPERATIONS, "off")
    metrics_port: int = _of(Whose.OPERATIONS, 9469, unit="port", least=0, most=65535)
    textfile: Path | None = _of(Whose.OPERATIONS, None)
    textfile_interval: int = _of(Whose.OPERATIONS, 15, unit="seconds", least=1)
    log: Path | None = _of(Whose.OPERATIONS, None)
    log_level: Literal["debug", "info", "warning", "error"] = _of(Whose.OPERATIONS, "info")


@dataclass(frozen=True, slots=True)
class Notify:
    """Desktop notices."""

    desktop: bool = _of(Whose.PERSON, True)
    per_minute: int = _of(Whose.PERSON, 6, unit="notices a minute", least=1, most=60)


@dataclass(frozen=True, slots=True)
class Sections:
    """The file as a whole."""

    language: Literal["auto", "ko", "en"] = _of(Whose.PERSON, "auto")
    paths: PathsSection = field(default_factory=PathsSection)
    datapath: Datapath = field(default_factory=Datapath)
    scope: Scope = field(default_factory=Scope)
    watch: Watch = field(default_factory=Watch)
    engine: Engine = field(default_factory=Engine)
    policy: Policy = field(default_factory=Policy)
    fetch: Fetch = field(default_factory=Fetch)
    registry: Registry = field(default_factory=Registry)
    trust: Trust = field(default_factory=Trust)
    audit: Audit = field(default_factory=Audit)
    destinations: Destinations = field(default_factory=Destinations)
    drift: Drift = field(default_factory=Drift)
    control: Control = field(default_factory=Control)
    telemetry: Telemetry = field(default_factory=Telemetry)
    notify: Notify = field(default_factory=Notify)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. ``paths`` is computed; ``file`` is None where none was found; ``origins`` says of every
    key that is not a default where it came from (``/etc/haechi/haechi.toml:12``).
    """

    language: str
    paths: Paths
    datapath: Datapath
    scope: Scope
    watch: Watch
    engine: Engine
    policy: Policy
    fetch: Fetch
    registry: Registry
    trust: Trust
    audit: Audit
    destinations: Destinations
    drift: Drift
    control: Control
    telemetry: Telemetry
    notify: Notify
    sections: Sections
    file: Path | None
    origins: Mapping[str, str]

    @property
    def policy_folder(self) -> Path:
        """The institution's own policies, if there are any."""
        return self.policy.folder or self.paths.policies

    @property
    def policy_url(self) -> str:
        """Where the bundle is fetched; empty where it is not."""
        source = self.policy.source
        return source if "://" in source else ""

    @property
    def policy_bundle(self) -> Path | None:
        """The bundle's file: the one that is named, the copy of what was fetched, or what lies in the configuration
        folder. None where the policies are a folder.
        """
        if self.policy_url:
            return self.paths.fetched / "policies.tar.gz"
        if self.policy.source:
            return Path(self.policy.source).expanduser()
        lying = self.paths.policy_bundle
        return lying if self.policy.folder is None and lying.is_file() else None

    @property
    def registry_path(self) -> Path:
        """The signed registry: the copy of what is fetched, or the file."""
        if self.registry.source:
            return self.paths.fetched / "registry.yaml"
        return self.registry.path or self.paths.registry

    @property
    def trust_path(self) -> Path:
        """The trusted keys."""
        return self.trust.path or self.paths.trust

    @property
    def audit_folder(self) -> Path:
        """The audit log."""
        return self.audit.folder or self.paths.audit

    @property
    def spool_folder(self) -> Path:
        """Bodies held whole."""
        return self.datapath.spool_folder or self.paths.spool

    @property
    def watch_roots(self) -> tuple[Path, ...]:
        """Folders that are watched: those named, else every home (service) or the own one (user)."""
        return self.watch.roots or ((Path("/home"),) if self.paths.layout is Layout.SERVICE else (Path.home(),))


@dataclass(frozen=True, slots=True)
class Described:
    """One setting, for people: dotted key, type, default, unit and whose choice."""

    key: str
    kind: Any
    default: Any
    unit: str
    whose: Whose
    least: float | None
    most: float | None


def described() -> Iterator[Described]:
    """Every setting there is, in the file's order."""
    hints = get_type_hints(Sections)
    for entry in fields(Sections):
        if "whose" in entry.metadata:
            yield _described(entry.name, hints[entry.name], entry)
            continue
        section_hints = get_type_hints(hints[entry.name])
        for setting in fields(hints[entry.name]):
            yield _described(f"{entry.name}.{setting.name}", section_hints[setting.name], setting)


def _described(key: str, kind: Any, entry: Field[Any]) -> Described:
    factory = entry.default_factory
    default = entry.default if factory is MISSING else factory()
    about = entry.metadata
    return Described(key, kind, default, about["unit"], about["whose"], about["least"], about["most"])
