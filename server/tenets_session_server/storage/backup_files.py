"""Where the backups of a database are, and their names: ``tenets.db.backups/TIME.KIND.db``.

The folder is beside the database. A name says when its file was made (UTC) and why:

========= =====================================================================================
automatic a daemon has made it; the oldest ones are removed
manual    the user has asked for it
replaced  what was there before something was recovered
damaged   the bytes of a file that could not be used, before something was recovered
========= =====================================================================================

A ``damaged`` file may have its write-ahead log beside it, as SQLite expects it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

Kind = Literal["automatic", "manual", "replaced", "damaged"]

SUFFIX: Final = ".backups"
UNFINISHED: Final = ".unfinished"
"""Ends the name of a file that is being made."""
_FORMAT: Final = "%Y-%m-%dT%H%M%SZ"
_NAME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d{6}Z)(?:-\d+)?\.(automatic|manual|replaced|damaged)\.db"
)


class BackupFile(NamedTuple):
    """One backup: when it was made, and why."""

    path: Path
    made_at: datetime
    kind: Kind

    @property
    def age(self) -> float:
        """The seconds since it was made; or until then, if the clock was wrong at that time."""
        return abs((datetime.now(UTC) - self.made_at).total_seconds())


def folder(database: Path) -> Path:
    """Return the folder of a database's backups, which may not exist."""
    return Path(os.path.realpath(database) + SUFFIX)


def listed(database: Path) -> list[BackupFile]:
    """Return the backups of a database, the newest first."""
    found = list[tuple[str, BackupFile]]()
    with contextlib.suppress(OSError):
        for path in folder(database).iterdir():
            if (match := _NAME.fullmatch(path.name)) and path.is_file():
                with contextlib.suppress(ValueError):  # no date
                    made_at = datetime.strptime(match[1], _FORMAT).replace(tzinfo=UTC)
                    kind: Kind = match[2]  # type: ignore[assignment]  # the pattern has no other
                    found.append((path.name, BackupFile(path, made_at, kind)))
    return [backup for _, backup in sorted(found, reverse=True)]


def is_damaged(path: Path) -> bool:
    """Tell whether a file has the bytes of a damaged database, and so is none."""
    return path.name.endswith(".damaged.db") and path.parent.name.endswith(SUFFIX)


def create_folder(database: Path) -> Path:
    """Create the folder of the backups (0700) if it is missing; return it. Raises OSError."""
    place = folder(database)
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def new(database: Path, kind: Kind) -> Path:
    """Return a path for a new backup in the folder, which is created. Raises OSError."""
    place, stamp = create_folder(database), datetime.now(UTC).strftime(_FORMAT)
    for number in itertools.count(1):
        path = place / f"{stamp}{'' if number == 1 else f'-{number}'}.{kind}.db"
        if not path.exists():
            break
    return path


def left_over(database: Path) -> list[Path]:
    """Return what processes have left that were ended while they made a backup."""
    with contextlib.suppress(OSError):
        return [
            path
            for path in folder(database).iterdir()
            if path.name.endswith(UNFINISHED)
            and not _is_running(path.name.removesuffix(UNFINISHED).rpartition(".")[2])
        ]
    return []


def remove_unfinished(database: Path) -> None:
    """Remove what :func:`left_over` returns."""
    for path in left_over(database):
        with contextlib.suppress(OSError):
            path.unlink()


def unfinished(path: Path) -> Path:
    """Return where the file for ``path`` is made; it gets its name when it is complete."""
    return path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")


def _is_running(process: str) -> bool:
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
