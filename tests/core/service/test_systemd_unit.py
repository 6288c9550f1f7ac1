"""The systemd units, as systemd itself reads and rates them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.service.systemd_manager import Systemd
from batchtui.core.service.systemd_unit import PROBED, SERVICE, TIMER, service, timer
from batchtui.core.service.wanted import Wanted

HIGHEST = 30
"""Tenths of the exposure that `systemd-analyze security` gives."""

ODD = Path("/tmp/a %h $x \"q\" 'a' \\ é ; #dir")

analyzed = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")

VARIANTS = {
    "monitor": {},
    "timer": {"timer": True},
    "strict": {"writes": (Path("/srv/evals"), ODD)},
    "without namespaces": {"namespaces": False},
    "odd": {"environment": {"BATCHTUI_HOME": str(ODD), "PATH": "/usr/bin"}, "key_file": ODD / "key", "folders": (ODD,)},
}


def analyze(unit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    runtime = unit.parent / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return subprocess.run(
        ["systemd-analyze", *arguments, "--user", str(unit)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(unit.parent),
            "XDG_RUNTIME_DIR": str(runtime),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
    )


def verify(unit: Path) -> subprocess.CompletedProcess[str]:
    return analyze(unit, "verify", "--man=no", "--recursive-errors=yes")


def of(wanted: Wanted, folder: Path, variant: str) -> Path:
    wanted = replace(wanted, **VARIANTS[variant])
    (folder / SERVICE).write_text(service(wanted))
    if not wanted.timer:
        return folder / SERVICE
    (folder / TIMER).write_text(timer())
    return folder / TIMER


@analyzed
@pytest.mark.parametrize("variant", VARIANTS)
def test_systemd_finds_nothing_to_complain_about(wanted: Wanted, tmp_path: Path, variant: str) -> None:
    ended = verify(of(wanted, tmp_path, variant))
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


@analyzed
def test_a_mistake_would_be_seen(wanted: Wanted, tmp_path: Path) -> None:
    unit = of(wanted, tmp_path, "monitor")
    unit.write_text(unit.read_text().replace("WatchdogSec=180", "WatchDogSecs=180"))
    assert verify(unit).returncode != 0


@analyzed
@pytest.mark.parametrize("variant", ["monitor", "strict", "odd"])
def test_the_hardening_is_rated_at_3_0_or_better(wanted: Wanted, tmp_path: Path, variant: str) -> None:
    rated = analyze(of(wanted, tmp_path, variant), "security", "--offline=true", f"--threshold={HIGHEST}", "--no-pager")
    assert rated.returncode == 0, rated.stdout.splitlines()[-1:]


@analyzed
def test_the_timers_service_is_rated_like_the_other(wanted: Wanted, tmp_path: Path) -> None:
    of(wanted, tmp_path, "timer")
    assert analyze(tmp_path / SERVICE, "security", "--offline=true", f"--threshold={HIGHEST}").returncode == 0


@analyzed
def test_without_namespaces_the_rating_is_worse_and_better_than_none(wanted: Wanted, tmp_path: Path) -> None:
    unit = of(wanted, tmp_path, "without namespaces")
    assert analyze(unit, "security", "--offline=true", f"--threshold={HIGHEST}").returncode == 1
    assert analyze(unit, "security", "--offline=true", "--threshold=70").returncode == 0


def test_it_is_not_started_again_where_that_cannot_help(wanted: Wanted) -> None:
    text = service(wanted)
    assert f"RestartPreventExitStatus={errors.USAGE} {errors.NO_KEY}\n" in text
    assert "\nRestart=on-failure\n" in text
    assert "\nStartLimitIntervalSec=0\n" in text


def test_what_takes_effect_only_in_a_namespace_is_left_out_with_it(wanted: Wanted) -> None:
    left = service(replace(wanted, namespaces=False, writes=(Path("/srv"),)))
    lines = {line.partition("=")[0] for line in left.splitlines()}
    assert not lines & {one.removeprefix("--property=").partition("=")[0] for one in PROBED}
    assert not lines & {"ReadWritePaths", "ProtectHome", "CapabilityBoundingSet", "PrivateUsers"}
    assert "NoNewPrivileges" in lines


def test_home_and_tmp_stay_writable_unless_folders_are_named(wanted: Wanted) -> None:
    text = service(wanted)
    assert "ProtectSystem=full\n" in text
    assert not any(word in text for word in ("ProtectHome", "PrivateTmp", "ReadOnlyPaths", "MemoryDenyWriteExecute"))
    strict = service(replace(wanted, writes=(Path("/srv/evals"),)))
    places = " ".join(f'"{one}"' for one in (*wanted.folders, "/srv/evals"))
    assert f"ProtectSystem=strict\nProtectHome=read-only\nReadWritePaths={places}\n" in strict


def test_nothing_in_a_path_means_anything_to_systemd(wanted: Wanted) -> None:
    odd = replace(wanted, program=(str(ODD), "-m"), environment={"BATCHTUI_HOME": str(ODD)}, key_file=ODD)
    text = service(odd)
    assert r'''ExecStart="/tmp/a %%h $$x \"q\" 'a' \\ é ; #dir" "-m" "monitor"''' in text
    assert r'''Environment="BATCHTUI_HOME=/tmp/a %%h $x \"q\" 'a' \\ é ; #dir"''' in text
    assert r"""LoadCredential=anthropic_api_key:/tmp/a %%h $x "q" 'a' \ é ; #dir""" in text


@pytest.mark.parametrize(
    ("name", "value", "possible"),
    [
        ("user/max_user_namespaces", "0", False),
        ("user/max_user_namespaces", "96365", True),
        ("kernel/unprivileged_userns_clone", "0", False),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", False),
        ("kernel/apparmor_restrict_unprivileged_userns", "0", True),
    ],
)
def test_without_a_manager_the_kernels_settings_say_whether_there_are_namespaces(
    tmp_path: Path, name: str, value: str, *, possible: bool
) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(f"{value}\n")
    assert Systemd({"HOME": str(tmp_path), "PATH": "/nowhere"}, tmp_path).namespaces() is possible
