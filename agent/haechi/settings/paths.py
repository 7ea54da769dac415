"""Where the agent keeps its things. Two layouts: a person's (XDG) and the service's (FHS). Pure: makes no folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SERVICE_FILE = Path("/etc/haechi/haechi.toml")


class Layout(StrEnum):
    """For whom the agent runs."""

    USER = "user"
    """Cooperative: one person's agent, everything private to that person."""
    SERVICE = "service"
    """Enforced: a system service under its own user."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Every place the agent uses. *Private* folders are 0700; ``public`` and a service's ``runtime`` are 0755."""

    layout: Layout
    config: Path
    state: Path
    runtime: Path

    @property
    def control_socket(self) -> Path:
        """Where commands ask."""
        return self.runtime / "control.sock"

    @property
    def lock(self) -> Path:
        """Held by the running agent; holds its process id."""
        return self.runtime / "agent.lock"

    @property
    def private_runtime(self) -> Path:
        """Private: sockets that hand out keys or verdicts (SDS, ext_proc) and Envoy's bootstrap."""
        return self.runtime / "private"

    @property
    def settings_file(self) -> Path:
        """The settings of this layout."""
        return self.config / "haechi.toml"

    @property
    def policies(self) -> Path:
        """The institution's own policies, unless ``policy.folder`` names another."""
        return self.config / "policies"

    @property
    def policy_bundle(self) -> Path:
        """The institution's own policies as a bundle; it goes before the folder."""
        return self.config / "policies.tar.gz"

    @property
    def fetched(self) -> Path:
        """Private: copies of signed documents as their sources gave them out. A copy proves nothing by itself."""
        return self.state / "fetched"

    @property
    def registry(self) -> Path:
        """The signed registry, unless ``registry.path`` names another."""
        return self.config / "registry.yaml"

    @property
    def trust(self) -> Path:
        """The trusted keys, unless ``trust.path`` names another."""
        return self.config / "trust.yaml"

    @property
    def index(self) -> Path:
        """The tag index (SQLite)."""
        return self.state / "index.sqlite"

    @property
    def pending(self) -> Path:
        """Private: names that were tagged while no agent ran."""
        return self.state / "tagged-meanwhile"

    @property
    def ledger(self) -> Path:
        """Assemblies and stored objects (SQLite)."""
        return self.state / "ledger.sqlite"

    @property
    def audit(self) -> Path:
        """Private: audit segments and checkpoints, unless ``audit.folder`` names another."""
        return self.state / "audit"

    @property
    def keys(self) -> Path:
        """Private: the intermediate's and the checkpoint's keys."""
        return self.state / "keys"

    @property
    def public(self) -> Path:
        """Readable by all: the root certificate and the bundles for tools."""
        return self.state / "public"

    @property
    def spool(self) -> Path:
        """Private: bodies held whole, unless ``datapath.spool_folder`` names another."""
        return self.state / "spool"

    @property
    def log(self) -> Path:
        """The operations log of an agent in the background."""
        return self.state / "agent.log"

    def as_json(self) -> dict[str, str]:
        """Every path by name, for ``haechi settings show``."""
        names = sorted(name for name, value in vars(Paths).items() if isinstance(value, property))
        return {
            "layout": self.layout.value,
            **{name: str(getattr(self, name)) for name in ("config", "state", "runtime", *names)},
        }


def paths_for(
    layout: Layout,
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    state: Path | None = None,
    runtime: Path | None = None,
) -> Paths:
    """The paths of a layout; a folder that was named wins over the layout's."""
    if layout is Layout.SERVICE:
        defaults = (Path("/etc/haechi"), Path("/var/lib/haechi"), Path("/run/haechi"))
    else:
        home = Path(environ.get("HOME") or Path.home())
        state_home = state or _xdg(environ, "XDG_STATE_HOME", home / ".local/state") / "haechi"
        # /tmp is no fallback: whoever makes the folder there first would own the socket's place.
        runtime_home = environ.get("XDG_RUNTIME_DIR", "")
        at_runtime = Path(runtime_home) / "haechi" if runtime_home and _own(runtime_home) else state_home / "run"
        defaults = (_xdg(environ, "XDG_CONFIG_HOME", home / ".config") / "haechi", state_home, at_runtime)
    return Paths(layout, config or defaults[0], state or defaults[1], runtime or defaults[2])


def _xdg(environ: Mapping[str, str], name: str, default: Path) -> Path:
    value = environ.get(name, "")
    return Path(value) if value.startswith("/") else default  # the specification: a relative one is to be ignored


def _own(folder: str) -> bool:
    """Under sudo the variable may still name another user's folder."""
    try:
        return Path(folder).is_absolute() and Path(folder).stat().st_uid == os.geteuid()
    except OSError:
        return False
