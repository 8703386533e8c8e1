"""Damaged files, what killed commands leave, and locks of nobody: one sentence that names them, or recovery."""

import json
import shutil

import pytest

from tests.faults.cases import CASES
from tests.faults.workshop import contents, rows_of

pytestmark = pytest.mark.slow

READERS = {
    "info": ("info", "rnas"),
    "export": ("export", "rnas", "--out", "all.parquet"),
    "search": ("search", "rnas", "--model", "kmer2", "--query", "GCGGAUUUAGCUC"),
    "import": ("import", "new.fasta", "--to", "rnas"),
    "embed": ("embed", "rnas", "--model", "kmer3"),
    "optimize": ("optimize", "rnas"),
    "train": ("train", "autoencoder", *CASES[[one.name for one in CASES].index("train autoencoder")].args),
}


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def gone(path):
    path.unlink()


def newest(folder):
    """The manifest that is read: Lance names them so that the newest comes first."""
    return min(folder.iterdir(), key=lambda one: one.name)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("damage", [half, empty, zeros, gone])
@pytest.mark.parametrize("part", ["data", "manifest"])
def test_a_damaged_collection(zygote, workshop, part, damage, reader):
    """Refused in one sentence that names it, or, where what is damaged is not needed, answered."""
    table = workshop / "rnas" / "molecules.lance"
    files = sorted((table / "data").iterdir()) if part == "data" else [newest(table / "_versions")]
    ids = rows_of(workshop / "rnas")["id"]
    for file in files:
        damage(file)
    ended = zygote.run(workshop, READERS[reader])
    if part == "manifest" and damage is gone:  # then the collection is what it was a change ago
        assert ended.code == 0, ended
        assert rows_of(workshop / "rnas")["id"][: len(ids)] == ids
        return
    if reader in ("export", "train") or ended.code:
        said = ended.require_one_sentence()
        assert "rnas" in said
        assert "copy it again" in said or "Make one" in said, said
    assert not (workshop / "all.parquet").exists()


@pytest.mark.parametrize("reader", ["import", "embed", "optimize"])
def test_locks_of_nobody_and_files_of_nobody(zygote, workshop, reader):
    """A lock file is not a lock: what a killed command leaves stops nobody."""
    home = workshop / "rnas"
    (home / ".lock").write_text("12345\n")
    left = home / ".import.json.abcdefgh"
    left.mkdir()
    (left / ".held").write_text("")
    (left / "import.json").write_text("{")
    (home / "molecules.lance" / "data" / "0000.lance").write_bytes(b"half")
    (home / "import.json").write_text('{"broken": ')
    before = rows_of(home)
    assert zygote.run(workshop, READERS[reader]).code == 0
    after = rows_of(home)
    assert after["id"][: len(before["id"])] == before["id"]
    if reader == "import":
        assert not left.exists()


@pytest.mark.parametrize("damage", [half, empty, zeros])
@pytest.mark.parametrize("file", ["run.json", "000000000.parquet"])
def test_damaged_parts_of_a_generation(zygote, workshop, file, damage):
    """Parts that cannot be read are made again, or refused in one sentence that names them."""
    case = next(one for one in CASES if one.name == "generate")
    parts = workshop / "g.generating"
    assert zygote.run(workshop, case.line).code == 0
    wanted = contents(workshop)["g.fasta"]
    (workshop / "g.fasta").unlink()
    moments = zygote.run(workshop, case.line, count=True).moments
    for moment in range(moments, 0, -1):
        shutil.rmtree(parts, ignore_errors=True)
        zygote.run(workshop, case.line, at=moment)
        if (parts / file).exists():
            break
    damage(parts / file)
    ended = zygote.run(workshop, case.line)
    if ended.code:
        said = ended.require_one_sentence()
        assert str(parts.name) in said
        assert "remove" in said.lower()
        shutil.rmtree(parts)
        assert zygote.run(workshop, case.line).code == 0
    assert contents(workshop)["g.fasta"] == wanted


@pytest.mark.parametrize("damage", [half, empty, zeros])
@pytest.mark.parametrize("kind", ["autoencoder", "latent", "diffusion", "graph"])
def test_damaged_states_of_trainings(zygote, workshop, kind, damage):
    case = next(one for one in CASES if one.name == f"train {kind}")
    state = workshop / "m.training" / "state.safetensors"
    moments = zygote.run(workshop, case.line, count=True).moments
    for moment in range(moments, 0, -1):
        shutil.rmtree(workshop / "m", ignore_errors=True)
        shutil.rmtree(workshop / "m.training", ignore_errors=True)
        zygote.run(workshop, case.line, at=moment)
        if state.exists():
            break
    assert state.exists()
    damage(state)
    said = zygote.run(workshop, case.line).require_one_sentence()
    assert "state.safetensors is damaged" in said
    assert "Remove it" in said


@pytest.mark.parametrize("damage", [half, empty, zeros, gone])
@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("name", ["evaluate", "decode", "generate", "train latent", "train diffusion", "embed:trained"])
def test_damaged_models(zygote, workshop, name, file, damage):
    """Whichever command reads a model says which file is damaged."""
    case = next(one for one in CASES if one.name == name)
    reads = {"evaluate": "model", "embed:trained": "model", "train latent": "model", "generate": "generator"}
    folder = workshop / reads.get(name, "latent")
    damage(folder / file)
    said = zygote.run(workshop, case.line).require_one_sentence()
    assert folder.name in said


def test_journals_of_a_crawl(zygote, workshop):
    """A damaged journal of an import is as none: what came in is known by its id."""
    (workshop / "rnas" / "import.json").write_text(json.dumps({"x": {"version": "no"}}))
    assert zygote.run(workshop, READERS["import"]).code == 0
