"""Encoders by name and place; those of other packages; what is said of a broken one."""

import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from ribospace.alphabet import tokenize
from ribospace.encoders import Family, find_encoder, registry
from ribospace.encoders.kmer import KmerEncoder
from ribospace.encoders.registry import GROUP, names_place, offered
from ribospace.errors import UserError

FOLDER = Path(__file__).parent.parent / "reference" / "rnafm"
THEIRS = Family(lambda argument, pooling: KmerEncoder(int(argument or 2)), "Pairs, theirs", "16", usage="theirs[:K]")
WRONG = Family(lambda argument, pooling: argument, "Makes no encoder", "1")
FAILS = Family(lambda argument, pooling: 1 / 0, "Fails", "1")
NOT_A_FAMILY = 3


@pytest.fixture
def installed(monkeypatch):
    """Make entry points name=attribute of this module known, as if a package had registered them."""
    monkeypatch.setitem(sys.modules, "other_package", sys.modules[__name__])

    def install(**names):
        entries = [EntryPoint(name, f"other_package:{attribute}", GROUP) for name, attribute in names.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == GROUP else [])

    return install


def test_another_packages_encoder(installed, run, tmp_path):
    installed(theirs="THEIRS")
    assert find_encoder("theirs").width == 16
    assert find_encoder("theirs:3").width == 64
    with pytest.raises(UserError, match="Did you mean theirs"):
        find_encoder("theirz")
    last = offered()[-1]
    assert (last.name, last.width, last.package, last.usable) == ("theirs[:K]", "16", "other_package", True)
    (tmp_path / "a.fa").write_text(">a\nACGU\n")
    said = run("embed", tmp_path / "a.fa", "--model", "theirs", "--out", tmp_path / "v.npy", "--json").json
    assert said["width"] == 16


def test_a_package_as_pip_installs_it(tmp_path, monkeypatch):
    about = tmp_path / "purines-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: purines\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[ribospace.encoders]\npurines = purines:FAMILY\n")
    page = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text(encoding="utf-8")
    program = page.partition("# purines.py\n")[2].partition("```")[0]
    (tmp_path / "purines.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    np.testing.assert_allclose(find_encoder("purines").encode(tokenize(["AGCU", "CCC"])), [[0.5], [0]])
    assert [one.about for one in offered() if one.package == "purines"] == ["Share of A and G"]


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("NOTHING", "does not load"),
        ("NOT_A_FAMILY", "is a int, not a ribospace.encoders.Family"),
        ("WRONG", "made a str"),
        ("FAILS", r"cannot be made \(ZeroDivisionError"),
    ],
)
def test_a_broken_package_is_one_sentence(installed, attribute, words):
    installed(theirs=attribute)
    with pytest.raises(UserError, match=rf"'theirs' of the package other_package {words}.*Update or uninstall"):
        find_encoder("theirs")
    assert find_encoder("kmer2").width == 16
    assert offered()[0].usable


def test_a_name_that_is_taken(installed):
    installed(structure="THEIRS")
    with pytest.raises(UserError, match="offered by ribospace and other_package"):
        find_encoder("structure")


def test_a_package_is_loaded_only_when_it_is_named(installed):
    installed(theirs="NOTHING")
    assert find_encoder("kmer3").width == 64
    assert [one.usable for one in offered() if one.name == "theirs"] == [False]


def test_finding_loads_nothing_heavy():
    program = (
        "import sys; from ribospace.encoders import find_encoder; from ribospace.encoders.registry import offered;"
        "offered(); find_encoder('kmer4'); print('torch' in sys.modules, 'RNA' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "False"]


@pytest.mark.parametrize("make", ["folder", "weights", "original", "original_folder"])
def test_rnafm_by_place(tmp_path, make):
    place = {
        "folder": FOLDER,
        "weights": FOLDER / "hub" / "model.safetensors",
        "original": FOLDER / "RNA-FM_pretrained.pth",
    }
    if make == "original_folder":
        shutil.copy(FOLDER / "RNA-FM_pretrained.pth", tmp_path)
    encoder = find_encoder(str(place.get(make, tmp_path)))
    assert (encoder.name, encoder.width) == ("rnafm", 20)


def test_a_layer_survives_in_the_location():
    encoder = find_encoder(f"{FOLDER}:1", "first")
    assert (encoder.column, encoder.layer) == ("rnafm_layer1_first", 1)
    again = find_encoder(encoder.location, "first")
    assert (again.name, again.revision, again.layer) == (encoder.name, encoder.revision, 1)
    assert find_encoder(f"{FOLDER}:2").name == "rnafm"
    with pytest.raises(UserError, match="no layer 3"):
        find_encoder(f"{FOLDER}:3")
    with pytest.raises(UserError, match="'x' is no layer"):
        find_encoder("rnafm:x")


def test_what_is_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"notes.txt is no model"):
        find_encoder(str(tmp_path / "notes.txt"))
    with pytest.raises(UserError, match="holds no model"):
        find_encoder(str(tmp_path))
    with pytest.raises(UserError, match="of which a layer"):
        find_encoder(f"{tmp_path}:3")
    with pytest.raises(UserError, match="There is no model 'models/small'"):
        find_encoder("models/small")


