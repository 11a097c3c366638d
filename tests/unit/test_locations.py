"""Where things are by default, which platformdirs would tell as well, and later."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from tenets_session_server import locations


@pytest.mark.parametrize("home", ["/home/somebody", "/", "/a b/ü"])
@pytest.mark.parametrize("caches", [None, "", "relative", "/caches", "/caches/", "~/caches"])
def test_caches_are_where_platformdirs_has_them(
    monkeypatch: pytest.MonkeyPatch, home: str, caches: str | None
) -> None:
    monkeypatch.setenv("HOME", home)
    if caches is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", caches)
    expected = platformdirs.user_cache_path("tenets", appauthor=False)
    assert Path(locations.user_cache_directory("tenets")) == expected
