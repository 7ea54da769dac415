"""Install and uninstall enforced mode: steps that each know whether they are done, how to do and how to undo.

Theory. Steps run in an order in which the machine stays usable: the rules come last, when the agent answers. Where one
fails, those that this run did are undone backwards. Uninstalling undoes all, from the last, whatever half is there.
Knows the machine only through ``ports.system``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.ports.system import ROOT, Redirect, Service, System

USER = "haechi"
_TURN_SECONDS, _TIMES_GONE = 2.0, 2
_LOG_TAIL = 1500


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything goes. ``source``: a folder with the institution's ``trust.yaml``, ``policies/``,
    ``registry.yaml`` (with its ``.sig``) and ``haechi.toml``, copied to ``config``; None where they are there already.
    """

    program: Path = Path("/opt/haechi")
    config: Path = Path("/etc/haechi")
    state: Path = Path("/var/lib/haechi")
    runtime: Path = Path("/run/haechi")
    launcher: Path = Path("/usr/local/bin/haechi")
    profile: Path = Path("/etc/profile.d/haechi.sh")
    trust_variables: tuple[str, ...] = ()
    """Variables by which tools with roots of their own are told the machine's."""
    system_roots: Path = Path("/etc/ssl/certs/ca-certificates.crt")
    user: str = USER
    https_port: int = 15001
    http_port: int = 15002
    source: Path | None = None
    ready_seconds: float = 60.0

    @property
    def audit(self) -> Path:
        """What may outlive an uninstallation."""
        return self.state / "audit"

    @property
    def profile_text(self) -> str:
        """What login shells read. The machine's own file is named, not the agent's: it outlives an uninstallation, and
        so do shells. What a person has set stays.
        """
        lines = [f'export {name}="${{{name}:-{self.system_roots}}}"' for name in self.trust_variables]
        return "\n".join(["# Haechi: tools that bring roots of their own are told this machine's.", *lines, ""])

    @property
    def root_certificate(self) -> Path:
        """Written by the agent when it first starts."""
        return self.state / "public" / "root.pem"


