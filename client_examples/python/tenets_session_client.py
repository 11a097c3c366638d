"""A small client for ``tenets-session-server``: asyncio and the standard library, nothing else.

Copy it and ``tenets_session_types.py`` into a plugin or script, and change it there::

    async with SessionClient() as sessions:
        await sessions.create("bug 4711", active=True)
        await sessions.add_context("bug 4711", "note", "reproduced on main")
        print(await sessions.methods.stats())

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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, Literal, Self, cast

from tenets_session_types import (
    READS,
    AddedContext,
    Capability,
    Change,
    ContextEntry,
    Current,
    DidChange,
    ErrorKind,
    Hit,
    Session,
    SessionList,
    SessionMethods,
    SessionName,
    SessionShortcuts,
    TrashItem,
    WrittenContext,
)

__all__ = ["COMMAND", "AddedContext", "Change", "ContextEntry", "Current", "DidChange", "Hit"]
__all__ += ["Session", "SessionClient", "SessionError", "SessionList", "SessionName"]
__all__ += ["SessionMethods", "TrashItem", "WrittenContext"]

COMMAND: Final = (
    # With -P Python does not look for modules in the working directory.
    (sys.executable, "-P", "-m", "tenets_session_server")
    if importlib.util.find_spec("tenets_session_server")
    else ("tenets-session-server",)
)
"""The command that starts the server: this Python's if it is installed there, else the PATH's."""

START_TIMEOUT, STOP_TIMEOUT = 30.0, 5.0  # seconds to get ready; to end, before it is killed
NOT_RUNNING: Final = "the server is not running"
# Seconds before a server that has ended is started again; they double with each attempt.
FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0
STABLE: Final = 30.0  # seconds that a connection has to last for the first delay to apply again
PATIENCE: Final = 5  # attempts after which requests fail at once, until an attempt succeeds
REPEATS: Final = 2  # how often a request is sent again after the server has ended


class SessionError(Exception):
    """The server refused a request.

    ``code`` is JSON-RPC's or LSP's number. For -32803 ``kind`` is the reason ("sessionNotFound",
    "sessionExists", "databaseBusy" ...). If ``retryable``, the same request may succeed later.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        data = error.get("data") or {}
        self.code: int = error["code"]
        self.kind: ErrorKind | None = data.get("kind")
        self.retryable: bool = data.get("retryable", False)
        self.data: dict[str, Any] = data


