"""The database as a file: its name, its permissions, and the file system that it is on.

Nothing here opens a file that exists: closing another descriptor of it in this process would drop
SQLite's POSIX locks, and with them acknowledged commits (sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import sys
import time
from pathlib import Path
from typing import Final

from tenets_session_server.errors import DatabaseUnavailableError

SHARED_FILE_SYSTEMS: Final = frozenset(
    {
        # Of networks.
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs"),
        *("glusterfs", "ncpfs", "9p", "afpfs", "webdav", "davfs", "beegfs", "pvfs2", "coda"),
        *("orangefs", "fuse"),
        # Folders that a virtual machine or a container shares with its host.
        *("virtiofs", "vboxsf", "vmhgfs", "prl_fs", "grpcfuse", "fakeowner", "drvfs"),
    }
)
FUSE: Final = "fuse."
"""Begins the types of file systems that a program serves: most are remote, and none is known well
enough."""


_PAGE: Final = 4096
NEW_DATABASE: Final = (
    struct.pack(
        ">16sH6B12I20x2I",
        *(b"SQLite format 3\0", _PAGE, 1, 1, 0, 64, 32, 32),
        *(1, 1, 0, 0, 0, 4, 0, 0, 1, 0, 0, 0),  # a change, a page, schema format 4, UTF-8
        *(1, 3051003),
    )
    + struct.pack(">BHHHB", 0x0D, 0, 0, _PAGE, 0)
).ljust(_PAGE, b"\0")
"""A database without tables (sqlite.org/fileformat2.html, 1.3 and 1.6).

A new file begins so: an empty one is taken for one that has lost its content."""
LONGEST_PATH: Final = 504
"""Bytes of the longest path: SQLite's limit is 511, and it appends "-journal" (os_unix.c)."""


def sqlite_name(path: Path) -> str:
    """Return a path as SQLite needs it, in UTF-8 whatever the locale is.

    Raises :class:`DatabaseUnavailableError` if its bytes are not UTF-8, or too many.
    """
    if len(os.fsencode(os.path.realpath(path))) > LONGEST_PATH:
        raise _unavailable(path, f"is longer than the {LONGEST_PATH} bytes that SQLite can open")
    try:
        return os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        raise _unavailable(path, "is not UTF-8, and SQLite opens no other paths") from None


def readable_name(path: Path) -> str:
    """Return a path as text for messages and logs; bytes that are not UTF-8 become ``\\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def prepare(path: Path, *, private: bool) -> None:
    """Create a database's folder and file if they are missing; prepare the files beside it.

    With ``private`` group and others lose their permissions. Raises
    :class:`DatabaseUnavailableError` if the file cannot be opened then.
    """
    if not create_private(path, NEW_DATABASE) and private:
        make_private(path)
    _prepare_files_beside(path)


def create_private(path: Path, content: bytes = b"") -> bool:
    """Create the database's folder (0700) and file (0600) if they are missing.

    ``content`` is written to a new file. Returns whether the file was created. What exists keeps
    its permissions. Raises :class:`DatabaseUnavailableError` if that is impossible.
    """
    path = Path(os.path.realpath(path))  # a link may lead to a file that does not exist yet
    try:
        for folder in reversed((path.parent, *path.parent.parents)):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        if path.exists():
            if path.is_file():
                return False
            what = "a folder" if path.is_dir() else "no regular file"
            raise _unavailable(path, f"is {what}; expected a database file")
        # O_EXCL: do not open a file that another process has just created, and may have locked.
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            os.write(file, content)
        finally:
            os.close(file)
    except FileExistsError:
        if not path.parent.is_dir():
            raise _unavailable(path.parent, "is not a folder") from None
        return False
    except OSError as error:
        raise _unavailable(path, f"cannot be created: {error.strerror}") from error
    return True


def make_private(path: Path) -> None:
    """Remove the permissions of group and others from the user's own file, and those beside it.

    SQLite gives new ones beside it the same permissions; a program that crashed may have left some.
    """
    if os.name != "posix":
        return
    for file in (Path(os.path.realpath(path)), *beside(path)):
        with contextlib.suppress(OSError):  # there is none, or the disk is read-only
            status = file.stat()
            if status.st_uid == os.getuid() and status.st_mode & 0o077:
                file.chmod(status.st_mode & 0o700)


def check_files(path: Path) -> None:
    """Raise :class:`DatabaseUnavailableError` if a database, or a file beside it, is a pipe, say.

    SQLite could wait for it for ever.
    """
    for file in (path, *beside(path)):
        if file.exists() and not file.is_file():
            raise _unavailable(file, "is no regular file, but SQLite would use it: remove it")


def _prepare_files_beside(path: Path) -> None:
    """Have the user write to the files beside a database as to itself.

    SQLite gives them the permissions that the database has at that time, which may have changed.
    Raises as :func:`check_files` does.
    """
    check_files(path)
    for file in beside(path):
        with contextlib.suppress(OSError):  # there is none, or it is another user's
            mode, wanted = file.stat().st_mode, path.stat().st_mode & stat.S_IWUSR
            if wanted & ~mode:
                file.chmod(stat.S_IMODE(mode) | wanted)


def permissions(path: Path) -> tuple[object, ...]:
    """Return what decides whether a database may be written; compare it with an earlier value."""
    found: list[object] = [is_read_only(path)]
    for file in (path, path.parent, *beside(path)):
        try:
            status = file.stat()
        except OSError:
            continue
        found.append((status.st_mode, status.st_uid, status.st_gid))
    return tuple(found)


def not_writable(path: Path) -> str:
    """Return a database's name, or that of a file beside it, if only that may not be written."""
    for file in beside(path):
        if file.exists() and os.access(path, os.W_OK) and not os.access(file, os.W_OK):
            return readable_name(file)
    return "The database"


