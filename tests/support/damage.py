"""Damage to a database as a person meets it. Each function is given the path of the database.

The files are opened here without SQLite. So no connection of this process may have them open.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from support.foreign import ForeignWriter

PAGE = 4096


def overwrite(file: Path, at: int, size: int) -> None:
    """Put random bytes into a file."""
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(random.Random(size).randbytes(size))


def header(database: Path) -> None:
    """Put random bytes where SQLite has its header."""
    overwrite(database, 0, 100)


def magic(database: Path) -> None:
    """Have the file begin as another one does."""
    with database.open("r+b") as opened:
        opened.write(b"%PDF-1.7\n1 0 obj")


def pages(database: Path) -> None:
    """Put random bytes over every third page but the first ones."""
    for number in range(5, database.stat().st_size // PAGE, 3):
        overwrite(database, number * PAGE, PAGE)


def schema(database: Path) -> None:
    """Put random bytes where the tables are defined."""
    overwrite(database, 100, PAGE - 100)


def truncated(database: Path) -> None:
    """Cut the last quarter off the file."""
    with database.open("r+b") as opened:
        opened.truncate(database.stat().st_size // PAGE * 3 // 4 * PAGE)


def emptied(database: Path) -> None:
    """Remove all bytes of the file."""
    with database.open("r+b") as opened:
        opened.truncate(0)


def shortened(database: Path) -> None:
    """Leave sixteen bytes: the header is longer."""
    with database.open("r+b") as opened:
        opened.truncate(16)


def gone(database: Path) -> None:
    """Remove the file."""
    database.unlink()


def sequence(database: Path) -> None:
    """Put bytes over the page that has the newest ids."""
    with ForeignWriter(database) as foreign:
        ((root,),) = foreign.rows(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence'"
        )
    overwrite(database, (root - 1) * PAGE, PAGE)


def text(database: Path) -> None:
    """Have another file in its place."""
    database.write_bytes(b"no database at all, " * 1000)


def log_header(database: Path) -> None:
    """Put random bytes at the beginning of the write-ahead log."""
    overwrite(log_of(database), 0, 32)


def log_salts(database: Path) -> None:
    """Change one bit of what says to which log a frame belongs."""
    with log_of(database).open("r+b") as opened:
        opened.seek(16)
        byte = opened.read(1)[0]
        opened.seek(16)
        opened.write(bytes([byte ^ 1]))


def log_emptied(database: Path) -> None:
    """Cut all of the write-ahead log off."""
    os.truncate(log_of(database), 0)


def log_gone(database: Path) -> None:
    """Remove the write-ahead log, as somebody does who takes it for a temporary file."""
    log_of(database).unlink()


def log_frame(database: Path) -> None:
    """Put random bytes into a page in the middle of the write-ahead log."""
    overwrite(log_of(database), 32 + 3 * (24 + PAGE) + 24 + 1000, 200)


def log_cut(database: Path) -> None:
    """Cut the write-ahead log in half."""
    log = log_of(database)
    with log.open("r+b") as opened:
        opened.truncate(log.stat().st_size // 2)


def shared_memory(database: Path) -> None:
    """Put random bytes over the shared memory, which only speeds SQLite up."""
    overwrite(database.with_name(f"{database.name}-shm"), 0, 32768)


def another_programs(database: Path) -> None:
    """Have the database of another program in its place."""
    database.unlink()
    with ForeignWriter(database) as foreign:
        foreign.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")
        foreign.execute("INSERT INTO moz_places (url) VALUES ('https://example.org')")


def put_back(backup: Path) -> Callable[[Path], None]:
    """Return a function that copies an older state over the file, as ``cp`` does."""

    def copy(database: Path) -> None:
        shutil.copyfile(backup, database)

    return copy


def log_of(database: Path) -> Path:
    """Return the path of the write-ahead log."""
    return database.with_name(f"{database.name}-wal")


def bytes_of(database: Path) -> dict[str, bytes]:
    """Return the bytes of a database and of its log, by their names."""
    files = (database, log_of(database))
    return {file.name: file.read_bytes() for file in files if file.exists() and file.stat().st_size}
