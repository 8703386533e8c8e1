import gzip
import hashlib
import textwrap

import numpy as np
import pytest

from ribospace.collection import Collection
from ribospace.records import md5_of
from tests.file_server import serving

ACTIVE = "/RNAcentral/{}/sequences/rnacentral_active.fasta.gz"
MAPPING = "/RNAcentral/{}/id_mapping/id_mapping.tsv.gz"
TYPES = ("tRNA", "rRNA", "snRNA")


def release(records):
    """FASTA and mapping of molecules 1, 2, …: of one or two organisms and databases each, the fifth in no mapping."""
    generator = np.random.default_rng(records)
    fasta, mapping = [], []
    for number in range(1, records + 1):
        letters = "".join(generator.choice(list("ACGT"), generator.integers(50, 150)))
        fasta.append(f">URS{number:010X} {TYPES[number % 3]} Homo sapiens (human) RNA {number}\n{letters}\n")
        for taxid in (9606, 10090)[: number % 5 and 1 + number % 2]:
            row = (f"URS{number:010X}", "ENA" if taxid == 9606 else "RFAM", f"x:{number}", str(taxid))
            mapping.append("\t".join([*row, TYPES[(number + 1) % 3], ""]) + "\n")
    return tuple(gzip.compress("".join(lines).encode(), mtime=0) for lines in (fasta, mapping))


@pytest.fixture
def server():
    with serving() as one:
        for folder, records in (("current_release", 60), ("releases/24.0", 30)):
            one.files[ACTIVE.format(folder)], one.files[MAPPING.format(folder)] = release(records)
        yield one


@pytest.fixture
def arguments(server, tmp_path):
    base = [f"--base-url={server.url}/RNAcentral", "--cache", tmp_path / "cache", "--to", tmp_path / "c", "--json"]
    return ["fetch-bulk", *base]


def test_the_current_release(run, server, arguments, tmp_path):
    answer = run(*arguments).json
    assert (answer["added"], answer["with_id_mapping"], answer["filtered_out"]) == (60, 48, 0)
    assert answer["cache_bytes"] > 1000
    rows = Collection.open(tmp_path / "c").table().to_pylist()
    assert [row["id"] for row in rows] == [f"URS{number:010X}" for number in range(1, 61)]
    one, two, _, _, five = rows[:5]
    assert (one["taxid"], one["organisms"], one["databases"], one["rna_type"]) == (None, 2, "ENA,RFAM", "snRNA")
    assert (two["taxid"], two["organisms"], two["databases"], two["rna_type"]) == (9606, 1, "ENA", "tRNA")
    assert (five["taxid"], five["organisms"], five["databases"], five["rna_type"]) == (None, None, None, "snRNA")
    assert one["source"] == "RNAcentral current rnacentral_active.fasta.gz"
    assert one["species"] == "Homo sapiens"
    assert "T" not in one["sequence"]
    assert one["md5"] == md5_of(one["sequence"])


def test_run_again_it_brings_what_is_new(run, server, arguments, tmp_path):
    run(*arguments)
    assert run(*arguments).json["skipped_duplicates"] == 60
    assert server.asked(ACTIVE.format("current_release")) == [(None, 200), (None, 304)]
    files = release(70)
    server.files[ACTIVE.format("current_release")], server.files[MAPPING.format("current_release")] = files
    assert run(*arguments).json["added"] == 10


def test_an_older_release_and_filters(run, server, arguments, tmp_path):
    answer = run(*arguments, "--release", "24.0", "--taxid", 10090, "--rna-type", "tRNA", "--rna-type", "rRNA").json
    rows = Collection.open(tmp_path / "c").table().to_pylist()
    assert answer["added"] == len(rows) == 30 - answer["filtered_out"] > 0
    assert {row["taxid"] for row in rows} == {10090}
    assert {row["rna_type"] for row in rows} == {"tRNA", "rRNA"}
    assert rows[0]["source"] == "RNAcentral 24.0 rnacentral_active.fasta.gz"


