"""Splitting archived rows into parts: nothing is lost or doubled, and every part is within the limits."""

import json
from pathlib import Path

import pytest

from batchtui.core.batches.batch import Part
from batchtui.core.batches.limits import body_size
from batchtui.core.paths import Paths
from batchtui.core.requests import split as splitting
from batchtui.core.requests.check import check
from batchtui.core.requests.split import Cut, split
from batchtui.core.state.archive import digest


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "requests").mkdir()
    return Paths(tmp_path, tmp_path, tmp_path)


def rows(path: Path, count: int, pad: str = "") -> Path:
    with path.open("w") as file:
        for number in range(count):
            model = "claude-haiku-5-5" if number % 2 else "claude-sonnet-5-5"
            params = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": f"{number}{pad}"}]}
            file.write(json.dumps({"custom_id": f"r-{number}", "params": params}) + "\n")
    return path


def archived(paths: Paths, parts: tuple[Part, ...]) -> bytes:
    return b"".join(paths.archive(part.ref).read_bytes() for part in parts)


@pytest.mark.parametrize(
    ("cut", "sizes"),
    [(Cut(), [10]), (Cut(most=4), [4, 4, 2]), (Cut(alone=1), [1, 9]), (Cut(alone=2, most=5), [2, 5, 3])],
)
def test_the_parts_hold_every_row_once_in_order(paths: Paths, tmp_path: Path, cut: Cut, sizes: list[int]) -> None:
    source = rows(tmp_path / "rows.jsonl", 10)
    parts = split(source, paths, cut, step=3)
    assert [part.requests for part in parts] == sizes
    assert [(part.number, part.step) for part in parts] == [(number + 1, 3) for number in range(len(sizes))]
    assert archived(paths, parts) == source.read_bytes()


def test_a_part_says_what_a_check_of_its_rows_says(paths: Paths, tmp_path: Path) -> None:
    parts = split(rows(tmp_path / "rows.jsonl", 7), paths, Cut(most=3))
    for part in parts:
        checked = check(paths.archive(part.ref))
        assert (part.requests, part.bytes, part.digest, part.models) == (
            checked.requests,
            checked.bytes,
            checked.digest,
            checked.models,
        )


def test_no_part_makes_a_body_over_the_limit(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MAX_BYTES", 2000)
    source = rows(tmp_path / "rows.jsonl", 30, pad="x" * 300)
    parts = split(source, paths, Cut())
    assert len(parts) > 5
    assert all(part.bytes == body_size(paths.archive(part.ref).stat().st_size) <= 2000 for part in parts)
    assert archived(paths, parts) == source.read_bytes()


def test_the_keys_go_along_with_their_rows(paths: Paths, tmp_path: Path) -> None:
    keys = tmp_path / "keys.jsonl"
    keys.write_text("".join(f'{{"custom_id":"r-{number}","key":"k{number}","row":{{}}}}\n' for number in range(5)))
    parts = split(rows(tmp_path / "rows.jsonl", 5), paths, Cut(most=2), keys=keys)
    for part in parts:
        ids = [json.loads(line)["custom_id"] for line in paths.archive(part.ref).read_text().splitlines()]
        assert [json.loads(line)["custom_id"] for line in paths.keys(part.ref).read_text().splitlines()] == ids
        assert part.digest == digest(ids)


def test_a_row_that_breaks_half_way_leaves_nothing(paths: Paths, tmp_path: Path) -> None:
    source = rows(tmp_path / "rows.jsonl", 4)
    with source.open("a") as file:
        file.write("not json\n")
    with pytest.raises(ValueError, match="malformed"):
        split(source, paths, Cut(most=2))
    assert list(paths.requests.iterdir()) == []
