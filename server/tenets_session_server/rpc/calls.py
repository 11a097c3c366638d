"""Executes ``tenets/session.*``, called as a method or as a command.

A call that meets another program's lock on the database becomes pending, and is tried again. Other
clients' requests go on meanwhile.

Windows ask for the same pages, and all of them again after each change. So encoded results of
``list``, ``changes`` and ``getActive`` are kept until somebody commits. A repeated request costs
one look at :meth:`.Store.version`, which is less than any query.
"""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta, Raw, Struct

from tenets_session_server.errors import DatabaseBusyError, InvalidParamsError
from tenets_session_server.methods.method import CallContext, Method
from tenets_session_server.methods.params import Items, ParamsDecoder
from tenets_session_server.methods.table import BY_COMMAND
from tenets_session_server.rpc.outcome import Outcome, Pending
from tenets_session_server.storage.outcome import Completed, Failed
from tenets_session_server.storage.steps import BUSY_TIMEOUT, Steps
from tenets_session_server.storage.store import Store

STEP: Final = 0.004
"""Seconds for which a method goes on with its steps before other clients have their turns."""
BUSY_PAUSES: Final = (0.002, 0.005, 0.010, 0.020, 0.025)
"""Seconds between tries, the last one again and again; each is varied by half."""

CACHE_BYTES: Final = 4 * 1024 * 1024
"""With more than this, everything is dropped: it is more than any number of windows repeats."""
CACHE_OVERHEAD: Final = 300
"""Bytes that an entry takes beside its text."""
LARGEST_CACHED: Final = CACHE_BYTES // 4
"""Larger results are not kept."""

Key = tuple[str, bytes]
"""A method, and the text of its params."""


class ResultCache:
    """The results on one database, for all of its clients."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version: tuple[Any, ...] | None = None
        self._commits = 0  # of the store, at that version
        self._valid = False
        self._results: dict[Key, Raw] = {}
        self._size = 0

    def revalidate(self) -> None:
        """Look at the store before the next result is given.

        Call it once for all requests that have arrived together: what held after they came is a
        correct answer to each. Call it, too, when anything else was read, which may be newer.
        """
        self._valid = False

    def get(self, key: Key) -> Raw | None:
        """Return the result, None where it has to be computed. Raises ``DatabaseError``."""
        if not self._valid or self._commits != self._store.commits:
            commits = self._store.commits  # before the version: another thread may commit
            version = self._store.version()
            if version != self._version:
                self._clear()
                self._version = version
            self._commits, self._valid = commits, True
        return self._results.get(key)

    def put(self, key: Key, result: Raw) -> None:
        """Keep a result that was computed after :meth:`get` had none."""
        size = len(result) + len(key[1]) + CACHE_OVERHEAD
        if size > LARGEST_CACHED:
            return
        if self._size + size > CACHE_BYTES:
            self._clear()
        self._results[key] = result
        self._size += size

    def _clear(self) -> None:
        self._results.clear()
        self._size = 0


class ExecuteCommandParams(Struct, frozen=True):
    """Params of ``workspace/executeCommand`` (LSP 3.17); the argument is the params object."""

    command: Annotated[str, Meta(description="the name of a command")]
    arguments: Annotated[Items, Meta(description="an array of at most one object")] | None = None


_encode: Final = msgspec.json.Encoder().encode
_execute_command_params: Final = ParamsDecoder(ExecuteCommandParams)


class Calls:
    """The calls of one client.

    ``handlers`` are the registered features, by method. ``others`` are commands that are no
    methods, of the features for editors without a plugin. ``show`` shows the user a sentence.
    """

    def __init__(
        self,
        context: CallContext,
        handlers: Mapping[str, Callable[..., Any]],
        others: Mapping[str, Callable[[Raw], Outcome]],
        cache: ResultCache,
        show: Callable[[str], None],
    ) -> None:
        self._context, self._handlers, self._cache, self._show = context, handlers, cache, show
        self._others = others
        self._store = context.store

    def method(self, method: Method[Any], params: Raw) -> Outcome:
        """Execute a method."""
        try:
            if method.cached:
                return Completed(self._cached(method, bytes(params)))
            if method.in_steps:
                return Pending(self._in_steps(method, params))
            return Completed(self.execute(method, params))
        except DatabaseBusyError:
            return Pending(retry(lambda: self.execute(method, params)))
        except Exception as error:  # noqa: BLE001 - every request gets its reply
            return Failed(error)

    def execute(self, method: Method[Any], params: Raw) -> Any:
        """Execute a method now, past the cache; raises what its handler raises.

        This is where a store's value becomes the result that is sent.
        """
        arguments = method.decoder.decode(params)
        self._cache.revalidate()
        if method.writes:
            self._store.author = self._context.author()
        value = self._handlers[method.name](arguments)
        return value if method.encode is None else method.encode(self._context, value)

    async def _in_steps(self, method: Method[Any], params: Raw) -> Any:
        """Execute a method whose handler does its work in steps; others are served in between."""

        def before_step() -> None:
            self._store.author = self._context.author()
            self._cache.revalidate()

        return await all_turns(self.execute(method, params), before_step)

    def command(self, params: Raw) -> Outcome:
        """Execute ``workspace/executeCommand``."""
        try:
            if self._others and (run := self._other(params)) is not None:
                return run()
            method, argument = _decode_command(params)
            return self._picked(method) if argument is None else self.method(method, argument)
        except Exception as error:  # noqa: BLE001 - every request gets its reply
            return Failed(error)

    def _other(self, params: Raw) -> Callable[[], Outcome] | None:
        given = _execute_command_params.decode(params)
        if (run := self._others.get(given.command)) is None:
            return None
        argument = (given.arguments or Items()).first
        return functools.partial(run, Raw(b"{}") if bytes(argument) in {b"", b"null"} else argument)

    def _picked(self, method: Method[Any]) -> Outcome:
        """Execute a command that was picked from a list: its user wants to see what came of it."""

        def call() -> Any:
            self._store.author = self._context.author()
            if method.pick is None:
                result, sentence = None, _needs_argument(method)
            else:
                result, sentence = method.pick(self._context)
            self._show(sentence)
            return result

        return attempt(call)

    def _cached(self, method: Method[Any], params: bytes) -> Raw:
        key = (method.name, params)
        found = self._cache.get(key)
        if found is None:
            found = Raw(_encode(self.execute(method, Raw(params))))
            self._cache.put(key, found)
        return found


def _decode_command(params: Raw) -> tuple[Method[Any], Raw | None]:
    """Return a command's method and its argument, None without one."""
    given = _execute_command_params.decode(params)
    method = BY_COMMAND.get(given.command)
    if method is None:
        known = ", ".join(BY_COMMAND)
        raise InvalidParamsError(f"command: expected one of {known}, got {given.command}")
    arguments = given.arguments or Items()
    if (uri := _uri(arguments.first)) is not None:  # what a context menu of VS Code passes
        return method, Raw(_encode({"uri": uri})) if method.takes_uri else None
    if arguments.second:
        raise InvalidParamsError("arguments: expected at most one object, got several")
    if bytes(arguments.first) in {b"", b"null"}:  # null is [undefined] in JavaScript
        return method, None
    return method, arguments.first


