"""The format of SQLite's write-ahead log, and the pages that are in one.

See sqlite.org/fileformat2.html, section 4. SQLite reads the log itself; this is for damaged ones.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LOG_HEADER: Final = struct.Struct(">IIII8sII")
"""Magic number, version, page size, checkpoint number, salts, checksum."""
LOG_MAGIC: Final = (0x377F0682, 0x377F0683)
FRAME_HEADER: Final = struct.Struct(">II8sII")
"""Page number, size of the database in pages after a commit (else 0), salts, checksum."""
PAGE_SIZES: Final = tuple(1 << exponent for exponent in range(9, 17))
"""Bytes that a page may have."""


def newest_pages(log: Path, page_size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the pages of a write-ahead log, the newest one of a number last.

    Each frame is checked by itself, with the checksum that the one before it has. So the frames
    behind a damaged one are still used.
    """
    data = log.read_bytes() if log.exists() else b""
    if len(data) < LOG_HEADER.size:
        return
    size = FRAME_HEADER.size + page_size
    frames = [data[at : at + size] for at in range(LOG_HEADER.size, len(data) - size + 1, size)]
    magic, *_, salts, one, two = LOG_HEADER.unpack(data[: LOG_HEADER.size])
    if magic not in LOG_MAGIC and frames:  # the header is damaged; the first frame is of this log
        magic, salts = LOG_MAGIC[0], frames[0][8:16]
    words = ">" if magic == LOG_MAGIC[1] else "<"
    before, waiting = (one, two), list[tuple[int, bytes]]()
    for frame in frames:
        number, commit, found, one, two = FRAME_HEADER.unpack(frame[: FRAME_HEADER.size])
        if found != salts:
            return  # of an earlier cycle of the log
        if _checksum(frame[:8] + frame[FRAME_HEADER.size :], before, words) == (one, two):
            waiting.append((number, frame[FRAME_HEADER.size :]))
        before = one, two
        if commit:
            yield from waiting
            waiting.clear()


def _checksum(data: bytes, before: tuple[int, int], words: str) -> tuple[int, int]:
    """Return the checksum that the log has for a frame (fileformat2.html, 4.2)."""
    one, two = before
    for first, second in struct.iter_unpack(f"{words}II", data):
        one = one + first + two & 0xFFFFFFFF
        two = two + second + one & 0xFFFFFFFF
    return one, two
