"""``tenets-session``, the command for people and scripts: its options, its verbs, its errors.

The verbs stand in the modules of :data:`SECTIONS`, by subject; a run imports only the one that it
needs. Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from tenets_session_server import __version__
from tenets_session_server.cli import command
from tenets_session_server.cli.invocation import Invocation, is_utf8
from tenets_session_server.cli.output import Output
from tenets_session_server.client import text
from tenets_session_server.client.client import AUTHOR, CallError, DisconnectedError
from tenets_session_server.daemon.control import LOG_LEVELS
from tenets_session_server.storage import names

logger = logging.getLogger(__name__)

SECTIONS: Final = (
    ("Where you are", "current_commands", "status switch exit resume prompt"),
    ("Sessions", "list_commands", "list"),
    ("Sessions", "session_commands", "create rename copy reset delete clear"),
    ("Notes", "reading_commands", "show search"),
    ("Notes", "note_commands", "note edit remove"),
    ("Notes", "handoff_commands", "handoff"),
    ("What was deleted", "trash_commands", "trash restore"),
    ("Folders and files", "folder_commands", "bind unbind pin unpin pins"),
    ("In and out", "transfer_commands", "export import"),
    ("Safety", "backup_commands", "backup"),
    ("Safety", "recover_commands", "recover"),
    ("Safety", "doctor_commands", "doctor"),
    ("Coding agents", "agent_commands", "connect disconnect mcp hook"),
    ("More", "other_commands", "watch stats schema completion"),
)
"""The verbs in the order of the help, with the module that has each: as ``VERB_command``."""

FAILED, USAGE, NOT_FOUND, CONFLICT = 1, 2, 3, 4
_STATUS: Final = {
    "sessionNotFound": NOT_FOUND,
    "contextNotFound": NOT_FOUND,
    "trashNotFound": NOT_FOUND,
    "sessionExists": CONFLICT,
    "conflict": CONFLICT,
}
_HINTS: Final = {
    "sessionNotFound": "see `tenets-session list`",
    "contextNotFound": "see `tenets-session show` for the ids",
    "trashNotFound": "see `tenets-session trash`",
    "conflict": "look at it again",
    "outcomeUnknown": "look whether it is there",
}
_EXISTS: Final = {
    "create": "switch to it, or choose another name",
    "copy": "choose another name, or --overwrite",
    "restore": "give it another name with --as, or --replace",
    "import": "choose what becomes of it with --on-conflict",
}
"""What to do about a taken name, by verb."""


class Failure(click.ClickException):
    """A sentence for stderr, and the exit status."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def print_error(message: str) -> None:
    """Print one sentence on stderr."""
    click.echo(f"tenets-session: {text.line(message)}", err=True)


def _names() -> list[str]:
    return [verb for _, _, listed in SECTIONS for verb in listed.split()]


class App(click.Group):
    """The verbs, imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all verbs."""
        return _names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the verb of a name."""
        for _, module, listed in SECTIONS:
            if cmd_name in listed.split():
                found = importlib.import_module(f"tenets_session_server.cli.{module}")
                verb: click.Command = getattr(found, f"{cmd_name}_command")
                return verb
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that the arguments begin with; names what may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            import difflib  # noqa: PLC0415 - for a mistake only

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            meant = f", did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"there is no verb {args[0]!r}{meant}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs into the help, by subject."""
        for title, sections in itertools.groupby(SECTIONS, key=lambda section: section[0]):
            rows = []
            for verb in " ".join(listed for _, _, listed in sections).split():
                found = self.get_command(ctx, verb)
                rows.append((verb, "" if found is None else found.short_help or ""))
            with formatter.section(title):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; an error of a method becomes a sentence and an exit status."""
        try:
            return super().invoke(ctx)
        except CallError as error:
            raise failure(error, ctx.invoked_subcommand) from error
        except DisconnectedError as error:
            raise Failure(
                "the daemon ended before it answered: look whether it is done, then repeat it"
            ) from error


def failure(error: CallError, verb: str | None) -> Failure:
    """Return what a person gets for a method's error that a verb met."""
    from tenets_session_server.rpc.error_codes import INVALID_PARAMS  # noqa: PLC0415 - 40 ms

    message = str(error)
    if error.kind == "conflict":
        message = "somebody has changed it meanwhile, and nothing was overwritten"
    hint = _HINTS.get(error.kind)
    if error.kind == "sessionExists":
        hint = _EXISTS.get(verb or "", "choose another name")
    if error.kind == "sessionNotFound" and error.data.get("name") is None:
        hint = "see `tenets-session switch` and `tenets-session create`"
    is_usage = error.code == INVALID_PARAMS
    status = _STATUS.get(error.kind, USAGE if is_usage else FAILED)
    return Failure(message if hint is None else f"{message}; {hint}", status)


