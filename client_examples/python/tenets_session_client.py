"""A small client for ``tenets-session-server``: asyncio and the standard library, nothing else.

Copy it into a plugin or script, and change it there::

    async with SessionClient() as sessions:
        await sessions.create("bug 4711", active=True)
        await sessions.add_context("bug 4711", "note", "reproduced on main")

A client starts ``tenets-session-server`` and talks to it over stdin and stdout: Language Server
Protocol framing, JSON-RPC 2.0. All clients of a user share one database, unless they name another.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Final, Literal, NotRequired, Self, TypedDict

COMMAND: Final = (
    # With -P Python does not look for modules in the working directory.
    (sys.executable, "-P", "-m", "tenets_session_server")
    if importlib.util.find_spec("tenets_session_server")
    else ("tenets-session-server",)
)
"""The command that starts the server: this Python's if it is installed there, else the PATH's."""

STOP_TIMEOUT: Final = 5.0
"""Seconds for a server to end after ``exit``; then it is killed."""


class Session(TypedDict):
    """A session. ``createdAt`` is RFC 3339; ``contextCount`` is there if it was asked for."""

    id: int
    name: str
    createdAt: str
    active: bool
    metadata: dict[str, Any]
    contextCount: NotRequired[int]


class SessionList(TypedDict):
    """A page of sessions, newest first. ``nextCursor`` is None on the last page."""

    sessions: list[Session]
    nextCursor: str | None


class ContextEntry(TypedDict):
    """A context entry. ``size`` is in UTF-8 bytes; a large ``content`` is not in a list."""

    id: int
    sessionId: int
    sessionName: str | None
    kind: str
    preview: str
    content: NotRequired[str]
    size: int
    createdAt: str
    updatedAt: NotRequired[str]
    author: str | None
    location: NotRequired[dict[str, Any]]


class WrittenContext(ContextEntry):
    """A context entry right after it was written, without its content."""

    revision: int
    state: str


class AddedContext(WrittenContext):
    """A context entry that was added; ``duplicate``: its ``identity_key`` was there before."""

    sessionCreated: bool
    duplicate: bool


class SessionName(TypedDict):
    """Which session a hit is in. ``name`` is None if that was deleted."""

    id: int
    name: str | None


class Hit(TypedDict):
    """What a search has found: an entry, or (None) a session by its name.

    ``matches`` are the places in ``snippet`` that match, in UTF-16 units.
    """

    session: SessionName
    entry: ContextEntry | None
    snippet: str
    matches: list[list[int]]
    score: float


class TrashItem(TypedDict):
    """What one request has removed. ``type`` is ``"sessions"`` or ``"context"``."""

    id: int
    type: str
    sessions: int
    entries: int
    names: list[str]
    size: int
    deletedAt: str
    expiresAt: str
    author: str | None


class Current(TypedDict):
    """What a folder shows. ``binding`` is the bound folder that decides, None: none does."""

    folder: str | None
    session: Session | None
    binding: str | None


class Change(TypedDict):
    """One committed change, by any program. ``contextId`` is there if it is about context."""

    revision: int
    type: str
    sessionId: int | None
    sessionName: str | None
    author: str | None
    contextId: NotRequired[int]
    folder: NotRequired[str]
    contextKept: NotRequired[bool]


class DidChange(TypedDict):
    """Changes that were committed, and the session that is active after them.

    ``currents`` has one for each folder of the client, if a binding concerns one of them. If
    ``incomplete`` is there and true, changes are missing: fetch the sessions again.
    """

    revision: int
    state: str
    changes: list[Change]
    active: Session | None
    currents: NotRequired[list[Current]]
    incomplete: NotRequired[bool]


class SessionError(Exception):
    """The server refused a request.

    ``code`` is JSON-RPC's or LSP's number. For -32803 ``kind`` is the reason ("sessionNotFound",
    "sessionExists", "databaseBusy" ...). If ``retryable``, the same request may succeed later.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        data = error.get("data") or {}
        self.code: int = error["code"]
        self.kind: str | None = data.get("kind")
        self.retryable: bool = data.get("retryable", False)
        self.data: dict[str, Any] = data


