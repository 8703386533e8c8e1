"""The commands, as a user types them: what they write, what they say, what they refuse."""

import json
import re

import anndata
import numpy as np
import pyarrow.parquet as pq
import pytest

from ribospace.alphabet import tokenize
from ribospace.collection import Collection, vector_index
from ribospace.encoders.kmer import KmerEncoder
from ribospace.models import checkpoint

FASTA = (
    ">one tRNA first\nACGUACGUAC\n>two rRNA second\nggggcccc\n>three\nAAAAUUUU\n>four\nACGUACGUAG\n>five\nCCCCGGGG\n"
)


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "five.fasta"
    path.write_text(FASTA)
    return path


@pytest.fixture
def store(tmp_path, fasta, run):
    assert run("import", fasta, "--to", tmp_path / "c").code == 0
    return tmp_path / "c"


def test_import_says_what_it_wrote_and_where(tmp_path, fasta, run):
    answer = run("import", fasta, "ribosome", "--to", tmp_path / "c")
    assert (answer.code, answer.err) == (0, "")
    assert "Added 12 molecules" in answer.out
    assert str(tmp_path / "c") in answer.out
    again = run("import", fasta, "--to", tmp_path / "c", "--duplicates", "keep-first", "--json").json
    assert again == {
        "collection": str(tmp_path / "c"),
        "added": 0,
        "skipped_duplicates": 5,
        "already_there_from_an_interrupted_run": 0,
        "molecules": 12,
    }


def test_import_from_standard_input(tmp_path, run):
    assert run("import", "-", "--to", tmp_path / "c", "--json", stdin=FASTA.encode()).json["added"] == 5


def test_a_bad_file_among_good_ones_takes_all_back(tmp_path, fasta, refused):
    (tmp_path / "bad.fa").write_text(">x\nACGU\n>y\nMELT\n")
    refused(["import", fasta, tmp_path / "bad.fa", "--to", tmp_path / "new"], "bad.fa", "record 2 ('y')")
    assert not (tmp_path / "new").exists()


def test_import_of_a_bad_file_leaves_a_collection_as_it_was(tmp_path, store, refused):
    (tmp_path / "bad.fa").write_text(">x\nACGU\n>y\nMELT\n")
    refused(["import", tmp_path / "bad.fa", "--to", store], "record 2 ('y'), position 2", "'E'", "protein")
    assert len(Collection.open(store)) == 5
    refused(
        ["import", tmp_path / "five.fasta", "--to", store], "record 1 ('one')", "already", "--duplicates keep-first"
    )


def test_gaps_and_headers(tmp_path, run, refused):
    (tmp_path / "aligned.fa").write_text(">tRNA\nAC--GU.\n>tRNA\nGGGG\n")
    refused(["import", tmp_path / "aligned.fa", "--to", tmp_path / "c"], "position 3", "--strip-gaps")
    said = run(
        "import", tmp_path / "aligned.fa", "--to", tmp_path / "c", "--strip-gaps", "--header", "rna_type", "--json"
    )
    assert said.json["added"] == 2
    rows = Collection.open(tmp_path / "c").table(["id", "sequence", "rna_type"]).to_pylist()
    assert rows[0] == {"id": "aligned:1", "sequence": "ACGU", "rna_type": "tRNA"}


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        (["words", "--max-length", "3", "--letters", "ACGUN"], 155),
        (["symmetric", "--max-length", "1"], 16 + 12),
        (["symmetric", "--max-length", "1", "--undefined"], 2 * (16 + 12)),
        (["hairpins", "-n", "70", "--seed", "3", "--no-tails"], 70),
    ],
)
def test_synthesize(tmp_path, run, arguments, added):
    assert run("synthesize", *arguments, "--to", tmp_path / "c", "--json").json["added"] == added


def test_info(store, run):
    run("embed", store, "--model", "kmer2")
    said = run("info", store, "--json").json
    assert said["molecules"] == 5
    assert said["rna_types"] == {"": 3, "rRNA": 1, "tRNA": 1}
    assert said["length_nt"]["max"] == 10
    assert said["embeddings"][0]["column"] == "kmer2"
    assert said["embeddings"][0]["vectors"] == 5
    text = run("info", store).out
    assert said["embeddings"][0]["index"] is None
    assert said["versions"]["ribospace"]
    assert int(said["versions"]["table"]) > 1
    for word in ("5 molecules", "tRNA", "not known", "kmer2", "median", "indexed: none", "versions: format 1, table "):
        assert word in text