def companion(path: Path, suffix: str) -> Path:
    """Return a file that SQLite has beside a database ("-wal"), whether it exists or not."""
    return Path(f"{os.path.realpath(path)}{suffix}")


def beside(path: Path) -> list[Path]:
    """Return the files that SQLite may have beside a database, whether they exist or not."""
    return [companion(path, suffix) for suffix in ("-wal", "-shm", "-journal")]


def why_not(path: Path) -> str | None:
    """Return what the permissions of a file that cannot be opened lack, None if nothing."""
    if path.exists() and not os.access(path, os.R_OK):
        return f"it may not be read: it belongs to user {path.stat().st_uid}"
    if not os.access(path.parent, os.W_OK):
        return (
            f"{readable_name(path.parent)} may not be written, and SQLite has to write beside the"
            " file even to read it"
        )
    return None


def size(path: Path) -> int:
    """Return the size of a file in bytes, 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def written(path: Path) -> tuple[int, ...]:
    """Return when a database and its write-ahead log were written; compare it with an earlier one.

    Of a file that is not there it is 0.
    """
    times: list[int] = []
    for file in (path, companion(path, "-wal")):
        try:
            times.append(file.stat().st_mtime_ns)
        except OSError:
            times.append(0)
    return tuple(times)


def age(path: Path) -> float:
    """Return the seconds since a file was created or written, by the clock; 0 if there is none."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0


def sizes(path: Path) -> tuple[int, int]:
    """Return the sizes of a database and of its write-ahead log in bytes."""
    return size(path), size(companion(path, "-wal"))


def shared_file_system(path: Path, mountinfo: str | None = None) -> str | None:
    """Return the type of the network or shared file system that ``path`` is on, or None.

    ``mountinfo`` replaces the text of ``/proc/self/mountinfo`` (proc_pid_mountinfo(5)). Without
    that file, only Windows' ``\\\\server\\share`` paths are recognised.
    """
    if sys.platform == "win32":
        return "smb" if path.drive.startswith("\\\\") else None
    found = _mount(path, mountinfo)
    if found is None:
        return None
    shared = found[0] in SHARED_FILE_SYSTEMS or found[0].startswith(FUSE)
    return found[0] if shared else None


def type_of(path: Path) -> str | None:
    """Return the type of the file system that a path is on, None where it is not known."""
    found = _mount(path, None) if sys.platform != "win32" else None
    return None if found is None else found[0]


def is_read_only(path: Path) -> bool:
    """Tell whether the file system that ``path`` is on is mounted read-only here; costs 2 us."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except (OSError, AttributeError):  # missing; Windows
        return False


def is_immutable(path: Path, mountinfo: str | None = None) -> bool:
    """Tell whether nobody can write to a database, so that SQLite may read it without locks.

    That is so if the whole file system is read-only, and not only mounted so at one place, and if
    no write-ahead log is left, which would be ignored. ``mountinfo`` as for
    :func:`shared_file_system`.
    """
    real = Path(os.path.realpath(path))
    if not is_read_only(real) or size(Path(f"{real}-wal")) or size(Path(f"{real}-journal")):
        return False
    found = _mount(real, mountinfo)
    return found is not None and "ro" in found[1].split(",") and shared_file_system(real) is None


def _mount(path: Path, mountinfo: str | None) -> tuple[str, str] | None:
    """Return the type of the file system that a path is on, and its own options."""
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    found, file_system, options = Path(), "", ""
    resolved = path.resolve()
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        mount_point = Path(_unescape(fields[4]))
        # The last mount on a mount point hides the others, hence >=.
        if resolved.is_relative_to(mount_point) and len(mount_point.parts) >= len(found.parts):
            found, file_system = mount_point, fields[fields.index("-") + 1]
            options = fields[-1]
    return file_system, options


def _unavailable(path: Path, what: str) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(f"{readable_name(path)} {what}")


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
