import errno
import hashlib
import os

import pytest

from ribospace.errors import UserError, is_disk_full, nearest
from ribospace.files import existing_file, sha256, versions, written_whole


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


def test_a_file_is_replaced_at_once(tmp_path):
    out = tmp_path / "out.txt"
    out.write_text("old")
    with open(out) as reader:
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
    with pytest.raises(UserError, match=r"Cannot write .*file/out\.txt: .+\. Choose a place"):
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