def test_embed_a_collection_and_top_up(tmp_path, store, run):
    assert run("embed", store, "--model", "kmer2", "--json").json["embedded"] == 5
    (tmp_path / "more.fa").write_text(">six\nACACACAC\n")
    run("import", tmp_path / "more.fa", "--to", store)
    said = run("embed", store, "--model", "kmer2", "--json").json
    assert (said["embedded"], said["before"]) == (1, 5)
    ids, vectors = Collection.open(store).embedding("kmer2")
    table = Collection.open(store).table(["id", "sequence"])
    assert ids == table["id"].to_pylist()
    np.testing.assert_allclose(vectors, KmerEncoder(2).encode(tokenize(table["sequence"])))


def test_embed_a_file_keeps_its_order(tmp_path, fasta, run):
    expected = KmerEncoder(2).encode(tokenize(["ACGUACGUAC", "GGGGCCCC", "AAAAUUUU", "ACGUACGUAG", "CCCCGGGG"]))
    ids = ["one", "two", "three", "four", "five"]
    for name in ("v.npy", "v.parquet", "v.h5ad"):
        said = run("embed", fasta, "--model", "kmer2", "--out", tmp_path / name, "--json").json
        assert said["embedded"] == 5
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), expected)
    assert (tmp_path / "v.ids.txt").read_text().split() == ids
    table = pq.read_table(tmp_path / "v.parquet")
    assert table["id"].to_pylist() == ids
    np.testing.assert_array_equal(np.stack(table["kmer2"].to_numpy()), expected)
    data = anndata.read_h5ad(tmp_path / "v.h5ad")
    assert list(data.obs_names) == ids
    np.testing.assert_array_equal(data.obsm["kmer2"], expected)


def test_vectors_made_elsewhere_come_in_and_can_be_searched(tmp_path, fasta, run, refused):
    run("embed", fasta, "--model", "kmer2", "--out", tmp_path / "v.parquet")
    table = pq.read_table(tmp_path / "v.parquet").replace_schema_metadata(None)
    pq.write_table(table.rename_columns([*table.column_names[:-1], "mine"]), tmp_path / "mine.parquet")
    assert run("import", tmp_path / "mine.parquet", "--to", tmp_path / "c").code == 0
    found = run("search", tmp_path / "c", "--model", "mine", "--query", "one", "-k", "1", "--json").json
    assert found["neighbours"][0]["id"] == "four"


def test_search_by_id_and_by_sequence(store, run):
    run("embed", store, "--model", "kmer2")
    by_id = run("search", store, "--model", "kmer2", "--query", "one", "-k", "2", "--json").json["neighbours"]
    assert next(one["id"] for one in by_id) == "four"
    assert "one" not in [one["id"] for one in by_id]
    by_sequence = run("search", store, "--model", "kmer2", "--query", "acgtacgtac", "-k", "2", "--json").json[
        "neighbours"
    ]
    assert [one["id"] for one in by_sequence] == ["one", "four"]
    assert by_sequence[0]["distance"] == pytest.approx(0, abs=1e-5)
    kept = run("search", store, "--model", "kmer2", "--query", "one", "--where", "rna_type = 'rRNA'", "--json").json
    assert [one["id"] for one in kept["neighbours"]] == ["two"]
    assert "1    0." in run("search", store, "--model", "kmer2", "--query", "one").out


@pytest.mark.parametrize(("method", "dims"), [("pca", 2), ("tsne", 2), ("umap", 3)])
def test_map(tmp_path, store, run, method, dims):
    run("embed", store, "--model", "kmer2")
    for ending in ("png", "html"):
        out = tmp_path / f"map.{ending}"
        said = run("map", store, "--model", "kmer2", "--method", method, "--dims", dims, "--out", out, "--json")
        assert said.json["molecules"] == 5
        assert out.stat().st_size > 10_000
    first, header, *rows = (tmp_path / "map.points.tsv").read_text().splitlines()
    assert json.loads(first.removeprefix("# "))["seed"] == 0
    assert header.split("\t") == ["id", *"xyz"[:dims], "rna_type", "length"]
    assert [row.split("\t")[0] for row in rows] == ["one", "two", "three", "four", "five"]


