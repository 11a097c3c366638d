"""Messages of LSP 3.17 that the features take and give, as far as they use them."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from tenets_session_server.features.documents import ContentChange
from tenets_session_server.models.context import Position, Range

Uri = Annotated[str, Meta(description="the URI of a document")]


class DocumentId(Struct):
    """``TextDocumentIdentifier``; the version is there where it is one with a version."""

    uri: Uri
    version: int | None = None


class DocumentItem(Struct):
    """``TextDocumentItem``."""

    uri: Uri
    version: int
    text: str


class OpenParams(Struct, rename="camel"):
    """``DidOpenTextDocumentParams``."""

    text_document: Annotated[DocumentItem, Meta(description="an open document")]


class ChangeParams(Struct, rename="camel"):
    """``DidChangeTextDocumentParams``."""

    text_document: Annotated[DocumentId, Meta(description="a document with its version")]
    content_changes: Annotated[list[ContentChange], Meta(description="an array of changes")]


class DocumentParams(Struct, rename="camel"):
    """Params that name a document."""

    text_document: Annotated[DocumentId, Meta(description="a document")]


class PositionParams(DocumentParams, rename="camel"):
    """``TextDocumentPositionParams``."""

    position: Annotated[Position, Meta(description="a position with line and character")]


class RangeParams(DocumentParams, rename="camel"):
    """Params of a request about a range of a document."""

    range: Annotated[Range, Meta(description="an LSP range")]


class CodeActionContext(Struct, rename="camel", frozen=True):
    """``CodeActionContext``; a ``trigger_kind`` of 2 is automatic."""

    only: list[str] | None = None
    trigger_kind: int | None = None


class CodeActionParams(RangeParams, rename="camel"):
    """``CodeActionParams``."""

    context: CodeActionContext = CodeActionContext()


class SymbolParams(Struct):
    """``WorkspaceSymbolParams``."""

    query: Annotated[str, Meta(description="a string")] = ""


class Command(Struct, frozen=True):
    """``Command``."""

    title: str
    command: str
    arguments: list[object]


class CodeAction(Struct, frozen=True):
    """``CodeAction``, with a command only."""

    title: str
    command: Command
    kind: str | UnsetType = UNSET


class Place(Struct, frozen=True):
    """``Location``."""

    uri: str
    range: Range


class Symbol(Struct, rename="camel", frozen=True):
    """``SymbolInformation``."""

    name: str
    kind: int
    location: Place
    container_name: str | UnsetType = UNSET


class Markup(Struct, frozen=True):
    """``MarkupContent``."""

    kind: str
    value: str


class Hover(Struct, frozen=True):
    """``Hover``."""

    contents: Markup
    range: Range


class CodeLens(Struct, frozen=True):
    """``CodeLens``."""

    range: Range
    command: Command


class InlayHint(Struct, rename="camel", frozen=True):
    """``InlayHint``."""

    position: Position
    label: str
    tooltip: str
    padding_left: bool = True
