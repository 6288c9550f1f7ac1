"""Where files live."""

import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import asdict

from batchtui.core import paths
from batchtui.core.errors import BadInput
from batchtui.core.files import private_folder
from batchtui.core.outputs.export import refuse_ours
from batchtui.core.paths import Paths

FILES = ("state", "state_lock", "poller_lock", "poller", "poke", "submit_lock", "requests", "results", "settings")


def every(where: Paths) -> list[Path]:
    return [
        *(getattr(where, name) for name in FILES),
        where.log_file,
        where.archive("b1"),
        where.result("msgbatch_1"),
        where.summary("msgbatch_1"),
    ]


def test_one_variable_puts_every_file_under_one_folder(tmp_path: Path) -> None:
    where = paths.find_paths({"BATCHTUI_HOME": str(tmp_path / "home")})
    assert all(path.is_relative_to(tmp_path / "home") for path in every(where))
    assert len(set(every(where))) == len(every(where))


def test_looking_makes_nothing(tmp_path: Path) -> None:
    every(paths.find_paths({"BATCHTUI_HOME": str(tmp_path / "home")}))
    assert list(tmp_path.iterdir()) == []


def test_the_files_have_the_names_that_people_were_told(tmp_path: Path) -> None:
    where = paths.find_paths({"BATCHTUI_HOME": str(tmp_path)})
    told = {
        "state.json": where.state,
        "requests/b1.jsonl": where.archive("b1"),
        "results/msgbatch_1.jsonl": where.result("msgbatch_1"),
        "results/msgbatch_1.summary.json": where.summary("msgbatch_1"),
        "batchtui.log": where.log_file,
        "config.toml": where.settings,
    }
    assert {name: str(path.relative_to(tmp_path)) for name, path in told.items()} == {name: name for name in told}


def test_a_relative_or_tilde_home_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert paths.find_paths({"BATCHTUI_HOME": "here"}).data == tmp_path / "here"
    assert paths.find_paths({"BATCHTUI_HOME": "~/there"}).data == tmp_path / "me/there"


@pytest.mark.skipif(sys.platform == "darwin", reason="XDG folders are for Linux")
def test_without_it_the_platforms_own_folders_are_used(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "BATCHTUI_HOME"}
    asked = subprocess.run(
        [
            sys.executable,
            "-c",
            "from batchtui.core import paths; w = paths.find_paths(); print(w.data, w.config, w.log, sep='\\n')",
        ],
        env={
            **kept,
            "XDG_DATA_HOME": str(tmp_path / "d"),
            "XDG_CONFIG_HOME": str(tmp_path / "c"),
            "XDG_STATE_HOME": str(tmp_path / "s"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    data, config, log = asked.stdout.splitlines()
    assert (data, config) == (str(tmp_path / "d/batchtui"), str(tmp_path / "c/batchtui"))
    assert Path(log).is_relative_to(tmp_path / "s/batchtui")
    assert list(tmp_path.iterdir()) == []


def test_the_folders_above_are_ours_alone_too_where_they_are_made(tmp_path: Path) -> None:
    where = Paths(data=tmp_path / "share/batchtui", config=tmp_path / "config", log=tmp_path / "state/batchtui/log")
    before = os.umask(0o022)
    try:
        for folder in (where.requests, where.log):
            private_folder(folder)
    finally:
        os.umask(before)
    made = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert len(made) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


def test_an_empty_home_is_no_home() -> None:
    assert asdict(paths.find_paths({"BATCHTUI_HOME": ""})) == asdict(paths.find_paths({}))


def test_a_home_that_is_not_there_is_said_and_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="BATCHTUI_HOME: ~no-such-user/x names a home folder that does not exist"):
        paths.find_paths({"BATCHTUI_HOME": "~no-such-user/x"})
    assert list(tmp_path.iterdir()) == []


def test_a_user_without_a_home_is_told_to_set_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example a numeric user in a container: there is no HOME and no entry in the list of users."""

    def nobody(_: int) -> None:
        raise KeyError

    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(BadInput, match="no home folder") as caught:
        paths.find_paths({})
    assert "BATCHTUI_HOME" in caught.value.hint
    assert paths.find_paths({"BATCHTUI_HOME": "/somewhere"}).data == Path("/somewhere")


@pytest.mark.parametrize(
    ("said", "leads"),
    [
        ("out.csv", "here/out.csv"),
        ("./~out.csv", "here/~out.csv"),
        ("~/out.csv", "me/out.csv"),
        ("../me/./out.csv", "me/out.csv"),
        ("link/out.csv", "me/out.csv"),
        ("link/../out.csv", "out.csv"),
        ("loop/out.csv", "here/loop/out.csv"),
        ("other.csv", "here/other.csv"),
    ],
)
def test_a_target_is_absolute_with_the_links_of_its_folder_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, leads: str
) -> None:
    for name in ("me", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    Path("link").symlink_to(tmp_path / "me")
    Path("loop").symlink_to("loop")
    Path("other.csv").symlink_to("elsewhere.csv")  # the link itself is replaced, not followed
    assert paths.target_path(said) == tmp_path / leads


@pytest.mark.parametrize("said", ["~no-such-user/out.csv", "~no-such-user", "a\0.csv", "a\udc9b.csv"])
def test_what_names_no_place_is_refused(said: str) -> None:
    with pytest.raises(BadInput):
        paths.target_path(said)


def test_every_file_of_ours_is_known_as_ours_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    where = paths.find_paths({"BATCHTUI_HOME": "~/link"})
    ours = (
        where.state,
        where.settings,
        where.log_file,
        where.log_file.with_name("batchtui.log.1"),
        *where.locks,
        where.archive("b1"),
        where.summary("msgbatch_1"),
        where.requests / "new.csv",
    )
    for path in ours:
        for said in (str(path), str(path).replace(str(tmp_path), "~"), str(path).replace("/link/", "/home/")):
            assert where.owns(paths.target_path(said)), said
    for said in ("~/link/out.csv", "~/state.json", "~/home/requests.csv"):
        assert not where.owns(paths.target_path(said)), said


def test_a_file_that_a_link_of_ours_leads_to_is_ours(tmp_path: Path) -> None:
    """A config.toml from a collection of dotfiles is such a link."""
    (tmp_path / "home").mkdir()
    (tmp_path / "dotfiles").mkdir()
    where = paths.find_paths({"BATCHTUI_HOME": str(tmp_path / "home")})
    for path in (where.settings, where.state, where.poller_lock):
        real = tmp_path / "dotfiles" / path.name
        real.touch()
        path.symlink_to(real)
        (tmp_path / f"to-{path.name}").symlink_to(real)
        assert where.owns(paths.target_path(str(real)))
        assert where.owns(paths.target_path(str(tmp_path / f"to-{path.name}")))


@pytest.mark.parametrize(
    "pattern",
    [
        "{custom_id}.json",
        "{{ key }}.TOML",
        "{key}.lock",
        "batchtui.{custom_id}",
        "p{key}oke",
        "{custom_id}",
        "log.{key}",
    ],
)
def test_a_pattern_that_could_make_a_file_of_ours_is_refused(tmp_path: Path, pattern: str) -> None:
    where = paths.find_paths({"BATCHTUI_HOME": str(tmp_path / "home")})
    with pytest.raises(BadInput):
        refuse_ours(paths.target_path(str(tmp_path / "home" / pattern)), where)
    refuse_ours(paths.target_path(str(tmp_path / pattern)), where)
    refuse_ours(paths.target_path(str(tmp_path / "home/{custom_id}.md")), where)
