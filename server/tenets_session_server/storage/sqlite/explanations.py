"""What a person can do about a database that cannot be used, in the errors about it."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path

from tenets_session_server import errors
from tenets_session_server.storage.sqlite import file_system

logger = logging.getLogger(__name__)


def of_opening(error: BaseException, path: Path, *, named: bool) -> errors.DatabaseError | None:
    """Return what says more than an error that opening met, None where nothing does.

    ``named``: the user has named the file, which is not the default one.
    """
    if isinstance(error, errors.DatabaseCorruptError) and error.__cause__ is None:
        return with_way_out(error, path, named=named)
    if isinstance(error, errors.DatabaseUnavailableError | errors.DatabaseReadOnlyError):
        reason = file_system.why_not(path)
        return type(error)(f"{error}; {reason}") if reason else None
    if isinstance(error, errors.DatabaseError) or not isinstance(error, Exception):
        return None
    # Whatever is in a file that is not ours, it must not end the server.
    logger.debug("opening failed", exc_info=error)
    damaged = errors.DatabaseCorruptError(
        f"the file cannot be used as a database of tenets ({error})"
    )
    return with_way_out(damaged, path, named=named)


def with_way_out(
    error: errors.DatabaseCorruptError, path: Path, *, named: bool
) -> errors.DatabaseCorruptError:
    """Return an error about damage that names the command that helps."""
    if isinstance(error, errors.OtherProgramsDatabaseError):
        sentence = f"{error}; move it away, or name another file with --database"
        return errors.OtherProgramsDatabaseError(sentence)
    command = recover_command(path, named=named)
    return errors.DatabaseCorruptError(
        f"{error}; to get your sessions back, run in a terminal: {command}"
    )


def recover_command(path: Path, *, named: bool) -> str:
    """Return the command line that brings sessions back."""
    option = f"--database {shlex.quote(file_system.readable_name(path))} " if named else ""
    return f"tenets-session {option}recover"