def test_a_file_of_ones_own(run, server, tmp_path):
    fasta, mapping = release(30)
    (tmp_path / "a.fasta.gz").write_bytes(fasta)
    (tmp_path / "m.tsv.gz").write_bytes(mapping)
    start = ["fetch-bulk", "--cache", tmp_path / "cache", "--json", "--fasta", tmp_path / "a.fasta.gz"]
    answer = run(*start, "--to", tmp_path / "without").json
    assert (answer["added"], answer["id_mapping"]) == (30, None)
    assert not (tmp_path / "cache").exists()
    assert Collection.open(tmp_path / "without").table(["rna_type"]).to_pylist()[0]["rna_type"] == "rRNA"
    answer = run(*start, "--to", tmp_path / "with", "--id-mapping", tmp_path / "m.tsv.gz").json
    assert answer["with_id_mapping"] == 24
    row = Collection.open(tmp_path / "with").table(["rna_type", "source"]).to_pylist()[0]
    assert row == {"rna_type": "snRNA", "source": "RNAcentral a.fasta.gz"}


def test_without_a_mapping(run, server, arguments):
    assert run(*arguments, "--id-mapping", "none").json["with_id_mapping"] == 0
    assert not server.asked(MAPPING.format("current_release"))


def test_it_says_what_it_did(run, arguments):
    arguments.remove("--json")
    said = run(*arguments, "--rna-type", "tRNA").out
    for words in ("Added 20 molecules", "48 of 60 records read", "Left out 40 of another type", "MB for the next time"):
        assert words in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--release", "newest"], ["--release cannot be 'newest'", "current, or a number"]),
        (["--release", "99.0"], ["releases/99.0/sequences", "does not exist (HTTP 404)", "Check the release"]),
        (["--rna-type", "trna"], ["--rna-type cannot be 'trna'", "Did you mean tRNA"]),
        (["--rna-type", "tmRNA"], ["None of the 60 records"]),
        (["--id-mapping", "nowhere.tsv"], ["nowhere.tsv does not exist"]),
        (["--fasta", "ftp://host/a.fasta.gz"], ["Give one that begins with https://"]),
    ],
)
def test_mistakes_are_said(refused, arguments, tmp_path, options, words):
    refused([*arguments, *options], *words)
    assert not (tmp_path / "c").exists()


def test_a_wrong_checksum(run, server, arguments, tmp_path):
    place = ACTIVE.format("current_release")
    server.files[f"{place}.md5"] = hashlib.md5(b"another").hexdigest().encode()
    answer = run(*arguments)
    assert answer.code == 1
    assert "came with another md5" in answer.err
    assert not (tmp_path / "c").exists()


# ---------------------------------------------------------------- kills


PROGRAM = """
import contextlib, sys
from ribospace.cli import bulk as command, main
from ribospace.collection import append
from ribospace.sources import bulk

bulk.CHUNK_ROWS, append.COMMIT_ROWS = 25, 50
read_fasta = bulk.read_fasta
bulk.read_fasta = lambda path: read_fasta(path, batch_records=25)

@contextlib.contextmanager
def progress_bar(what, unit=""):
    print(what, flush=True)  # a kill may come while it is fetched, indexed or brought in
    yield lambda done, total, note="": print(what, done, flush=True)

command.progress_bar = progress_bar
sys.argv = {arguments!r}
main()
"""


@pytest.mark.slow
def test_killed_ten_times(run, server, tmp_path, killed_again_and_again):
    """At random moments while files are fetched, indexed and brought in: the collection is as if nothing had been."""
    server.files[ACTIVE.format("current_release")], server.files[MAPPING.format("current_release")] = release(2000)
    server.slow, server.block = 0.05, 4096
    start = ["ribospace", "fetch-bulk", f"--base-url={server.url}/RNAcentral", "--rna-type", "tRNA", "--taxid", "9606"]
    path, there = tmp_path / "killed", [0]
    arguments = [*start, "--cache", str(tmp_path / "cache"), "--to", str(path), "--json"]

    def check():
        if any(path.glob("molecules.lance/_versions/*.manifest")):
            assert len(Collection.open(path)) >= there[-1]
            there.append(len(Collection.open(path)))

    after = [6, *sorted(int(lines) for lines in np.random.default_rng(3).integers(1, 80, 9))]  # once in a download
    program = textwrap.dedent(PROGRAM).format(arguments=arguments)
    assert killed_again_and_again(program, after, check) == 10
    server.slow = 0.0
    whole = run(*start[1:], "--cache", tmp_path / "other cache", "--to", tmp_path / "whole", "--json").json
    assert there[-1] > 50
    assert Collection.open(path).table() == Collection.open(tmp_path / "whole").table()
    assert len(Collection.open(path)) == whole["added"] > 300
    ranges = [asked for asked, _ in server.asked(ACTIVE.format("current_release"))]
    assert any(ranges)  # a download was gone on with
    assert not list((tmp_path / "cache").rglob("*.part"))
    assert not (path / "import.json").exists()
