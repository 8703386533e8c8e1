import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ribospace import files
from ribospace.errors import UserError, is_disk_full, nearest
from ribospace.files import existing_file, sha256, versions, written_whole
from tests.systems import posix_only


def everything(folder):
    return sorted(path.name for path in folder.rglob("*"))


def write_half(out, fault):
    with written_whole(out) as beside:
        beside.mkdir()
        (beside / "half").write_text("half")
        raise fault


def test_a_file_appears_when_the_block_ends(tmp_path):
    out = tmp_path / "new" / "out.txt"
    with written_whole(out) as beside:
        beside.write_text("all of it")
        assert beside.suffix == ".txt"
        assert not out.exists()
    assert out.read_text() == "all of it"
    assert everything(tmp_path) == ["new", "out.txt"]


@pytest.mark.parametrize("fault", [ValueError("no"), UserError("no"), KeyboardInterrupt(), OSError(errno.EIO, "no")])
def test_nothing_stays_of_a_failed_block(tmp_path, fault):
    out = tmp_path / "out.txt"
    for before in (None, "as before"):
        if before is not None:
            out.write_text(before)
        with pytest.raises((type(fault), UserError)):
            write_half(out, fault)
        assert everything(tmp_path) == ([] if before is None else ["out.txt"])
    assert out.read_text() == "as before"


@posix_only("an open file cannot be replaced")
def test_a_file_is_replaced_at_once(tmp_path):
    out = tmp_path / "out.txt"
    out.write_text("old")
    with open(out, encoding="utf-8") as reader:
        with written_whole(out) as beside:
            beside.write_text("new")
            assert out.read_text() == "old"
        assert reader.read() == "old"  # who had it open reads on
    assert out.read_text() == "new"
    assert everything(tmp_path) == ["out.txt"]


def test_a_folder_is_replaced_whole(tmp_path):
    out = tmp_path / "model"
    for name in ("first", "second"):
        with written_whole(out) as beside:
            beside.mkdir()
            (beside / name).write_text(name)
    assert everything(tmp_path) == ["model", "second"]
    with pytest.raises(ValueError, match="no"):
        write_half(out, ValueError("no"))
    assert everything(tmp_path) == ["model", "second"]


def test_a_file_does_not_replace_a_folder(tmp_path):
    (tmp_path / "out" / "inside").mkdir(parents=True)
    with pytest.raises(UserError, match="Cannot write"):
        with written_whole(tmp_path / "out") as beside:
            beside.write_text("text")
    assert everything(tmp_path) == ["inside", "out"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Cannot write .*file[/\\]out\.txt: .+\. Choose a place"):
        with written_whole(tmp_path / "file" / "out.txt"):
            pytest.fail("the block must not begin")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="Permission denied"):
            with written_whole(tmp_path / "out.txt"):
                pytest.fail("the block must not begin")
    finally:
        tmp_path.chmod(0o700)


def test_the_error_of_another_file_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        with written_whole(tmp_path / "out.txt"):
            (tmp_path / "input.txt").read_text()
    assert everything(tmp_path) == []