@click.group(
    cls=App,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Without a verb it shows what is current here. Exit status: 0 done, 1 failed, 2 wrong"
    " usage, 3 not found, 4 conflict.",
)
@click.version_option(__version__, prog_name="tenets-session")
@click.option("-C", "folder", metavar="DIR", help="Run as if started in DIR.")
@click.option("--database", metavar="FILE", help="The database to use.")
@click.option(
    "--author", metavar="NAME", default=AUTHOR, show_default=True, help="Who makes the changes."
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="When to use colours; auto honours NO_COLOR.",
)
@click.option("--no-pager", is_flag=True, help="Print long output as it is.")
@click.option(
    "--log-level", type=click.Choice(LOG_LEVELS), help="Log to stderr, if no daemon answers."
)
@click.pass_context
def verbs(
    ctx: click.Context,
    folder: str | None,
    database: str | None,
    author: str,
    color: str,
    no_pager: bool,
    log_level: str | None,
) -> None:
    """Work sessions, shared with all editors: named, with notes, one of them active."""
    logging.basicConfig(level=(log_level or "critical").upper(), format="%(levelname)s %(message)s")
    if log_level is None:
        logging.disable()
    if len(author) > names.LONGEST_AUTHOR or not re.match(names.PRINTABLE, author):
        raise click.UsageError(f"--author: expected {names.EXPECTED_AUTHOR}")
    try:
        if folder is not None:
            os.chdir(folder)
        path, reason = command.find_database(database)
        run = Invocation(path, reason, author, Output(color, paged=not no_pager))
    except command.UsageError as error:
        raise Failure(str(error), USAGE) from error
    except OSError as error:
        where = folder or "the working directory"
        raise Failure(
            f"{where}: {error.strerror}; use -C with a folder that exists", USAGE
        ) from error
    ctx.obj = run
    ctx.call_on_close(run.close)
    if ctx.invoked_subcommand is None:
        status = verbs.get_command(ctx, "status")
        assert status is not None  # noqa: S101 - it is in the table
        ctx.invoke(status)


def run(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    reopen_closed_streams()
    if not _is_hook(arguments):
        return _run(arguments, print_error)
    from tenets_session_server.agents import hook  # noqa: PLC0415 - for few command lines

    _run(arguments, hook.log)
    return 0  # with another status, an agent may refuse the prompt


def _is_hook(arguments: Sequence[str]) -> bool:
    if "hook" not in arguments:
        return False
    from tenets_session_server.cli import hook_calls  # noqa: PLC0415 - for few command lines

    options = [one for one in verbs.params if isinstance(one, click.Option) and not one.is_flag]
    with_value = {name for option in options for name in option.opts}
    return hook_calls.is_hook(arguments, with_value, _names())


def _run(arguments: Sequence[str], complain: Callable[[str], None]) -> int:
    """Run the command; ``complain`` gets the sentence that says why it has failed."""
    if any(not is_utf8(argument) for argument in arguments):
        complain("an argument is not UTF-8")
        return USAGE
    try:
        result = verbs.main(list(arguments), prog_name="tenets-session", standalone_mode=False)
        sys.stdout.flush()
    except Failure as error:
        complain(error.message)
        return error.status
    except click.UsageError as error:
        asked = "tenets-session" if error.ctx is None else error.ctx.command_path
        complain(f"{error.format_message().rstrip('.')}; see `{asked} --help`")
        return USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        return FAILED
    except BrokenPipeError:  # its reader has seen enough
        return give_up_stdout()
    except OSError as error:
        complain(f"{error.filename or 'the output'}: {error.strerror or error}")
        return give_up_stdout()
    except Exception as error:  # a bug of ours: no traceback for people who did not ask for it
        logger.exception("internal error")
        name = type(error).__name__
        complain(f"internal error ({name}: {error}); --log-level error shows where")
        return FAILED
    return result if isinstance(result, int) else 0


def give_up_stdout() -> int:
    """Have nothing more written to stdout, not even at the end; return the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return FAILED


def reopen_closed_streams() -> None:
    """Put the null device where a standard stream is closed: Python has None for it."""
    command.replace_closed_streams()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - for good
            setattr(sys, name, stream)
