"""Which layer may know what, over the imports of every module (see server/ARCHITECTURE.md)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import tenets_session_server

ROOT = Path(__file__).parents[1]
PACKAGE = Path(tenets_session_server.__file__).parent
NAME = PACKAGE.name
# From top to bottom: a module may import its own layer and the ones after it.
LAYERS = [
    *("__main__", "cli", "daemon", "standalone", "options", "rpc", "storage", "models"),
    *("config", "locations", "errors"),
]
# Whoever likes may import these, and they import nothing of the package but its version.
ANYWHERE = {"", "logs"}
# Third-party packages, and the only layers that may know them.
OWNERS = {
    "apsw": {"storage"},
    "pygls": {"rpc"},
    "lsprotocol": {"rpc"},
    "cattrs": {"rpc"},
    "msgspec": {"rpc", "storage", "models"},
    "platformdirs": {"locations", "daemon"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer(dotted: str) -> str:
    """Return the layer of a module by its name inside the package ("rpc.framing": rpc)."""
    return dotted.split(".", maxsplit=1)[0]


def inside(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            for alias in node.names:
                within = PACKAGE.parent.joinpath(*module.split("."), alias.name)
                is_module = within.with_suffix(".py").exists() or within.is_dir()
                yield f"{module}.{alias.name}" if is_module else module


@pytest.mark.parametrize("path", modules(), ids=inside)
def test_a_module_knows_only_what_stands_below_it(path: Path) -> None:
    own = layer(inside(path))
    for imported in imports(path):
        top, _, rest = imported.partition(".")
        if top == NAME:
            target = layer(rest)
            if target in ANYWHERE:
                continue
            assert own not in ANYWHERE, f"{own or NAME} imports {imported}"
            assert LAYERS.index(target) >= LAYERS.index(own), f"{own} imports {imported}"
        elif top in OWNERS:
            assert own in OWNERS[top], f"{own} imports {top}"
        else:
            assert top in sys.stdlib_module_names, f"{own} imports {top}, which no layer owns"


def test_the_declared_dependencies_are_the_imported_ones() -> None:
    imported = {name.split(".")[0] for path in modules() for name in imports(path)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^a-z0-9]", one)[0] for one in project["dependencies"]}
    # cattrs comes with pygls, and is imported for its type only.
    assert imported & OWNERS.keys() == declared | {"cattrs"}


@pytest.mark.parametrize("path", modules(), ids=inside)
def test_sql_is_in_storage_and_error_numbers_in_rpc(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = layer(inside(path))
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or node in docstrings:
            continue
        if isinstance(node.value, str) and own != "storage":
            sql = re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|BEGIN)\s+\w", node.value)
            assert sql is None, f"{path.name}: SQL {node.value!r}"
        if isinstance(node.value, int) and own != "rpc":
            assert not 32000 <= node.value <= 32900, f"{path.name}: a JSON-RPC error code"


def test_importing_opens_nothing(tmp_path: Path) -> None:
    program = "\n".join(
        [
            "import sys, threading, socket",
            "opened = []",
            "sys.addaudithook(lambda event, args: opened.append((event, args[0]))",
            "    if event.startswith('socket.') or event == 'apsw.Connection'",
            "    or event == 'open' and args[1] and set('wax+') & set(args[1]) else None)",
            "sys.dont_write_bytecode = True",
            *(
                f"import {NAME}.{inside(path)}".rstrip(".")
                for path in modules()
                if inside(path) != "__main__"
            ),
            "print(opened, threading.active_count())",
        ]
    )
    environment = {"HOME": str(tmp_path), "PATH": ""}
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=True,
    )
    assert shown.stdout == "[] 1\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", modules(), ids=inside)
def test_no_module_is_a_grab_bag(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
