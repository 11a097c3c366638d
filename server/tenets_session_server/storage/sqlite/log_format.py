"""The format of SQLite's write-ahead log, and the pages that are in one.

See sqlite.org/fileformat2.html, section 4. SQLite reads the log itself; this is for damaged ones.
"""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Final

from tenets_session_server.storage.sqlite import file_system

LOG_HEADER: Final = struct.Struct(">IIII8sII")
"""Magic number, version, page size, checkpoint number, salts, checksum."""
LOG_MAGIC: Final = (0x377F0682, 0x377F0683)
FRAME_HEADER: Final = struct.Struct(">II8sII")
"""Page number, size of the database in pages after a commit (else 0), salts, checksum."""
PAGE_SIZES: Final = tuple(1 << exponent for exponent in range(9, 17))
"""Bytes that a page may have."""


def newest_pages(log: Path, page_size: int) -> dict[int, int]:
    """Return where the newest version of each page is in a write-ahead log, in bytes.

    Each frame is checked by itself, with the checksum that the one before it has. So the frames
    behind a damaged one are still used. The log is read a frame at a time.
    """
    found: dict[int, int] = {}
    waiting: dict[int, int] = {}
    if file_system.size(log) < LOG_HEADER.size:
        return found
    with log.open("rb") as opened:
        log_header = opened.read(LOG_HEADER.size)
        magic, _, _, _, salts, *before = LOG_HEADER.unpack(log_header)
        is_known = is_intact(log_header)
        for at in itertools.count(LOG_HEADER.size, FRAME_HEADER.size + page_size):
            header, page = opened.read(FRAME_HEADER.size), opened.read(page_size)
            if len(page) < page_size:
                break
            number, commit, frame_salts, *checksum = FRAME_HEADER.unpack(header)
            if not is_known:  # the header is damaged; the first frame is of this log
                salts, is_known = frame_salts, True
                magic = magic if magic in LOG_MAGIC else LOG_MAGIC[0]
            if frame_salts != salts:
                break  # of an earlier cycle of the log
            words = ">" if magic == LOG_MAGIC[1] else "<"
            if _checksum(header[:8] + page, before, words) == checksum:
                waiting[number] = at + FRAME_HEADER.size
            before = checksum
            if commit:
                found.update(waiting)
                waiting.clear()
    return found


def is_intact(header: bytes) -> bool:
    """Tell whether the header of a write-ahead log is one; SQLite reads no log without it."""
    if len(header) < LOG_HEADER.size:
        return False
    magic, _, page_size, _, _, *checksum = LOG_HEADER.unpack(header)
    words = ">" if magic == LOG_MAGIC[1] else "<"
    return (
        magic in LOG_MAGIC
        and page_size in PAGE_SIZES
        and _checksum(header[:-8], [0, 0], words) == checksum
    )


def _checksum(data: bytes, before: list[int], words: str) -> list[int]:
    """Return the checksum that the log has for a frame (fileformat2.html, 4.2)."""
    one, two = before
    for first, second in struct.iter_unpack(f"{words}II", data):
        one = one + first + two & 0xFFFFFFFF
        two = two + second + one & 0xFFFFFFFF
    return [one, two]
