"""LSP's lifecycle of one connection: initialize, shutdown, exit, and what is allowed when."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from lsprotocol import types
from msgspec import Meta, Raw, Struct

from tenets_session_server.errors import DatabaseError, InvalidParamsError
from tenets_session_server.features.options import EditorFeatureOptions, unwrapped_options
from tenets_session_server.methods import context
from tenets_session_server.methods.params import (
    Flag,
    Folder,
    ParamsDecoder,
    unwrapped,
)
from tenets_session_server.methods.table import BY_NAME
from tenets_session_server.rpc import folders
from tenets_session_server.rpc.client import Client
from tenets_session_server.rpc.error_codes import (
    INVALID_REQUEST,
    SERVER_NOT_INITIALIZED,
    RpcError,
)
from tenets_session_server.rpc.outcome import Outcome, Pending
from tenets_session_server.rpc.publisher import Publisher
from tenets_session_server.rpc.pygls_server import SessionServer
from tenets_session_server.storage import metadata, names, uris
from tenets_session_server.storage.context_locations import LARGEST_LOCATION, LARGEST_TEXT
from tenets_session_server.storage.names import LONGEST_KEY
from tenets_session_server.storage.outcome import Completed
from tenets_session_server.wire import framing, messages
from tenets_session_server.wire.messages import MessageId

if TYPE_CHECKING:
    from tenets_session_server.rpc.standard_features import StandardFeatures

PROTOCOL_VERSION: Final = 1
LONGEST_NAME: Final = 255
"""Characters that are kept of a client's name and version, as others have to read them."""


LIMITS: Final = {
    "message": framing.MAXIMUM_MESSAGE,
    "nesting": messages.MAXIMUM_NESTING,
    "metadata": metadata.MAXIMUM_BYTES,
    "page": 1000,
    "piece": context.LARGEST_PIECE,
    "name": names.LONGEST,
    "kind": names.LONGEST_KIND,
    "author": names.LONGEST_AUTHOR,
    "identityKey": LONGEST_KEY,
    "location": LARGEST_LOCATION,
    "text": LARGEST_TEXT,
    "uri": uris.LONGEST,
    "folders": folders.MOST,
}
"""The limits that clients are told: bytes, levels, entries or characters."""


class State(enum.Enum):
    """Where a connection is in the lifecycle."""

    UNINITIALIZED = enum.auto()
    RUNNING = enum.auto()
    SHUT_DOWN = enum.auto()
    EXITED = enum.auto()


# Looking a member up in its class takes as long as a call.
_RUNNING: Final = State.RUNNING


class Capability(Struct, rename="camel", frozen=True):
    """``capabilities.experimental.tenetsSession`` of the ``initialize`` result."""

    protocol_version: Annotated[
        int, Meta(description="1; another number means an incompatible protocol")
    ]
    methods: Annotated[list[str], Meta(description="the `tenets/session.*` methods there are")]
    revision: Annotated[int, Meta(description="number of the newest committed change, or 0")]
    state: Annotated[
        str | None, Meta(description="the state at that revision; null if the file cannot be read")
    ]
    author: Annotated[
        str | None, Meta(description="the label under which this client writes entries")
    ]
    folders: Annotated[list[str], Meta(description="the folders whose session this client shows")]
    limits: Annotated[
        dict[str, int], Meta(description="what is larger is refused; see [Limits](#limits)")
    ]
    database: Annotated[str, Meta(description="absolute path of the file")]
    database_reason: Annotated[
        str | None, Meta(description='why it is that file, for example "named by --database"')
    ]
    warnings: Annotated[list[str], Meta(description="sentences to show to the user")]


# Of ``initialize`` only what is used here is decoded. No client is refused over the rest.
class _InitializeParams(Struct, rename="camel"):
    process_id: Annotated[int | None, Meta(description="an integer or null")] = None
    initialization_options: Annotated[Raw, Meta(description="an object")] = Raw(b"{}")


class Options(Struct, rename="camel"):
    """``initializationOptions`` of the ``initialize`` request."""

    notifications: Flag = True
    active_metadata: Flag = True
    commands: Flag = True
    author: (
        Annotated[
            str,
            Meta(
                max_length=names.LONGEST_AUTHOR,
                pattern=names.PRINTABLE,
                description=names.EXPECTED_AUTHOR,
            ),
        ]
        | None
    ) = None
    folders: (
        Annotated[list[Folder], Meta(description="an array of URIs or absolute paths")] | None
    ) = None
    editor_features: Annotated[
        bool | EditorFeatureOptions | list[None], Meta(description="true, false or an object")
    ] = False


class _ClientInfo(Struct):
    name: str
    version: str | None = None


class _WithClientInfo(Struct, rename="camel"):
    client_info: _ClientInfo | None = None


_decode_params: Final = ParamsDecoder(_InitializeParams).decode
_decode_options: Final = ParamsDecoder(Options).decode
_decode_client_info: Final = msgspec.json.Decoder(_WithClientInfo).decode