def test_what_no_map_can_be_is_said_before_anything_is_embedded(tmp_path, refused, monkeypatch):
    (tmp_path / "a.fa").write_text(">a\nACGU\n")
    monkeypatch.setattr("ribospace.encoders.engine.embed_records", None)
    command = ["map", tmp_path / "a.fa", "--model", "kmer2", "--out", tmp_path / "m.png"]
    refused([*command, "--method", "unap"], "Unknown projection 'unap'", "umap")
    refused([*command, "--dims", 4], "2 or 3 dimensions, not 4")


def test_map_fitted_on_one_set_and_applied_to_another(tmp_path, run):
    run("synthesize", "hairpins", "-n", "60", "--to", tmp_path / "c")
    run("import", "ribosome", "--to", tmp_path / "c")
    run("embed", tmp_path / "c", "--model", "kmer3")
    arguments = ["map", tmp_path / "c", "--model", "kmer3", "--method", "pca", "--out", tmp_path / "m.png"]
    run(*arguments, "--fit", "rna_type = 'synthetic'", "--where", "rna_type = 'rRNA'")
    rows = [row.split("\t") for row in (tmp_path / "m.points.tsv").read_text().splitlines()[2:]]
    store = Collection.open(tmp_path / "c")
    basis, shown = (store.embedding("kmer3", f"rna_type = '{one}'")[1] for one in ("synthetic", "rRNA"))
    _, _, axes = np.linalg.svd(basis - basis.mean(axis=0), full_matrices=False)
    expected = (shown - basis.mean(axis=0)) @ axes[:2].T
    found = np.array([[float(row[1]), float(row[2])] for row in rows])
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=2e-4)


def test_train_embed_search(tmp_path, run, refused):
    run("synthesize", "hairpins", "-n", "200", "--to", tmp_path / "c")
    (tmp_path / "small.toml").write_text("name = 'small'\n[model]\nwidth = 16\nheads = 2\n[optimizer]\nsteps = 9\n")
    arguments = [
        "train",
        "autoencoder",
        "--data",
        tmp_path / "c",
        "--out",
        tmp_path / "m",
        "--config",
        tmp_path / "small.toml",
    ]
    said = run(*arguments, "--set", "optimizer.steps=5", "--set", "model.feedforward=32", "--json").json
    assert said["figures"]["steps"] == 5
    found = checkpoint.load(tmp_path / "m")
    assert (found.name, found.model.config.width, found.model.config.feedforward) == ("small", 16, 32)
    assert run("embed", tmp_path / "c", "--model", tmp_path / "m", "--json").json["column"] == "small"
    assert (
        run("embed", tmp_path / "c", "--model", tmp_path / "m", "--pool", "first", "--json").json["column"]
        == "small_first"
    )
    for name in ("small", tmp_path / "m"):
        said = run("search", tmp_path / "c", "--model", name, "--query", "GGGGUUUUCCCC", "-k", "3", "--json").json
        assert len(said["neighbours"]) == 3
    run(*arguments, "--set", "seed=1")
    refused(
        ["search", tmp_path / "c", "--model", tmp_path / "m", "--query", "hairpin:0:1"], "earlier small", "--overwrite"
    )
    refused(["embed", tmp_path / "c", "--model", tmp_path / "m"], "revision", "--overwrite")
    assert run("embed", tmp_path / "c", "--model", tmp_path / "m", "--overwrite", "--json").json["embedded"] == 200


def test_export_and_import_again(tmp_path, store, run):
    run("embed", store, "--model", "kmer2")
    for name in ("x.fasta", "x.parquet", "x.h5ad"):
        assert run("export", store, "--out", tmp_path / name, "--json").json == {
            "written": 5,
            "file": str(tmp_path / name),
        }
    run("import", tmp_path / "x.parquet", "--to", tmp_path / "again")
    one, two = Collection.open(store), Collection.open(tmp_path / "again")
    assert one.table(one.schema.names).to_pylist() == two.table(one.schema.names).to_pylist()
    assert one.embeddings == two.embeddings
    assert (
        run("export", store, "--out", tmp_path / "t.fasta", "--where", "rna_type = 'tRNA'", "--json").json["written"]
        == 1
    )
    assert (tmp_path / "t.fasta").read_text() == ">one tRNA first\nACGUACGUAC\n"


