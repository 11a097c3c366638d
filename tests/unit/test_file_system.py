"""The path of the database, its permissions, and the file system that it is on."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tenets_session_server import locations
from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import DatabaseUnavailableError
from tenets_session_server.locations import default_cache_directory
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite.connection_setup import SAFE_SQLITE, engine_warning
from tenets_session_server.storage.sqlite.file_system import shared_file_system


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of one's own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("TENETS_CACHE_DIRECTORY", raising=False)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    return home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_order_of_places(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # That of the tenets command line, whether it has been used or not.
    assert default_cache_directory() == str(home / ".tenets" / "cache")
    assert list(home.iterdir()) == []
    assert TenetsConfig().database_path == home / ".tenets" / "cache" / "tenets.db"
    monkeypatch.setenv("TENETS_CACHE_DIRECTORY", "~/elsewhere")
    assert TenetsConfig().database_path == home / "elsewhere" / "tenets.db"
    monkeypatch.setenv("TENETS_CACHE_DIRECTORY", " ")
    assert TenetsConfig().database_path == home / ".tenets" / "cache" / "tenets.db"
    explicit = TenetsConfig(database="~/file.db")
    assert explicit.database_path == home / "file.db"


def test_a_relative_place_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TENETS_CACHE_DIRECTORY", "here")
    assert TenetsConfig().database_path == tmp_path / "here" / "tenets.db"
    assert TenetsConfig(database="x.db").database_path == tmp_path / "x.db"


def test_a_named_file_needs_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_home() -> str:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(locations, "home", no_home)
    monkeypatch.delenv("TENETS_CACHE_DIRECTORY", raising=False)
    config = TenetsConfig(database=tmp_path / "x.db")
    assert config.database_path == tmp_path / "x.db"
    with pytest.raises(RuntimeError):
        TenetsConfig()


def test_permissions_that_cannot_be_changed_are_left(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / ".tenets" / "cache"
    folder.mkdir(parents=True)
    SessionDB(TenetsConfig(database=folder / "tenets.db")).close()
    (folder / "tenets.db").chmod(0o644)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    monkeypatch.setattr(Path, "chmod", refuse)
    with SessionDB(TenetsConfig()) as sessions:
        assert sessions.list_sessions() == []


def test_reading_the_config_creates_nothing(home: Path) -> None:
    assert TenetsConfig().database_path
    assert list(home.iterdir()) == []


def test_what_is_created_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        database = tmp_path / "a" / "b" / "tenets.db"
        with SessionDB(TenetsConfig(database=database)) as db:
            db.create_session("a")
            assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
            for suffix in ("", "-wal", "-shm"):
                assert mode(Path(f"{database}{suffix}")) == 0o600
    finally:
        os.umask(old)


def test_an_existing_file_of_the_users_choice_keeps_its_permissions(tmp_path: Path) -> None:
    database = tmp_path / "shared.db"
    database.touch()
    database.chmod(0o660)
    tmp_path.chmod(0o755)
    SessionDB(TenetsConfig(database=database)).close()
    assert mode(database) == 0o660
    assert mode(tmp_path) == 0o755


def test_the_command_lines_file_becomes_private(home: Path) -> None:
    database = home / ".tenets" / "cache" / "tenets.db"
    database.parent.mkdir(parents=True)
    database.touch()
    database.chmod(0o644)
    with SessionDB(TenetsConfig()) as db:
        db.create_session("a")
        assert mode(database) == 0o600
        assert mode(Path(f"{database}-wal")) == 0o600


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="is a folder"):
        SessionDB(TenetsConfig(database=tmp_path))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for below in ("x.db", "y/x.db"):
        with pytest.raises(DatabaseUnavailableError, match="file"):
            SessionDB(TenetsConfig(database=tmp_path / "file" / below))


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home/me/net rw shared:2 master:3 - nfs4 server:/export rw,addr=10.0.0.1
32 22 0:42 / /home/me/vm rw - virtiofs share rw
33 22 0:43 / /home/me/phone rw,nosuid - fuse.jmtpfs jmtpfs rw
34 22 8:17 / /home/me/stick rw - fuseblk /dev/sdb1 rw
31 22 0:41 / /home/me/with\\040blank rw - cifs //server/share rw
32 30 8:2 / /home/me/net/local rw - ext4 /dev/sdb1 rw
33 22 0:42 / /over rw - nfs server:/x rw
34 22 0:43 / /over rw - tmpfs none rw
"""


@pytest.mark.parametrize(
    ("path", "file_system"),
    [
        ("/home/me/tenets.db", None),
        ("/home/me/net/tenets.db", "nfs4"),
        ("/home/me/vm/tenets.db", "virtiofs"),
        ("/home/me/phone/tenets.db", "fuse.jmtpfs"),
        ("/home/me/stick/tenets.db", None),
        ("/home/me/network/tenets.db", None),
        ("/home/me/net/local/tenets.db", None),
        ("/home/me/with blank/tenets.db", "cifs"),
        ("/over/tenets.db", None),
    ],
)
def test_shared_file_systems_are_recognised(path: str, file_system: str | None) -> None:
    assert shared_file_system(Path(path), MOUNTS) == file_system


def test_this_machines_own_mounts_are_readable(tmp_path: Path) -> None:
    assert shared_file_system(tmp_path / "tenets.db") is None


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0", "3.9.99"])
def test_unsafe_engines_give_a_warning(version: str) -> None:
    warning = engine_warning(version)
    assert warning is not None
    assert version in warning


@pytest.mark.parametrize("version", [".".join(map(str, SAFE_SQLITE)), "3.51.10", "3.52.0", "4.0.0"])
def test_safe_engines_give_none(version: str) -> None:
    assert engine_warning(version) is None
