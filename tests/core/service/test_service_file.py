"""Files in a person's place: whole or not at all, and never over somebody's changes."""

import re
from pathlib import Path

import pytest

from batchtui.core.errors import BatchtuiError, NotAllowed
from batchtui.core.service.launchd_agent import agent
from batchtui.core.service.service_file import Standing, changes, marked, remove, standing, write
from batchtui.core.service.wanted import Wanted

UNIT = "# Head\n\n[Service]\nExecStart=/bin/é\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config/systemd/user/batchtui.service"


def test_a_file_that_we_made_is_known_as_ours_replaced_and_removed(path: Path) -> None:
    assert standing(path) is Standing.ABSENT
    assert remove(path) is False
    write(marked(path, UNIT))
    assert standing(path) is Standing.OURS
    assert path.read_text().endswith(UNIT)
    newer = marked(path, UNIT + "Nice=5\n")
    assert "+Nice=5\n" in changes(newer)
    write(newer)
    assert (standing(path), changes(newer)) == (Standing.OURS, "")
    assert remove(path) is True
    assert standing(path) is Standing.ABSENT
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "edit", [lambda text: text + "Nice=5\n", lambda text: text.replace("é", "e"), lambda text: text[:-1]]
)
def test_an_edited_file_is_neither_replaced_nor_removed(path: Path, edit: object) -> None:
    write(marked(path, UNIT))
    edited = edit(path.read_text())  # type: ignore[operator]
    path.write_text(edited)
    assert standing(path) is Standing.EDITED
    with pytest.raises(NotAllowed, match=r"was edited .* not replaced"):
        write(marked(path, UNIT))
    with pytest.raises(NotAllowed, match=r"was edited .* not removed"):
        remove(path)
    assert path.read_text() == edited


def test_an_agent_carries_its_mark_where_xml_allows_it(wanted: Wanted, path: Path) -> None:
    made = marked(path, agent(wanted))
    write(made)
    assert standing(path) is Standing.OURS
    path.write_text(made.text.replace("<true/>", "<false/>"))
    assert standing(path) is Standing.EDITED


@pytest.mark.parametrize("kind", ["text", "link", "dead link", "folder", "no mark"])
def test_what_is_not_ours_stays(path: Path, tmp_path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True)
    if kind == "text":
        path.write_text("[Service]\n")
    elif kind == "no mark":
        path.write_text(re.sub("^# batchtui.*\n", "", marked(path, UNIT).text))
    elif kind == "folder":
        path.mkdir()
    else:
        target = tmp_path / "target"
        if kind == "link":
            target.write_text(marked(path, UNIT).text)
        path.symlink_to(target)
    assert standing(path) is Standing.FOREIGN
    with pytest.raises(NotAllowed, match="not from batchtui"):
        write(marked(path, UNIT))
    with pytest.raises(NotAllowed, match="not from batchtui"):
        remove(path)
    assert path.is_symlink() or path.exists()


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(BatchtuiError, match="was not written: Not a directory"):
        write(marked(tmp_path / "config/systemd/batchtui.service", UNIT))
