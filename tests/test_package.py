"""The built wheel: it holds every module and nothing else, and runs when nothing else of ours is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "widgets", "tui")
NEEDED = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds from a copy, so that nothing is left in the tree."""
    copy = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for needed in NEEDED:
        shutil.copy(ROOT / needed, copy / needed)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(copy / "dist"), str(copy)],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (copy / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The scripts folder of an environment with only the wheel installed; its dependencies are links to this one's."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin/python"
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"),
            *("--python", str(python), str(wheel)),
        ],
        env={**os.environ, "UV_CACHE_DIR": str(environment / "cache")},
        check=True,
    )
    # No .pth files: this environment's own would make the tree importable, and the tree must not be tested here.
    (packages,) = environment.glob("lib/python*/site-packages")
    for dependency in Path(sysconfig.get_path("purelib")).iterdir():
        if dependency.suffix != ".pth" and "batchtui" not in dependency.name:
            (link := packages / dependency.name).exists() or link.symlink_to(dependency)
    yield environment / "bin"
    shutil.rmtree(environment, ignore_errors=True)


def run(installed: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(installed / "batchtui"), *arguments],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "BATCHTUI_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )


def test_the_wheel_holds_every_module_the_style_and_the_types_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = {name.partition(".dist-info/")[2] for name in archive.namelist() if ".dist-info/" in name}
    kept = (".py", ".tcss")
    tree = {
        f"batchtui/{path.relative_to(ROOT)}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in kept or path.name == "py.typed" or (path.is_file() and {"examples", "help"} & set(path.parts))
    }
    assert held == tree
    assert {"batchtui/tui/app.tcss", "batchtui/core/jobs/examples/sentiment/news.sql"} <= held
    assert {f"batchtui/{package}/py.typed" for package in PACKAGES} <= held
    assert {"licenses/LICENSE", "entry_points.txt", "METADATA"} <= about


def test_the_installed_command_runs_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    asked = "import batchtui.core.desk.desk as desk, batchtui.tui.cli.main as main; print(desk.__file__, main.__file__)"
    where = subprocess.run(
        [str(installed / "python"), "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(Path(path).is_relative_to(installed.parent) for path in where.stdout.split())


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    ended = run(installed, tmp_path, "--version")
    assert (ended.returncode, ended.stdout) == (0, f"batchtui {version('batchtui')}\n")


def test_the_installed_command_starts_on_an_empty_state(installed: Path, tmp_path: Path) -> None:
    for arguments in (("list",), ("--once",)):
        ended = run(installed, tmp_path, *arguments)
        assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
        assert "No batches yet" in ended.stderr
    in_json = run(installed, tmp_path, "--once", "--json")
    assert (in_json.returncode, '"schema": 1' in in_json.stdout) == (0, True)


def test_every_module_of_the_wheel_can_be_imported(installed: Path, wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        modules = [
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name in archive.namelist()
            if name.endswith(".py") and "__main__" not in name
        ]
    ended = subprocess.run(
        [str(installed / "python"), "-c", "\n".join(f"import {module}" for module in sorted(modules))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


def test_building_left_nothing_in_the_tree(wheel: Path) -> None:
    assert wheel.exists()
    assert not (ROOT / "build").exists()
    assert not (ROOT / "dist").exists()
