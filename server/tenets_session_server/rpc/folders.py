"""The folders of a client's window: from ``initialize``, and as they change (LSP 3.17)."""

from __future__ import annotations

import contextlib
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from tenets_session_server.errors import InvalidArgumentError
from tenets_session_server.methods.params import ParamsDecoder, unwrapped
from tenets_session_server.storage import uris

MOST: Final = 100
"""Folders of one window that are looked at."""


class _WorkspaceFolder(Struct):
    uri: str


class _WithFolders(Struct, rename="camel"):
    workspace_folders: list[_WorkspaceFolder] | None = None


class _WithRoot(Struct, rename="camel"):
    root_uri: str | None = None
    root_path: str | None = None


class _FoldersEvent(Struct):
    added: list[_WorkspaceFolder] = []
    removed: list[_WorkspaceFolder] = []


class _DidChangeFoldersParams(Struct):
    event: Annotated[_FoldersEvent, Meta(description="an object with added and removed")]


_decode_folders: Final = msgspec.json.Decoder(_WithFolders).decode
_decode_root: Final = msgspec.json.Decoder(_WithRoot).decode
_decode_folders_event: Final = ParamsDecoder(_DidChangeFoldersParams).decode


def checked(folders: list[str], member: str) -> tuple[str, ...]:
    """Return folders that a client has given for this server, one too many at most.

    Raises :class:`InvalidArgumentError`, which names the ``member``.
    """
    found = tuple(folders[: MOST + 1])
    for index, folder in enumerate(found):
        uris.parse(folder, f"{member}[{index}]")
    return found


def changed(folders: tuple[str, ...], params: Raw) -> tuple[str, ...]:
    """Return the folders after ``workspace/didChangeWorkspaceFolders``.

    Raises :class:`InvalidParamsError`.
    """
    event = _decode_folders_event(params).event
    removed = {*map(_place, _usable([one.uri for one in event.removed]))}
    kept = [folder for folder in folders if _place(folder) not in removed]
    there = {*map(_place, kept)}
    added = [one for one in _usable([one.uri for one in event.added]) if _place(one) not in there]
    return _usable([*kept, *added])[:MOST]


def of_initialize(params: Raw) -> tuple[str, ...]:
    """Return the folders in the params of ``initialize``, one too many at most.

    What cannot be read is left out.
    """
    given = unwrapped(params)
    with contextlib.suppress(msgspec.DecodeError):
        if (found := _decode_folders(given).workspace_folders) is not None:
            return _usable([folder.uri for folder in found])
    with contextlib.suppress(msgspec.DecodeError):
        root = _decode_root(given)
        return _usable([one for one in (root.root_uri, root.root_path) if one][:1])
    return ()


def _place(folder: str) -> uris.Uri:
    return uris.parse(folder, "folder")


def _usable(folders: list[str]) -> tuple[str, ...]:
    usable: list[str] = []
    for folder in folders[: MOST + 1]:
        with contextlib.suppress(InvalidArgumentError):
            uris.parse(folder, "folder")
            usable.append(folder)
    return tuple(usable)
