"""The script in the docstring of the package: the desk as people use it from Python."""

import asyncio
import inspect
import os
import sys
import textwrap
from typing import TYPE_CHECKING

import batchtui.core.desk
from tests.conftest import PATIENCE

if TYPE_CHECKING:
    from tests.conftest import World


async def test_the_lines_of_the_docstring_submit_a_file_wait_and_print_the_answers(world: "World") -> None:
    said = inspect.getdoc(batchtui.core.desk) or ""
    script = textwrap.dedent(said[said.index("    import asyncio") :])
    assert len([line for line in script.splitlines() if line.strip()]) <= 12
    world.rows(3, "requests.jsonl")
    world.control.settings(duration=0)
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script),
        cwd=world.folder,
        env={**os.environ, **world.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(running.communicate(), PATIENCE)
    assert running.returncode == 0, err.decode()
    lines = sorted(line for line in out.decode().splitlines() if line.startswith("req-"))
    assert [line.split()[:2] for line in lines] == [[f"req-{at}", "succeeded"] for at in range(3)]
    assert all(len(line.split()) > 2 for line in lines), "each answer has its text"
    assert len(world.control.batches()) == 1