def test_the_hub_is_asked_for_what_is_an_rnafm(monkeypatch):
    from ribospace.models import rnafm_checkpoint

    asked = []

    def folder(name, files):
        asked.append(name)
        return FOLDER

    monkeypatch.setattr(rnafm_checkpoint, "hub_folder", folder)
    for name in ("rnafm", "multimolecule/rnafm", "multimolecule/rnafm@main", "rnafm:1", "multimolecule/rnafm@main:1"):
        assert find_encoder(name).location.startswith("multimolecule/rnafm@")
    hub, pinned = "multimolecule/rnafm", "multimolecule/rnafm@main"
    assert asked == [hub, hub, pinned, hub, pinned]
    assert find_encoder("rnafm:1").location == f"multimolecule/rnafm@{FOLDER.name}:1"
    assert names_place("multimolecule/rnafm@main:1")


def test_the_command(run, monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    said = run("encoders", "--json").json["encoders"]
    placed = ["multimolecule/NAME", "FOLDER"]
    assert [one["name"].split("[")[0] for one in said] == [
        "mini", "mini-latent", "kmer1 to kmer8", "structure", "random", "rnafm", *placed
    ]  # fmt: skip
    assert [one["tokens"] for one in said] == [True, False, False, False, True, True, True, True]
    assert all(one["about"] and one["width"] and one["package"] == "ribospace" for one in said)
    text = run("encoders").out
    assert "kmer1 to kmer8" in text
    assert len(text.splitlines()) == 9
    find_spec = registry.importlib.util.find_spec
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None if name == "RNA" else find_spec(name))
    assert "ribospace[structure] (missing)" in run("encoders").out


@pytest.mark.parametrize("model", [f"{FOLDER}:1", str(FOLDER / "RNA-FM_pretrained.pth"), "random:3"])
def test_search_finds_the_encoder_again(run, refused, tmp_path, model):
    (tmp_path / "a.fa").write_text(">a\nACGUACGU\n>b\nGGGGG\n>c\nACGUACGA\n")
    run("import", tmp_path / "a.fa", "--to", tmp_path / "c")
    column = run("embed", tmp_path / "c", "--model", model, "--json").json["column"]
    search = ["search", tmp_path / "c", "--query", "ACGUACGU", "-k", "1"]
    answers = [run(*search, "--model", name, "--json").json for name in (model, column)]
    for said in answers:
        assert said["embedding"] == column
        assert said["neighbours"][0]["id"] == "a"
        np.testing.assert_allclose(said["neighbours"][0]["distance"], 0, atol=1e-4)
    other = "random:4" if model == "random:3" else f"{FOLDER}:0"
    refused([*search, "--model", other], "has no vectors of", "ribospace embed")


@pytest.mark.parametrize("model", ["kmer3", "structure", "random"])
def test_sequences_may_be_given_as_they_are(model):
    if model == "structure":
        pytest.importorskip("RNA")
    encoder, sequences = find_encoder(model), ["acgtACGUAC", "GGGGCCCC"]
    assert np.array_equal(encoder.encode(sequences), encoder.encode(tokenize(sequences)))


def test_a_pooling_of_what_has_no_tokens_is_refused():
    with pytest.raises(UserError, match="kmer3 has no tokens to pool"):
        find_encoder("kmer3", "first")


def test_an_empty_molecule_has_no_vector_of_a_network():
    with pytest.raises(UserError, match="Molecule 2 has no nucleotides"):
        find_encoder("random").encode(["ACGU", ""])
