"""The table of ``tenets/session.*``: which method has which params, which result and which handler.

Everything else that lists methods is derived from it: the registered features, the commands, the
capability, the reference in PROTOCOL.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from msgspec import Struct

from tenets_session_server.methods import handlers
from tenets_session_server.methods import messages as m
from tenets_session_server.methods.params import ParamsDecoder

PREFIX: Final = "tenets/session."
COMMAND_PREFIX: Final = "tenets.session."


@dataclass(frozen=True)
class Method:
    """One row: ``verb`` is the part after the prefix, of the method and of the command alike.

    ``writes`` tells whether it can change the database, ``remembered`` that its results are given
    again while that has not changed (see :mod:`.results`): they depend on nothing else.
    """

    verb: str
    params: type[Struct]
    result: Any
    handler: Callable[[Any, Any], Any]
    writes: bool = False
    remembered: bool = False

    @cached_property
    def decoder(self) -> ParamsDecoder[Struct]:
        """What turns the text of ``params`` into :attr:`params`."""
        return ParamsDecoder(self.params)

    @cached_property
    def name(self) -> str:
        """The JSON-RPC method."""
        return PREFIX + self.verb

    @cached_property
    def command(self) -> str:
        """The ``workspace/executeCommand`` command."""
        return COMMAND_PREFIX + self.verb


METHODS: Final = (
    Method("create", m.CreateParams, m.Session, handlers.create, writes=True),
    # Not remembered: there are too many names for one to be asked for again.
    Method("get", m.NameParams, m.Session | None, handlers.get),
    Method("list", m.ListParams, m.SessionList, handlers.list_sessions, remembered=True),
    Method("getActive", m.NoParams, m.Session | None, handlers.get_active, remembered=True),
    Method("setActive", m.SetActiveParams, m.Session, handlers.set_active, writes=True),
    Method(
        "updateMetadata", m.UpdateMetadataParams, m.Session, handlers.update_metadata, writes=True
    ),
    Method("addContext", m.AddContextParams, m.AddedContext, handlers.add_context, writes=True),
    Method("delete", m.DeleteParams, m.Deleted, handlers.delete, writes=True),
    Method("deleteAll", m.DeleteAllParams, m.DeletedCount, handlers.delete_all, writes=True),
    Method("stats", m.NoParams, m.Stats, handlers.stats),
    Method("changes", m.ChangesParams, m.ChangeList, handlers.changes, remembered=True),
)

BY_NAME: Final = {method.name: method for method in METHODS}
BY_COMMAND: Final = {method.command: method for method in METHODS}
