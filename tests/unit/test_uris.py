"""Which URIs and paths mean the same folder, and which folder is the nearest."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenets_session_server.errors import InvalidArgumentError
from tenets_session_server.storage import uris


def key(text: str) -> str:
    return uris.parse(text, "folder").key


SAME = [
    ("/a/b", "file:///a/b"),
    ("/a/b/", "/a/b"),
    ("/a//b", "/a/b"),
    ("/a/./b", "/a/b"),
    ("/a/x/../b", "/a/b"),
    ("/../a", "/a"),
    ("/", "file:///"),
    ("file://localhost/a", "file:///a"),
    ("FILE:///a", "file:///a"),
    ("file:/a", "file:///a"),
    ("file:///a%20b", "/a b"),
    ("file:///a%2Fb", "/a/b"),
    ("file:///%E2%82%AC", "/€"),
    ("file:///€", "file:///%e2%82%ac"),
    ("file:///C%3A/x", "file:///c:/x"),
    ("file:///C:/x", "file:///c:/x"),
    ("file:///a?query#fragment", "file:///a"),
    ("vscode-remote://SSH-Remote+Host/a/", "vscode-remote://ssh-remote+host/a"),
    ("vscode-remote://host/a/../b", "vscode-remote://host/b"),
    ("untitled:Untitled-1", "untitled:Untitled-1"),
]
DIFFERENT = [
    ("/a", "/A"),
    ("/a", "/a/b"),
    ("/a%20b", "/a b"),  # a path is no URI
    ("file:///a%2520b", "file:///a%20b"),  # decoded once
    ("file:///a", "vscode-remote://host/a"),
    ("vscode-remote://one/a", "vscode-remote://two/a"),
    ("vscode-remote://host/a", "vscode-vfs://host/a"),
    ("file://server/a", "file:///a"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_these_are_the_same(one: str, other: str) -> None:
    assert key(one) == key(other)
    assert uris.is_same(uris.parse(one, "folder"), uris.parse(other, "folder"))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_these_are_not(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    "text", ["", "a/b", "./a", "~", "C:", "a", "/\0", "file:///%00", "/" + "x" * uris.LONGEST]
)
def test_what_is_neither_a_uri_nor_an_absolute_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="folder: expected a URI or an absolute path"):
        uris.parse(text, "folder")


SEGMENTS = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
        lambda segment: segment not in {".", ".."}
    ),
    max_size=5,
)


@given(segments=SEGMENTS, noise=st.lists(st.sampled_from(["", ".", "x/.."]), max_size=3))
def test_a_path_and_its_uri_are_the_same_however_they_are_written(
    segments: list[str], noise: list[str]
) -> None:
    path = "/" + "/".join(segments)
    noisy = "/" + "/".join([*noise, *segments, ""])
    assert key(path) == key(noisy) == key(f"file://{quote(path)}") == key(f"file://{quote(noisy)}")
    assert key(key(path)) == key(path)


@given(segments=SEGMENTS)
def test_a_uri_keeps_the_path_of_this_machine(segments: list[str]) -> None:
    path = uris.parse("file:///" + "/".join(map(quote, segments)), "folder").path
    assert path is not None
    if not segments or len(segments[0]) != 2 or segments[0][1] != ":":
        assert path == "/" + "/".join(segments)


def test_bytes_that_are_not_utf8_lead_to_the_file(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    Path(os.fsdecode(folder)).mkdir()
    place = uris.parse(f"file://{quote(folder)}", "folder")
    assert place.path == os.fsdecode(folder)
    assert uris.parse(place.key, "folder") == place


def nearest(place: str, *folders: str) -> str | None:
    given = {uris.parse(folder, "folder"): folder for folder in folders}
    found = uris.Folders(given).nearest(uris.parse(place, "folder"))
    return None if found is None else given[found]


def test_the_nearest_folder() -> None:
    assert nearest("/a/b/c", "/a", "/a/b", "/a/b/c/d", "/x") == "/a/b"
    assert nearest("file:///a/b", "/a/b") == "/a/b"
    assert nearest("/a/bc", "/a/b") is None
    assert nearest("/a", "/") == "/"
    assert nearest("vscode-remote://h/a/b", "/a", "vscode-remote://h/a") == "vscode-remote://h/a"
    assert nearest("vscode-remote://h/a/b", "vscode-remote://other/a") is None


def test_links_lead_to_the_nearest_folder(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "app", tmp_path / "link"
    (real / "src").mkdir(parents=True)
    link.symlink_to(real)
    assert nearest(str(link / "src"), str(real)) == str(real)
    assert nearest(str(real / "src"), str(link)) == str(link)
    assert nearest(f"file://{link}/src/new", str(tmp_path), str(real)) == str(real)
    assert uris.is_same(uris.parse(str(real), "folder"), uris.parse(str(link), "folder"))
    # As it is given, the folder that the link is in counts as well.
    assert nearest(str(link), str(tmp_path)) == str(tmp_path)
