"""`python -m batchtui.core.simulator`: runs the simulator as its own process."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from typing import Any

import msgspec

from batchtui.core.simulator.world import SimulatorSettings


def main(arguments: list[str] | None = None) -> None:
    """Prints the base URL on its own line once it is listening, then runs until stopped."""
    parser = argparse.ArgumentParser(prog="batchtui-simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--tied", action="store_true", help="exit when standard input closes")
    for field in msgspec.structs.fields(SimulatorSettings):
        flag = f"--{field.name.replace('_', '-')}"
        if field.type is bool:
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=int if field.type is int else float, default=field.default)
    given: dict[str, Any] = vars(parser.parse_args(arguments))
    port = given.pop("port")
    if given.pop("tied"):
        threading.Thread(target=_end_with_input, daemon=True).start()

    from batchtui.core.simulator.server import serve

    serve(ready=_say, port=port, settings=SimulatorSettings(**given))


def _say(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    while os.read(0, 4096):
        continue
    os._exit(0)


if __name__ == "__main__":
    main()
