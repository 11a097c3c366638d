"""The open documents of one client, kept up to date by incremental edits (LSP 3.17, 3.15).

pygls' ``TextDocument`` splits and joins the whole text with each edit: 8 ms in a document of 1 MiB,
while all other clients wait. A list of lines takes 1.5 us.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from tenets_session_server.models.context import Range
from tenets_session_server.storage.lines import index_of, split

LARGEST: Final = 1024 * 1024
"""Characters of the largest document that is kept."""
LARGEST_SUM: Final = 16 * LARGEST
"""Characters of all documents of a client. In memory they take about three bytes each."""
MOST: Final = 2000
"""Documents of a client whose text is kept."""


class ContentChange(Struct):
    """``TextDocumentContentChangeEvent``: the text of a range, or of the whole document."""

    text: str
    range: Range | None = None


class Edit(NamedTuple):
    """What an edit has done to lines: those from ``start`` to ``end`` are ``lines`` lines now.

    ``end`` is the last line that was touched. ``at_start``: the edit began before the first
    character of its line. ``at_end``: it ended before the first character of the line ``end``,
    which was not touched otherwise. ``after_text``: it began behind the text of its line.
    """

    start: int
    end: int
    lines: int
    at_start: bool
    at_end: bool
    after_text: bool

    @property
    def shift(self) -> int:
        """By how many lines the edit moves what is below it."""
        return self.lines - (self.end - self.start + 1)


class Document:
    """One open document. ``lines`` have their ends; None if the text is not known.

    The text is not known of a document that is too large, or after an edit that does not fit.
    """

    def __init__(self, uri: str, version: int, text: str | None) -> None:
        self.uri, self.version = uri, version
        self.lines = None if text is None else split(text)
        self.size = 0 if text is None else len(text)

    @property
    def text(self) -> str | None:
        """The text, None if it is not known."""
        return None if self.lines is None else "".join(self.lines)

    def apply(self, change: ContentChange) -> Edit | None:
        """Apply a change; return what it has done, None if all may be another text now.

        A range that is not in the document makes its text unknown, until all of it comes again.
        """
        if change.range is None:
            self.lines, self.size = split(change.text), len(change.text)
            return None
        if self.lines is None:
            return None
        start, end = change.range.start, change.range.end
        in_order = (start.line, start.character) <= (end.line, end.character)
        if not in_order or end.line >= len(self.lines):
            self.lines, self.size = None, 0
            return None
        first, last = self.lines[start.line], self.lines[end.line]
        begin, stop = index_of(first, start.character), index_of(last, end.character)
        replaced = split(first[:begin] + change.text + last[stop:])
        if end.line + 1 < len(self.lines):
            replaced.pop()  # what is behind the end of the last line is the next line
        before = self.lines[start.line - 1] if start.line else ""
        size = sum(map(len, self.lines[start.line : end.line + 1]))
        self.lines[start.line : end.line + 1] = replaced
        self.size += sum(map(len, replaced)) - size
        if before.endswith("\r") and replaced[0].startswith("\n"):  # they are one end of a line now
            self.lines = split("".join(self.lines))
            return None
        return Edit(
            start.line,
            end.line,
            len(replaced),
            at_start=begin == 0,
            at_end=stop == 0,
            after_text=begin == len(first.rstrip("\r\n")),
        )


class Documents:
    """The documents that one client has open. The text of too large or too many is not kept."""

    def __init__(self) -> None:
        self._open = dict[str, Document]()

    def open(self, uri: str, version: int, text: str) -> Document:
        """Take a document, or all of its text anew."""
        self._open[uri] = document = Document(uri, version, text)
        self._limit(document)
        return document

    def change(
        self, document: Document, version: int | None, changes: list[ContentChange]
    ) -> list[Edit] | None:
        """Apply changes in their order; return what they have done, None as :meth:`Document.apply`.

        A version that is not newer says that changes were lost, or are told twice. None is one that
        the client does not know.
        """
        is_old = version is not None and version <= document.version
        if is_old and all(change.range is not None for change in changes):
            document.lines, document.size = None, 0
        document.version = document.version if version is None else version
        edits = [document.apply(change) for change in changes]
        self._limit(document)
        if document.lines is None:
            return None
        whole = [edit for edit in edits if edit is not None]
        return whole if len(whole) == len(edits) else None

    def close(self, uri: str) -> None:
        """Drop a document."""
        self._open.pop(uri, None)

    def get(self, uri: str) -> Document | None:
        """Return an open document."""
        return self._open.get(uri)

    def forget(self) -> None:
        """Forget the texts: one of them has changed in a way that is not known."""
        for document in self._open.values():
            document.lines, document.size = None, 0

    def _limit(self, document: Document) -> None:
        size = sum(one.size for one in self._open.values())
        if document.size > LARGEST or size > LARGEST_SUM or len(self._open) > MOST:
            document.lines, document.size = None, 0
