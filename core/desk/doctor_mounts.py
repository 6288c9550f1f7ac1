"""What kind of disk a folder is on: a network share, or a folder that a program keeps the same on several machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

_NETWORK = frozenset(
    """9p afpfs afs beegfs ceph cifs fuse.ceph fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs fuse.davfs glusterfs gpfs
    lustre macfuse_sshfs ncpfs nfs nfs4 smb3 smbfs webdav""".split()  # noqa: SIM905 - a list of words
)
"""The names that the kernel gives to file systems of other machines."""

_SYNCED = (
    ("Mobile Documents", "iCloud"),
    ("Dropbox", "Dropbox"),
    ("OneDrive", "OneDrive"),
    ("Google Drive", "Google Drive"),
    ("GoogleDrive", "Google Drive"),
    ("Nextcloud", "Nextcloud"),
    ("ownCloud", "ownCloud"),
)
_MARKS = ((".stfolder", "Syncthing"), (".dropbox", "Dropbox"))
_TABLE = Path("/proc/self/mountinfo")
_BSD_LINE = re.compile(r".+? on (/.*) \(([^,)]+)")


def shared_by(folder: Path) -> str:
    """What shares a folder with other machines, in words; empty if nothing is known to."""
    real = Path(os.path.realpath(folder))
    if (kind := kind_at(real, mounts())) in _NETWORK:
        return f"a network share ({kind})"
    return f"a folder of {program}" if (program := synced_by(real)) else ""


def synced_by(folder: Path) -> str:
    """The program that keeps a folder the same on several machines, by its name or by the file that it leaves."""
    for part in folder.parts:
        for name, program in _SYNCED:
            if part == name or part.startswith((f"{name} ", f"{name}-")):
                return program
    there = (folder, *folder.parents)
    return next((program for mark, program in _MARKS if any(os.path.lexists(one / mark) for one in there)), "")


def mounts() -> dict[str, str]:
    """The kind of file system at each mount point; empty if it cannot be known."""
    try:
        if sys.platform == "darwin":
            listed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=3, env={}, check=False)
            return read_mount(listed.stdout)
        return read_mountinfo(_TABLE.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, subprocess.SubprocessError):
        return {}


def read_mountinfo(text: str) -> dict[str, str]:
    """Reads Linux's table (https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html); a later line covers an
    earlier one."""
    found = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")[0]
        if len(fields) > 4 and kind:
            found[re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])] = kind
    return found


def read_mount(text: str) -> dict[str, str]:
    """Reads what `mount` prints on macOS: `//me@host/share on /Volumes/share (smbfs, nodev)`."""
    return {found[1]: found[2] for line in text.splitlines() if (found := _BSD_LINE.match(line))}


def kind_at(path: Path, mounted: dict[str, str]) -> str:
    """The kind of file system that a path is on: that of the nearest mount point above it."""
    return next((mounted[str(one)] for one in (path, *path.parents) if str(one) in mounted), "")
