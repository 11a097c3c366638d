"""What may be said on the command line, and how it is read.

The usual lines are read by :func:`read_plainly`, which takes no time; argparse, which takes as long
as Python's own start, has all others, with its help and its complaints. Both read the same table.
"""

from __future__ import annotations

import os
import sys

from tenets_session_server import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import Final

    from tenets_session_server.config import Synchronous

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LONGEST: Final = 1_000_000
"""Seconds that may be given, more than eleven days."""
COMMANDS: Final = ("status", "stop")

_DESCRIPTION: Final = """\
Serves tenets/session.* to an editor: the Language Server Protocol's framing and lifecycle on
stdin and stdout, JSON-RPC 2.0. Editors start it; see README.md for how to set one up.

All editors of one user are served by one process in the background, which is started when it is
needed and ends by itself. `status` tells about it, `stop` ends it.
"""
_EPILOG: Final = """\
Without --database the file is $TENETS_CACHE_DIRECTORY/tenets.db where that is set, else
~/.tenets/cache/tenets.db where that exists, else tenets.db in the user's cache directory.
Exit status: 0 after shutdown and exit, 1 when the connection ends in any other way, 2 for a
mistake in the options. Of status: 0 where there is such a process, else 1.
"""


class Options:
    """What was said; see the table for what each means."""

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


def seconds(text: str) -> float:
    """Return a duration that may be given; raises ValueError."""
    number = float(text)
    if not 0 <= number <= LONGEST:
        raise ValueError(f"expected 0 to {LONGEST} seconds")
    return number


class Option:
    """One option. Without ``metavar`` it is a switch; ``read`` raises ValueError."""

    def __init__(
        self,
        flag: str,
        help_text: str,
        metavar: str = "",
        *,
        choices: Sequence[str] = (),
        read: Callable[[str], object] = str,
    ) -> None:
        self.flag, self.help = flag, help_text
        self.metavar, self.choices, self.read = metavar, choices, read
        self.attribute = flag[2:].replace("-", "_")
        self.takes_value = bool(metavar or choices)


OPTIONS: Final = (
    Option("--stdio", "serve stdin and stdout (the default, and the only way)"),
    Option("--database", "the database to use", "FILE", read=_path),
    Option(
        "--standalone",
        "serve this editor in a process of its own instead of the one that all share",
    ),
    Option(
        "--idle-timeout",
        "how long the shared process stays when this was the last editor (default: 60)",
        "SECONDS",
        read=seconds,
    ),
    Option(
        "--synchronous",
        "full: what was acknowledged survives a power cut; normal: faster, if all editors"
        " that share a process say so (default: full)",
        choices=("full", "normal"),
    ),
    Option("--log-level", "how much to log (default: warning)", choices=LOG_LEVELS),
    Option(
        "--log-file",
        "where to log what concerns this editor (default: stderr)",
        "FILE",
        read=_path,
    ),
    Option("--json", "with status: print JSON"),
)
_BY_FLAG: Final = {option.flag: option for option in OPTIONS}


def read(arguments: Sequence[str] | None = None) -> Options:
    """Return what was said, by default on the command line.

    Ends the process, as argparse does, after ``--help``, ``--version`` and mistakes.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    return read_plainly(arguments) or _read_with_argparse(arguments)


def read_plainly(arguments: Sequence[str]) -> Options | None:
    """Return what was said, None where argparse has to see to it."""
    options = Options()
    remaining = iter(arguments)
    for argument in remaining:
        flag, given, value = argument.partition("=")
        option = _BY_FLAG.get(flag)
        if option is None or (given and not option.takes_value):
            return None
        if not option.takes_value:
            setattr(options, option.attribute, True)
            continue
        if not given:
            value = next(remaining, "-")
            if value.startswith("-"):  # missing, or perhaps another option
                return None
        try:
            chosen = option.read(value)
        except ValueError:
            return None
        if option.choices and chosen not in option.choices:
            return None
        setattr(options, option.attribute, chosen)
    return None if options.json else options


def _read_with_argparse(arguments: Sequence[str]) -> Options:
    known = parser()
    options, rest = known.parse_known_args(arguments, Options())
    if options.command is not None and options.command not in COMMANDS:
        rest.append(options.command)
    if rest:
        said = " ".join(argument for argument in arguments if argument in rest)
        known.error(f"unrecognized arguments: {said}")
    if options.json and options.command != "status":
        known.error("--json goes with status")
    return options


def parser() -> argparse.ArgumentParser:
    """Return argparse's definition of the command line."""
    import argparse

    known = argparse.ArgumentParser(
        prog="tenets-session-server",
        usage="%(prog)s [options]\n       %(prog)s status [--json] | stop [--database FILE]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    known.add_argument(
        "command",
        nargs="?",
        metavar="status | stop",
        help="tell about the shared process of this database, or end it",
    )
    known.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    for option in OPTIONS:
        if not option.takes_value:
            known.add_argument(option.flag, action="store_true", help=option.help)
            continue
        known.add_argument(
            option.flag,
            type=option.read,
            choices=option.choices or None,
            metavar=option.metavar or None,
            default=getattr(Options, option.attribute),
            help=option.help,
        )
    return known