def test_a_full_disk_is_said(tmp_path):
    with pytest.raises(UserError, match=r"The disk is full: .*out\.txt was not written\. Free some space"):
        with written_whole(tmp_path / "out.txt"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert is_disk_full(RuntimeError("lance error: LanceError(IO): … No space left on device (os error 28)"))
    assert not is_disk_full(OSError(errno.EIO, "Input/output error"))


def test_a_disk_that_fills(small_disk):
    disk = small_disk(1)
    (disk / "out.bin").write_bytes(b"before")
    with pytest.raises(UserError, match="The disk is full"):
        with written_whole(disk / "out.bin") as beside:
            beside.write_bytes(bytes(2 << 20))
    assert everything(disk) == ["out.bin"]
    assert (disk / "out.bin").read_bytes() == b"before"


def test_existing_file(tmp_path):
    file = tmp_path / "a"
    file.write_text("a")
    assert existing_file(str(file)) == file
    with pytest.raises(UserError, match="is a folder, not a file"):
        existing_file(tmp_path)
    with pytest.raises(UserError, match="b does not exist"):
        existing_file(tmp_path / "b")


def test_sha256_and_versions(tmp_path):
    (tmp_path / "a").write_bytes(b"ab")
    (tmp_path / "b").write_bytes(b"c")
    assert sha256(tmp_path / "a", tmp_path / "b") == hashlib.sha256(b"abc").hexdigest()
    found = versions("numpy", "no-such-package")
    assert found["no-such-package"] == "not installed"
    assert {"python", "ribospace", "numpy"} < set(found)
    assert all(found.values())


def test_nearest():
    assert nearest("tRAN", ["tRNA", "rRNA", "lncRNA"]) == "Did you mean tRNA or rRNA?"
    assert nearest("x", []) == "There are none yet."


# ---------------------------------------------------------------- processes that are killed, or meet

HELD = """
import sys, time
from pathlib import Path
from ribospace.files import written_whole

with written_whole(Path(sys.argv[1])) as beside:
    beside.mkdir()
    (beside / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def killed_writer(tmp_path):
    """Start a process that writes a folder, and kill it in the middle."""
    process = subprocess.Popen([sys.executable, "-c", HELD, str(tmp_path / "model")], stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"writing"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_killed_process_left_is_taken_away(tmp_path, killed_writer):
    (left,) = tmp_path.iterdir()
    files._sweep.cache_clear()
    with written_whole(tmp_path / "other") as beside:
        beside.write_text("of one that lives stays")
    assert left.exists()
    killed_writer.kill()
    killed_writer.wait()
    files._sweep.cache_clear()
    (tmp_path / ".mine.abcdefgh").mkdir()  # a name like ours, but not ours
    (tmp_path / ".mine.abcdefgh" / "mine").write_text("")
    (tmp_path / ".other.abcdefgh").mkdir()  # of one that was killed before it held it
    with written_whole(tmp_path / "other") as beside:
        beside.write_text("of one that was killed goes")
    assert everything(tmp_path) == [".mine.abcdefgh", "mine", "other"]


def test_a_folder_that_a_killed_process_had_moved_aside_comes_back(tmp_path, killed_writer):
    """As on systems that cannot exchange two folders: killed between the two renames."""
    (left,) = tmp_path.iterdir()
    (left / files._BEFORE).mkdir()
    (left / files._BEFORE / "weights").write_text("of before")
    killed_writer.kill()
    killed_writer.wait()
    files._sweep.cache_clear()
    with written_whole(tmp_path / "other") as beside:
        beside.write_text("")
    assert everything(tmp_path) == ["model", "other", "weights"]


@pytest.mark.parametrize("exchange", [True, False])
def test_two_that_replace_one_folder(tmp_path, monkeypatch, exchange):
    """Each sees the folder of before; the last stays, and neither fails."""
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    out = tmp_path / "model"
    for name in ("before", "new"):
        with written_whole(out) as beside:
            beside.mkdir()
            (beside / name).write_text(name)
            if name == "new":
                with written_whole(out) as other:
                    other.mkdir()
                    (other / "faster").write_text("")
    assert everything(tmp_path) == ["model", "new"]


def test_a_folder_that_comes_in_between_is_replaced_too(tmp_path, monkeypatch):
    """Without an exchange: another process puts its folder there between our two renames."""
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    out, replace, met = tmp_path / "model", Path.replace, []

    def meeting(self, target):
        done = replace(self, target)
        if target.name == files._BEFORE and not met:
            met.append(out.mkdir())
            (out / "faster").write_text("")
        return done

    out.mkdir()
    (out / "before").write_text("")
    monkeypatch.setattr(Path, "replace", meeting)
    with written_whole(out) as beside:
        beside.mkdir()
        (beside / "mine").write_text("")
    assert met
    assert everything(tmp_path) == ["mine", "model"]


def test_a_replacement_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    out, replace = tmp_path / "model", Path.replace

    def failing(self, target):
        if target == out and self.name == "model":
            raise OSError(errno.EIO, "Input/output error", str(self))
        return replace(self, target)

    out.mkdir()
    (out / "before").write_text("")
    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(UserError, match="Cannot write"):
        with written_whole(out) as beside:
            beside.mkdir()
    assert everything(tmp_path) == ["before", "model"]


def test_a_file_is_never_beside_the_companion_of_another(tmp_path, monkeypatch):
    """Between the two renames, where a kill may come, there is no vectors.npy."""
    out, ids = tmp_path / "a.npy", tmp_path / "a.ids.txt"
    replace, seen = Path.replace, []

    def watched(self, target):
        done = replace(self, target)
        seen.append({path.name: path.read_text() for path in (out, ids) if path.exists()})
        return done

    monkeypatch.setattr(Path, "replace", watched)
    for said in ("old", "new"):
        with files.written_together(out, ids) as (beside, other):
            beside.write_text(said)
            other.write_text(said)
    assert all(len(set(one.values())) == 1 for one in seen)
    assert seen[-1] == {"a.npy": "new", "a.ids.txt": "new"}
    with pytest.raises(ValueError, match="no"):
        with files.written_together(out, ids) as (beside, other):
            raise ValueError("no")
    assert out.read_text() == ids.read_text() == "new"
    assert everything(tmp_path) == ["a.ids.txt", "a.npy"]