@dataclass(frozen=True, slots=True)
class InstallationState:
    """What of enforced mode stands. ``installed``: every step is done."""

    user: bool
    program: bool
    configuration: bool
    service_installed: bool
    service_active: bool
    authority_trusted: bool
    rules_loaded: bool

    @property
    def installed(self) -> bool:
        """Everything stands."""
        return all(getattr(self, name) for name in self.__slots__)

    @property
    def traces(self) -> bool:
        """Anything stands."""
        return any(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done to the machine. ``code`` names its words (``install.step-…``)."""

    code: str
    params: dict[str, str]
    done: Callable[[], bool]
    do: Callable[[], None]
    undo: Callable[[], None]
    again: bool = False
    """Done on every run, though it is done: what it starts may be another version now."""
    stood: Callable[[], bool] | None = None
    """Whether an earlier version of it stands, which a failure must not take away; None: as ``done``."""


Told = Callable[[str, dict[str, str]], None]
"""Called with a code and parameters before each thing that is done."""


class Installation:
    """Enforced mode on one machine."""

    def __init__(self, system: System, plan: Plan | None = None) -> None:
        self._system = system
        self._plan = plan or Plan()

    def install(self, told: Told, *, rehearse: bool = False) -> None:
        """Do every step that is not done. A failure undoes what this run did and is raised again.

        Raises ``HaechiError``: ``install.not-root``, ``install.no-configuration``, ``install.not-ready``,
        ``install.command-failed``, ``install.file-failed``, ``install.python-not-trusted`` ….
        """
        system, plan = self._system, self._plan
        if not rehearse and not system.is_root():
            raise HaechiError("install.not-root")
        source = plan.source or plan.config
        for name in ("trust.yaml", "policies"):
            if not system.exists(source / name):
                raise HaechiError("install.no-configuration", missing=str(source / name))
        did: list[Step] = []
        # Evidence from before outlives a failure; what a failed first start wrote is evidence of nothing.
        for step in self._steps(purge=not self.holds_audit()):
            before = step.done()
            if before and not step.again:
                continue
            told(step.code, step.params)
            if rehearse:
                continue
            if not (step.stood or step.done)():
                did.append(step)
            try:
                step.do()
            except BaseException:
                self._roll_back(did, told)
                raise

    def uninstall(self, told: Told, *, purge: bool, rehearse: bool = False) -> None:
        """Undo every step, from the last; the audit stays (for root alone) unless ``purge``.

        Goes on past what fails, so that a half-installed machine gets clean, and raises the first failure at the end.
        """
        if not rehearse and not self._system.is_root():
            raise HaechiError("install.not-root")
        first: HaechiError | None = None
        for step in reversed(self._steps(purge=purge)):
            told(step.code + ".undo", step.params)
            if rehearse:
                continue
            try:
                step.undo()
            except HaechiError as error:
                first = first or error
        if first is not None:
            raise first

    def state(self) -> InstallationState:
        """What stands now. Unprivileged callers get what they may see: rules need root and read as not loaded."""
        system, plan = self._system, self._plan
        anchored = system.anchored()
        with contextlib.suppress(HaechiError):
            current = system.read(plan.root_certificate)
            return InstallationState(
                user=system.uid(plan.user) is not None,
                program=system.program_version(plan.program) is not None,
                configuration=system.exists(plan.config / "trust.yaml"),
                service_installed=system.service_installed(self._service()),
                service_active=system.service_active(self._service()),
                authority_trusted=anchored is not None and anchored == current,
                rules_loaded=system.rules_loaded(),
            )
        raise HaechiError("install.file-failed", path=str(plan.root_certificate), reason="-")

    def holds_audit(self) -> bool:
        """Whether uninstalling has to ask about evidence."""
        return bool(self._system.children(self._plan.audit))

    def _roll_back(self, did: list[Step], told: Told) -> None:
        for step in reversed(did):
            told(step.code + ".undo", step.params)
            with contextlib.suppress(HaechiError):  # the first failure is the one to tell
                step.undo()

    def _service(self) -> Service:
        plan = self._plan
        return Service(plan.program, plan.config, plan.state, plan.runtime, plan.user, self._redirect())

    def _redirect(self) -> Redirect:
        uid = self._system.uid(self._plan.user)
        return Redirect(uid if uid is not None else -1, self._plan.https_port, self._plan.http_port)

    def _steps(self, *, purge: bool = False) -> list[Step]:
        return list(self._all_steps(purge))

    def _all_steps(self, purge: bool) -> Iterator[Step]:
        system, plan = self._system, self._plan
        yield Step(
            "install.step-user",
            {"user": plan.user},
            lambda: system.uid(plan.user) is not None,
            lambda: system.add_user(plan.user, plan.state),
            lambda: system.remove_user(plan.user),
        )
        yield Step(
            "install.step-program",
            {"path": str(plan.program)},
            lambda: system.program_version(plan.program) == system.own_version(),
            lambda: system.copy_program(plan.program),
            lambda: system.remove(plan.program),
            stood=lambda: system.exists(plan.program),
        )
        yield Step(
            "install.step-launcher",
            {"path": str(plan.launcher)},
            lambda: system.exists(plan.launcher),
            lambda: system.link(plan.launcher, plan.program / "bin/haechi"),
            self._remove_launcher,
        )
        yield Step(
            "install.step-configuration",
            {"path": str(plan.config)},
            lambda: plan.source is None and system.folder_is(plan.config, 0o755, ROOT) and self._has_settings(),
            self._configure,
            lambda: system.remove(plan.config),
            stood=lambda: system.exists(plan.config),
        )
        yield Step(
            "install.step-state",
            {"path": str(plan.state)},
            lambda: all(system.folder_is(path, mode, plan.user) for path, mode in self._folders()),
            self._make_folders,
            lambda: self._remove_state(purge),
            stood=lambda: system.exists(plan.state),
        )
        yield Step(
            "install.step-service",
            {"user": plan.user},
            lambda: system.service_installed(self._service()),
            lambda: system.install_service(self._service()),
            lambda: system.remove_service(self._service()),
            again=True,
        )
        yield Step(
            "install.step-start",
            {"port": str(plan.https_port)},
            lambda: system.service_active(self._service()),
            self._start,
            lambda: None,  # the service's own step stops it
            again=True,
        )
        yield Step(
            "install.step-authority",
            {"path": str(plan.root_certificate)},
            lambda: system.anchored() is not None and system.anchored() == system.read(plan.root_certificate),
            self._anchor,
            system.unanchor,
            stood=lambda: system.anchored() is not None,
        )
        yield Step(
            "install.step-profile",
            {"path": str(plan.profile)},
            lambda: system.read(plan.profile) == plan.profile_text.encode(),
            lambda: system.write(plan.profile, plan.profile_text.encode(), 0o644),
            lambda: system.remove(plan.profile),
            stood=lambda: system.exists(plan.profile),
        )
        yield Step(
            "install.step-rules",
            {"https": str(plan.https_port), "http": str(plan.http_port)},
            system.rules_loaded,
            lambda: system.load_rules(self._redirect()),
            lambda: system.unload_rules(self._redirect()),
            again=True,
        )

    def _has_settings(self) -> bool:
        return self._system.exists(self._plan.config / "haechi.toml")

    def _configure(self) -> None:
        system, plan = self._system, self._plan
        if plan.source is not None:
            system.copy_folder(plan.source, plan.config)
        system.make_folder(plan.config, 0o755, ROOT)
        if not self._has_settings():
            text = (
                "# Haechi's settings on this machine: docs/settings.md\n"
                '[paths]\nlayout = "service"\n\n[datapath]\n'
                f"redirect_https_port = {plan.https_port}\nredirect_http_port = {plan.http_port}\n"
            )
            system.write(plan.config / "haechi.toml", text.encode(), 0o644)

    def _folders(self) -> tuple[tuple[Path, int], ...]:
        """The state itself is passed through by all who read the public roots; all else in it is the agent's alone."""
        state = self._plan.state
        private = tuple((state / name, 0o700) for name in ("audit", "keys", "spool"))
        return ((state, 0o711), *private, (state / "public", 0o755))

    def _make_folders(self) -> None:
        for path, mode in self._folders():
            self._system.make_folder(path, mode, self._plan.user)

    def _remove_state(self, purge: bool) -> None:
        system, plan = self._system, self._plan
        if purge or not system.children(plan.audit):
            system.remove(plan.state)
        else:
            for path in system.children(plan.state):
                if path != plan.audit:
                    system.remove(path)
            system.hand_to_root(plan.state)
        system.remove(plan.runtime)

    def _remove_launcher(self) -> None:
        if self._system.exists(self._plan.launcher):
            self._system.remove(self._plan.launcher)

    def _start(self) -> None:
        system, plan = self._system, self._plan
        service = self._service()
        system.start_service(service)
        waited, gone = 0.0, 0
        # An agent that ended is waited for once more (its service may start it again), not for the whole time.
        while waited < plan.ready_seconds and gone < _TIMES_GONE:
            turn = min(_TURN_SECONDS, plan.ready_seconds - waited)
            if system.await_listening(plan.https_port, plan.user, turn):
                return
            waited += turn
            gone = 0 if system.service_active(service) else gone + 1
        # Undoing the installation takes the log along: its end is told now.
        log = (system.read(plan.state / "agent.log") or b"")[-_LOG_TAIL:].decode("utf-8", "replace")
        raise HaechiError("install.not-ready", seconds=f"{waited:.0f}", port=plan.https_port, log=log.strip())

    def _anchor(self) -> None:
        pem = self._system.read(self._plan.root_certificate)
        if pem is None or b"BEGIN CERTIFICATE" not in pem or b"PRIVATE KEY" in pem:
            raise HaechiError("install.no-authority", path=str(self._plan.root_certificate))
        self._system.anchor(pem)
