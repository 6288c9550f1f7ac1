"""Answers as batchtui keeps them, made from raw lines, and a folder to export to."""

import json
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.results.answers import Answers, BatchFiles


class Maker:
    """Makes raw result lines, and the answers of one batch from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *lines: bytes, archive: Path | None = None, keys: Path | None = None) -> Answers:
        return Answers.open([self.shelf("msgbatch_1", *lines, archive=archive, keys=keys)])

    def shelf(self, name: str, *lines: bytes, archive: Path | None = None, keys: Path | None = None) -> BatchFiles:
        """The files of one batch."""
        path = self.folder / f"{name}.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return BatchFiles(path, archive, keys)

    def answer(self, custom_id: str, text: str, **usage: int) -> bytes:
        message = {
            "model": "claude-haiku-5-5",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 4, **usage},
        }
        return self.other(custom_id, "succeeded", message=message)

    def error(self, custom_id: str, kind: str, message: str) -> bytes:
        return self.other(custom_id, "errored", error={"type": "error", "error": {"type": kind, "message": message}})

    def other(self, custom_id: str, kind: str, **more: Any) -> bytes:
        return json.dumps({"custom_id": custom_id, "result": {"type": kind, **more}}).encode()

    def keys(self, *keys: tuple[str, str, dict[str, Any]], name: str = "REF") -> Path:
        """A keys file with these entries: custom_id, key, row."""
        path = self.folder.parent / f"{name}.keys.jsonl"
        said = [{"custom_id": custom_id, "key": key, "row": row} for custom_id, key, row in keys]
        path.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in said))
        return path

    def archive(self, *custom_ids: str, name: str = "REF") -> Path:
        """The archived requests with these ids, in this order."""
        path = self.folder.parent / f"{name}.jsonl"
        path.write_bytes(b"".join(b'{"custom_id":"%s","params":{}}\n' % name.encode() for name in custom_ids))
        return path


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    folder = tmp_path / "home" / "results"
    folder.mkdir(parents=True)
    return Maker(folder)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "out"
