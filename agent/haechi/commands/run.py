"""``haechi run -- CMD…``: one command, judged. Where nothing else enforces that, it helps the honest and says so."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi import words
from haechi.commands._frame import write_json
from haechi.domain.errors import HaechiError
from haechi.settings.paths import Layout, paths_for

if TYPE_CHECKING:
    from haechi.inbound.envoy.environment import ProxyAccess

SERVICE_SOCKET = paths_for(Layout.SERVICE, {}).control_socket
"""Where the service of enforced mode answers; there while it runs."""
LARGEST = 16 << 20
"""Bytes of a person's own bundle or configuration that are taken along."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--json", "as_json", is_flag=True, help="Print the variables as JSON and run nothing.")
@click.option("--print-env", is_flag=True, help="Print the variables for a shell to eval, and run nothing.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(context: click.Context, as_json: bool, print_env: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND with its uploads judged by the agent on this machine.

    Sets the proxy and certificate variables of the AWS CLI, boto3, curl, rclone, s3cmd, gsutil, gcloud, az, azcopy,
    Node, Java and git for this one command. Standard input, signals and its exit code pass through.
    docs/tools.md says what is set for each tool, and what this cannot reach.

    \b
    haechi run -- aws s3 cp report.pdf s3://bucket/
    eval "$(haechi run --print-env)"
    """  # noqa: D301 - click's own mark for lines to keep
    from haechi.inbound.envoy.environment import bearable, replaced, tool_environment

    if not (command or as_json or print_env):
        raise click.UsageError(words.say("datapath.run.no-command"))
    access, mode = _access()
    inherited = dict(os.environ)
    # What is joined lives in this process's memory, so it serves the command that takes its place and nothing else.
    joined = {} if as_json or print_env else _joined_bundles(access, inherited)
    made = tool_environment(access, inherited, joined)
    if as_json:
        write_json({"mode": mode, "environment": _changed(made, inherited)})
        return
    click.echo(words.say(mode), err=True)
    for name in replaced(access, inherited, joined):
        click.echo(words.say(f"datapath.run.replaced-{_kind(name)}", name=name), err=True)
    if print_env:
        import shlex

        for name, value in _changed(made, inherited).items():
            click.echo(f"export {name}={shlex.quote(value)}")
        if "BOTO_CONFIG" in inherited and "BOTO_CONFIG" not in made:
            click.echo("unset BOTO_CONFIG")
        return
    program = shutil.which(command[0], path=made.get("PATH"))
    if program is None:
        click.echo(words.say("datapath.run.not-found", command=command[0]), err=True)
        context.exit(127)
    made["S3CMD_CONFIG"] = _s3cmd(access, inherited)
    # Python ignores these, and what is ignored stays so in the next program: `yes | head` would never end.
    earlier = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGPIPE, signal.SIGXFSZ)}
    try:
        os.execve(program, list(command), bearable(made, program))  # noqa: S606 - the person's own command, as they typed it
    except OSError as error:
        click.echo(words.say("datapath.run.not-started", command=command[0], reason=error.strerror), err=True)
        context.exit(126)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _changed(made: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in sorted(made.items()) if inherited.get(name) != value}


def _kind(name: str) -> str:
    low = name.lower()
    return "no-proxy" if low == "no_proxy" else "proxy" if low.endswith("_proxy") else "roots"


def _joined_bundles(access: ProxyAccess, inherited: Mapping[str, str]) -> dict[str, str]:
    """For each variable that named a bundle of the person's own: a file with that bundle and ours."""
    from haechi.inbound.envoy.environment import BUNDLES

    made: dict[str, str] = {}
    joined: dict[str, str] = {}
    for name in BUNDLES:
        earlier = inherited.get(name, "")
        if not earlier or earlier == access.bundle:
            continue
        if earlier not in made:
            own, ours = _contents(earlier), _contents(access.bundle)
            made[earlier] = _in_memory("roots", own.rstrip() + b"\n" + ours) if b"CERTIFICATE" in own else ""
        if made[earlier]:
            joined[name] = made[earlier]
    return joined


def _s3cmd(access: ProxyAccess, inherited: Mapping[str, str]) -> str:
    """s3cmd's configuration, which may hold the person's keys: never a copy on a disk."""
    from haechi.inbound.envoy.environment import s3cmd_configuration

    earlier = inherited.get("S3CMD_CONFIG") or str(Path("~/.s3cfg").expanduser())
    text = s3cmd_configuration(access, _contents(earlier).decode("utf-8", "surrogateescape"))
    return _in_memory("s3cmd", text.encode("utf-8", "surrogateescape"))


def _contents(path: str) -> bytes:
    """What a regular file holds; nothing where it cannot be read."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            return file.read(LARGEST) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return b""


def _in_memory(name: str, content: bytes) -> str:
    """A file without a place on any disk, that this process and its children can open by the path returned.

    Named by the process, which stays the same when the command takes its place: a child that closes what it inherits
    still finds it.
    """
    descriptor = os.memfd_create(f"haechi-{name}", 0)
    os.fchmod(descriptor, 0o600)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _access() -> tuple[ProxyAccess, str]:
    """Where the running agent listens, and ``enforced`` or ``cooperative``.

    Raises ``HaechiError``: no agent, or its data path is not up.
    """
    from haechi.inbound.control.client import call
    from haechi.inbound.envoy.environment import ProxyAccess

    said: dict[str, Any] = call("datapath.describe", {})
    if not said.get("healthy"):
        raise HaechiError("agent.datapath-not-ready")
    # The agent that was asked may be the person's own, on a machine whose service judges what leaves it as well.
    mode = "enforced" if said.get("redirect_tls_port") or SERVICE_SOCKET.is_socket() else "cooperative"
    node = str(resources.files("haechi.inbound.envoy") / "tools" / "node_proxy.cjs")
    access = ProxyAccess(
        said["proxy_host"],
        said["proxy_port"],
        said["bundle"],
        said["truststore"],
        said["truststore_password"],
        boto=said.get("boto", ""),
        node=node,
    )
    return access, mode
