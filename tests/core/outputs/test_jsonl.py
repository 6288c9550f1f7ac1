"""The lossless export: the exact bytes of the API's lines."""

from pathlib import Path
from typing import Any

from batchtui.core.outputs.kinds import export


def test_every_line_is_kept_byte_for_byte_even_one_that_cannot_be_read(make: Any, out: Path) -> None:
    lines = [
        make.answer("a", "half \ud800 and \u2028"),
        b'{"custom_id": "../../etc", "result": {"type":"expired",  "n": 1.50}}',
        b'{"custom_id": "torn',
        make.answer("long", "x" * 5_000_000),
    ]
    export(make(*lines), str(out / "a.jsonl"))
    assert (out / "a.jsonl").read_bytes() == b"".join(line + b"\n" for line in lines)
