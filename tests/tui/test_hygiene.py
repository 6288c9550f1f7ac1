"""Text from outside is never parsed as markup: checked by reading the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

from batchtui.tui import app

TUI = Path(app.__file__).parent
SOURCES = sorted(path for path in TUI.rglob("*.py") if not path.name.startswith("__") and path.parent.name != "cli")


def every_call() -> Iterator[tuple[Path, str, ast.Call, str]]:
    return ((path, *call) for path in SOURCES for call in calls(path))


def calls(path: Path) -> Iterator[tuple[str, ast.Call, str]]:
    """Every call: the last part of the called name, the node, and the enclosing function."""
    tree = ast.parse(path.read_text())
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    yield getattr(node.func, "attr", getattr(node.func, "id", "")), node, function.name


def keywords(node: ast.Call) -> dict[str | None, ast.expr]:
    return {keyword.arg: keyword.value for keyword in node.keywords}


def is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def test_a_toast_is_made_in_one_place_only_and_there_without_markup() -> None:
    for path, name, node, function in every_call():
        if name == "notify":
            assert (path.name, function) == ("safe_app.py", "say")
            assert is_false(keywords(node).get("markup"))


def test_no_text_widget_reads_markup() -> None:
    for path, name, node, _ in every_call():
        if name in {"Static", "Label"}:
            assert is_false(keywords(node).get("markup")), f"{path.name}:{node.lineno}"


def test_what_buttons_and_hits_say_is_literal_or_content() -> None:
    for path, name, node, _ in every_call():
        if name in {"Button", "RadioButton", "Choice", "DiscoveryHit"} and node.args:
            label = node.args[0]
            literal = isinstance(label, ast.Constant)
            made = isinstance(label, ast.Call) and getattr(label.func, "id", "") == "Content"
            assert literal or made, f"{path.name}:{node.lineno}"


def test_the_wrapped_toast_is_where_the_rule_looks_for_it() -> None:
    assert [function for name, _, function in calls(TUI / "safe_app.py") if name == "notify"] == ["say"]
