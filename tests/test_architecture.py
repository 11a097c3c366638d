"""Which module may import which (see server/ARCHITECTURE.md), over the imports of every module."""

from __future__ import annotations

import ast
import importlib
import inspect
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
ARCHITECTURE = (ROOT / "server" / "ARCHITECTURE.md").read_text(encoding="utf-8")
# What each folder, or module of the top level, may import beside its own modules.
BELOW = {
    "__main__": {"cli"},
    "cli": {
        "agents",
        "client",
        "daemon",
        "rpc",
        "storage",
        "masking",
        "config",
        "errors",
        "locations",
        "import_path",
    },
    "agents": {"client", "locations", "masking"},
    "client": {"daemon", "rpc"},
    "daemon": {"rpc", "storage", "locations", "errors"},
    "rpc": {"features", "methods", "wire", "storage", "models", "errors"},
    "methods": {"storage", "models", "errors", "masking"},
    "features": {"methods", "storage", "models", "errors"},
    "wire": set[str](),
    "storage.sqlite": {"storage", "models", "config", "errors", "locations", "masking"},
    "storage": {"models", "config", "errors", "locations", "masking"},
    "config": {"locations"},
    "models": set[str](),
    "errors": set[str](),
    "locations": set[str](),
    "masking": set[str](),
    "import_path": set[str](),
}
# The only modules that know which engine has a database. All but the first are for files only.
KNOW_SQLITE = {
    *("storage.engines", "storage.session_db"),
    *("daemon.automatic_backups", "daemon.backup_process"),
    *("cli.backup_commands", "cli.doctor_commands", "cli.quick", "cli.recover_commands"),
}
# Every module may import these. They import nothing of the package.
ANYWHERE = {"", "logs"}
# Third-party packages, and the modules or folders that may know them.
OWNERS = {
    "apsw": {"storage.sqlite"},
    "click": {"cli"},
    "questionary": {"cli.current_commands"},
    "rich": {"cli.output", "cli.transfer_commands"},
    "pygls": {"rpc.pygls_server"},
    "cattrs": {"rpc.pygls_server"},
    "lsprotocol": {"rpc"},
    "msgspec": {"rpc", "features", "wire", "methods", "storage", "models"},
    "mcp": {"agents.mcp_server"},
    "mcp_types": {"agents.mcp_server"},
    "anyio": {"agents.mcp_server", "agents.mcp_input", "cli.agent_commands"},
    "jsonschema": {"agents.tool_calls"},
    "platformdirs": {"locations", "daemon.process"},
}
# Parts of the standard library that only some modules may know.
LIMITED = {
    "asyncio": {
        *(
            "agents.mcp_server",
            "cli.standalone",
            "daemon",
            "rpc",
            "wire.transport",
            "wire.threaded",
        ),
        *("storage.sqlite.watcher", "storage.sqlite.maintenance", "storage.sqlite.search_feed"),
    },
    "sqlite3": set[str](),
}
# The core of wire/ does no I/O.
SANS_IO = {"wire.framing", "wire.messages"}
IO = {"asyncio", "os", "select", "selectors", "socket", "threading", "logging"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def inside(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def folder_of(dotted: str) -> str:
    """Return the folder of a module by its name inside the package ("rpc.client": rpc)."""
    top, _, rest = dotted.partition(".")
    inner = f"{top}.{rest.partition('.')[0]}"
    return inner if inner in BELOW else top


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


def own_imports(path: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports, by their names inside it."""
    for imported in imports(path):
        top, _, rest = imported.partition(".")
        if top == NAME:
            yield rest


def is_in(dotted: str, allowed: set[str]) -> bool:
    return bool({dotted, folder_of(dotted), dotted.partition(".")[0]} & allowed)


@pytest.mark.parametrize("path", modules(), ids=inside)
def test_a_folder_imports_only_what_stands_below_it(path: Path) -> None:
    own = folder_of(inside(path))
    for imported in own_imports(path):
        target = folder_of(imported)
        if target == own or target in ANYWHERE:
            continue
        assert own not in ANYWHERE, f"{own or NAME} imports {imported}"
        known = inside(path) in KNOW_SQLITE and target == "storage.sqlite"
        assert known or target in BELOW[own], f"{inside(path)} imports {imported}"


def code_map() -> dict[str, list[str]]:
    """Return the modules of each folder in the order of the code map, from top to bottom."""
    parts = re.split(r"^### ([\w/]+)/$|^## ", ARCHITECTURE, flags=re.MULTILINE)
    return {
        folder.replace("/", "."): [
            name
            for first_cell in re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
            for name in re.findall(r"`(\w+)\.py`", first_cell)
        ]
        for folder, table in zip(parts[1::2], parts[2::2], strict=True)
        if folder is not None
    }


@pytest.mark.parametrize("path", modules(), ids=inside)
def test_inside_a_folder_imports_go_down_the_code_map(path: Path) -> None:
    folder = folder_of(inside(path))
    module = inside(path).removeprefix(folder).removeprefix(".")
    if not module:
        return  # a package's docstring, or a module of the top level
    order = code_map()[folder]
    assert module in order, f"{inside(path)} is not in the code map"
    for imported in own_imports(path):
        if folder_of(imported) == folder:
            target = imported.removeprefix(folder).removeprefix(".")
            assert order.index(target) > order.index(module), f"{module} imports {target}"


def test_the_code_map_names_only_what_there_is() -> None:
    for folder, names in code_map().items():
        there = PACKAGE / folder.replace(".", "/")
        assert {path.stem for path in there.glob("*.py")} - {"__init__"} == {*names}
        assert ast.parse((there / "__init__.py").read_text()).body[1:] == []


@pytest.mark.parametrize("path", modules(), ids=inside)
def test_packages_are_imported_by_their_owners_only(path: Path) -> None:
    own = inside(path)
    for imported in imports(path):
        top = imported.partition(".")[0]
        if top in OWNERS:
            assert is_in(own, OWNERS[top]), f"{own} imports {top}"
        elif top != NAME:
            assert top in sys.stdlib_module_names, f"{own} imports {top}, which has no owner"
        if top in LIMITED:
            assert is_in(own, LIMITED[top]), f"{own} imports {top}"
        if own in SANS_IO:
            assert top not in IO, f"{own} imports {top}"


def test_the_declared_dependencies_are_the_imported_ones() -> None:
    imported = {name.split(".")[0] for path in modules() for name in imports(path)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["mcp"]]
    declared = {re.split(r"[^a-z0-9]", one)[0] for one in listed}
    # cattrs comes with pygls, and is imported for its type only; the others come with mcp.
    assert imported & OWNERS.keys() == declared | {"cattrs", "anyio", "mcp_types"}


@pytest.mark.parametrize("path", modules(), ids=inside)
def test_sql_is_in_storage_and_error_numbers_in_rpc(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = folder_of(inside(path))
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
        if isinstance(node.value, str) and own != "storage.sqlite":
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


@pytest.mark.parametrize("path", modules(), ids=inside)
def test_a_module_has_one_screenful_of_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


REFERENCE = re.compile(r":(?:mod|class|func|meth|data|attr|exc):`~?([\w.]+)`")


def defined(path: Path) -> Iterator[str]:
    """Yield what a reference may name in a module: itself, its members, and members of those."""
    name = f"{NAME}.{inside(path)}".rstrip(".")
    yield name
    # Files that run when they are imported have nothing that is referred to.
    for member, value in vars(importlib.import_module(name)).items():
        yield f"{name}.{member}"
        if isinstance(value, type):
            yield from (f"{name}.{member}.{one}" for one in dir(value))
            yield from (f"{name}.{member}.{one}" for one in attributes(value))


def attributes(owner: type) -> set[str]:
    """Return the attributes that the methods of a class set, which ``dir`` does not know."""
    if owner.__module__.partition(".")[0] != NAME:
        return set()
    return set(re.findall(r"self\.(\w+)", inspect.getsource(owner)))


def test_cross_references_lead_to_something() -> None:
    known = {path: set(defined(path)) for path in modules() if path.name != "__main__.py"}
    everything = set[str]().union(*known.values())
    errors = set(defined(PACKAGE / "errors.py"))
    missing = list[str]()
    for path, own in known.items():
        for reference in REFERENCE.findall(path.read_text(encoding="utf-8")):
            if reference.startswith(NAME):
                found = reference in everything
            else:
                suffix = "." + reference.lstrip(".")
                names = everything if reference.startswith(".") else own | errors
                found = any(name.endswith(suffix) for name in names)
            missing += [] if found else [f"{inside(path)}: {reference}"]
    assert not missing
