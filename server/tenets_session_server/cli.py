"""The command: options, logging, and the process around one connection on stdin and stdout.

Heavy modules are imported only once it is clear that something is to be served, so that
``--version`` and mistakes answer at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tenets_session_server import __version__, logs
from tenets_session_server.config import TenetsConfig

logger = logging.getLogger(__name__)

USAGE_ERROR: Final = 2

_DESCRIPTION: Final = """\
Serves tenets/session.* to an editor: the Language Server Protocol's framing and lifecycle on
stdin and stdout, JSON-RPC 2.0. Editors start it; see README.md for how to set one up.
"""
_EPILOG: Final = """\
Without --database the file is $TENETS_CACHE_DIRECTORY/tenets.db where that is set, else
~/.tenets/cache/tenets.db where that exists, else tenets.db in the user's cache directory.
Exit status: 0 after shutdown and exit, 1 when the connection ends in any other way, 2 for a
mistake in the options.
"""


def _path(text: str) -> Path:
    # Editors start us without a shell, which would expand it. An unknown user's stays as it is.
    return Path(os.path.expanduser(text))  # noqa: PTH111


def parser() -> argparse.ArgumentParser:
    """Return the definition of the command line."""
    options = argparse.ArgumentParser(
        prog="tenets-session-server",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options.add_argument(
        "--stdio",
        action="store_true",
        help="serve stdin and stdout (the default, and the only way)",
    )
    options.add_argument("--database", type=_path, metavar="FILE", help="the database to use")
    options.add_argument(
        "--synchronous",
        choices=("full", "normal"),
        default="full",
        help="full: what was acknowledged survives a power cut; normal: faster (default: full)",
    )
    options.add_argument(
        "--log-level",
        choices=logs.LEVELS,
        default="warning",
        help="how much to log (default: warning)",
    )
    options.add_argument(
        "--log-file", type=_path, metavar="FILE", help="where to log (default: stderr)"
    )
    return options


def occupy_standard_streams() -> list[str]:
    """Open the null device for each standard stream that is closed; return the names of those.

    Else the next file that is opened, a log for instance, would take its place. To be called before
    anything is opened.
    """
    closed = []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            closed.append(name)
    return closed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parent = os.getppid()  # now: it may end while we are still starting
    closed = occupy_standard_streams()
    options = parser().parse_args(arguments)
    try:
        logs.configure(options.log_level, options.log_file)
    except OSError as error:
        print(f"tenets-session-server: --log-file: {error}", file=sys.stderr)
        return USAGE_ERROR
    if options.database is not None and os.path.isdir(options.database):  # noqa: PTH112 - no error
        message = f"--database: expected a file, {options.database} is a folder"
        print(f"tenets-session-server: {message}", file=sys.stderr)
        return USAGE_ERROR
    if sys.stdin is not None and sys.stdin.isatty():
        hint = "waiting for an editor's messages on stdin; --help tells more, Ctrl-D ends it"
        print(f"tenets-session-server {__version__}: {hint}", file=sys.stderr)
    # A busy database is waited for by the protocol, which lets other requests pass meanwhile.
    try:
        config = TenetsConfig(
            database=options.database, synchronous=options.synchronous, busy_timeout=0.0
        )
        _ = config.database_path
    except (RuntimeError, OSError) as error:  # no home directory, no working directory
        hint = "name the file with --database, by its full path"
        print(f"tenets-session-server: where is the database? {error}; {hint}", file=sys.stderr)
        return USAGE_ERROR
    from tenets_session_server import standalone  # noqa: PLC0415

    return standalone.run(config, closed=closed, parent=parent)
