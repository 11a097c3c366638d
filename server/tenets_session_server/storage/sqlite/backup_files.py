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
import errno
import os
import re
import shutil
import stat
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

Kind = Literal["automatic", "manual", "replaced", "damaged"]

SUFFIX: Final = ".backups"
UNFINISHED: Final = ".unfinished"
"""Ends the name of a file that is being made."""
RECOVERY: Final = "recover-"
"""Begins the name of the folder that a recovery needs; then come its process and a dash."""
LEFT_AFTER: Final = 600.0
"""Seconds without a write after which a file is left over, if its process is not there."""
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
    found: list[tuple[int, BackupFile]] = []
    with contextlib.suppress(OSError):
        for path in folder(database).iterdir():
            if (match := _NAME.fullmatch(path.name)) and path.is_file():
                with contextlib.suppress(ValueError):  # no date
                    made_at = datetime.strptime(match[1], _FORMAT).replace(tzinfo=UTC)
                    kind: Kind = match[2]  # type: ignore[assignment]  # the pattern has no other
                    found.append((path.stat().st_mtime_ns, BackupFile(path, made_at, kind)))
    # Of one second, the one that was written last.
    found.sort(key=lambda one: (one[1].made_at, one[0]), reverse=True)
    return [backup for _, backup in found]


def is_backup(path: Path) -> bool:
    """Tell whether a file is one of the backups of a database."""
    return _NAME.fullmatch(path.name) is not None and path.parent.name.endswith(SUFFIX)


def publish(unfinished: Path, target: Path) -> Path:
    """Give a file that is complete its name, unless another file has that; return the name.

    Where another process has made a backup in the same second, the next number is taken. Raises
    OSError.
    """
    while True:
        try:
            os.link(unfinished, target)
        except FileExistsError:
            if not is_backup(target):
                raise
            target = _next(target)
            continue
        except OSError:  # a file system without hard links
            unfinished.rename(target)
        else:
            unfinished.unlink()
        return target


def is_damaged(path: Path) -> bool:
    """Tell whether a file has the bytes of a damaged database, and so is none."""
    return path.name.endswith(".damaged.db") and path.parent.name.endswith(SUFFIX)


def create_folder(database: Path) -> Path:
    """Create the folder of the backups if it is missing; return it. It is for the user alone.

    Raises OSError, also if somebody else has put something there.
    """
    place = folder(database)
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    if not is_usable(place):
        raise PermissionError(errno.EPERM, "is not a folder of yours: move it away", str(place))
    if os.name == "posix" and place.stat().st_mode & 0o077:
        place.chmod(0o700)
    return place


def is_usable(place: Path) -> bool:
    """Tell whether a path is a folder of this user, and no link."""
    status = place.lstat()
    is_own = os.name != "posix" or status.st_uid == os.geteuid()
    return stat.S_ISDIR(status.st_mode) and is_own


def new(database: Path, kind: Kind) -> Path:
    """Return a path for a new backup in the folder, which is created. Raises OSError."""
    path = create_folder(database) / f"{datetime.now(UTC).strftime(_FORMAT)}.{kind}.db"
    while path.exists():
        path = _next(path)
    return path


def _next(path: Path) -> Path:
    """Return the same name with the next number."""
    stem, rest = path.name.split(".", 1)
    start, _, number = stem.partition("Z-")
    return path.with_name(f"{start.removesuffix('Z')}Z-{int(number or 1) + 1}.{rest}")


def left_over(database: Path) -> list[Path]:
    """Return what processes have left that were ended while they made a backup, or recovered."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        for path in folder(database).iterdir():
            if path.name.endswith(UNFINISHED):
                process = path.name.removesuffix(UNFINISHED).rpartition(".")[2]
            elif path.name.startswith(RECOVERY):
                process = path.name.removeprefix(RECOVERY).partition("-")[0]
            else:
                continue
            # Another container's processes are not seen here.
            if not _is_running(process) and time.time() - path.stat().st_mtime > LEFT_AFTER:
                found.append(path)
    return found


def remove_left_over(database: Path) -> None:
    """Remove what :func:`left_over` returns."""
    for path in left_over(database):
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def remove_of_process(database: Path, process: int) -> None:
    """Remove what a process that was just ended has left."""
    for path in folder(database).glob(f"*.{process}{UNFINISHED}"):
        path.unlink(missing_ok=True)


def unfinished(path: Path) -> Path:
    """Return where the file for ``path`` is made; it gets its name when it is complete."""
    return path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")


def _is_running(process: str) -> bool:
    if not process.isdecimal():
        return False
    if sys.platform == "win32":  # where this would send a signal
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
