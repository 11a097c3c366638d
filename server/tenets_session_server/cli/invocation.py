"""One run of the people's command: its settings, its output, and its client of the sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from tenets_session_server.cli.output import Output
from tenets_session_server.client import text
from tenets_session_server.client.client import CallError, Client

Json = dict[str, Any]
ID: Final = click.IntRange(-(2**63), 2**63 - 1)
"""Ids of entries, sessions and items of the trash."""
PAGE: Final = 1000
"""Items of a page, if nothing else is said."""
CHUNK: Final = 256 * 1024
"""Bytes that are read at once."""


class Invocation:
    """What every verb gets.

    ``database`` is the absolute path of the file, and ``reason`` says why it is that one. Relative
    names of files are those in ``folder``, the working directory; ``window`` is the same as it is
    sent.
    """

    def __init__(self, database: str, reason: str, author: str, out: Output) -> None:
        self.database, self.reason, self.author, self.out = database, reason, author, out
        self.folder = os.getcwd()  # noqa: PTH109 - as a text, which is sent
        self.window = sendable(self.folder)

    @cached_property
    def client(self) -> Client:
        """The client of the sessions, once it is needed."""
        return self.connect()

    def connect(self, *, notifications: bool = False) -> Client:
        """Return another client of the sessions."""
        return Client(
            self.database,
            self.reason,
            author=self.author,
            folder=self.window,
            notifications=notifications,
            on_indexing=self._on_indexing,
        )

    def close(self) -> None:
        """End the client, if there is one."""
        if "client" in self.__dict__:
            self.client.close()

    def call(self, verb: str, **params: Any) -> Any:
        """Return the result of a method; see :meth:`.client.Client.call`."""
        try:
            return self.client.call(verb, **params)
        finally:
            warnings, self.client.warnings = self.client.warnings, []
            for warning in warnings:
                self.out.warn(warning)

    def current(self) -> Json:
        """Return the session that the working directory shows; ends the command without one."""
        found: Json | None = self.call("getCurrent", includeMetadata=False)["session"]
        if found is None:
            raise NotFoundError("no session is current here: switch to one, or create one")
        return found

    def name_of(self, name: str | None) -> str:
        """Return the name that was given, else that of the current session."""
        return str(self.current()["name"]) if name is None else name

    def session(self, name: str | None) -> Json:
        """Return the session of that name, else the current one; ends the command without one."""
        found: Json | None = self.call("get", name=self.name_of(name))
        if found is None:
            raise NotFoundError(f"no session is named {name}; see `tenets-session list`")
        return found

    def items(
        self, verb: str, member: str, most: int | None = None, *, page: int = PAGE, **params: Any
    ) -> Iterator[Json]:
        """Yield the items of a list, ``most`` at most; asks for no more than that."""
        limit = page if most is None else min(page, most)
        return islice(self._pages(verb, member, limit=limit, **params), most)

    def _pages(self, verb: str, member: str, **params: Any) -> Iterator[Json]:
        cursor = None
        while True:
            page = self.call(verb, cursor=cursor, **params)
            yield from page[member]
            cursor = page["nextCursor"]
            if cursor is None:
                return

    def entry(self, entry_id: int) -> Json:
        """Return an entry, with its content unless that is large; ends the command without one."""
        entry: Json | None = self.call("getContext", id=entry_id)
        if entry is None:
            raise NotFoundError(
                f"there is no note {entry_id}; see `tenets-session show` for the ids"
            )
        if entry["nextOffset"] is not None:  # the whole content is read in pieces
            del entry["content"]
        return entry

    def content(self, entry: Json) -> str:
        """Return the content of an entry, whatever its size; it may be in the entry already."""
        if "content" in entry:
            return str(entry["content"])
        offset = 0
        pieces: list[str] = []
        while True:
            piece = self.call("getContext", id=entry["id"], offset=offset)
            if piece is None:  # removed meanwhile
                return "".join(pieces)
            pieces.append(piece["content"])
            if piece["nextOffset"] is None:
                return "".join(pieces)
            offset = piece["nextOffset"]

    def place(self, name: str) -> str:
        """Return a file or folder as an absolute path; a URI stays one."""
        if "://" in name:
            return name
        expanded = os.path.expanduser(name)  # noqa: PTH111 - as a text, which is sent
        return sendable(os.path.normpath(os.path.join(self.folder, expanded)))  # noqa: PTH118

    def _on_indexing(self, left: int) -> None:
        if not self._told_of_indexing:
            self._told_of_indexing = True
            self.out.warn(f"the search index is brought up to date ({text.count(left, 'change')})")

    _told_of_indexing = False


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise an error of the storage, which the block uses itself, as a method's error."""
    from tenets_session_server.errors import TenetsSessionError  # noqa: PLC0415 - 20 ms

    try:
        yield
    except TenetsSessionError as error:
        from tenets_session_server.rpc import local  # noqa: PLC0415 - 60 ms

        raise CallError(local.error_object("the database", error)) from error


def why(binding: str | None) -> str:
    """Return why a session is current: the bound folder, or None for the active session."""
    return "the active session" if binding is None else f"bound to {text.line(binding)}"


def chunks(descriptor: int) -> Iterator[bytes]:
    """Yield the bytes that can be read from a descriptor, until its end.

    Each is one call of the system. A file object goes on reading in C until it has as much as was
    asked for, and does not notice CTRL-C between two calls.
    """
    while chunk := os.read(descriptor, CHUNK):
        yield chunk


def is_utf8(given: str) -> bool:
    """Tell whether a text from the command line or the file system was UTF-8."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def sendable(path: str) -> str:
    """Return an absolute path as it can be sent: a URI if its bytes are not UTF-8."""
    return path if is_utf8(path) else Path(path).as_uri()


class NotFoundError(click.ClickException):
    """What was named does not exist."""

    exit_code = 3


with_run = click.make_pass_decorator(Invocation)
"""Gives a verb its :class:`Invocation`."""


def json_option(command: Any) -> Any:
    """Add ``--json`` to a verb."""

    def chosen(context: click.Context, _option: click.Parameter, value: bool) -> None:
        run = context.find_object(Invocation)
        if value and run is not None:
            run.out.as_json = True

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=chosen,
        help="Print the result as one JSON object.",
    )(command)


yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