def test_mistakes(tmp_path, store, refused, monkeypatch):
    c, out = store, tmp_path / "o.png"
    monkeypatch.chdir(tmp_path)
    refused(["info", tmp_path / "nowhere"], "no collection", "ribospace import")
    refused(["info", tmp_path], "not a Ribospace collection")
    refused(["import", tmp_path / "nowhere.fa", "--to", c], "nowhere.fa does not exist")
    refused(["embed", c, "--model", "kmre4"], "no model 'kmre4'", "kmer4")
    refused(["embed", c, "--model", "kmer12"], "kmer1 to kmer8")
    refused(["embed", c, "--model", str(tmp_path)], "holds no model")
    refused(["embed", tmp_path / "five.fasta", "--model", "kmer2"], "--out")
    refused(["embed", tmp_path / "five.fasta", "--model", "kmer2", "--out", "v.csv"], ".parquet, .npy, .h5ad")
    refused(["search", c, "--model", "kmer2", "--query", "one"], "no embedding 'kmer2'", "ribospace embed")
    refused(["map", c, "--model", "kmer2", "--out", tmp_path / "m.gif"], ".png", ".html")
    refused(["map", c, "--model", "kmer2", "--out", out], "ribospace embed")
    refused(["export", c, "--out", tmp_path / "x.csv"], ".fasta", ".h5ad")
    refused(["export", c, "--out", tmp_path / "x.fasta", "--where", "rna_typ = 'x'"], "rna_typ", "rna_type")
    refused(["synthesize", "hairpin", "--to", c], "Did you mean hairpins")
    refused(["synthesize", "words", "--letters", "ACGE", "--to", c], "no alphabet")
    refused(["train", "autoencoder", "--data", c, "--out", "m", "--set", "model.widht=3"], "widht", "width")
    refused(["train", "autoencoder", "--data", c, "--out", "m", "--set", "model.width=ten"], "width", "int")
    refused(["train", "autoencoder", "--data", c, "--out", "m", "--set", "width"], "key=value")
    refused(["import", tmp_path / "five.fasta", "--to", c, "--duplicates", "keep"], "keep-first")
    assert not (tmp_path / "m").exists()


def test_a_number_that_no_machine_holds(store, run, refused):
    run("embed", store, "--model", "kmer2")
    command = ["search", store, "--model", "kmer2", "--query", "one", "-k", "99999999999999999999"]
    refused(command, "too large for this machine", "Give a smaller one")


def test_search_mistakes(store, run, refused):
    run("embed", store, "--model", "kmer2")
    refused(["search", store, "--model", "kmer2", "--query", "nobody!"], "no molecule with the id 'nobody!'", "no RNA")
    refused(["search", store, "--model", "kmer2", "--query", "one", "--where", "q = 1"], "q = 1")
    refused(["search", store, "--model", "kmer2", "--query", "one", "--pool", "x"], "--pool", "mean")


def test_search_builds_an_index_where_it_pays(tmp_path, run, monkeypatch):
    run("synthesize", "hairpins", "-n", "600", "--to", tmp_path / "c")
    run("embed", tmp_path / "c", "--model", "kmer3")
    search = ["search", tmp_path / "c", "--model", "kmer3", "--query", "GGGGAAAACCCC", "-k", "5"]
    few = run(*search, "--json").json
    assert (few["exact"], few["recall_at_10"]) == (True, 1.0)
    monkeypatch.setattr(vector_index, "PAYS_BYTES", 600 * 64 * 4)
    monkeypatch.setattr(vector_index, "PROBES", 1024)  # every list: then the index finds what exact search finds
    for arguments in (["--exact"], ["--where", "length > 0"]):
        assert run(*search, *arguments, "--json").json["exact"] is True
    first = run(*search)
    assert "Building an index over 'kmer3', once" in first.err
    assert re.search(r"Searched by an index; its recall@10 is \d\.\d{3}, on 100 molecules", first.out)
    again = run(*search, "--json")
    assert again.err == ""
    assert again.json["exact"] is False
    assert again.json["recall_at_10"] >= 0.99
    assert [one["distance"] for one in again.json["neighbours"]] == [one["distance"] for one in few["neighbours"]]
    assert run("info", tmp_path / "c", "--json").json["embeddings"][0]["index"]["recall"] >= 0.99
    monkeypatch.undo()
    assert run(*search, "--json").json["exact"] is False  # it is there, so it is used


