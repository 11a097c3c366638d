"""The table of ``tenets/session.*``: which method has which params, which result and which handler.

Everything else that lists methods is derived from it: the registered features, the commands, the
capability, the reference in PROTOCOL.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from msgspec import Struct

from tenets_session_server.rpc import handlers
from tenets_session_server.rpc import messages as m
from tenets_session_server.rpc.params import ParamsDecoder

PREFIX: Final = "tenets/session."
COMMAND_PREFIX: Final = "tenets.session."


@dataclass(frozen=True)
class Method:
    """One row: ``verb`` is the part after the prefix, of the method and of the command alike.

    It ``"writes"`` to the database, or only ``"reads"`` it, or ``"reports"`` other things as well.
    """

    verb: str
    params: type[Struct]
    result: Any
    handler: Callable[[Any, Any], Any]
    effect: Literal["reads", "writes", "reports"]

    @cached_property
    def writes(self) -> bool:
        """Whether it can change the database."""
        return self.effect == "writes"

    @cached_property
    def reads(self) -> bool:
        """Whether its result depends on its params and on the database only."""
        return self.effect == "reads"

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


METHODS: Final = tuple(
    Method(*row)
    for row in (
        ("create", m.CreateParams, m.Session, handlers.create, "writes"),
        ("get", m.NameParams, m.Session | None, handlers.get, "reads"),
        ("list", m.ListParams, m.SessionList, handlers.list_sessions, "reads"),
        ("getActive", m.NoParams, m.Session | None, handlers.get_active, "reads"),
        ("setActive", m.SetActiveParams, m.Session, handlers.set_active, "writes"),
        ("updateMetadata", m.UpdateMetadataParams, m.Session, handlers.update_metadata, "writes"),
        ("addContext", m.AddContextParams, m.AddedContext, handlers.add_context, "writes"),
        ("delete", m.DeleteParams, m.Deleted, handlers.delete, "writes"),
        ("deleteAll", m.DeleteAllParams, m.DeletedCount, handlers.delete_all, "writes"),
        ("stats", m.NoParams, m.Stats, handlers.stats, "reports"),
        ("changes", m.ChangesParams, m.ChangeList, handlers.changes, "reads"),
    )
)

BY_NAME: Final = {method.name: method for method in METHODS}
BY_COMMAND: Final = {method.command: method for method in METHODS}
