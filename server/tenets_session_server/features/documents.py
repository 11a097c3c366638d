"""The open documents of one client, kept up to date by incremental edits (LSP 3.17, 3.15).

pygls' ``TextDocument`` splits and joins the whole text with each edit: 8 ms in a document of 1 MiB,
while all other clients wait. A list of lines takes 1.5 us.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tenets_session_server.errors import LimitExceededError
from tenets_session_server.features.edits import Edit
from tenets_session_server.models.context import Position, Range
from tenets_session_server.storage.context_locations import LARGEST_TEXT, MOST_LINES, checked_lines
from tenets_session_server.storage.lines import index_of, split, units_of
from tenets_session_server.storage.steps import Steps

LARGEST_SUM: Final = 16 * LARGEST_TEXT
"""Characters of all documents of a client. In memory each takes one, two or four bytes."""
MOST_LINES_SUM: Final = 500_000
"""Lines of all documents of a client. In memory each takes 60 to 90 bytes beside its text."""
MOST: Final = 2000
"""Documents of a client whose text is kept."""
_CHANGES_A_STEP: Final = 200
"""Changes that take about 3 ms."""


class ContentChange(Struct):
    """``TextDocumentContentChangeEvent``: the text of a range, or of the whole document."""

    text: str
    range: Range | None = None


class Document:
    """One open document. ``lines`` have their ends; None if the text is not known.

    The text is not known of a document that is too large, or after an edit that does not fit.
    """

    def __init__(self, uri: str, version: int, text: str) -> None:
        self.uri, self.version = uri, version
        self._take(text)

    def _take(self, text: str) -> None:
        self.lines: list[str] | None
        try:
            self.lines, self.size = checked_lines(text), len(text)
        except LimitExceededError:
            self.forget()

    @property
    def line_count(self) -> int:
        """The number of lines that are kept."""
        return 0 if self.lines is None else len(self.lines)

    @property
    def text(self) -> str | None:
        """The text, None if it is not known."""
        return None if self.lines is None else "".join(self.lines)

    def apply(self, change: ContentChange) -> Edit | None:
        """Apply a change; return what it has done, None if all may be another text now.

        A range that is not in the document makes its text unknown, until all of it comes again.
        """
        if change.range is None:
            before = self.lines
            self._take(change.text)
            return None if before is None or self.lines is None else Edit(0, before, self.lines)
        if self.lines is None:
            return None
        start, end = change.range.start, change.range.end
        if start.line <= end.line == len(self.lines):  # Neovim 0.7.2 counts a line that is none
            end = Position(end.line - 1, units_of(self.lines[-1], len(self.lines[-1])))
            start = min(start, end, key=_in_order)
        if _in_order(start) > _in_order(end) or end.line >= len(self.lines):
            self.forget()
            return None
        lines = self.lines[start.line : end.line + 1]
        begin, stop = index_of(lines[0], start.character), index_of(lines[-1], end.character)
        replaced = split(lines[0][:begin] + change.text + lines[-1][stop:])
        if end.line + 1 < len(self.lines):
            replaced.pop()  # what is behind the end of the last line is the next line
        above = self.lines[start.line - 1] if start.line else ""
        self.lines[start.line : end.line + 1] = replaced
        self.size += sum(map(len, replaced)) - sum(map(len, lines))
        if above.endswith("\r") and replaced[0].startswith("\n"):  # they are one end of a line now
            self.lines = split("".join(self.lines))
            return None
        return Edit(start.line, lines, replaced, from_above=bool(lines[0][:begin].strip()))

    def forget(self) -> None:
        """Forget the text: nothing is known of it until all of it comes again."""
        self.lines, self.size = None, 0


def _in_order(position: Position) -> tuple[int, int]:
    return position.line, position.character


class Documents:
    """The documents that one client has open. The text of too large or too many is not kept."""

    def __init__(self) -> None:
        self._open: dict[str, Document] = {}

    def open(self, uri: str, version: int, text: str) -> Document:
        """Take a document, or all of its text anew."""
        self._open[uri] = document = Document(uri, version, text)
        kept = sum(one.lines is not None for one in self._open.values())
        if kept > MOST or self._is_too_large(document):
            document.forget()
        return document

    def change(
        self, document: Document, version: int | None, changes: list[ContentChange]
    ) -> Steps[list[Edit] | None]:
        """Apply changes in their order; return what they have done, None as :meth:`Document.apply`.

        A version that is not newer says that changes were lost, or are told twice. None is one that
        the client does not know.
        """
        is_old = version is not None and version <= document.version
        if is_old and changes and all(change.range is not None for change in changes):
            document.forget()
        document.version = document.version if version is None else version
        edits: list[Edit | None] = []
        for number, change in enumerate(changes, start=1):
            edits.append(document.apply(change))
            if number % _CHANGES_A_STEP == 0:
                yield 0.0
        if self._is_too_large(document):
            document.forget()
        if document.lines is None:
            return None
        told = [edit for edit in edits if edit is not None]
        return told if len(told) == len(edits) else None

    def close(self, uri: str) -> None:
        """Drop a document."""
        self._open.pop(uri, None)

    def get(self, uri: str) -> Document | None:
        """Return an open document."""
        return self._open.get(uri)

    def forget(self) -> None:
        """Forget all texts: one of them has changed in a way that is not known."""
        for document in self._open.values():
            document.forget()

    def _is_too_large(self, document: Document) -> bool:
        return (
            document.size > LARGEST_TEXT
            or document.line_count > MOST_LINES
            or sum(one.size for one in self._open.values()) > LARGEST_SUM
            or sum(one.line_count for one in self._open.values()) > MOST_LINES_SUM
        )
