"""The command line: finds a command's module when it is asked for, and turns every failure into words and an exit code.

Start-up is part of the feel, so ``haechi --help`` imports no command: their one-line helps are words (``cli.help.*``).
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Final

import click

from haechi.commands._frame import Exit, error_document, exit_of, printable, write_json
from haechi.commands._help import localised, teach_click
from haechi.domain.errors import FULL, HaechiError
from haechi.words import LANGUAGES, say

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "tag": ("haechi.commands.tag", "tag"),
    "tags": ("haechi.commands.tag", "tags"),
    "untag": ("haechi.commands.tag", "untag"),
    "run": ("haechi.commands.run", "run"),
    "check": ("haechi.commands.check", "check"),
    "explain": ("haechi.commands.explain", "explain"),
    "justify": ("haechi.commands.exception", "justify"),
    "exception": ("haechi.commands.exception", "exception"),
    "appeal": ("haechi.commands.appeal", "appeal"),
    "seal": ("haechi.commands.seal", "seal"),
    "unseal": ("haechi.commands.seal", "unseal"),
    "objects": ("haechi.commands.objects", "objects"),
    "drift": ("haechi.commands.drift", "drift"),
    "agent": ("haechi.commands.agent", "agent"),
    "status": ("haechi.commands.status", "status"),
    "doctor": ("haechi.commands.doctor", "doctor"),
    "install": ("haechi.commands.install", "install"),
    "uninstall": ("haechi.commands.install", "uninstall"),
    "policy": ("haechi.commands.policy", "policy"),
    "replay": ("haechi.commands.replay", "replay"),
    "baseline": ("haechi.commands.baseline", "baseline"),
    "registry": ("haechi.commands.registry", "registry"),
    "keys": ("haechi.commands.keys", "keys"),
    "audit": ("haechi.commands.audit", "audit"),
    "settings": ("haechi.commands.settings", "settings"),
}
"""Command to module and attribute, in the order of a person's day."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command. Raises ``HaechiError('cli.missing-command')`` where its module is not installed."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        _settings_language()
        module, attribute = place
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise HaechiError("cli.missing-command", command=cmd_name, module=error.name or module) from error
        return localised(command, cmd_name)

    def get_help(self, ctx: click.Context) -> str:
        """The page of all commands, in the person's language."""
        _settings_language()
        told = localised(self, "haechi")
        return super().get_help(ctx) if told is self else click.Group.get_help(told, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section(say("cli.commands")):
            formatter.write_dl([(name, say(f"cli.help.{name}")) for name in COMMANDS])


def _language(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value:
        os.environ["HAECHI_LANG"] = value


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"haechi {version('haechi')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    expose_value=False,
    is_eager=True,
    callback=_language,
    help="Language of messages (also HAECHI_LANG).",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
def root() -> None:
    """Haechi judges every cloud upload against the guideline for national core technology (국가핵심기술).

    Exit codes: 0 fine, 1 a negative answer (refused, invalid), 2 wrong usage, 3 agent or environment not ready.
    HAECHI_DEBUG=1 shows what lies behind an unexpected failure.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. The console script's entry point."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text; stderr does so by itself
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in own and own[:1] != ["run"]
    teach_click()
    try:
        result = root.main(args=arguments, prog_name="haechi", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else Exit.OK
    except HaechiError as error:
        return _told(error, as_json, exit_of(error))
    except click.ClickException as error:
        usage = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx else ""
        help_of = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "haechi"
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            click.echo(error.format_message(), err=True)
            return Exit.USAGE
        if usage and not as_json:
            click.echo(usage, err=True)
        code = "cli.usage" if isinstance(error, click.UsageError) else "cli.failed"
        named = HaechiError(code, reason=error.format_message(), command=help_of)
        return _told(named, as_json, Exit.USAGE if code == "cli.usage" else Exit.NEGATIVE)
    except (click.Abort, KeyboardInterrupt):
        return _told(HaechiError("cli.interrupted"), as_json, Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has gone; what is left of standard output must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            return _told(HaechiError("agent.disk-full", path=_where(error)), as_json, Exit.NOT_READY)
        if os.environ.get("HAECHI_DEBUG"):
            traceback.print_exc()
        return _told(HaechiError("cli.unexpected", kind=type(error).__name__), as_json, Exit.NOT_READY)


def _where(error: OSError) -> str:
    """What could not be written, as far as the system says it: else the state folder, where nearly all is written."""
    if isinstance(error.filename, str):
        return error.filename
    try:
        from haechi.settings import load

        return str(load().paths.state)
    except HaechiError:
        return "?"


def _told(error: HaechiError, as_json: bool, code: Exit) -> int:
    if as_json:
        write_json(error_document(error))
    else:
        click.echo(f"haechi: {printable(say(error.code, None, **error.params))}", err=True)
        if error.__cause__ is not None and os.environ.get("HAECHI_DEBUG"):
            traceback.print_exception(error)
    return code


def _settings_language() -> None:
    """The language of the settings, where neither option nor environment chose. Broken settings are told elsewhere."""
    if os.environ.get("HAECHI_LANG"):
        return
    from haechi.settings import load

    try:
        chosen: Any = load().language
    except HaechiError:
        return
    if chosen != "auto":
        os.environ["HAECHI_LANG"] = chosen


if __name__ == "__main__":
    main()