class SessionClient(SessionShortcuts):
    """Starts a server and holds the connection to it; an asynchronous context manager.

    ``methods`` has every method of the protocol; the client's own are shorter to write.
    ``database`` is the path of the file, by default the user's own. ``author`` is the name under
    which it writes, and ``folders`` are those whose session it shows. ``on_notification`` is called
    with the method and params of each notification. Requests raise :class:`SessionError` if the
    server refuses them. If one is cancelled, as by ``asyncio.timeout``, the server is told.

    If the server ends, the client starts it again, and :meth:`changes` continues with what was
    committed meanwhile. Requests wait for that. One that was waiting for its reply is sent again if
    it only reads, or has an identity key; otherwise nobody knows whether it was executed, and it
    raises ``ConnectionError``. Without ``reconnect``, all of them do, once the server has ended.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        database: str | os.PathLike[str] | None = None,
        author: str = "tenets_session_client",
        folders: Sequence[str | os.PathLike[str]] = (),
        on_notification: Callable[[str, Any], None] = lambda _method, _params: None,
        reconnect: bool = True,
    ) -> None:
        self.capability = cast(Capability, {})
        self.methods = SessionMethods()
        self.methods.session = self.session  # type: ignore[method-assign]
        self._command = [*command, *(("--database", os.fspath(database)) if database else ())]
        self._options = {"author": author, "folders": [os.fspath(one) for one in folders]}
        self._on_notification = on_notification
        self._reconnects = reconnect
        self._process: asyncio.subprocess.Process | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._problem: str | None = NOT_RUNNING
        self._settled = asyncio.Event()  # there is a connection, or a problem
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._listeners: set[asyncio.Queue[DidChange | None]] = set()
        self._last_id, self._state, self._revision = 0, "", 0  # the state is the one that was told
        self._held: list[DidChange] | None = None  # until what was before it is told

    async def __aenter__(self) -> Self:
        await self._start(catch_up=False)
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._keeping is not None
        self._reconnects = False
        if self._problem is None and self._settled.is_set():
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self.request("shutdown")
                    self._send({"method": "exit"})
        else:
            self._keeping.cancel()
        await self._end()
        await asyncio.wait({self._keeping})

    # -- what is not generated ------------------------------------------------------------------

    async def context(self, session_name: str) -> AsyncIterator[ContextEntry]:
        """Yield the entries of a session with their contents, oldest first."""
        async for entry in self.entries(session_name=session_name):
            if "content" not in entry:  # it is large
                entry["content"] = await self._content(entry["id"])
            yield entry

    async def _content(self, entry_id: int) -> str:
        content, offset = "", 0
        while piece := await self.methods.get_context(id=entry_id, offset=offset):
            content += piece.get("content", "")
            if (offset := piece["nextOffset"] or 0) == 0:
                return content
        return ""  # it was removed meanwhile

    async def undo(self) -> TrashItem | None:
        """Bring back what was deleted last; return that item, None if the trash is empty."""
        async for item in self.trash():
            await self.restore(item["id"])
            return item
        return None

    async def export(self, *names: str, form: Literal["json", "markdown"] = "json") -> str:
        """Return these sessions as a text, by default all of them."""
        return (await self.methods.export(names=names or None, format=form))["content"]

    def changes(self) -> AsyncIterator[DidChange]:
        """Yield what is committed from this call on, by any program, until the client ends.

        Each change comes once, in order, also if the server was started again. ``incomplete`` in a
        batch says that some are not known: look at everything anew.
        """
        batches: asyncio.Queue[DidChange | None] = asyncio.Queue()
        self._listeners.add(batches)  # now, not when the iteration begins
        if self._keeping is None or self._keeping.done():
            batches.put_nowait(None)
        return self._listen(batches)

    async def _listen(self, batches: asyncio.Queue[DidChange | None]) -> AsyncIterator[DidChange]:
        try:
            while (batch := await batches.get()) is not None:
                yield batch
        finally:
            self._listeners.discard(batches)

    # -- the protocol -----------------------------------------------------------------------------

    async def session(self, verb: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send the request ``tenets/session.<verb>`` and return its result."""
        keeps_null = verb == "emptyTrash"  # which refuses it: it would be everything
        given = {key: one for key, one in (params or {}).items() if keeps_null or one is not None}
        return await self.request(f"tenets/session.{verb}", given)

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send any request and return its result."""
        params = params or {}
        repeats = REPEATS if method in READS or params.get("identityKey") else 0
        while True:
            while self._problem is None and not self._settled.is_set():
                await self._settled.wait()
            if self._problem is not None:
                raise ConnectionError(self._problem)
            try:
                return await self._ask(method, params)
            except ConnectionError:
                if not (repeats and self._reconnects):
                    raise
                repeats -= 1

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        number = self._last_id = self._last_id + 1
        reply = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            stdin = self._send({"id": number, "method": method, "params": params})
            try:
                await stdin.drain()
            except ConnectionError:
                self._kill()  # it does not read; so it shall end, and with it its output
            return await reply
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionError):
                self._send({"method": "$/cancelRequest", "params": {"id": number}})
            raise
        finally:
            self._pending.pop(number, None)

    def _send(self, message: dict[str, Any]) -> asyncio.StreamWriter:
        if self._process is None or self._receiving is None or self._receiving.done():
            raise ConnectionError(NOT_RUNNING)
        # As ASCII it could be twice as long. Half a surrogate pair has no UTF-8, and is refused.
        text = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False, default=os.fspath)
        body = text.encode("utf-8", "surrogatepass")
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return self._process.stdin

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            assert self._process is not None
            self._process.kill()

    async def _receive(self, output: asyncio.StreamReader) -> None:
        """Dispatch each message, until the server closes its output, or sends something else."""
        try:
            while True:
                header = await output.readuntil(b"\r\n\r\n")
                body = await output.readexactly(int(header.split(b":")[1]))
                self._dispatch(json.loads(body))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, LookupError):
            pass  # the next message cannot be found
        finally:
            if self._problem is None and self._reconnects:
                self._settled.clear()
            self._problem = self._problem or (None if self._reconnects else NOT_RUNNING)
            for reply in self._pending.values():
                if not reply.done():
                    reply.set_exception(ConnectionError("the server has ended"))

    def _dispatch(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            reply = self._pending.get(message["id"])
            if reply is None or reply.done():
                return  # its caller no longer waits
            if "error" in message:
                reply.set_exception(SessionError(message["error"]))
            else:
                reply.set_result(message["result"])
        elif "id" in message:
            unknown = {"error": {"code": -32601, "message": f"{method} is not known here"}}
            is_known = method == "window/showMessageRequest"
            self._send({"id": message["id"], **({"result": None} if is_known else unknown)})
        elif method != "tenets/session.didChange":
            self._notify(method, message.get("params"))
        else:
            (self._tell if self._held is None else self._held.append)(message["params"])

    def _tell(self, batch: DidChange) -> None:
        if not batch.get("incomplete"):
            if batch["revision"] <= self._revision:
                return
            later = [one for one in batch["changes"] if one["revision"] > self._revision]
            batch = {**batch, "changes": later}
        self._state, self._revision = batch["state"], batch["revision"]
        for batches in self._listeners:
            batches.put_nowait(batch)
        self._notify("tenets/session.didChange", batch)

    def _notify(self, method: str, params: Any) -> None:
        try:
            self._on_notification(method, params)
        except Exception as error:  # noqa: BLE001 - replies must still arrive
            problem = {"message": "on_notification failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(problem)

    # -- the server's process ---------------------------------------------------------------------

    async def _start(self, *, catch_up: bool) -> None:
        self._held = []
        pipe = asyncio.subprocess.PIPE
        # In a session of its own, Ctrl-C does not end it before the shutdown request.
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, start_new_session=True
        )
        assert self._process.stdout is not None
        self._receiving = asyncio.create_task(self._receive(self._process.stdout))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                client = {"processId": os.getpid(), "clientInfo": {"name": "tenets_session_client"}}
                more = {"rootUri": None, "capabilities": {}, "initializationOptions": self._options}
                result = await self._ask("initialize", {**client, **more})
                known = self.capability = result["capabilities"]["experimental"]["tenetsSession"]
                self._send({"method": "initialized", "params": {}})
                if catch_up:
                    await self._catch_up()
                else:
                    self._state, self._revision = known["state"] or "", known["revision"]
        except BaseException:
            await self._end()
            raise
        if not self._receiving.done():
            self._problem = None
            self._settled.set()
        held, self._held = self._held, None
        for batch in held:
            self._tell(batch)

    async def _catch_up(self) -> None:
        """Tell of what was committed since listeners were last told of something."""
        known, state, revision = self.capability, self._state, self._revision
        changes: Any = []
        shown: dict[str, Any] = {"active": None}
        try:
            for _ in range(100):
                # It is that of the last state if nothing has changed afterwards.
                shown["active"] = _plain(await self._ask("tenets/session.getActive", {}))
                params = {"sinceState": state, "limit": 1000}
                page = await self._ask("tenets/session.changes", params)
                changes += page["changes"]
                state, revision = page["state"], page["revision"]
                if not page["changes"]:
                    break
            for folder in known["folders"]:
                current = await self._ask("tenets/session.getCurrent", {"folder": folder})
                shown.setdefault("currents", []).append(_plain(current))
        except SessionError:  # those changes are not known, or the database cannot be read
            shown["incomplete"] = True
            changes, state, revision = [], known["state"] or "", known["revision"]
        if changes or "incomplete" in shown:
            shown |= {"revision": revision, "state": state, "changes": changes}
            self._tell(cast(DidChange, shown))

    async def _keep(self) -> None:
        """Start the server again whenever it has ended, until the client is closed."""
        attempts, clock = -1, asyncio.get_running_loop().time
        try:
            while self._receiving is not None:
                started = clock()
                await asyncio.wait({self._receiving})
                await self._end()
                if not self._reconnects:
                    return
                attempts = 0 if clock() - started > STABLE else attempts + 1
                while True:
                    await asyncio.sleep(min(FIRST_DELAY * 2 ** min(attempts, 30), LONGEST_DELAY))
                    try:
                        await self._start(catch_up=True)
                        break
                    except (OSError, SessionError, LookupError, TypeError) as error:
                        attempts += 1
                        if attempts >= PATIENCE:
                            self._problem = f"the server cannot be started again: {error}"
                            self._settled.set()
        finally:
            self._problem = NOT_RUNNING
            self._settled.set()
            for batches in self._listeners:
                batches.put_nowait(None)

    async def _end(self) -> None:
        process, receiving = self._process, self._receiving
        if process is None or process.stdin is None or receiving is None:
            return
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            self._kill()
            await process.wait()
        await asyncio.wait({receiving}, timeout=1.0)  # another process may hold the pipe
        receiving.cancel()


def _plain(found: dict[str, Any] | None) -> dict[str, Any] | None:
    # A session, without the state that it was read in.
    return found and {name: found[name] for name in found if name not in {"revision", "state"}}