def _needs_argument(method: Method[Any]) -> str:
    """Return what a user is told who has picked a command that needs an argument."""
    example = _encode(method.examples[0]).decode()
    return (
        f"{method.command} does nothing without an argument. Run it from a key binding, a task or a"
        f" script, with one object such as {example}"
    )


class _VSCodeUri(Struct):
    """A ``Uri`` of VS Code as JSON; ``path`` is decoded."""

    scheme: str
    path: str
    authority: str = ""
    external: str | None = None


def _uri(argument: Raw) -> str | None:
    """Return the URI that a ``Uri`` of VS Code is, None for anything else."""
    try:
        found = msgspec.json.decode(argument, type=_VSCodeUri)
    except msgspec.MsgspecError:
        return None
    return found.external or f"{found.scheme}://{found.authority}{quote(found.path)}"


def turn(steps: Steps[Any], before_step: Callable[[], None]) -> float:
    """Take steps for a while; return the seconds to pause. Raises StopIteration in the end."""
    until, pause = time.monotonic() + STEP, 0.0
    while not pause and time.monotonic() < until:
        before_step()
        pause = next(steps)
    return pause


async def all_turns(steps: Steps[Any], before_step: Callable[[], None], pause: float = 0.0) -> Any:
    """Pause, then take all steps; others are served in between. Return their result."""
    try:
        while True:
            await asyncio.sleep(pause)
            pause = turn(steps, before_step)
    except StopIteration as done:
        return done.value
    finally:
        steps.close()


def attempt(call: Callable[[], Any]) -> Outcome:
    """Return the outcome of a call, which is repeated if it meets another process' lock.

    Raises what it raises otherwise.
    """
    try:
        return Completed(call())
    except DatabaseBusyError:
        return Pending(retry(call))


async def retry(call: Callable[[], Any]) -> Any:
    """Repeat a call that met another process' lock, with jitter, for :data:`BUSY_TIMEOUT`."""
    until = time.monotonic() + BUSY_TIMEOUT
    pauses = iter(BUSY_PAUSES)
    pause = 0.0
    while True:
        pause = next(pauses, pause)
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        try:
            return call()
        except DatabaseBusyError:
            if time.monotonic() > until:
                raise
