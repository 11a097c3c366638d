"""The features of one client: what the editor may ask, and what is announced to it.

Nothing of this is loaded for a client that has not asked for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Raw

from tenets_session_server.errors import InvalidParamsError
from tenets_session_server.features import code_actions, notes_shown, symbols
from tenets_session_server.features.commands import Commands
from tenets_session_server.features.documents import Document
from tenets_session_server.features.editor import Editor
from tenets_session_server.features.messages import (
    ChangeParams,
    CodeActionParams,
    DocumentParams,
    OpenParams,
    PositionParams,
    RangeParams,
    SymbolParams,
)
from tenets_session_server.features.options import EditorFeatureOptions
from tenets_session_server.features.shown_files import ShownFiles
from tenets_session_server.features.window import Window, is_file
from tenets_session_server.methods.method import CallContext
from tenets_session_server.methods.params import ParamsDecoder
from tenets_session_server.storage.context_locations import LARGEST_TEXT
from tenets_session_server.storage.steps import Steps

_open: Final = ParamsDecoder(OpenParams).decode
_change: Final = ParamsDecoder(ChangeParams).decode
_document: Final = ParamsDecoder(DocumentParams).decode
_position: Final = ParamsDecoder(PositionParams).decode
_range: Final = ParamsDecoder(RangeParams).decode
_code_action: Final = ParamsDecoder(CodeActionParams).decode
_symbol: Final = ParamsDecoder(SymbolParams).decode

LENS: Final = "textDocument/codeLens"
HINT: Final = "textDocument/inlayHint"


class EditorFeatures:
    """The features that ``options`` has.

    ``handlers`` take the params of a message. They return the result, or the steps to it.
    """

    def __init__(self, call: CallContext, editor: Editor, options: EditorFeatureOptions) -> None:
        self.window = Window(call, editor)
        self._files = ShownFiles(call.store)
        self._files.remove_old()
        self.commands = Commands(self.window, self._files)
        self._editor = editor
        self._annotation = HINT if options.annotations == "hint" else LENS
        self._has_told = False
        self.handlers: dict[str, Callable[[Raw], Any]] = {
            "textDocument/didOpen": self._opened,
            "textDocument/didChange": self._changed,
            "textDocument/didSave": self._saved,
            "textDocument/didClose": self._closed,
        }
        optional: dict[str, tuple[bool, Callable[[Raw], Any]]] = {
            "textDocument/codeAction": (options.code_action, self._code_actions),
            "workspace/symbol": (options.workspace_symbol, self._symbols),
            "textDocument/hover": (options.hover, self._hover),
            LENS: (options.annotations == "lens", self._lenses),
            HINT: (options.annotations == "hint", self._hints),
        }
        self.handlers |= {name: handler for name, (wanted, handler) in optional.items() if wanted}

    def capabilities(self) -> dict[str, Any]:
        """Return what is announced (LSP 3.17, ServerCapabilities)."""
        announced: dict[str, tuple[str, Any]] = {
            "textDocument/codeAction": ("codeActionProvider", True),
            "workspace/symbol": ("workspaceSymbolProvider", True),
            "textDocument/hover": ("hoverProvider", True),
            LENS: ("codeLensProvider", {}),
            HINT: ("inlayHintProvider", True),
        }
        return {
            "positionEncoding": "utf-16",
            "textDocumentSync": {"openClose": True, "change": 2, "save": {"includeText": False}},
            **{key: value for name, (key, value) in announced.items() if name in self.handlers},
        }

    def committed(self) -> None:
        """Have annotations drawn anew, as notes may have come or gone."""
        if self._annotation in self.handlers:
            self._editor.refresh(self._annotation)

    # -- documents ---------------------------------------------------------------------------

    def _opened(self, params: Raw) -> None:
        with self._forgetting_in_doubt(params):
            given = _open(params).text_document
        self._tell_if_unknown(self.window.open(given.uri, given.version, given.text))

    def _changed(self, params: Raw) -> Steps[None]:
        with self._forgetting_in_doubt(params):
            given = _change(params)
        document = self.window.document(given.text_document.uri)
        if document is None:
            return
        known = document.lines is not None
        yield from self.window.change(document, given.text_document.version, given.content_changes)
        if known:
            self._tell_if_unknown(document)

    @contextlib.contextmanager
    def _forgetting_in_doubt(self, params: Raw) -> Iterator[None]:
        """Forget the text of a document whose change cannot be understood, if need be of all."""
        try:
            yield
        except InvalidParamsError:
            try:
                self.forget(_document(params).text_document.uri)
            except InvalidParamsError:
                self.forget()
            raise

    def forget(self, uri: str | None = None) -> None:
        """Forget the text of a document, None: of all; a change of it did not arrive."""
        self.window.forget(uri)
        self._tell_of_unknown()

    def _saved(self, params: Raw) -> Steps[None]:
        yield from self.window.saved(_document(params).text_document.uri)

    def _closed(self, params: Raw) -> None:
        self.window.close(_document(params).text_document.uri)

    def _tell_if_unknown(self, document: Document) -> None:
        if document.lines is None and is_file(document.uri):
            self._tell_of_unknown()

    def _tell_of_unknown(self) -> None:
        if not self._has_told:
            self._has_told = True
            self._editor.show(
                "Notes are not shown in some documents: they are larger than"
                f" {LARGEST_TEXT // 1024} KiB, too many are open, or an edit of theirs was lost"
            )

    # -- requests ----------------------------------------------------------------------------

    def _code_actions(self, params: Raw) -> Any:
        return code_actions.code_actions(self.window, _code_action(params))

    def _symbols(self, params: Raw) -> Any:
        return symbols.symbols(self.window, self._files, _symbol(params).query)

    def _hover(self, params: Raw) -> Any:
        given = _position(params)
        return notes_shown.hover(self.window, given.text_document.uri, given.position.line)

    def _lenses(self, params: Raw) -> Any:
        return notes_shown.code_lenses(self.window, _document(params).text_document.uri)

    def _hints(self, params: Raw) -> Any:
        given = _range(params)
        return notes_shown.inlay_hints(self.window, given.text_document.uri, given.range)
