"""The command: what was asked for, mistakes of whoever asked, and which part of us is to do it.

An editor is served by the process that all share (:mod:`.daemon.shim`), or, where that is not
wanted or not possible, by this one (:mod:`.standalone`). Until that is known nothing is imported
that takes time: the usual start is over when Python's own is.
"""

from __future__ import annotations

import os
import sys

from tenets_session_server import __version__, locations
from tenets_session_server.cli import options as command_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from tenets_session_server.cli.options import Options

USAGE_ERROR: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parent = os.getppid()  # now: it may end while we are still starting
    closed = occupy_standard_streams()
    options = command_line.read(arguments)
    try:
        database = locate(options)
        if options.command is not None:
            from tenets_session_server.daemon import admin

            return admin.run(options.command, database, as_json=options.json)
        log = open_log(options)
    except Mistake as mistake:
        print(f"tenets-session-server: {mistake}", file=sys.stderr)
        return USAGE_ERROR
    problem = None
    if may_be_shared(options, closed):
        from tenets_session_server.daemon import shim

        try:
            return shim.attach(options, database, log=log, parent=parent)
        except shim.NotAttachedError as error:
            problem = str(error)
        except KeyboardInterrupt:
            return 1
    from tenets_session_server.cli import standalone

    return standalone.run(options, database, log=log, closed=closed, parent=parent, problem=problem)


class Mistake(Exception):  # noqa: N818 - of the person who starts us
    """The command line, or the environment, cannot be right; says what was expected."""


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


def locate(options: Options) -> str:
    """Return the absolute path of the database; raises :class:`Mistake`."""
    try:
        if options.database is not None:
            named = locations.absolute(options.database)
            if os.path.isdir(named):
                raise Mistake(
                    f"--database: expected a file, {options.database or named} is a folder"
                )
            return named
        return os.path.join(locations.default_cache_directory(), locations.DATABASE_FILE_NAME)
    except (RuntimeError, OSError) as error:  # no home directory, no working directory
        hint = "name the file with --database, by its full path"
        raise Mistake(f"where is the database? {error}; {hint}") from error


def open_log(options: Options) -> int | None:
    """Return a descriptor of ``--log-file``, None without one; raises :class:`Mistake`."""
    if options.log_file is None:
        return None
    try:
        return os.open(options.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise Mistake(f"--log-file: {error}") from error


def may_be_shared(options: Options, closed: Sequence[str]) -> bool:
    """Tell whether the shared process can serve us; says in a terminal what we wait for there."""
    in_terminal = os.isatty(0)
    if in_terminal:
        hint = "waiting for an editor's messages on stdin; --help tells more, Ctrl-D ends it"
        print(f"tenets-session-server {__version__}: {hint}", file=sys.stderr)
    if options.standalone or in_terminal or {"stdin", "stdout"} & set(closed):
        return False
    return os.name == "posix"
