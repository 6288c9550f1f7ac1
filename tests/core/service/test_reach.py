"""Outputs that a sandboxed service could not write are known before it is installed."""

from pathlib import Path

from msgspec.structs import replace

from batchtui.core.batches.batch import Output
from batchtui.core.service.reach import out_of_reach
from batchtui.core.service.wanted import Wanted


def outputs(*paths: object) -> list[Output]:
    return [Output("files", str(one)) for one in paths]


def test_by_default_only_the_systems_folders_are_out_of_reach(wanted: Wanted, tmp_path: Path) -> None:
    there = outputs(tmp_path / "a.csv", "/tmp/b.csv", "/srv/c/{{ key }}.md", "/mnt/x/d.db", "")
    assert out_of_reach(there, wanted) == []
    lost = outputs("/usr/local/share/a.csv", "/etc/x/{{ key }}.md", "/usrlocal/b")
    assert out_of_reach(lost, wanted) == [Path("/usr/local/share"), Path("/etc/x")]
    assert out_of_reach(lost, replace(wanted, namespaces=False)) == []


def test_with_named_folders_the_rest_is_out_of_reach(wanted: Wanted, tmp_path: Path) -> None:
    strict = replace(wanted, writes=(tmp_path / "evals",))
    fine = outputs(tmp_path / "evals/a.csv", tmp_path / "evals/{{ x }}/b.md", wanted.folders[0] / "c.csv")
    assert out_of_reach(fine, strict) == []
    lost = outputs(tmp_path / "evals2/a.csv", tmp_path / "e{{ x }}/b.md", tmp_path / "evals/../c.csv")
    assert out_of_reach(lost, strict) == [tmp_path / "evals2", tmp_path]


def test_links_are_followed(wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "evals/out").symlink_to(tmp_path / "elsewhere")
    strict = replace(wanted, writes=(tmp_path / "evals",))
    assert out_of_reach(outputs(tmp_path / "evals/out/a.csv"), strict) == [tmp_path / "elsewhere"]
    assert out_of_reach(outputs(tmp_path / "link/a.csv"), replace(strict, writes=(tmp_path / "elsewhere",))) == []