def test_search_where_no_index_can_be_built(store, run, monkeypatch):
    run("embed", store, "--model", "kmer2")
    monkeypatch.setattr(vector_index, "PAYS_BYTES", 1)
    for answer in (run("search", store, "--model", "kmer2", "--query", "one"),):
        assert answer.code == 0
        assert "Searched exactly, as no index could be built: kmer2 has 5 vectors" in answer.out
    with Collection.open(store).writing():
        answer = run("search", store, "--model", "kmer2", "--query", "one")
        assert "Searched exactly, as no index could be built: Another command is writing" in answer.out


def test_optimize(tmp_path, store, run):
    (tmp_path / "more.fa").write_text(">six\nACACACAC\n")
    run("import", tmp_path / "more.fa", "--to", store)
    before = Collection.open(store).table()
    said = run("optimize", store, "--json").json
    assert (said["fragments_before"], said["fragments_after"]) == (2, 1)
    assert said["indexed"] == ["rna_type", "taxid", "length", "md5", "id"]
    assert Collection.open(store).table() == before
    assert "cover every molecule already" in run("optimize", store).out
    assert run("info", store, "--json").json["indexed"] == ["id", "length", "rna_type", "taxid", "md5"]


def test_training_never_replaces_what_is_no_model(tmp_path, store, run, refused):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years")
    few = ["--set", "optimizer.steps=1", "--set", "model.width=8"]
    for out in (tmp_path / "thesis", store):
        refused(["train", "autoencoder", "--data", store, "--out", out, *few], "would be lost")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years"
    assert len(Collection.open(store)) == 5
    everything = ["--set", "data.held_out=0.5", "--out", tmp_path / "model.v1"]
    assert run("train", "autoencoder", "--data", store, *everything, *few).code == 0
    assert run("embed", store, "--model", tmp_path / "model.v1", "--json").json["column"] == "model_v1"


@pytest.mark.parametrize("name", ["_rowid", "_distance", "a.b", "a`b"])
def test_names_that_no_column_may_have(store, run, refused, name):
    refused(["embed", store, "--model", "kmer2", "--column", name], "cannot be named")
    assert run("info", store).code == 0


def test_other_commands_between_a_kill_and_the_run_that_finishes(tmp_path, fasta, store, run, refused, monkeypatch):
    """An import is broken off; others write, fail, embed; run again it still finishes, with nothing lost or twice."""
    from ribospace.collection import append as appending

    def broken_off(*arguments):
        raise KeyboardInterrupt

    (tmp_path / "long.fa").write_text("".join(f">long{n}\nACGUAC{'G' * (n % 7)}\n" for n in range(20_000)))
    with monkeypatch.context() as patched:
        patched.setattr(appending, "COMMIT_ROWS", 8192)
        write, calls = appending.write, []
        patched.setattr(appending, "write", lambda *a: broken_off() if calls else (calls.append(1), write(*a)))
        answer = run("import", tmp_path / "long.fa", "--to", store)
        assert (answer.code, "run the same command again" in answer.err) == (1, True)
    assert 5 < len(Collection.open(store)) < 20_005
    (tmp_path / "other.fa").write_text(">other\nACGU\n")
    (tmp_path / "bad.fa").write_text(">bad\nACGU\n>one\nGG\n")
    refused(["import", tmp_path / "bad.fa", "--to", store], "already in the collection", "broken off")
    assert run("import", tmp_path / "other.fa", "--to", store).code == 0
    assert run("embed", store, "--model", "kmer2").code == 0
    said = run("import", tmp_path / "long.fa", "--to", store, "--json").json
    assert said["added"] + said["already_there_from_an_interrupted_run"] == 20_000
    ids = Collection.open(store).table(["id"])["id"].to_pylist()
    assert sorted(ids) == sorted(["one", "two", "three", "four", "five", "other", *(f"long{n}" for n in range(20_000))])
    assert not (store / "import.json").exists()


def test_zero_vectors_are_left_out_of_maps_by_cosine(tmp_path, store, run):
    (tmp_path / "n.fa").write_text(">n\nNNNN\n>short\nA\n")
    run("import", tmp_path / "n.fa", "--to", store)
    run("embed", store, "--model", "kmer2")
    answer = run("map", store, "--model", "kmer2", "--method", "tsne", "--out", tmp_path / "m.png")
    assert "2 molecules are left out" in answer.out
    assert len((tmp_path / "m.points.tsv").read_text().splitlines()) == 2 + 5


