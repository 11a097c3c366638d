"""The folder of the sockets, and what is in it, belongs to this user alone, or is not used."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from support.attaching import is_served_alone, is_shared, stopped_in_the_end
from tenets_session_server.daemon.address import FOLDER, Address

pytestmark = pytest.mark.asyncio

STATS = "tenets/session.stats"
CREATE = "tenets/session.create"


async def test_the_socket_is_private(
    shared_command: list[str], runtime: Path, database: Path
) -> None:
    previous = os.umask(0)
    try:
        with stopped_in_the_end(runtime / FOLDER, database):
            await is_shared(shared_command)
            modes = {
                path.name.rpartition(".")[2]: stat.S_IMODE(path.lstat().st_mode)
                for path in (runtime / FOLDER, *(runtime / FOLDER).iterdir())
            }
    finally:
        os.umask(previous)
    assert modes == {FOLDER: 0o700, "sock": 0o600, "lock": 0o600}


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o720])
async def test_a_runtime_folder_that_others_can_write_to_is_not_used(
    shared_command: list[str], runtime: Path, database: Path, tmp_path: Path, mode: int
) -> None:
    runtime.chmod(mode)
    instead = tmp_path / "home" / ".cache" / FOLDER / "run"
    with stopped_in_the_end(instead, database):
        await is_shared(shared_command)
        assert list(runtime.iterdir()) == []
        assert stat.S_IMODE(instead.stat().st_mode) == 0o700


@pytest.mark.parametrize("value", ["", "relative", "/nowhere/at/all"])
async def test_without_a_runtime_folder_it_is_below_the_caches(
    shared_command: list[str],
    runtime: Path,
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    value: str,
) -> None:
    # Longer than the 108 bytes that the name of a socket may have.
    home = tmp_path / ("h" * 100) / ("o" * 100)
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    assert list(runtime.iterdir()) == []
    if value != "/nowhere/at/all" and Path(f"/run/user/{os.geteuid()}").is_dir():
        instead = Path(f"/run/user/{os.geteuid()}") / FOLDER
    else:
        instead = home / ".cache" / FOLDER / "run"
    with stopped_in_the_end(instead, database):
        first = await is_shared(shared_command)
        assert await is_shared(shared_command) == first
        assert [
            path.suffix for path in sorted(instead.glob(f"{Address(str(database)).name}.*"))
        ] == [
            ".lock",
            ".sock",
        ]


async def test_without_any_safe_folder_the_command_serves_directly(
    shared_command: list[str], runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(runtime))
    (runtime / FOLDER).mkdir()
    (runtime / FOLDER).chmod(0o777)
    await is_served_alone(shared_command, "other users may ")


def folder_that_others_may_enter(sockets: Path, _name: str) -> None:
    sockets.chmod(0o755)


def folder_that_is_a_link(sockets: Path, _name: str) -> None:
    sockets.rename(sockets.with_name("elsewhere"))
    sockets.symlink_to(sockets.with_name("elsewhere"))


def folder_that_is_a_file(sockets: Path, _name: str) -> None:
    sockets.rmdir()
    sockets.touch()


@pytest.mark.parametrize(
    "spoil", [folder_that_others_may_enter, folder_that_is_a_link, folder_that_is_a_file]
)
async def test_a_folder_with_other_permissions_or_of_another_kind_is_not_used(
    shared_command: list[str],
    sockets: Path,
    database: Path,
    tmp_path: Path,
    spoil: Callable[[Path, str], None],
) -> None:
    spoil(sockets, "")
    with stopped_in_the_end(tmp_path / "home" / ".cache" / FOLDER / "run", database):
        await is_shared(shared_command)
    assert not sockets.is_dir() or list(sockets.iterdir()) == []


def socket_that_is_a_link(sockets: Path, name: str) -> None:
    (sockets / f"{name}.sock").symlink_to(sockets / "elsewhere")


def socket_that_is_a_file(sockets: Path, name: str) -> None:
    (sockets / f"{name}.sock").write_text("precious")


def socket_that_is_a_folder(sockets: Path, name: str) -> None:
    (sockets / f"{name}.sock").mkdir()


def lock_that_is_a_link(sockets: Path, name: str) -> None:
    (sockets / f"{name}.lock").symlink_to(sockets / "elsewhere")


def lock_that_is_a_folder(sockets: Path, name: str) -> None:
    (sockets / f"{name}.lock").mkdir()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (socket_that_is_a_link, "is not a socket"),
        (socket_that_is_a_file, "is not a socket"),
        (socket_that_is_a_folder, "is not a socket"),
        (lock_that_is_a_link, "symbolic links"),
        (lock_that_is_a_folder, "directory"),
    ],
)
async def test_other_files_in_place_of_socket_and_lock_are_left_alone(
    shared_command: list[str],
    sockets: Path,
    database: Path,
    spoil: Callable[[Path, str], None],
    why: str,
) -> None:
    spoil(sockets, Address(str(database)).name)
    before = sorted(path.name for path in sockets.iterdir())
    await is_served_alone(shared_command, why)
    assert sorted(path.name for path in sockets.iterdir()) == before
