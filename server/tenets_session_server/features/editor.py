"""What the features need of an editor, and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Raw, Struct


class Editor(Protocol):
    """The editor of one client. ``features`` are what it can do."""

    @property
    def features(self) -> Features:
        """What the editor has said it can do."""

    def show(self, sentence: str) -> None:
        """Show the user a sentence."""

    def ask(self, question: str, choices: Sequence[str], then: Callable[[str], None]) -> None:
        """Have the user choose; ``then`` gets the choice, if one is made within two minutes."""

    def open(self, path: Path, instead: str) -> None:
        """Open a file; an editor that cannot gets the sentence ``instead``."""

    def refresh(self, annotation: str) -> None:
        """Have annotations asked for anew in all documents; ``annotation`` is their request."""

    def run(self, action: Callable[[], None]) -> None:
        """Run what uses the database, now or once another program lets go of it.

        The user is shown what goes wrong.
        """


class Features(Struct, frozen=True):
    """What an editor can do."""

    asks: bool = True
    most_choices: int = 9
    opens_files: bool = False
    markdown_in_hovers: bool = False
    refreshes: frozenset[str] = frozenset()


class _ShowDocument(Struct, frozen=True):
    support: bool = False


class _Window(Struct, rename="camel", frozen=True):
    show_document: _ShowDocument = _ShowDocument()


class _Hover(Struct, rename="camel", frozen=True):
    content_format: list[str] = []


class _TextDocument(Struct, frozen=True):
    hover: _Hover = _Hover()


class _Refresh(Struct, rename="camel", frozen=True):
    refresh_support: bool = False


class _Workspace(Struct, rename="camel", frozen=True):
    code_lens: _Refresh = _Refresh()
    inlay_hint: _Refresh = _Refresh()


class _Capabilities(Struct, rename="camel", frozen=True):
    window: _Window | None = None
    text_document: _TextDocument = _TextDocument()
    workspace: _Workspace = _Workspace()


class _Params(Struct, frozen=True):
    capabilities: _Capabilities = _Capabilities()


_decode: Final = msgspec.json.Decoder(_Params).decode
FEW_CHOICES: Final = 3
"""VS Code shows the choices as buttons, and cuts off more."""


def features_of(params: Raw, client: str | None) -> Features:
    """Return what an editor can do, by the params of its ``initialize`` and its name."""
    try:
        found = _decode(params).capabilities
    except msgspec.MsgspecError:  # members of other types: it can do nothing
        found = _Capabilities()
    window = found.window or _Window()
    refreshes = {
        "textDocument/codeLens": found.workspace.code_lens.refresh_support,
        "textDocument/inlayHint": found.workspace.inlay_hint.refresh_support,
    }
    return Features(
        # ALE shows no questions, and sends neither. That it shows them is what an editor need not
        # say (LSP 3.17, ShowMessageRequestClientCapabilities), so nothing better can be asked for.
        asks=found.window is not None or client is not None,
        most_choices=FEW_CHOICES if "Visual Studio Code" in (client or "") else 9,
        opens_files=window.show_document.support,
        markdown_in_hovers="markdown" in found.text_document.hover.content_format,
        refreshes=frozenset(name for name, has in refreshes.items() if has),
    )
