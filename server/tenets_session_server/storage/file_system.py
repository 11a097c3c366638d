"""The database file as a file: created private, and on a disk that SQLite can trust.

Nothing here opens a file that exists: closing any other descriptor of it in this process would drop
SQLite's POSIX locks, and with them acknowledged commits (sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

from tenets_session_server.errors import DatabaseUnavailableError

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs"),
        *("glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "ncpfs", "9p"),
        *("afpfs", "webdav", "davfs", "fuse.davfs2", "beegfs", "pvfs2", "coda"),
    }
)


def sqlite_name(path: Path) -> str:
    """Return a path as SQLite wants it, in UTF-8, whatever the locale is.

    Raises :class:`DatabaseUnavailableError` for one that cannot be written in UTF-8.
    """
    try:
        return os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        raise _unavailable(path, "is not UTF-8, and SQLite opens no other paths") from None


def readable_name(path: Path) -> str:
    """Return a path as text that can be sent and logged; what is not UTF-8 becomes ``\\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def create_private(path: Path) -> bool:
    """Create the database's folder (0700) and file (0600) where they are missing.

    Returns whether the file was created. Folders and files that exist keep their permissions.
    Raises :class:`DatabaseUnavailableError` where that is impossible.
    """
    path = Path(os.path.realpath(path))  # a link may lead to a file that is still to be made
    try:
        for folder in reversed((path.parent, *path.parent.parents)):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        if path.exists():
            if path.is_file():
                return False
            what = "a folder" if path.is_dir() else "no regular file"
            raise _unavailable(path, f"is {what}; expected a database file")
        # O_EXCL: a file that someone else has just created, and may have locked, is left alone.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not path.parent.is_dir():
            raise _unavailable(path.parent, "is not a folder") from None
        return False
    except OSError as error:
        raise _unavailable(path, f"cannot be created: {error.strerror}") from error
    return True


def make_private(path: Path) -> None:
    """Take group's and others' permissions from a file of ours; SQLite's side files follow it."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # a read-only disk; opening it tells what is wrong, if so
        status = path.stat()
        if status.st_uid == os.getuid() and status.st_mode & 0o077:
            path.chmod(status.st_mode & 0o700)


def size(path: Path) -> int:
    """Return the size of a file in bytes, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def network_file_system(path: Path, mountinfo: str | None = None) -> str | None:
    """Return the type of the network file system that ``path`` is on, or None.

    ``mountinfo`` stands in for ``/proc/self/mountinfo`` (proc_pid_mountinfo(5)). Where a platform
    does not tell, only Windows' ``\\\\server\\share`` paths are recognised.
    """
    if sys.platform == "win32":
        return "smb" if path.drive.startswith("\\\\") else None
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    found, file_system = Path(), ""
    resolved = path.resolve()
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        mount_point = Path(_unescape(fields[4]))
        # Of mounts on the same point the last one is on top, hence >=.
        if resolved.is_relative_to(mount_point) and len(mount_point.parts) >= len(found.parts):
            found, file_system = mount_point, fields[fields.index("-") + 1]
    return file_system if file_system in NETWORK_FILE_SYSTEMS else None


def _unavailable(path: Path, what: str) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(f"{readable_name(path)} {what}")


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