def test_embedding_a_file_refuses_an_id_that_comes_twice(tmp_path, refused):
    (tmp_path / "twice.fa").write_text(">a\nACGU\n>a\nGGGG\n")
    refused(["embed", tmp_path / "twice.fa", "--model", "kmer2", "--out", tmp_path / "new" / "v.npy"], "record 2 ('a')")
    assert not (tmp_path / "new").exists()


def test_a_refused_import_leaves_an_empty_folder_empty(tmp_path, refused):
    (tmp_path / "mine").mkdir()
    (tmp_path / "bad.fa").write_text(">bad\nMELT\n")
    refused(["import", tmp_path / "bad.fa", "--to", tmp_path / "mine"], "'E'")
    assert list((tmp_path / "mine").iterdir()) == []
    refused(["import", tmp_path / "bad.fa", "--to", tmp_path / "deep" / "er"], "'E'")
    assert not (tmp_path / "deep").exists()
    refused(["import", tmp_path / "bad.fa", "--to", tmp_path / "a?b"], "?")


def test_unknown_command_and_option_leave_with_2(run):
    assert run("embedd").code == 2
    assert run("info", "--nonsense").code == 2


def test_a_failure_is_one_line_and_code_1(run, monkeypatch, store):
    def broken(self, where=None):
        raise KeyError("something of ours")

    monkeypatch.setattr(Collection, "count", broken)
    answer = run("export", store, "--where", "length > 1", "--out", store.parent / "x.fasta")
    assert answer.code == 1
    assert "KeyError" in answer.err
    assert answer.err.count("\n") == 1


def test_version_and_help(run):
    assert run("--version").out.startswith("ribospace ")
    for command in ("demo", "import", "synthesize", "info", "optimize", "export", "embed", "search", "map", "train"):
        said = run(command, "--help")
        assert said.code == 0
        assert "--help" in said.out


def test_the_sample_into_a_folder_called_sample(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for again in (602, 0):
        said = run("import", "sample", "--to", "sample", "--duplicates", "keep-first", "--json").json
        assert said["added"] == again


def test_a_map_is_stored_and_said(run, refused, collection):
    run("embed", collection.uri, "--model", "kmer2")
    asked = ["map", collection.uri, "--model", "kmer2", "--method", "pca"]
    refused(asked, "--out", "--store")
    answer = run(*asked, "--store", "--where", "rna_type = 'tRNA'", "--json").json
    assert (answer["column"], answer["file"], answer["molecules"]) == ("kmer2_pca2", None, 25)
    run(*asked, "--column", "mine", "--dims", "3")
    said = run("info", collection.uri, "--json").json
    assert [(one["name"], one["dims"], one["molecules"]) for one in said["projections"]] == [
        ("kmer2_pca2", 2, 25),
        ("mine", 3, 50),
    ]
    assert [one["column"] for one in said["embeddings"]] == ["kmer2"]
    assert "stored map" in run("info", collection.uri).out
    refused([*asked, "--column", "rna_type"], "rna_type", "--column")
    assert run("search", collection.uri, "--model", "mine", "--query", "a0", "--json").json["neighbours"]
    refused(["search", collection.uri, "--model", "mine", "--query", "ACGU"], "mine", "id")


def test_a_map_of_a_file_in_one_command(tmp_path, run):
    path = tmp_path / "some.fasta"
    path.write_text("".join(f">m{i}\n{'ACGUUGCA' * 3}{'ACGU'[i % 4] * (i + 5)}\n" for i in range(20)))
    answer = run("map", path, "--method", "pca", "--out", tmp_path / "map.html", "--json").json
    assert (answer["molecules"], answer["encoder"]) == (20, "mini")
    points = (tmp_path / "map.points.tsv").read_text().splitlines()
    assert len(points) == 22
    once_more = run("map", "-", "--method", "pca", "--out", tmp_path / "b.png", stdin=path.read_bytes())
    assert once_more.code == 0
    assert (tmp_path / "b.points.tsv").read_text().splitlines()[2:] == points[2:]


def test_what_a_file_s_map_cannot_be(tmp_path, fasta, refused):
    refused(["map", fasta, "--store"], "no collection", "ribospace import")
    refused(["map", fasta, "--out", tmp_path / "m.png", "--where", "length > 5"], "import it first")
    (tmp_path / "empty.fasta").write_text("")
    refused(["map", tmp_path / "empty.fasta", "--out", tmp_path / "m.png"], "empty.fasta")
    assert not (tmp_path / "m.png").exists()
