"""What a method is: its params, its result, its handler, and how it is shown and tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from msgspec.structs import fields

from tenets_session_server.methods.params import Params, ParamsDecoder
from tenets_session_server.storage import texts

if TYPE_CHECKING:
    from tenets_session_server.models.totals import AttachedClient
    from tenets_session_server.storage.store import Store

P = TypeVar("P", bound=Params)

PREFIX: Final = "tenets/session."
COMMAND_PREFIX: Final = "tenets.session."


class OpenDocument(Protocol):
    """A document that a client has open."""

    @property
    def text(self) -> str | None:
        """The text, None if it is not known."""


@dataclass(frozen=True)
class CallContext:
    """What a handler may use.

    The store, ``clients()``, who is attached to it, ``author()``, under which name the caller
    writes, ``folders()``, the folders of its window, ``document(uri)``, a document that it has
    open, and ``warn(sentence)``, which shows the caller's user a warning.
    """

    store: Store
    clients: Callable[[], list[AttachedClient]]
    author: Callable[[], str | None]
    folders: Callable[[], tuple[str, ...]]
    document: Callable[[str], OpenDocument | None] = lambda _uri: None
    warn: Callable[[str], None] = lambda _sentence: None

    def text(self, uri: str) -> str | None:
        """Return the text of a document or a file, None if nothing has it.

        The file of an open document is not read: it is another text. Raises
        :class:`InvalidArgumentError` and :class:`LimitExceededError`.
        """
        document = self.document(uri)
        return texts.read(uri, self.store.files) if document is None else document.text

    def folder(self, folder: str | None) -> str | None:
        """Return the folder that is meant: the one given, else the first of the window."""
        return next(iter(self.folders()), None) if folder is None else folder


Pick = Callable[[CallContext], tuple[Any, str]]
"""What a command does without an argument: returns its result and a sentence for the user."""


@dataclass(frozen=True)
class Method(Generic[P]):
    """A row of the table. ``verb`` is the part after the prefix, of method and command alike.

    ``handler`` returns the store's value. ``encode`` converts it to ``result`` if they differ.
    ``writes``: it may change the database. ``cached``: the result depends on the params and the
    database only, and clients repeat the request; see ``rpc/calls.py``. ``in_steps``: the handler
    returns :data:`.storage.steps.Steps`, as its work may be long. ``pick`` is for a
    command that is picked from a list; without it the command needs an argument. ``examples`` are
    params, as the reference shows them, in an order in which they make sense.
    """

    verb: str
    params: type[P]
    result: Any
    handler: Callable[[CallContext, P], Any]
    examples: tuple[Mapping[str, Any], ...]
    encode: Callable[[CallContext, Any], Any] | None = None
    pick: Pick | None = None
    writes: bool = False
    cached: bool = False
    in_steps: bool = False

    @cached_property
    def decoder(self) -> ParamsDecoder[P]:
        """What turns the text of ``params`` into :attr:`params`."""
        return ParamsDecoder(self.params)

    @cached_property
    def takes_uri(self) -> bool:
        """Whether a param of the method is the URI of a file."""
        return any(field.name == "uri" for field in fields(self.params))

    @cached_property
    def name(self) -> str:
        """The JSON-RPC method."""
        return PREFIX + self.verb

    @cached_property
    def command(self) -> str:
        """The ``workspace/executeCommand`` command."""
        return COMMAND_PREFIX + self.verb


def method(
    verb: str, params: type[P], result: Any, *examples: Mapping[str, Any], **options: Any
) -> Callable[[Callable[[CallContext, P], Any]], Method[P]]:
    """Make a :class:`Method` of the decorated handler; ``options`` are its other members."""

    def decorate(handler: Callable[[CallContext, P], Any]) -> Method[P]:
        return Method(verb, params, result, handler, examples, **options)

    return decorate
