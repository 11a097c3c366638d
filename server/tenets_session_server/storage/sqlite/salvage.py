"""Reads the rows of tables out of a damaged database file, page by page, without SQLite.

SQLite gives up at the first page that it cannot read; its own recovery extension is in no build of
apsw. This module reads a copy of the file and of its write-ahead log (sqlite.org/fileformat2.html):

1. Each page is the newest one of the log whose checksum is right, else that of the file.
2. A table is walked from its root page. What a page that cannot be read has led to is lost sight
   of.
3. So all other leaf pages are looked at that are not free. Their rows have lost their table: the
   caller recognises them by their values.

Nothing here raises for what is in the files.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from tenets_session_server.storage.sqlite import file_system
from tenets_session_server.storage.sqlite.log_format import LOG_HEADER, PAGE_SIZES, newest_pages

Value = str | bytes | int | float | None
HEADER_SIZE: Final = 100
SCHEMA_PAGE: Final = 1
_LEAF, _INTERIOR = 0x0D, 0x05
_INDEX_LEAF, _INDEX_INTERIOR = 0x0A, 0x02
USUAL_PAGE_SIZE: Final = 4096
LOOKED_AT: Final = 4 * 1024 * 1024
"""Bytes that are looked at to find out how large a page is."""
LARGEST_RECORD: Final = 256 * 1024 * 1024
"""Bytes of a row that are believed: more is a damaged number."""


class Row(NamedTuple):
    """A row of a table: its rowid, and its columns; an INTEGER PRIMARY KEY is None among them."""

    rowid: int
    values: tuple[Value, ...]


class UnreadableError(Exception):
    """A page or a record is not what the file format says."""


class DamagedFile:
    """The pages of a database file, and of its write-ahead log if there is one.

    ``unreadable`` are the numbers of the pages that should have had rows and could not be read.
    """

    def __init__(self, file: Path, log: Path) -> None:
        self._data, self._log = _mapped(file), _mapped(log)
        self.page_size = self._find_page_size(log)
        self._in_log = newest_pages(log, self.page_size)
        reserved = int.from_bytes(self._data[20:21], "big") if self._has_header else 0
        self._usable = self.page_size - min(reserved, 32)
        size = -(-len(self._data) // self.page_size)
        self.pages = max([size, *self._in_log])
        self.unreadable: set[int] = set()
        self._seen: set[int] = set()

    def tables(self) -> dict[str, int]:
        """Return the root pages of all tables by their names, as far as the schema can be read."""
        found: dict[str, int] = {}
        for row in self.rows(SCHEMA_PAGE):
            if len(row.values) >= 4 and row.values[0] in {"table", "index"}:
                name, root = row.values[1], row.values[3]
                if isinstance(name, str) and isinstance(root, int) and 0 < root <= self.pages:
                    found[name] = root
        return found

    def rows(self, root: int) -> Iterator[Row]:
        """Yield the rows of the table at a root page, by rowid as far as its pages can be read."""
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in self._seen:
                continue
            self._seen.add(number)
            try:
                page = _Page(self.page(number), number)
            except UnreadableError:
                self.unreadable.add(number)
                continue
            if page.kind in {_INTERIOR, _INDEX_INTERIOR}:
                waiting += reversed(page.children())
            elif page.kind == _LEAF:
                yield from self._rows_of(page)
            elif page.kind != _INDEX_LEAF:
                self.unreadable.add(number)

    def lost_rows(self) -> Iterator[Row]:
        """Yield the rows of leaf pages that no table has led to, after all tables were read."""
        free = self._free_pages()
        for number in range(SCHEMA_PAGE + 1, self.pages + 1):
            if number in self._seen or number in free:
                continue
            try:
                page = _Page(self.page(number), number)
            except UnreadableError:
                continue
            if page.kind == _LEAF:
                yield from self._rows_of(page, report=False)

    def page(self, number: int) -> bytes:
        """Return a page; it is empty beyond the end."""
        if (at := self._in_log.get(number)) is not None:
            return self._log[at : at + self.page_size]
        return self._data[(number - 1) * self.page_size : number * self.page_size]

    @property
    def _has_header(self) -> bool:
        return self._data[:16] == b"SQLite format 3\0"

    def _find_page_size(self, log: Path) -> int:
        found: int = int.from_bytes(self._data[16:18], "big") if self._has_header else 0
        if found == 1:  # which stands for what two bytes cannot hold
            found = 65536
        if found not in PAGE_SIZES and file_system.size(log) >= LOG_HEADER.size:
            with log.open("rb") as opened:
                _, _, found, *_ = LOG_HEADER.unpack(opened.read(LOG_HEADER.size))
        return found if found in PAGE_SIZES else self._guess_page_size()

    def _guess_page_size(self) -> int:
        """Return the largest size that nearly all pages of a b-tree fit.

        A smaller one finds them too, and a larger one only every second of them.
        """
        counts = {size: self._count_pages(size) for size in PAGE_SIZES}
        best = max(counts.values())
        if not best:
            return USUAL_PAGE_SIZE
        return max(size for size, count in counts.items() if count >= best * 0.8)

    def _count_pages(self, size: int) -> int:
        """Return how many pages of a b-tree there are, if a page has this size."""
        count = 0
        for start in range(size, min(len(self._data), LOOKED_AT), size):
            with suppress(UnreadableError):
                _Page(self._data[start : start + size], SCHEMA_PAGE + 1)
                count += 1
        return count

    def _rows_of(self, page: _Page, *, report: bool = True) -> Iterator[Row]:
        for start in page.cells():
            try:
                yield self._row(page.data, start)
            except (UnreadableError, IndexError, UnicodeDecodeError, struct.error):
                if report:
                    self.unreadable.add(page.number)

    def _row(self, data: bytes, start: int) -> Row:
        size, start = _varint(data, start)
        rowid, start = _varint(data, start)
        if not 0 < size <= LARGEST_RECORD:
            raise UnreadableError("size of a record")
        return Row(_signed(rowid), _record(self._payload(data, start, size)))

    def _payload(self, data: bytes, start: int, size: int) -> bytes:
        """Return a record, which may go on in overflow pages (fileformat2.html, 1.6)."""
        most = self._usable - 35
        if size <= most:
            local = size
        else:
            least = (self._usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (self._usable - 4)
            local = local if local <= most else least
        pieces, missing = [data[start : start + local]], size - local
        number = int.from_bytes(data[start + local : start + local + 4], "big")
        while missing > 0:
            page = self.page(number) if 0 < number <= self.pages else b""
            if len(page) < self.page_size or len(pieces) > self.pages:
                raise UnreadableError("an overflow page")
            self._seen.add(number)
            pieces.append(page[4 : 4 + min(missing, self._usable - 4)])
            missing -= len(pieces[-1])
            number = int.from_bytes(page[:4], "big")
        return b"".join(pieces)

    def _free_pages(self) -> set[int]:
        """Return the pages that the file has no use for; what is in them was deleted."""
        free: set[int] = set()
        header = self.page(SCHEMA_PAGE)
        trunk = int.from_bytes(header[32:36], "big") if header[:15] == b"SQLite format 3" else 0
        while 0 < trunk <= self.pages and trunk not in free:
            free.add(trunk)
            page = self.page(trunk).ljust(8, b"\0")
            following, count = struct.unpack_from(">II", page)
            leaves = page[8 : 8 + 4 * min(count, len(page) // 4 - 2)]
            free.update(number for (number,) in struct.iter_unpack(">I", leaves))
            trunk = following
        return free


class _Page:
    """A page of a b-tree (fileformat2.html, 1.6); raises UnreadableError if it is none."""

    def __init__(self, data: bytes, number: int) -> None:
        self.data, self.number = data, number
        self._start = HEADER_SIZE if number == SCHEMA_PAGE else 0
        if len(data) <= self._start + 12:
            raise UnreadableError("a short page")
        self.kind = data[self._start]
        self._count = int.from_bytes(data[self._start + 3 : self._start + 5], "big")
        known = self.kind in {_LEAF, _INTERIOR, _INDEX_LEAF, _INDEX_INTERIOR}
        if not known or self._pointers() + 2 * self._count > len(data):
            raise UnreadableError("no page of a b-tree")

    def cells(self) -> Iterator[int]:
        """Yield where the cells begin that are within the page."""
        first = self._pointers() + 2 * self._count
        for index in range(self._count):
            at = self._pointers() + 2 * index
            start = int.from_bytes(self.data[at : at + 2], "big")
            if first <= start < len(self.data) - 2:
                yield start

    def children(self) -> list[int]:
        """Return the pages below an interior page."""
        below = [int.from_bytes(self.data[at : at + 4], "big") for at in self.cells()]
        return [*below, int.from_bytes(self.data[self._start + 8 : self._start + 12], "big")]

    def _pointers(self) -> int:
        return self._start + (12 if self.kind in {_INTERIOR, _INDEX_INTERIOR} else 8)


def _mapped(file: Path) -> mmap.mmap | bytes:
    """Return the bytes of a file, which are read when they are needed."""
    if not file_system.size(file):
        return b""
    with file.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """Return the number at a place, and where it ends (fileformat2.html, 1.6)."""
    value = 0
    for index in range(start, start + 8):
        byte = data[index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index + 1
    return value << 8 | data[start + 8], start + 9


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _record(payload: bytes) -> tuple[Value, ...]:
    """Return the columns of a record (fileformat2.html, 2.1)."""
    header_size, position = _varint(payload, 0)
    if not position <= header_size <= len(payload):
        raise UnreadableError("the header of a record")
    body = header_size
    values: list[Value] = []
    while position < header_size:
        kind, position = _varint(payload, position)
        size = _INTEGERS[kind] if kind < len(_INTEGERS) else (kind - 12) // 2
        if kind in {10, 11} or body + size > len(payload):
            raise UnreadableError("a column of a record")
        values.append(_value(kind, payload[body : body + size]))
        body += size
    if body != len(payload):
        raise UnreadableError("the size of a record")
    return tuple(values)


_INTEGERS: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)
"""Bytes of a column by its type, for the fixed ones."""


def _value(kind: int, data: bytes) -> Value:
    if kind == 0:
        return None
    if kind == 7:
        number: float = struct.unpack(">d", data)[0]
        return number
    if kind in {8, 9}:
        return kind - 8
    if kind < 10:
        return int.from_bytes(data, "big", signed=True)
    return data.decode("utf-8", "replace") if kind % 2 else data
