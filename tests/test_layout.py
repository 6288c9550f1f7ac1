"""Structural rules that no linter checks: sizes, names, and what a command may import."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "widgets", "tui")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST = 300

IMPORTED = """
import json, sys
from batchtui.tui.cli.main import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of every module, with the name of its file."""
    return ((name(path), node) for path in SOURCES for node in ast.walk(tree_of(path)))


def imported_by(node: ast.AST) -> list[str]:
    """The top-level names that a node imports."""
    if isinstance(node, ast.Import):
        return [one.name.partition(".")[0] for one in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module.partition(".")[0]]
    return []


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 80
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(PACKAGES)


def test_a_module_is_no_longer_than_one_idea() -> None:
    lines = {name(path): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {module: count for module, count in lines.items() if count > LONGEST} == {}


def test_the_listed_packages_are_those_of_the_tree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tree = {".".join(("batchtui", *path.relative_to(ROOT).parent.parts)) for path in SOURCES}
    assert set(project["tool"]["setuptools"]["packages"]) == tree
    assert project["tool"]["setuptools"]["package-dir"] == {f"batchtui.{package}": package for package in PACKAGES}
    assert all((ROOT / package / "__init__.py").exists() for package in PACKAGES)


def test_no_folder_at_the_root_hides_the_installed_package() -> None:
    assert not (ROOT / "batchtui").exists()


def test_imports_of_ours_are_absolute() -> None:
    for module, node in nodes():
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{module}:{node.lineno}"
        assert not set(imported_by(node)) & set(PACKAGES), f"{module}: {ast.unparse(node)}"


def test_our_packages_have_one_name_each() -> None:
    import batchtui.core.desk.desk  # noqa: F401 - its imports are what is checked

    assert not {"core", "widgets", "tui"} & sys.modules.keys()


def test_the_sdk_is_imported_in_one_function_alone() -> None:
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for checking in [node for node in ast.walk(tree) if isinstance(node, ast.If)]:
            if isinstance(checking.test, ast.Name) and checking.test.id == "TYPE_CHECKING":
                checking.body = [ast.Pass()]
        inside = {
            id(node): function.name
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(function)
        }
        found += [
            (name(path), inside.get(id(node), "the module itself"))
            for node in ast.walk(tree)
            if {"anthropic", "httpx2", "httpx"} & set(imported_by(node))
        ]
    assert set(found) == {("core/api/sdk_client.py", "import_sdk")}


def test_nothing_is_printed_past_the_command_line() -> None:
    printed = [
        f"{module}:{node.lineno}"
        for module, node in nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printed == []


def test_every_module_says_what_it_is() -> None:
    assert [name(path) for path in SOURCES if not ast.get_docstring(tree_of(path))] == []


def environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "BATCHTUI_HOME": str(home / "state"), "NO_COLOR": "1"}


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), ("list",), ("list", "--json"), ("--once",), ("--once", "--json"), ("show", "x")],
    ids=" ".join,
)
def test_a_command_with_nothing_to_ask_imports_neither_the_sdk_nor_textual(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments], cwd=tmp_path, env=environment(tmp_path), capture_output=True
    )
    code, modules = json.loads(ended.stderr.splitlines()[-1])
    assert code == (2 if arguments[0] == "show" else 0)
    assert "click" in modules
    heavy = {"anthropic", "httpx2", "httpx", "pydantic", "textual", "rich", "genai_prices", "core", "tui"}
    assert heavy & set(modules) == set()


def test_the_desk_brings_in_neither_the_sdk_nor_a_terminal(tmp_path: Path) -> None:
    asked = "import json, sys, batchtui.core.desk.desk; print(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, env=environment(tmp_path), capture_output=True, check=True
    )
    modules = set(json.loads(ended.stdout))
    assert "batchtui.core.desk.desk" in modules
    assert (
        modules & {"anthropic", "httpx2", "textual", "rich", "click", "starlette", "uvicorn", "genai_prices"} == set()
    )


def test_the_modules_that_the_readme_draws_are_there() -> None:
    house = (ROOT / "README.md").read_text(encoding="utf-8").partition("### The house")[2]
    named = re.findall(r"`([a-z]+(?:\.[a-z_]+)+)`", house)
    there = {name(path).removesuffix(".py").replace("/", ".") for path in SOURCES}
    assert len(named) > 15
    assert [one for one in named if not {one, f"core.{one}"} & there | ({one} & {"tui.screens"})] == []


def test_the_readme_draws_every_wing() -> None:
    house = (ROOT / "README.md").read_text(encoding="utf-8").partition("### The house")[2].partition("\n- ")[0]
    wings = {path.parent.name for path in SOURCES if path.parent.parent == ROOT / "core"}
    assert wings <= set(re.findall(r"\w+", house))
