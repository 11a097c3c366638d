"""Joins the features for editors without a plugin to one connection: its requests, its replies.

Loaded only for a client that asks for them (``initializationOptions.editorFeatures``).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from lsprotocol import types
from msgspec import Raw

from tenets_session_server.errors import DatabaseBusyError, TenetsSessionError
from tenets_session_server.features import editor_features
from tenets_session_server.features.editor import Features, features_of
from tenets_session_server.features.editor_features import EditorFeatures
from tenets_session_server.features.options import EditorFeatureOptions
from tenets_session_server.rpc.calls import all_turns, attempt, retry, turn
from tenets_session_server.rpc.client import INFO, WARNING, Client
from tenets_session_server.rpc.outcome import Outcome, Pending
from tenets_session_server.rpc.pygls_server import SessionServer
from tenets_session_server.storage.outcome import Completed
from tenets_session_server.wire.messages import MessageId

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT: Final = 120.0
"""Seconds for which an answer of the user is waited for. Some editors never send one."""
REFRESH_DELAY: Final = 0.2
"""Seconds for which changes are collected before annotations are drawn anew."""
_REFRESHES: Final = {
    editor_features.LENS: types.WORKSPACE_CODE_LENS_REFRESH,
    editor_features.HINT: types.WORKSPACE_INLAY_HINT_REFRESH,
}


class StandardFeatures:
    """The features of one connection: ``handlers`` of messages, and ``commands``."""

    def __init__(self, server: SessionServer, options: EditorFeatureOptions, params: Raw) -> None:
        client = server.client
        self._server = server
        editor = ConnectedEditor(server, features_of(params, client.name))
        self._features = EditorFeatures(server.context, editor, options)
        client.document = self._features.window.document
        client.on_changes, client.on_invalid = self._features.committed, self._features.forget
        self.handlers: Mapping[str, Callable[[Raw, MessageId], Outcome]] = {
            name: functools.partial(self._call, handler)
            for name, handler in self._features.handlers.items()
        }
        self.commands: Mapping[str, Callable[[Raw], Outcome]] = {
            name: functools.partial(self._run, name) for name in self._features.commands.names
        }

    def add_to(self, capabilities: dict[str, Any], *, commands: bool) -> None:
        """Add to what is announced to the client; what people pick from menus comes first."""
        capabilities.update(self._features.capabilities())
        if commands:
            provider = capabilities["executeCommandProvider"]
            provider["commands"] = [*self.commands, *provider["commands"]]

    def _call(self, handler: Callable[[Raw], Any], params: Raw, _message_id: MessageId) -> Outcome:
        return self._outcome(lambda: handler(params))

    def _run(self, name: str, argument: Raw) -> Outcome:
        """Run a command; what goes wrong is shown, as it was picked from a menu."""

        def action() -> Any:
            self._before_step()
            return self._features.commands.run(name, argument)

        with _shown(self._server.client):
            outcome = self._outcome(action)
        return Pending(self._rest(outcome.coroutine)) if isinstance(outcome, Pending) else outcome

    def _outcome(self, work: Callable[[], Any]) -> Outcome:
        """Return the outcome of work that returns its result, or the steps to it.

        Most steps are done in one turn, as with each key that is typed.
        """
        outcome = attempt(work)
        if not isinstance(outcome, Completed) or not isinstance(outcome.result, Generator):
            return outcome
        steps = outcome.result
        try:
            pause = turn(steps, self._before_step)
        except StopIteration as done:
            return Completed(done.value)
        return Pending(all_turns(steps, self._before_step, pause))

    def _before_step(self) -> None:
        self._server.store.author = self._server.context.author()

    async def _rest(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        with _shown(self._server.client):
            return await coroutine


@contextlib.contextmanager
def _shown(client: Client) -> Iterator[None]:
    """Show the user what goes wrong in the block."""
    try:
        yield
    except TenetsSessionError as error:
        client.show(WARNING, str(error))
        raise


class ConnectedEditor:
    """The editor at the other end of a connection (see :class:`.features.editor.Editor`)."""

    def __init__(self, server: SessionServer, features: Features) -> None:
        self.features = features
        self._server, self._client = server, server.client
        self._loop = asyncio.get_running_loop()
        self._is_refreshing = False
        self._tasks: set[asyncio.Task[None]] = set()

    def show(self, sentence: str) -> None:
        """Show the user a sentence."""
        self._client.show(INFO, sentence)

    def ask(self, question: str, choices: Sequence[str], then: Callable[[str], None]) -> None:
        """Have the user choose (``window/showMessageRequest``)."""
        params = types.ShowMessageRequestParams(
            types.MessageType.Info, question, [types.MessageActionItem(one) for one in choices]
        )

        def answered(reply: Any) -> None:
            if (title := getattr(reply, "title", None)) is not None:
                then(title)

        self._request(types.WINDOW_SHOW_MESSAGE_REQUEST, params, answered, lambda: None)

    def open(self, path: Path, instead: str) -> None:
        """Open a file (``window/showDocument``), or show a sentence."""
        if not self.features.opens_files:
            self.show(instead)
            return
        params = types.ShowDocumentParams(path.as_uri(), take_focus=True)

        def answered(reply: Any) -> None:
            if not getattr(reply, "success", False):
                self.show(instead)

        self._request(types.WINDOW_SHOW_DOCUMENT, params, answered, lambda: self.show(instead))

    def refresh(self, annotation: str) -> None:
        """Have annotations asked for anew, once for all changes of this moment."""
        if not self._is_refreshing and annotation in self.features.refreshes:
            self._is_refreshing = True
            self._loop.call_later(REFRESH_DELAY, self._refresh, annotation)

    def run(self, action: Callable[[], None]) -> None:
        """Run an action now, or as soon as another program lets go of the database."""
        try:
            action()
        except DatabaseBusyError:
            task = self._loop.create_task(self._run_later(action))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        except TenetsSessionError as error:
            self._client.show(WARNING, str(error))

    async def _run_later(self, action: Callable[[], None]) -> None:
        with contextlib.suppress(TenetsSessionError), _shown(self._client):
            await retry(action)

    def _refresh(self, annotation: str) -> None:
        self._is_refreshing = False
        self._request(_REFRESHES[annotation], None, lambda _reply: None, lambda: None)

    def _request(
        self, method: str, params: Any, then: Callable[[Any], None], failed: Callable[[], None]
    ) -> None:
        """Send a request; nothing waits for the reply, and a late one is ignored."""
        message_id = f"tenets-{secrets.token_hex(8)}"
        future = self._server.protocol.send_request(method, params, msg_id=message_id)
        timer = self._loop.call_later(ANSWER_TIMEOUT, future.cancel)

        def done(reply: Future[Any]) -> None:
            timer.cancel()
            # Not now: pygls' shutdown is cancelling what waits, one after the other.
            self._loop.call_soon(self._server.protocol.forget, message_id)
            try:
                if reply.cancelled():
                    logger.debug("no reply to %s", method)
                elif reply.exception() is not None:
                    failed()
                else:
                    then(reply.result())
            except Exception:  # a bug of ours; nobody else would log it
                logger.exception("the reply to %s could not be used", method)

        future.add_done_callback(done)