class Lifecycle:
    """The lifecycle of one connection.

    ``on_initialize`` is called when the client has been initialized.
    """

    def __init__(
        self, server: SessionServer, publisher: Publisher, on_initialize: Callable[[], None]
    ) -> None:
        self.state = State.UNINITIALIZED
        self.exit_status = 1
        """What the process should end with now: 0 after ``shutdown``, else 1 (LSP 3.17, exit)."""
        self.handlers: Final[dict[str, Callable[[Raw, MessageId], Outcome]]] = {
            types.INITIALIZE: self._initialize,
            types.SHUTDOWN: self._shutdown,
            types.EXIT: self._exit,
            types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: self._change_folders,
        }
        self._server, self._publisher = server, publisher
        self._client: Client = server.client
        self._on_initialize = on_initialize
        self._announces_commands = True
        self._warnings: list[str] = []
        self.commands: Final[dict[str, Callable[[Raw], Outcome]]] = {}
        """Commands that are no methods, once the client is initialized."""
        self._features: StandardFeatures | None = None

    def check_request(self, method: str) -> None:
        """Raise :class:`RpcError` where a request is not allowed before or after ``RUNNING``."""
        if self.state is State.SHUT_DOWN and method != types.EXIT:
            raise RpcError(INVALID_REQUEST, f"{method}: the server has been shut down")
        if self.state is State.UNINITIALIZED and method not in {types.INITIALIZE, types.EXIT}:
            raise RpcError(SERVER_NOT_INITIALIZED, f"{method}: expected initialize first")

    def allows_notification(self, method: str) -> bool:
        """Tell whether a notification is executed now; others are ignored (LSP 3.17)."""
        if method == types.INITIALIZE:
            return False
        return self.state is _RUNNING or method == types.EXIT

    def _initialize(self, params: Raw, message_id: MessageId) -> Outcome:
        if self.state is _RUNNING:
            raise RpcError(INVALID_REQUEST, "initialize: already done")
        given = _decode_params(params)
        try:
            options = _decode_options(given.initialization_options)
        except InvalidParamsError as error:
            raise InvalidParamsError(f"initializationOptions.{error}") from None
        client = self._client
        client.process_id = given.process_id
        client.wants_changes = options.notifications
        client.wants_metadata = options.active_metadata
        self._announces_commands = options.commands
        try:
            info = _decode_client_info(unwrapped(params)).client_info
        except msgspec.DecodeError:  # no object, no name
            info = None
        if info is not None:
            client.name = info.name[:LONGEST_NAME]
            client.version = None if info.version is None else info.version[:LONGEST_NAME]
        named = None if client.name is None else client.name[: names.LONGEST_AUTHOR]
        client.author = named if options.author is None else options.author
        if options.folders is not None:
            found = folders.checked(options.folders, "initializationOptions.folders")
        else:
            found = folders.of_initialize(params)
        client.folders = found[: folders.MOST]
        if len(found) > folders.MOST:
            self._warnings.append(
                f"Only the first {folders.MOST} folders of this window are looked at."
            )
        if (wanted := unwrapped_options(options.editor_features)) is not None:
            self._add_features(wanted, params)
        outcome = self._server.protocol.initialize(client, message_id)
        if isinstance(outcome, Completed):
            return Completed(self._initialized(outcome.result))
        if isinstance(outcome, Pending):  # an extension's own handler takes its time
            return Pending(self._initialized_later(outcome))
        return outcome

    def _add_features(self, options: EditorFeatureOptions, params: Raw) -> None:
        from tenets_session_server.rpc.standard_features import StandardFeatures  # noqa: PLC0415

        self._features = StandardFeatures(self._server, options, Raw(unwrapped(params)))
        self.handlers.update(self._features.handlers)
        self.commands.update(self._features.commands)

    async def _initialized_later(self, pending: Pending) -> Any:
        return self._initialized(await pending.coroutine)

    def _initialized(self, result: Any) -> Any:
        """Add our capability to pygls' result; from now on the client is sent changes."""
        state, problems = None, self._warnings
        try:
            state = self._publisher.attach(self._client)
        except DatabaseError as error:  # it may be there later: no reason to refuse the client
            problems = [f"The database cannot be used now: {error}.", *problems]
        store = self._server.store
        capability = Capability(
            protocol_version=PROTOCOL_VERSION,
            methods=list(BY_NAME),
            revision=0 if state is None else state.revision,
            state=None if state is None else str(state),
            author=self._client.author,
            folders=list(self._client.folders),
            limits=LIMITS,
            database=store.name,
            database_reason=self._server.reason,
            warnings=[*store.warnings, *store.take_repairs(), *problems],
        )
        if self._features is not None:
            self._features.add_to(result["capabilities"], commands=self._announces_commands)
        if not self._announces_commands:
            del result["capabilities"]["executeCommandProvider"]
        result["capabilities"]["workspace"] = {
            "workspaceFolders": {"supported": True, "changeNotifications": True}
        }
        result["capabilities"]["experimental"] = {"tenetsSession": capability}
        self.state = _RUNNING
        self._on_initialize()
        return result

    def _shutdown(self, params: Raw, message_id: MessageId) -> Outcome:
        outcome = self._server.protocol.call(types.SHUTDOWN, params, message_id)
        self._publisher.detach(self._client)
        self.state, self.exit_status = State.SHUT_DOWN, 0
        return outcome

    def _change_folders(self, params: Raw, _message_id: MessageId) -> Outcome:
        """Follow the window's folders (LSP 3.17, workspace/didChangeWorkspaceFolders)."""
        self._client.folders = folders.changed(self._client.folders, params)
        return Completed(None)

    def _exit(self, _params: Raw, _message_id: MessageId) -> Outcome:
        """End the connection. pygls' own handler would end the process, which serves others."""
        self._publisher.detach(self._client)
        self.state = State.EXITED
        return Completed(None)