class SessionClient:
    """Starts a server and holds the connection to it; an asynchronous context manager.

    ``database`` is the path of the file, by default the user's own. ``author`` is the name under
    which it writes, and ``folders`` are those whose session it shows. ``on_notification`` is called
    with the method and params of each notification. Requests raise :class:`SessionError` if the
    server refuses them, and ``ConnectionError`` once the server has ended.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        database: str | os.PathLike[str] | None = None,
        author: str = "tenets_session_client",
        folders: Sequence[str | os.PathLike[str]] = (),
        on_notification: Callable[[str, Any], None] = lambda _method, _params: None,
    ) -> None:
        self.capability: dict[str, Any] = {}
        self._command = [*command, *(("--database", os.fspath(database)) if database else ())]
        self._options = {"author": author, "folders": [os.fspath(one) for one in folders]}
        self._on_notification = on_notification
        self._process: asyncio.subprocess.Process | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._listeners: set[asyncio.Queue[DidChange | None]] = set()
        self._last_id = 0

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            # In a session of its own, Ctrl-C does not end it before the shutdown request.
            *self._command,
            stdin=pipe,
            stdout=pipe,
            start_new_session=True,
        )
        self._receiving = asyncio.create_task(self._receive())
        try:
            result = await self.request(
                "initialize",
                {
                    "processId": os.getpid(),
                    "clientInfo": {"name": "tenets_session_client"},
                    "rootUri": None,
                    "capabilities": {},
                    "initializationOptions": self._options,
                },
            )
        except BaseException:
            await self._end()
            raise
        self.capability = result["capabilities"]["experimental"]["tenetsSession"]
        self._send({"method": "initialized", "params": {}})
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await self.request("shutdown")
                self._send({"method": "exit"})
        await self._end()

    # -- the methods of tenets/session.* -------------------------------------------------------

    async def create(
        self, name: str, metadata: dict[str, Any] | None = None, *, active: bool = False
    ) -> Session:
        """Create a session. A taken name raises ``sessionExists``."""
        params = {"name": name, "metadata": metadata, "active": active}
        created: Session = await self.session("create", params)
        return created

    async def get(self, name: str) -> Session | None:
        """Return the session of that name, or None."""
        found: Session | None = await self.session("get", {"name": name})
        return found

    async def list(
        self,
        *,
        active: bool | None = None,
        name_prefix: str | None = None,
        order: Literal["newest", "oldest", "recent"] = "newest",
        include_context_count: bool = False,
        limit: int = 100,
    ) -> AsyncIterator[Session]:
        """Yield all sessions that match, newest first by default; ``limit`` is that of a page.

        The order ``"recent"``, by the last change, has one page only.
        """
        filters = {
            "active": active,
            "namePrefix": name_prefix,
            "order": order,
            "includeContextCount": include_context_count,
            "limit": limit,
        }
        cursor: str | None = None
        while True:
            page: SessionList = await self.session("list", {**filters, "cursor": cursor})
            for session in page["sessions"]:
                yield session
            cursor = page["nextCursor"]
            if cursor is None:
                return

    async def get_active(self) -> Session | None:
        """Return the active session, or None."""
        found: Session | None = await self.session("getActive")
        return found

    async def set_active(self, name: str, *, active: bool = True) -> Session:
        """Activate a session and deactivate the one that was active; or deactivate it."""
        session: Session = await self.session("setActive", {"name": name, "active": active})
        return session

    async def update_metadata(self, name: str, updates: dict[str, Any]) -> Session:
        """Set members at the top level of a session's metadata; the others stay."""
        session: Session = await self.session("updateMetadata", {"name": name, "updates": updates})
        return session

    async def add_context(
        self,
        session_name: str | None,
        kind: str,
        content: str,
        *,
        location: dict[str, Any] | None = None,
        identity_key: str | None = None,
        replace: bool = False,
    ) -> AddedContext:
        """Add an entry to a session; None is the one that the client's first folder shows.

        Creates the session if there is none of that name. ``location`` is where the entry belongs:
        ``{"uri": ..., "range": ...}``. With ``identity_key`` it is kept once, however often this is
        called; with ``replace`` it takes the new content.
        """
        params = {"sessionName": session_name, "kind": kind, "content": content}
        more = {"location": location, "identityKey": identity_key, "replace": replace}
        added: AddedContext = await self.session("addContext", {**params, **more})
        return added

    async def update_context(
        self,
        entry_id: int,
        content: str | None = None,
        *,
        kind: str | None = None,
        if_state: str | None = None,
    ) -> WrittenContext:
        """Change an entry. With ``if_state``, ``conflict`` if it has changed after that state."""
        params = {"id": entry_id, "content": content, "kind": kind, "ifState": if_state}
        changed: WrittenContext = await self.session("updateContext", params)
        return changed

    async def remove_context(self, entry_id: int, *, if_state: str | None = None) -> bool:
        """Remove an entry; return whether there was one."""
        params = {"id": entry_id, "ifState": if_state}
        return bool((await self.session("removeContext", params))["removed"])

    async def context(self, session_name: str) -> AsyncIterator[ContextEntry]:
        """Yield the entries of a session with their contents, oldest first."""
        cursor: str | None = None
        while True:
            params = {"sessionName": session_name, "cursor": cursor}
            page = await self.session("listContext", params)
            for entry in page["entries"]:
                if "content" not in entry:
                    entry["content"] = await self._content(entry["id"])
                yield entry
            if (cursor := page["nextCursor"]) is None:
                return

    async def _content(self, entry_id: int) -> str:
        pieces, offset = [], 0
        while True:
            piece = await self.session("getContext", {"id": entry_id, "offset": offset})
            if piece is None:  # it was removed meanwhile
                return ""
            pieces.append(piece["content"])
            if (offset := piece["nextOffset"]) is None:
                return "".join(pieces)

    async def delete(self, name: str, *, purge_context: bool = True) -> bool:
        """Delete a session; return whether there was one."""
        params = {"name": name, "purgeContext": purge_context}
        return bool((await self.session("delete", params))["deleted"])

    async def delete_all(self, *, purge_context: bool = True) -> int:
        """Delete every session; return how many there were."""
        return int((await self.session("deleteAll", {"purgeContext": purge_context}))["deleted"])

    async def search(
        self, query: str, *, session_name: str | None = None, limit: int = 50
    ) -> Sequence[Hit]:
        """Return what has all words of the query, best first; ``"a phrase"``, ``-without``."""
        params = {"query": query, "sessionName": session_name, "limit": limit}
        hits: Sequence[Hit] = (await self.session("search", params))["hits"]
        return hits

    async def trash(self) -> AsyncIterator[TrashItem]:
        """Yield what was deleted and can be restored, newest first."""
        cursor: str | None = None
        while True:
            page = await self.session("listTrash", {"cursor": cursor})
            for item in page["items"]:
                yield item
            if (cursor := page["nextCursor"]) is None:
                return

    async def restore(
        self, item_id: int, *, new_name: str | None = None, replace: bool = False
    ) -> Sequence[Session]:
        """Bring back an item of the trash; return its sessions.

        A taken name raises ``sessionExists``: give a ``new_name``, or ``replace`` what has it.
        """
        params = {"id": item_id, "newName": new_name, "replace": replace}
        sessions: Sequence[Session] = (await self.session("restore", params))["sessions"]
        return sessions

    async def undo(self) -> TrashItem | None:
        """Bring back what was deleted last; return that item, None if the trash is empty."""
        async for item in self.trash():
            await self.restore(item["id"])
            return item
        return None

    async def export(self, *names: str, form: Literal["json", "markdown"] = "json") -> str:
        """Return these sessions as a text, by default all of them."""
        params = {"names": [*names] or None, "format": form}
        content: str = (await self.session("export", params))["content"]
        return content

    async def import_sessions(
        self,
        content: str,
        on_conflict: Literal["error", "skip", "rename", "overwrite"] = "error",
    ) -> int:
        """Import what was exported as JSON; return how many sessions that were."""
        params = {"content": content, "onConflict": on_conflict}
        return int((await self.session("import", params))["imported"])

    async def rename(self, name: str, new_name: str) -> Session:
        """Give a session another name. A taken one raises ``sessionExists``."""
        renamed: Session = await self.session("rename", {"name": name, "newName": new_name})
        return renamed

    async def copy(self, name: str, new_name: str, *, overwrite: bool = False) -> Session:
        """Create a session with the metadata and the entries of another one."""
        params = {"name": name, "newName": new_name, "overwrite": overwrite}
        copied: Session = await self.session("copy", params)
        return copied

    async def reset(self, name: str) -> Session:
        """Remove all entries of a session, and activate it."""
        found: Session = await self.session("reset", {"name": name})
        return found

    async def current(self, folder: str | os.PathLike[str] | None = None) -> Current:
        """Return the session that a folder shows, by default the client's first one."""
        params = {"folder": None if folder is None else os.fspath(folder)}
        found: Current = await self.session("getCurrent", params)
        return found

    async def bind(self, name: str | None, folder: str | os.PathLike[str] | None = None) -> Current:
        """Have a folder show the session of a name; None: the active one again."""
        params = {"name": name, "folder": None if folder is None else os.fspath(folder)}
        found: Current = await self.session("bind", params)
        return found

    def changes(self) -> AsyncIterator[DidChange]:
        """Yield what is committed from this call on, by any program, until the server ends."""
        batches: asyncio.Queue[DidChange | None] = asyncio.Queue()
        self._listeners.add(batches)  # now, not when the iteration begins
        return self._listen(batches)

    async def _listen(self, batches: asyncio.Queue[DidChange | None]) -> AsyncIterator[DidChange]:
        try:
            while self._receiving is not None and not self._receiving.done():
                if (batch := await batches.get()) is None:
                    return
                yield batch
        finally:
            self._listeners.discard(batches)

    # -- the protocol --------------------------------------------------------------------------

    async def session(self, verb: str, params: dict[str, Any] | None = None) -> Any:
        """Send the request ``tenets/session.<verb>`` and return its result."""
        return await self.request(f"tenets/session.{verb}", params)

    async def request(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Send any request and return its result."""
        self._last_id += 1
        message_id = self._last_id
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[message_id] = reply
        try:
            self._send({"id": message_id, "method": method, "params": params or {}})
            assert self._process is not None
            assert self._process.stdin is not None
            await self._process.stdin.drain()
            return await reply
        finally:
            self._pending.pop(message_id, None)

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is None or self._receiving is None or self._receiving.done():
            raise ConnectionError("the server is not running")
        # As ASCII it could be twice as long. Half a surrogate pair has no UTF-8, and is refused.
        text = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False)
        body = text.encode("utf-8", "surrogatepass")
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def _receive(self) -> None:
        """Dispatch each message, until the server closes its output."""
        assert self._process is not None
        assert self._process.stdout is not None
        output = self._process.stdout
        try:
            while True:
                header = await output.readuntil(b"\r\n\r\n")
                body = await output.readexactly(int(header.split(b":")[1]))
                self._dispatch(json.loads(body))
        except asyncio.IncompleteReadError:
            pass  # the server has closed its output
        finally:
            for batches in self._listeners:
                batches.put_nowait(None)
            for reply in self._pending.values():
                if not reply.done():
                    reply.set_exception(ConnectionError("the server has ended"))

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "method" in message:
            if message["method"] == "tenets/session.didChange":
                for batches in self._listeners:
                    batches.put_nowait(message["params"])
            try:
                self._on_notification(message["method"], message.get("params"))
            except Exception as error:  # noqa: BLE001 - replies must still arrive
                problem = {"message": "on_notification failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(problem)
            return
        reply = self._pending.get(message["id"])
        if reply is None or reply.done():
            return  # its caller no longer waits
        if "error" in message:
            reply.set_exception(SessionError(message["error"]))
        else:
            reply.set_result(message["result"])

    async def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._receiving is not None:
            await self._receiving
