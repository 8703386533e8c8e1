"""What commands are given: files by their names and endings, built-in molecules, sequences; what is not there."""

import pytest

from ribospace.cli.given import is_input, read_file, require_apart, sequences_of
from ribospace.errors import UserError

GAPS = ">a\nAC-G.U\n>b\nGGGG\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_is_an_input(tmp_path):
    (tmp_path / "a").write_text(GAPS)
    (tmp_path / "folder.fasta").mkdir()
    assert [is_input(one) for one in ("-", "a", "sample")] == [True] * 3
    assert [is_input(one) for one in ("folder.fasta", "rnas", "data/rnas.v2", "s3://bucket/a.fasta")] == [False] * 4
    with pytest.raises(UserError, match=r"^none\.fasta\.gz does not exist"):
        is_input("none.fasta.gz")
    (tmp_path / "sample").mkdir()
    assert not is_input("sample")


@pytest.mark.parametrize("what", ["none.fasta", "none.csv.gz", "data.tsv", "some/none", "none.txt"])
def test_a_file_that_is_not_there_is_no_sequence(what, refused):
    with pytest.raises(UserError, match="does not exist"):
        sequences_of(what)
    refused(["roundtrip", what], f"{what} does not exist")


@pytest.mark.parametrize("command", [["map"], ["embed", "--model", "kmer2"]])
def test_a_file_that_is_not_there_is_no_collection(command, refused):
    refused([*command, "none.fasta", "--out", "x.html"], "none.fasta does not exist")


def test_a_folder_is_no_sequence(tmp_path):
    (tmp_path / "rnas").mkdir()
    with pytest.raises(UserError, match="rnas is a folder, not a file"):
        sequences_of("rnas")


def test_a_sequence_with_gaps(tmp_path):
    with pytest.raises(UserError, match=r"^the sequence, position 3: '\.' is a gap\. Take the gaps out\.$"):
        sequences_of("AC..GU")
    assert sequences_of("AC..GU", strip_gaps=True) == (["the sequence"], ["ACGU"], ["the sequence"])
    (tmp_path / "gaps.fasta").write_text(GAPS)
    ids, sequences, places = sequences_of("gaps.fasta", strip_gaps=True)
    assert (ids, sequences) == (["a", "b"], ["ACGU", "GGGG"])
    assert places == ["gaps.fasta, record 1 ('a')", "gaps.fasta, record 2 ('b')"]


@pytest.mark.parametrize(
    "command", [["fold"], ["roundtrip"], ["embed", "--model", "kmer2", "--out", "x.npy"]], ids=lambda words: words[0]
)
def test_gaps_of_a_file_are_taken_out_where_that_is_asked(command, tmp_path, run, refused):
    if command == ["fold"]:
        pytest.importorskip("RNA")
    (tmp_path / "gaps.fasta").write_text(GAPS)
    refused([*command, "gaps.fasta"], "record 1 ('a'), position 3: '-' is a gap", "--strip-gaps")
    assert run(*command, "gaps.fasta", "--strip-gaps").code == 0


def test_gaps_of_triples(tmp_path, run, refused):
    (tmp_path / "m.fasta").write_text(">a\nAC-GU\n>b\nGGGG\n>c\nCCCA\n")
    (tmp_path / "t.tsv").write_text("a\tb\tc\na\tb\tc\n")
    words = ["triples", "--model", "kmer2", "--molecules", "m.fasta", "--triples", "t.tsv", "--out"]
    refused([*words, "o.tsv"], "'-' is a gap", "--strip-gaps")
    refused([*words, "t.tsv", "--strip-gaps"], "would be written over t.tsv")
    assert run(*words, "o.tsv", "--strip-gaps").code == 0


def test_tables_by_their_endings(tmp_path, run, refused):
    (tmp_path / "t.csv").write_text("id,sequence\na,ACGU\n")
    assert run("embed", "t.csv", "--model", "kmer2", "--out", "t.npy", "--json").json["embedded"] == 1
    for name in ("t.xlsx", "t.XLS"):
        (tmp_path / name).write_bytes(b"PK\x03\x04")
        refused(["import", name, "--to", "c"], f"{name} is a spreadsheet: save it as .tsv or .csv", "id and sequence")
    assert not (tmp_path / "c").exists()
    with pytest.raises(UserError, match="spreadsheet"):
        read_file("t.ods")


def test_embed_takes_what_ships(run, tmp_path):
    answer = run("embed", "sample", "--model", "kmer2", "--out", "s.npy", "--json")
    assert answer.json["embedded"] == 602
    assert (tmp_path / "s.ids.txt").exists()


def test_embed_of_a_folder_that_is_no_collection(tmp_path, refused, collection):
    (tmp_path / "folder").mkdir()
    words = ["--model", "kmer2", "--out", "x.npy"]
    refused(["embed", "folder", *words], "folder is not a Ribospace collection")
    (tmp_path / "folder" / "a.fasta").write_text(GAPS)
    refused(["embed", "folder", *words], "a.fasta --to NEW_FOLDER")
    refused(["embed", collection.path, *words], "is a collection: its vectors stay in it")


def test_a_generator_is_no_encoder(refused):
    refused(["embed", "sample", "--model", "mini-diffusion", "--out", "x.npy"], "generate --model mini-diffusion")


def test_the_file_that_is_read_is_not_replaced(tmp_path, run, refused):
    (tmp_path / "m.tsv").write_text("id\tsequence\na\tACGU\n")
    assert run("embed", "m.tsv", "--model", "kmer2", "--out", "m.parquet").code == 0
    before = (tmp_path / "m.parquet").read_bytes()
    refused(
        ["embed", "m.parquet", "--model", "kmer3", "--out", "./m.parquet"],
        "would be written over m.parquet, which is read",
    )
    assert (tmp_path / "m.parquet").read_bytes() == before
    pytest.importorskip("RNA")
    refused(["fold", "m.tsv", "--out", tmp_path / "m.tsv"], "would be written over m.tsv")
    (tmp_path / "values.tsv").write_text("id\tposition\tvalue\na\t1\t0.5\n")
    words = ["--draw", "d", "--colour", "values.tsv", "--out"]
    refused(["fold", "m.tsv", *words, "values.tsv"], "would be written over values.tsv")
    require_apart("-", "new.tsv")
    require_apart("m.tsv", "new.tsv", "m.parquet")
    with pytest.raises(UserError, match=r"m\.tsv would be written over m\.tsv"):
        require_apart("m.tsv", "new.tsv", "m.tsv")
