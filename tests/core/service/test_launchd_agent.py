"""The launchd agent: a strict property list with keys that launchd knows, each of the right type."""

import plistlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.service.launchd_agent import agent
from batchtui.core.service.service_file import marked
from batchtui.core.service.wanted import Wanted

KNOWN: dict[str, type] = {
    "Label": str,
    "ProgramArguments": list,
    "EnvironmentVariables": dict,
    "WorkingDirectory": str,
    "RunAtLoad": bool,
    "KeepAlive": dict,
    "ThrottleInterval": int,
    "StartInterval": int,
    "ProcessType": str,
    "ExitTimeOut": int,
    "Umask": int,
    "HardResourceLimits": dict,
    "SoftResourceLimits": dict,
    "StandardOutPath": str,
    "StandardErrorPath": str,
}
"""From launchd.plist(5)."""


def read(wanted: Wanted) -> dict[str, Any]:
    text = marked(Path("batchtui.plist"), agent(wanted)).text
    found: dict[str, Any] = plistlib.loads(text.encode(), fmt=plistlib.FMT_XML)
    assert {name: type(value) for name, value in found.items()} == {name: KNOWN[name] for name in found}
    assert all(isinstance(one, str) for one in found["ProgramArguments"])
    assert all(isinstance(one, str) for pair in found["EnvironmentVariables"].items() for one in pair)
    return found


def test_the_agent_runs_monitor_and_is_kept_alive_after_failures_alone(wanted: Wanted) -> None:
    found = read(wanted)
    assert found["ProgramArguments"] == [*wanted.program, "monitor"]
    assert Path(found["ProgramArguments"][0]).is_absolute()
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert "StartInterval" not in found
    assert found["Umask"] == 0o022
    assert found["WorkingDirectory"] == str(wanted.home)


def test_with_a_timer_it_runs_once_and_again(wanted: Wanted) -> None:
    found = read(replace(wanted, timer=True))
    assert (found["ProgramArguments"][-1], found["StartInterval"]) == ("--once", 300)
    assert "KeepAlive" not in found


def test_what_xml_would_read_as_its_own_arrives_as_it_was(wanted: Wanted) -> None:
    odd = {"BATCHTUI_HOME": '/tmp/<a> & "b" ]]> --> é'}
    assert read(replace(wanted, environment=odd))["EnvironmentVariables"] == odd


def test_a_broken_list_would_be_seen(wanted: Wanted) -> None:
    with pytest.raises(Exception, match="mismatched tag"):
        plistlib.loads(agent(wanted).replace("</array>", "</dict>").encode())
