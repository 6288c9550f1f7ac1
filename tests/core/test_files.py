"""A name refers to a whole file or to none, and only we can write to our folders."""

import errno
import fcntl
import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from batchtui.core.errors import StateError
from batchtui.core.files import NewFile, create, own_way_out, private_folder, replacing, sweep


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_old_content_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    path = tmp_path / ("\u8a9e" * 84 + ".md")
    assert len(os.fsencode(path.name)) == 255
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_an_exception_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"half")
        _ = 1 / 0
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_without_overwrite_what_came_up_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileExistsError), replacing(path, overwrite=False) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["a"]
    with pytest.raises(FileExistsError), replacing(path, overwrite=False):
        pass


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_files_and_folders_are_ours_alone_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = private_folder(tmp_path / "x")
        with replacing(folder / "a") as file:
            assert mode(next(folder.iterdir())) == 0o600
            file.write(b"1")
    finally:
        os.umask(before)
    assert mode(folder / "a") == 0o600
    assert mode(folder) == 0o700


def test_replacing_a_link_leaves_its_target_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "a"
    path.symlink_to(victim)
    with replacing(path) as file:
        file.write(b"new")
    assert victim.read_text() == "precious"
    assert not path.is_symlink()
    assert path.read_bytes() == b"new"


def test_a_link_planted_under_the_temporary_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    (tmp_path / ".a.guessed.part").symlink_to(victim)
    with pytest.raises(FileExistsError), replacing(tmp_path / "a") as file:
        file.write(b"new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a").exists()


def test_create_never_follows_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        create(tmp_path / "a")
    assert not (tmp_path / "elsewhere").exists()


def test_sweep_removes_what_the_dead_left_and_spares_the_living(tmp_path: Path) -> None:
    script = "import os,sys;from pathlib import Path;from batchtui.core.files import NewFile;"
    script += "NewFile(Path(sys.argv[1]));os._exit(9)"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "dead")], check=False)
    assert [name for name in names(tmp_path) if name.startswith(".dead.")]
    living = NewFile(tmp_path / "living")
    (tmp_path / "other").write_text("")
    sweep(tmp_path)
    living.file.write(b"whole")
    living.keep()
    assert names(tmp_path) == ["living", "other"]
    assert (tmp_path / "living").read_bytes() == b"whole"


def test_sweep_takes_nothing_whose_name_or_kind_is_not_ours(tmp_path: Path) -> None:
    for name in (".film.mkv.part", ".a.part", "a.0a1b2c3d.part", ".b.0A1B2C3D.part"):
        (tmp_path / name).write_text("mine")
    os.mkfifo(tmp_path / ".pipe.0a1b2c3d.part")
    (tmp_path / ".link.0a1b2c3d.part").symlink_to(tmp_path / ".a.part")
    (tmp_path / ".state.json.0a1b2c3d.part").write_text("half")
    (tmp_path / ".other.json.0a1b2c3d.part").write_text("somebody's")
    before = names(tmp_path)
    sweep(tmp_path, "state.json")
    assert names(tmp_path) == [name for name in before if "state" not in name]
    sweep(tmp_path)
    assert names(tmp_path) == [name for name in before if "json" not in name]


def test_a_part_that_was_swept_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    swept: list[Path] = []

    def flock(file: int, flags: int) -> None:
        if not swept:
            swept.append(next(tmp_path.glob(".*.part")))
            swept[0].unlink()
        real(file, flags)

    monkeypatch.setattr(fcntl, "flock", flock)
    with replacing(tmp_path / "a") as file:
        file.write(b"whole")
    assert swept
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_a_folder_that_others_may_write_to_is_closed_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    folder.chmod(0o777)
    private_folder(folder)
    assert mode(folder) == 0o700


def test_a_folder_that_cannot_be_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError) as caught:
        private_folder(tmp_path / "file" / "x")
    assert str(tmp_path / "file" / "x") in caught.value.message


@pytest.fixture
def plain_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system such as FAT or a share: it has no hard links, and a folder cannot be synced."""
    sync = os.fsync

    def no_link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def no_folder_sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(os, "fsync", no_folder_sync)


@pytest.mark.usefixtures("plain_disk")
def test_without_hard_links_a_new_file_still_gets_its_name_once_and_replaces_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.jsonl"
    with replacing(target, overwrite=False) as file:
        file.write(b"whole")
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["a.jsonl"]
    late = NewFile(tmp_path / "b.jsonl", overwrite=False)
    late.file.write(b"late")
    (tmp_path / "b.jsonl").write_bytes(b"first")
    with pytest.raises(FileExistsError):
        late.keep()
    assert (tmp_path / "b.jsonl").read_bytes() == b"first"
    assert names(tmp_path) == ["a.jsonl", "b.jsonl"]
    with replacing(target) as file:
        file.write(b"newer")
    assert target.read_bytes() == b"newer"


@pytest.mark.parametrize("below", ["", "x", "x/y"])
def test_what_is_in_the_place_of_a_folder_is_said_as_it_is(tmp_path: Path, below: str) -> None:
    for name, words in (("file", "not a folder"), ("link", "is a link to")):
        place = tmp_path / name
        if name == "file":
            place.write_text("")
        else:
            place.symlink_to(tmp_path / "unplugged")
        with pytest.raises(StateError) as caught:
            private_folder(place / below)
        assert f"{place} is " in caught.value.message
        assert words in caught.value.message
    assert "remove the link" in caught.value.hint


def test_a_link_to_a_folder_that_is_there_is_used(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert private_folder(tmp_path / "link") == tmp_path / "link"


def test_the_way_out_goes_by_what_is_wrong() -> None:
    said = {number: own_way_out(OSError(number, "")) for number in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO)}
    assert "Free some space" in said[errno.ENOSPC]
    assert "read-only" in said[errno.EROFS]
    assert "write access" in said[errno.EACCES]
    assert said[errno.EIO] == "The disk or the share fails: check it."


def test_what_stands_whole_is_not_called_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the rename, nothing that fails takes the file away again."""
    real = os.open

    def no_folders(path: object, flags: int, *rest: int) -> int:
        if flags & os.O_DIRECTORY:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, flags, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", no_folders)
    with replacing(tmp_path / "a") as file:
        file.write(b"new")
    monkeypatch.undo()
    for number in (errno.EIO, errno.EINVAL, errno.ESTALE):
        fsync = os.fsync

        def fails(descriptor: int, number: int = number, fsync: object = fsync) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fails)
            with replacing(tmp_path / "a") as file:
                file.write(str(number).encode())
        assert (tmp_path / "a").read_bytes() == str(number).encode()


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EACCES, errno.EXDEV])
def test_a_disk_without_hard_links_may_say_so_in_any_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", none)
    with replacing(tmp_path / "a", overwrite=False) as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    with pytest.raises(FileExistsError), replacing(tmp_path / "a", overwrite=False):
        pass
    assert names(tmp_path) == ["a"]


def test_a_temporary_name_that_cannot_be_removed_after_a_link_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stays(*_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with replacing(tmp_path / "a", overwrite=False) as file:
        file.write(b"new")
        monkeypatch.setattr(Path, "unlink", stays)
    assert (tmp_path / "a").read_bytes() == b"new"
