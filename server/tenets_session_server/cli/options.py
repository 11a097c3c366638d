"""The options of ``tenets-session-server``, and how a command line is parsed.

:func:`parse_without_argparse` parses the usual command lines in no time. argparse, which takes as
long to import as Python to start, parses all others, and has the help and the error messages. Both
use the same table, so they agree.
"""

from __future__ import annotations

import os
import sys

from tenets_session_server import __version__
from tenets_session_server.daemon.control import (
    LOG_LEVELS,
    SUPPORTED,
    SYNCHRONOUS,
    parse_seconds,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any, Final

    from tenets_session_server.config import Synchronous

COMMANDS: Final = ("status", "stop", "schema")

_DESCRIPTION: Final = """\
Serves tenets/session.* to an editor: the Language Server Protocol's framing and lifecycle on
stdin and stdout, JSON-RPC 2.0. Editors start it: name this command in your editor's settings for
language servers.

One daemon in the background serves all editors of a user. The first editor starts it, and it ends
by itself. `status` reports on it, `stop` ends it. `schema` prints the JSON Schema of all messages.
"""
_EPILOG: Final = """\
Without --database the file is $TENETS_CACHE_DIRECTORY/tenets.db if that variable is set, else
~/.tenets/cache/tenets.db.
Exit status: 0 after shutdown and exit, 1 when the connection ends in any other way, 2 for an
error in the options. Of status: 0 if a daemon is running, else 1.
"""


class Options:
    """The values of all options, with their defaults; :data:`OPTIONS` says what each means."""

    command: str | None = None
    standalone: bool = False
    stdio: bool = False
    database: str | None = None
    synchronous: Synchronous = "full"
    idle_timeout: float = 60.0
    log_level: str = "warning"
    log_file: str | None = None
    json: bool = False


def _path(text: str) -> str:
    # Editors start us without a shell, which would expand it. An unknown user's stays as it is.
    return os.path.expanduser(text)


# As argparse takes them: add_argument(flag, **settings).
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "--stdio": {
        "help": "serve stdin and stdout (the default; accepted for editors that add it)",
        "action": "store_true",
    },
    "--database": {"help": "the database to use", "metavar": "FILE", "type": _path},
    "--standalone": {
        "help": "serve this editor in direct mode: in a process of its own, without the daemon",
        "action": "store_true",
    },
    "--idle-timeout": {
        "help": "how long the daemon stays when this was its last editor (default: 60)",
        "metavar": "SECONDS",
        "type": parse_seconds,
    },
    "--synchronous": {
        "help": "full: an acknowledged write survives a power cut; normal: faster, if all editors"
        " of a daemon ask for it (default: full)",
        "choices": SYNCHRONOUS,
    },
    "--log-level": {"help": "how much to log (default: warning)", "choices": LOG_LEVELS},
    "--log-file": {
        "help": "log file of this editor (default: stderr)",
        "metavar": "FILE",
        "type": _path,
    },
    "--json": {"help": "with status: print JSON", "action": "store_true"},
}


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return the options of a command line, by default of this process.

    Ends the process, as argparse does, after ``--help``, ``--version`` and for errors.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    return parse_without_argparse(arguments) or _parse_with_argparse(arguments)


def parse_without_argparse(arguments: Sequence[str]) -> Options | None:
    """Return the options, None for a command line that argparse has to parse."""
    options = Options()
    remaining = iter(arguments)
    for argument in remaining:
        flag, equals, text = argument.partition("=")
        settings = OPTIONS.get(flag)
        if settings is None:
            return None
        value: object = True
        if "action" in settings:
            if equals:
                return None
        else:
            if not equals:
                text = next(remaining, "-")
                if text.startswith("-"):  # missing, or perhaps another option
                    return None
            try:
                value = settings.get("type", str)(text)
            except ValueError:
                return None
            if "choices" in settings and value not in settings["choices"]:
                return None
        setattr(options, flag[2:].replace("-", "_"), value)
    return None if options.json else options


def _parse_with_argparse(arguments: Sequence[str]) -> Options:
    known = parser()
    options, unknown = known.parse_known_args(arguments, Options())
    if options.command is not None and options.command not in COMMANDS:
        if not unknown:
            known.error(f"unknown command {options.command}: there are {', '.join(COMMANDS)}")
        unknown.append(options.command)
    if unknown:
        in_order = " ".join(argument for argument in arguments if argument in unknown)
        known.error(f"unrecognized arguments: {in_order}")
    if options.json and options.command != "status":
        known.error("--json goes with status")
    if options.command in {"status", "stop"} and not SUPPORTED:
        known.error(f"{options.command}: there is no daemon on {sys.platform}")
    return options


def parser() -> argparse.ArgumentParser:
    """Return argparse's definition of the command line."""
    import argparse

    known = argparse.ArgumentParser(
        prog="tenets-session-server",
        usage="%(prog)s [options]\n       %(prog)s status [--json] | stop [--database FILE]"
        " | schema",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    known.add_argument(
        "command",
        nargs="?",
        metavar="status | stop | schema",
        help="report on the daemon of this database, end it, or print the JSON Schema of the"
        " messages",
    )
    known.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    for flag, settings in OPTIONS.items():
        known.add_argument(flag, **settings)
    return known
