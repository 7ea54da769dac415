"""``haechi run -- CMD…``: one command, judged. Cooperative: it helps the honest and says so."""

from __future__ import annotations

import os
import shutil
from typing import Any

import click

from haechi import words
from haechi.commands._frame import write_json
from haechi.domain.errors import HaechiError


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--json", "as_json", is_flag=True, help="Print the variables as JSON and run nothing.")
@click.option("--print-env", is_flag=True, help="Print the variables for a shell to eval, and run nothing.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(context: click.Context, as_json: bool, print_env: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND with its uploads judged by the agent on this machine.

    Sets the proxy and certificate variables of the AWS CLI, boto3, curl, rclone, gsutil, gcloud, az, azcopy, Node,
    Java and git for this one command. Its exit code passes through.

    \b
    haechi run -- aws s3 cp report.pdf s3://bucket/
    eval "$(haechi run --print-env)"
    """  # noqa: D301 - click's own mark for lines to keep
    from haechi.inbound.envoy.environment import tool_environment

    if not (command or as_json or print_env):
        raise click.UsageError(words.say("datapath.run.no-command"))
    access = _access()
    inherited = dict(os.environ)
    made = tool_environment(access, inherited)
    changed = {name: value for name, value in made.items() if inherited.get(name) != value}
    if as_json:
        write_json({"mode": "cooperative", "environment": dict(sorted(changed.items()))})
        return
    click.echo(words.say("cooperative"), err=True)
    if print_env:
        import shlex

        for name, value in sorted(changed.items()):
            click.echo(f"export {name}={shlex.quote(value)}")
        return
    program = shutil.which(command[0], path=made.get("PATH"))
    if program is None:
        click.echo(words.say("datapath.run.not-found", command=command[0]), err=True)
        context.exit(127)
    os.execve(program, list(command), made)  # noqa: S606 - the person's own command, as they typed it


def _access() -> Any:
    """Where the running agent listens. Raises ``HaechiError``: no agent, or its data path is not up."""
    from haechi.inbound.control.client import call
    from haechi.inbound.envoy.environment import ProxyAccess

    said = call("datapath.describe", {})
    if not said.get("healthy"):
        raise HaechiError("agent.datapath-not-ready")
    return ProxyAccess(
        said["proxy_host"], said["proxy_port"], said["bundle"], said["truststore"], said["truststore_password"]
    )
