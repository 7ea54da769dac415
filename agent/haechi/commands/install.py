"""``haechi install`` and ``haechi uninstall``: enforced mode, as root.

``haechi status`` asks ``installation_state()``, which needs no root but then can not see the packet rules.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi.commands._frame import Exit, json_option, write_json
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from haechi.app.installing import Installation, InstallationState, Plan

no_systemd_option = click.option(
    "--no-systemd", is_flag=True, help="In a container or with another supervisor: start the agent as a plain process."
)
plain_process_option = click.option(
    "--no-systemd",
    is_flag=True,
    help="In a container or with another supervisor: end the plain process.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Print every step; change nothing.")


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with trust.yaml, policies/, and where there are some registry.yaml (with its .sig) and haechi.toml. "
    "Default: what is in /etc/haechi already.",
)
@click.option(
    "--wait",
    type=click.FloatRange(1, 600),
    default=60.0,
    show_default=True,
    help="Seconds until the agent must answer.",
)
@no_systemd_option
@dry_run_option
@json_option
def install(source: Path | None, wait: float, no_systemd: bool, dry_run: bool, as_json: bool) -> None:
    """Judge every user's uploads on this machine (enforced mode). Needs root.

    Makes a service user, copies this Haechi to /opt/haechi, starts the agent, trusts its root certificate, and
    redirects TCP 443 and 80 of everyone else, containers included. What fails is undone. Running it again brings
    an installation up to date.
    """
    from haechi.settings import load

    here = source.resolve() if source else None
    plan = replace(load_plan(load, here), source=here, ready_seconds=wait)
    installation = _installation(plan, no_systemd)
    tell = _Teller(quiet=as_json)
    installation.install(tell, rehearse=dry_run)
    if no_systemd and not as_json:
        click.echo(say("install.no-systemd", config=plan.config), err=True)
    _finish("install.rehearsed" if dry_run else "install.finished", tell, as_json)


@click.command()
@click.option(
    "--keep-audit", "purge", flag_value=False, type=bool, default=None, help="Keep the audit, for root alone."
)
@click.option("--purge", "purge", flag_value=True, type=bool, help="Delete the audit too.")
@plain_process_option
@dry_run_option
@json_option
def uninstall(purge: bool | None, no_systemd: bool, dry_run: bool, as_json: bool) -> None:
    """Remove enforced mode from this machine without a trace. Needs root.

    Removes the packet rules, the root certificate, the service, keys, folders and the service user, whatever is left of
    them. Asks about the audit unless --keep-audit or --purge was given.
    """
    plan = _plan(None)
    installation = _installation(plan, no_systemd)
    holds = installation.holds_audit()
    if os.geteuid() == 0 and not holds and not installation.state().traces:
        _finish("install.nothing", _Teller(quiet=as_json), as_json)
        return
    if purge is None and holds and not dry_run:
        if not sys.stdin.isatty():
            click.echo(say("install.ask-which", path=plan.audit), err=True)
            raise SystemExit(Exit.USAGE)
        purge = click.confirm(say("install.ask-purge", path=plan.audit), default=False)
    tell = _Teller(quiet=as_json)
    installation.uninstall(tell, purge=bool(purge), rehearse=dry_run)
    kept = holds and not purge
    code = "install.rehearsed" if dry_run else "install.removed-but-audit" if kept else "install.removed"
    _finish(code, tell, as_json, path=str(plan.audit))


def installation_state() -> InstallationState:
    """What of enforced mode stands on this machine, for ``haechi status``."""
    from haechi.outbound.system.services import systemd_runs

    return _installation(_plan(None), not systemd_runs(), check=False).state()


def load_plan(load: object, source: Path | None = None) -> Plan:
    """The plan with the redirect ports of the settings that will be in force for the service."""
    from haechi.settings import Settings

    plan = _plan(None)
    file = (source or plan.config) / "haechi.toml"
    if not file.exists() or not callable(load):
        return plan
    settings = load(file)
    assert isinstance(settings, Settings)  # noqa: S101 - narrows for the type checker
    path = settings.datapath
    return replace(plan, https_port=path.redirect_https_port, http_port=path.redirect_http_port)


def _plan(plan: Plan | None) -> Plan:
    from haechi.app.installing import Plan
    from haechi.inbound.envoy.environment import BUNDLES

    return replace(plan or Plan(), trust_variables=BUNDLES)


def _installation(plan: Plan, no_systemd: bool, *, check: bool = True) -> Installation:
    from haechi.app.installing import Installation
    from haechi.outbound.system.machine import Machine
    from haechi.outbound.system.services import systemd_runs

    if check and not no_systemd and not systemd_runs():
        raise HaechiError("install.systemd-missing")
    return Installation(Machine(systemd=not no_systemd), plan)


class _Teller:
    """Prints each step as it is done, and keeps them for ``--json``."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.steps: list[dict[str, object]] = []

    def __call__(self, code: str, params: dict[str, str]) -> None:
        self.steps.append({"step": code, "params": params})
        if not self._quiet:
            click.echo(f"· {say(code, **params)}")


def _finish(code: str, tell: _Teller, as_json: bool, **params: str) -> None:
    if as_json:
        state = asdict(installation_state())
        write_json({"result": code, "steps": tell.steps, "state": state, **params})
    else:
        click.echo(say(code, **params))
