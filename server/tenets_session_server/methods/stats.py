"""The method that returns counts, sizes, and the attached clients."""

from __future__ import annotations

import os
from typing import Annotated

from msgspec import Meta
from msgspec.structs import asdict

from tenets_session_server import __version__
from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import NoParams
from tenets_session_server.models.totals import AttachedClient, Totals


class Stats(Totals, rename="camel", frozen=True):
    """How much there is, who has it open, and what serves it."""

    version: Annotated[str, Meta(description="version of the server")]
    pid: Annotated[int, Meta(description="process id of the process that answers")]
    clients: Annotated[
        list[AttachedClient],
        Meta(description="clients of this process, in order of connection"),
    ]


def with_clients(call: CallContext, totals: Totals) -> Stats:
    """Add what the process knows to what the store knows."""
    known = asdict(totals)
    return Stats(**known, version=__version__, pid=os.getpid(), clients=call.clients())


def show_stats(call: CallContext) -> tuple[Stats, str]:
    """Returns counts, sizes, and the attached clients."""
    found = with_clients(call, call.store.totals())
    names = ", ".join(client.name or "an unnamed editor" for client in found.clients)
    return found, (
        f"Sessions: {found.sessions}, context entries: {found.context_entries}, "
        f"editors: {names}, database: {found.database}"
    )


@method("stats", NoParams, Stats, {}, encode=with_clients, pick=show_stats)
def stats(call: CallContext, _params: NoParams) -> Totals:
    """Return counts, sizes, and the attached clients."""
    return call.store.totals()
