"""One client's side of the conversation: LSP's lifecycle, and what it is told without asking.

:class:`SessionProtocol` is pygls' ``LanguageServerProtocol`` (lifecycle, feature registry, requests
to the client, progress) with its own way in and out (:mod:`.execution`, :mod:`.outgoing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from lsprotocol import types
from pygls.protocol import lsp_method

from tenets_session_server import logs
from tenets_session_server.errors import DatabaseError
from tenets_session_server.methods.messages import AttachedClient, Capability
from tenets_session_server.methods.method import BY_NAME
from tenets_session_server.rpc.executor import Execution, State

if TYPE_CHECKING:
    from collections.abc import Generator

    from cattrs import Converter

    from tenets_session_server.rpc.server import SessionServer

PROTOCOL_VERSION: Final = 1


class SessionProtocol(Execution):
    """The protocol of one connection, and a client of the hub (:class:`~.hub.Client`).

    ``on_initialize`` is called with what the client says of itself.
    """

    def __init__(self, server: SessionServer, converter: Converter) -> None:
        # Before pygls' own, which looks at every attribute, properties included.
        self.on_initialize: Callable[[types.InitializeParams], None] = lambda _: None
        self.initialized_with: types.InitializeParams | None = None
        self._concerned = logs.CLIENT.get()
        self._hub = server.hub
        self.told = 0
        self.wants_changes = True
        super().__init__(server, converter)

    def abandon(self) -> None:
        """See :class:`Execution`; nothing is told any more either."""
        self._hub.detach(self)
        super().abandon()

    def _after_turn(self) -> None:
        self._hub.catch_up(self)
        super()._after_turn()

    # -- lifecycle ---------------------------------------------------------------------------

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Answer ``initialize``: pygls' capabilities, and ours under ``experimental``."""
        result = yield from super().lsp_initialize(params)
        database = self._server.session_db.db
        self.wants_changes = (params.initialization_options or {}).get("notifications") is not False
        revision, problems = 0, []
        try:
            revision = self._hub.attach(self)
        except DatabaseError as error:  # it may be there later: no reason to refuse the client
            problems = [f"The database cannot be used now: {error}."]
        capability = Capability(
            protocol_version=PROTOCOL_VERSION,
            methods=list(BY_NAME),
            revision=revision,
            database=database.name,
            warnings=[*database.warnings, *database.take_repairs(), *problems],
        )
        result.capabilities.workspace = None  # see _OF_NO_USE
        result.capabilities.experimental = {"tenetsSession": msgspec.to_builtins(capability)}
        self.state, self.initialized_with = State.RUNNING, params
        self.on_initialize(params)
        return result

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:
        """Answer ``shutdown``; only ``exit`` is accepted afterwards."""
        yield from super().lsp_shutdown(*args)
        self._hub.detach(self)
        self.state = State.SHUT_DOWN

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_args: Any) -> None:  # type: ignore[override]
        """End the connection; unlike pygls' this ends no process, which may serve others."""
        self._hub.detach(self)
        self.state = State.EXITED

    # -- what the hub tells ------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """See :class:`~.hub.Client`."""
        return self.out.congested

    def describe(self, *, you: bool = False) -> AttachedClient:
        """See :class:`~.hub.Client`."""
        given = self.initialized_with
        info = None if given is None else given.client_info
        return AttachedClient(
            name=None if info is None else info.name,
            version=None if info is None else info.version,
            process_id=None if given is None else given.process_id,
            pid=self._server.command_pid,
            connected_at=self._server.connected_at.isoformat(),
            you=you,
        )

    def tell(self, body: bytes) -> None:
        """See :class:`~.hub.Client`."""
        with logs.concerning(self._concerned):
            self.out.encoded(body)
            self.out.flush()

    def show(self, kind: types.MessageType, message: str) -> None:
        """See :class:`~.hub.Client`."""
        with logs.concerning(self._concerned):
            self._server.window_show_message(types.ShowMessageParams(kind, message))
