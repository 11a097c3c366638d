"""The command ``tenets-session-server``: errors of its user, and which process serves the editor.

The daemon does (:mod:`.daemon.shim`) or, if that is not wanted or not possible, this process
(:mod:`.standalone`). Until that is decided nothing is imported that takes time: in the usual case
the start takes no longer than Python's own.
"""

from __future__ import annotations

import os
import sys

from tenets_session_server import __version__, locations
from tenets_session_server.cli.options import Options, parse
from tenets_session_server.daemon.address import Address
from tenets_session_server.daemon.control import SUPPORTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

USAGE_STATUS: Final = 2
"""The exit status of a :class:`UsageError`; argparse has the same."""


class UsageError(Exception):
    """The command line or the environment cannot be right; the message says what was expected."""


def run(arguments: Sequence[str] | None, parent: int) -> int:
    """Run the command; return its exit status.

    ``arguments`` are those of this process by default; ``parent`` is the id that the parent process
    had at the start.
    """
    closed = replace_closed_streams()
    options = parse(arguments)
    if options.command == "schema":
        return print_schema()
    try:
        database, reason = find_database(options.database)
        if options.command is not None:
            from tenets_session_server.daemon import admin

            return admin.run(options.command, database, reason, as_json=options.json)
        log = open_log(options)
    except UsageError as error:
        print(f"tenets-session-server: {error}", file=sys.stderr)
        return USAGE_STATUS
    in_terminal = os.isatty(0)
    if in_terminal:
        hint = "waiting for an editor's messages on stdin; see --help, or press Ctrl-D to end"
        print(f"tenets-session-server {__version__}: {hint}", file=sys.stderr)
    direct = options.standalone or in_terminal or "stdin" in closed or "stdout" in closed
    problem = None
    if SUPPORTED and not direct:
        from tenets_session_server.daemon import limits, shim

        try:
            address = Address(database)
            request = address.attach_request(
                database,
                reason,
                limits=limits.own(),
                log_level=options.log_level,
                synchronous=options.synchronous,
                idle_timeout=options.idle_timeout,
            )
            return shim.attach(address, request, log=log, parent=parent)
        except shim.NotAttachedError as error:
            problem = str(error)
        except KeyboardInterrupt:
            return 1
    from tenets_session_server.cli import standalone

    return standalone.run(
        options, database, reason, log=log, closed=closed, parent=parent, problem=problem
    )


def print_schema() -> int:
    """Print the JSON Schema of the messages; return the exit status."""
    with open(os.path.join(os.path.dirname(__file__), "..", "schema.json"), "rb") as file:
        schema = file.read()
    try:
        sys.stdout.buffer.write(schema)
        sys.stdout.flush()
    except BrokenPipeError:  # its reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return 0


def replace_closed_streams() -> list[str]:
    """Open the null device for each standard stream that is closed; return the names of those.

    Has to come before anything else is opened: that would get the number of the closed stream.
    """
    closed = []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            closed.append(name)
    return closed


def find_database(named: str | None) -> tuple[str, str]:
    """Return the absolute path of the database, and why it is that file.

    ``named`` is the value of ``--database``. Raises :class:`UsageError`.
    """
    scheme, separator, _ = (named or "").partition("://")
    if separator and scheme.isascii() and scheme.replace("+", "").isalnum():
        # Not repeated in the message: it may have a password in it.
        raise UsageError(f"--database: expected a file, got a URL ({scheme}://...)")
    try:
        path, reason = locations.locate(named)
    except (RuntimeError, OSError) as error:  # no home directory, no working directory
        hint = "name the file with --database, by its full path"
        raise UsageError(f"cannot locate the database: {error}; {hint}") from error
    if os.path.isdir(path):
        raise UsageError(f"the database: expected a file ({reason}), {path} is a folder")
    return path, reason


def open_log(options: Options) -> int | None:
    """Return a descriptor of ``--log-file``, None without one; raises :class:`UsageError`."""
    if options.log_file is None:
        return None
    try:
        return os.open(options.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(f"--log-file: {error}") from error
