"""What `ribospace fold --draw` writes: valid files, names apart, colours by a table, one clear sentence else."""

import struct
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from ribospace.cli.fold_drawings import DRAWINGS, file_names, read_values

pytest.importorskip("RNA")
TRNA = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"


def test_every_drawing_is_a_valid_file(run, tmp_path):
    generator = np.random.default_rng(0)
    long = "".join(generator.choice(list("ACGU"), 200))
    molecules = {"tRNA": TRNA, "one": "A", "n$N^": "N" * 30, "long": long}
    (tmp_path / "m.fasta").write_text("".join(f">{name}\n{one}\n" for name, one in molecules.items()))
    options = ["--drawing", "layout, circle,arc,mountain", "--format", "both", "--colour", "pairing"]
    answer = run("fold", tmp_path / "m.fasta", "--draw", tmp_path / "d", *options)
    assert answer.code == 0, answer.err
    assert "4 structures" in answer.out
    assert "32 files" in answer.out
    for name in ("tRNA", "one", "n_N_", "long"):
        for drawing in DRAWINGS:
            root = ElementTree.parse(tmp_path / "d" / f"{name}.{drawing}.svg").getroot()
            assert root.tag.endswith("}svg")
            head = (tmp_path / "d" / f"{name}.{drawing}.png").read_bytes()[:24]
            wide, high = struct.unpack(">II", head[16:])
            assert head.startswith(b"\x89PNG")
            assert 200 < wide < 2000
            assert 120 < high < 2000


def test_letters_and_ends_are_text(run, tmp_path):
    for _ in range(2):
        assert run("fold", TRNA, "--draw", tmp_path).code == 0
        texts = (tmp_path / "the_sequence.layout.svg").read_text(encoding="utf-8")
        found = ["".join(one.itertext()).strip() for one in ElementTree.fromstring(texts).iter() if "text" in one.tag]
        assert [one for one in found if one in set("ACGU")] == list(TRNA)
        assert {"5′", "3′", "10"} <= set(found)


def test_a_table_of_values_colours_bases(run, tmp_path):
    path = tmp_path / "conservation.tsv"
    path.write_text("position\tid\tvalue\n2\tthe sequence\t0.5\n4\tother\t-1e3\n7\tthe sequence\t1\n")
    assert read_values(path) == {"the sequence": {1: 0.5, 6: 1.0}, "other": {3: -1000.0}}
    answer = run("fold", TRNA, "--draw", tmp_path / "d", "--colour", path, "--drawing", "layout,arc")
    assert answer.code == 0, answer.err
    assert "conservation" in (tmp_path / "d" / "the_sequence.layout.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "no rows"),
        ("id\tposition\nx\t1\n", "columns id, position and value"),
        ("id\tposition\tvalue\nthe sequence\tx\t1\n", "line 2: position 'x'"),
        ("id\tposition\tvalue\nthe sequence\t0\t1\n", "line 2: position '0'"),
        ("id\tposition\tvalue\nthe sequence\t1\tnan\n", "line 2: value 'nan'"),
        ("id\tposition\tvalue\nthe sequence\t1\n", "line 2: value None"),
        ("id\tposition\tvalue\nthe sequence\t1\t1\nthe sequence\t1\t2\n", "line 3: position 1"),
        ("id\tposition\tvalue\nthe sequence\t77\t1\n", "position 77 of the sequence is beyond its 76 nt"),
        ("id\tposition\tvalue\nanother\t1\t1\n", "none of its ids, such as 'another'"),
        (b"\xff\xfe\x00", "no table of text"),
    ],
)
def test_a_bad_table_is_one_sentence(refused, tmp_path, table, said):
    (tmp_path / "v.tsv").write_bytes(table if isinstance(table, bytes) else table.encode())
    refused(["fold", TRNA, "--draw", tmp_path / "d", "--colour", tmp_path / "v.tsv"], said)
    assert not (tmp_path / "d").exists()


def test_values_of_what_is_not_drawn_do_not_set_the_scale(run, tmp_path):
    (tmp_path / "m.fasta").write_text(">a\nGGGAAACCC\n")
    (tmp_path / "v.tsv").write_text("id\tposition\tvalue\na\t1\t0.25\na\t2\t0.75\n")
    words = ["fold", tmp_path / "m.fasta", "--colour", tmp_path / "v.tsv", "--draw"]
    assert run(*words, tmp_path / "one").code == 0
    with open(tmp_path / "v.tsv", "a", encoding="utf-8") as file:
        file.write("other\t1\t1000\n")
    assert run(*words, tmp_path / "two").code == 0
    one, two = (tmp_path / folder / "a.layout.svg" for folder in ("one", "two"))
    assert one.read_text() == two.read_text()


def test_bad_options(refused, tmp_path):
    at = ["fold", TRNA, "--draw", tmp_path / "d"]
    refused([*at, "--drawing", "layuot"], "Did you mean layout?")
    refused([*at, "--drawing", ","], "--drawing")
    refused([*at, "--format", "gif"], "--format")
    refused([*at, "--colour", "red"], "--colour")
    refused([*at, "--colour", tmp_path / "no.tsv"], "does not exist")
    refused(["fold", TRNA, "--drawing", "arc"], "--draw FOLDER")
    (tmp_path / "file").write_text("")
    refused(["fold", TRNA, "--draw", tmp_path / "file"], "is a file")
    refused(["fold", " "], "no sequence")


def test_names_stay_apart():
    ids = ["a/1", "a_1", "A_1", "a_1-2", "..", ".", "x" * 300, "x" * 301, "", "é", "a/1"]
    names = file_names(ids)
    assert len({name.lower() for name in names}) == len(ids)
    assert all(name and len(name) < 120 and not name.startswith(".") for name in names)


def test_ids_of_one_name_do_not_overwrite(run, tmp_path):
    (tmp_path / "m.fasta").write_text(">a/1\nGGGAAACCC\n>a:1\nACGU\n")
    assert run("fold", tmp_path / "m.fasta", "--draw", tmp_path / "d").code == 0
    assert sorted(one.name for one in (tmp_path / "d").iterdir()) == ["a_1-2.layout.svg", "a_1.layout.svg"]


def test_a_collection_is_drawn_in_part(run, refused, tmp_path, collection, molecules):
    answer = run("fold", collection.path, "--where", "id IN ('a1', 'b1')", "--draw", tmp_path / "d", "--drawing", "arc")
    assert answer.code == 0, answer.err
    assert sorted(one.name for one in (tmp_path / "d").iterdir()) == ["a1.arc.svg", "b1.arc.svg"]
    collection.append([molecules(10, "c", 3)])
    refused(["fold", collection.path, "--draw", tmp_path / "e"], "60 molecules", "50 at most", "--where")
