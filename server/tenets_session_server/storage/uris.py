"""URIs and paths of folders and files: which of them mean the same place.

Compared are the scheme and the authority (case ignored) and the path, percent-decoded once, without
``.``, ``..`` and a slash at the end; a drive letter counts in lower case (RFC 3986, sections 5.2.4
and 6.2.2; RFC 8089 for ``file:``). Paths of this machine are also compared as the file system has
them: with links resolved, and by device and inode. Nothing is opened.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tenets_session_server.errors import InvalidArgumentError

EXPECTED: Final = "a URI or an absolute path"
LONGEST: Final = 4096
"""Characters of a URI."""
_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://([^/?#]*))?([^?#]*)")  # not "C:"
Identity = tuple[int, int]
"""A device and an inode."""
_DRIVE: Final = re.compile(r"[A-Za-z]:")


class Uri(NamedTuple):
    """A place: the parts of a URI that are compared.

    ``segments`` are those of the path, decoded; bytes that are not UTF-8 as ``os.fsdecode`` has
    them.
    """

    scheme: str
    authority: str
    segments: tuple[str, ...]

    @property
    def key(self) -> str:
        """The text that is equal for equal URIs; it can be stored."""
        path = "/".join(quote_from_bytes(os.fsencode(segment)) for segment in self.segments)
        return f"{self.scheme}://{self.authority}/{path}"

    @property
    def path(self) -> str | None:
        """The absolute path, if the place is on this machine."""
        if self.scheme != "file" or self.authority:
            return None
        path = "/".join(self.segments)
        if sys.platform == "win32":
            return path
        # With a drive it is of another machine, and its case has been changed.
        return None if self.segments and _DRIVE.fullmatch(self.segments[0]) else f"/{path}"


@lru_cache(maxsize=4096)
def parse(text: str, member: str) -> Uri:
    """Return the place that a URI or an absolute path means.

    Raises :class:`InvalidArgumentError`, which names the ``member``.
    """
    if len(text) <= LONGEST and (found := _parsed(text)) is not None:
        return found
    raise InvalidArgumentError(member, EXPECTED)


def of_key(key: str) -> Uri:
    """Return the place of a :attr:`Uri.key`, which may be longer than what was given."""
    found = _parsed(key)
    if found is None:
        raise InvalidArgumentError("key", EXPECTED)
    return found


def _parsed(text: str) -> Uri | None:
    found = _URI.match(text)
    if "\0" in text:
        return None
    if found is None:
        return _of_path(text) if os.path.isabs(text) else None  # noqa: PTH117
    scheme, authority = found[1].lower(), (found[2] or "").lower()
    path = os.fsdecode(unquote_to_bytes(found[3]))
    if "\0" in path:
        return None
    if scheme == "file" and authority == "localhost":
        authority = ""
    return Uri(scheme, authority, _segments(path))


class Form(NamedTuple):
    """One way to name a place: as it is given, or with links resolved.

    ``identities`` are the device and inode of each folder on the way that exists, from the root on.
    """

    place: Uri
    identities: list[Identity]


def forms(place: Uri) -> list[Form]:
    """Return the place as it is given and, if that differs, with links resolved.

    Links are resolved as far as the place exists. The file system is asked once for each folder
    on the way.
    """
    if place.path is None:
        return [Form(place, [])]
    given, has_links = _walk(place)
    if not has_links or not given.identities:
        return [given]
    length = len(given.identities) - 1
    there = Uri(place.scheme, place.authority, place.segments[:length])
    start = _of_path(os.path.realpath(there.path or "")).segments
    real = Uri(place.scheme, place.authority, start + place.segments[length:])
    return [given] if real == place else [given, _walk(real)[0]]


def resolved(place: Uri) -> Uri:
    """Return the place with links resolved, as far as it exists."""
    return forms(place)[-1].place


def is_same(one: Uri, other: Uri) -> bool:
    """Tell whether two URIs mean the same place."""
    return one == other or (
        (identity := _identity(one)) is not None and identity == _identity(other)
    )


class Folders:
    """Some folders, and which of them a place is in; their links are resolved once."""

    def __init__(self, folders: Iterable[Uri]) -> None:
        self._by_text = {folder: folder for folder in folders}
        self._by_identity: dict[Identity, Uri] | None = None
        self._nearest: dict[Uri, Uri | None] = {}

    def nearest(self, place: Uri) -> Uri | None:
        """Return the folder that ``place`` is, or is in; if several, the nearest."""
        if place in self._by_text:  # as usual: nothing has to be looked up
            return place
        if place not in self._nearest:
            self._nearest[place] = self._find(place) if self._by_text else None
        return self._nearest[place]

    def _find(self, place: Uri) -> Uri | None:
        found: list[tuple[int, Uri]] = []
        for form in forms(place):
            there = form.place
            for length in range(len(there.segments), -1, -1):
                above = Uri(there.scheme, there.authority, there.segments[:length])
                folder = self._by_text.get(above)
                if folder is None and length < len(form.identities):
                    folder = self._identities().get(form.identities[length])
                if folder is not None:
                    found.append((len(there.segments) - length, folder))
                    break
        return min(found, key=lambda pair: pair[0])[1] if found else None

    def _identities(self) -> dict[Identity, Uri]:
        if self._by_identity is None:
            self._by_identity = {
                identity: folder
                for folder in self._by_text
                if (identity := _identity(folder)) is not None
            }
        return self._by_identity


def _of_path(path: str) -> Uri:
    if sys.platform == "win32":
        path = path.replace("\\", "/")
        if path.startswith("//"):
            authority, _, rest = path[2:].partition("/")
            return Uri("file", authority.lower(), _segments(rest))
    return Uri("file", "", _segments(path))


def _segments(path: str) -> tuple[str, ...]:
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    if segments and _DRIVE.fullmatch(segments[0]):
        segments[0] = segments[0].lower()
    return tuple(segments)


def _walk(place: Uri) -> tuple[Form, bool]:
    """Look at each folder on the way to a place; tell whether links may lead elsewhere."""
    has_links = sys.platform == "win32"  # also junctions and short names, which lstat does not tell
    identities: list[Identity] = []
    for joined in itertools.accumulate(place.segments, "{}/{}".format, initial=""):
        path = joined[1:] if sys.platform == "win32" else joined or "/"
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                status, has_links = os.stat(path), True  # noqa: PTH116
        except OSError:
            break
        identities.append((status.st_dev, status.st_ino))
    return Form(place, identities), has_links


def _identity(place: Uri) -> Identity | None:
    """Return the device and inode of a place on this machine, None if there is nothing."""
    if (path := place.path) is None:
        return None
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino
