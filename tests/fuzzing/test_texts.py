"""What users write: names of models, rewards, templates, lengths, conditions; and what a command makes of them."""

# ruff: noqa: RUF005

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.encoders import find_encoder
from ribospace.generation.rewards import find_reward, parse
from ribospace.generation.template import allowed_of, cleaned, keeps, length_range
from ribospace.models.surrogate import Surrogate, SurrogateConfig
from ribospace.records import record_batch
from ribospace.sources.rnacentral import URS
from tests.fuzzing.surviving import bounded_memory, cases, finite, survives

ANY = st.text(st.characters(exclude_categories=()), max_size=30)  # lone surrogates too, as from a file's odd name
LONG = st.sampled_from(["x" * 300, "x/" * 3000, "a\0b", "9" * 5000, "kmer" + "1" * 5000, "(" * 100_000, "\ud800"])
NAMES = st.sampled_from(
    ["kmer0", "kmer3", "kmer9", "kmer٣", "kmer-1", "random", "random:1", "random:" + "9" * 12, "random:rnafm:x", "random::"]
    + ["structure:1", "rnafm:", "rnafm:x", "multimolecule/", "multimolecule/..", "a/b@c", "multimolecule/x@@", "/dev/null"]
    + ["/", ".", "..", "~", "kmer", ":1", "::", "kmer3:1", "/proc/self/mem", "multimolecule/" + "x" * 500]
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = Collection.create(tmp_path_factory.mktemp("texts") / "collection")
    made.append([record_batch(["a", "b'c", "d"], ["ACGU", "GGCC", "UUUUU"], {"rna_type": ["tRNA", None, "x"]})])
    return made


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@cases(150)
@given(name=ANY | NAMES | LONG, pooling=st.sampled_from(["", "mean", "first", "latents", "\ud800"]))
def test_any_name_of_a_model(name, pooling):
    with bounded_memory():
        encoder = survives(find_encoder, name, pooling)
        assert encoder is None or finite(encoder.encode(tokenize(["ACGU"])))


SURROGATE = Surrogate(
    SurrogateConfig(
        hidden=8, heads=2, layers=1, values=("gc", "length"), units=("", "nt"), classes=("tRNA", "x"), structure=True
    )
)
REWARD = st.lists(
    st.sampled_from(["gc", "length", "type", "structure", "mfe", "=", ":", "0.6", "-1", "1e999", "nan", "tRNA", "((..))", " "])
    | st.text(max_size=3),
    max_size=6,
).map("".join)  # fmt: skip


@cases(200)
@given(text=REWARD | ANY | LONG | LONG.map("structure={}".format), folders=st.booleans())
def test_any_reward(text, folders):
    survives(parse, text, folders)
    survives(find_reward, text, SURROGATE, folders=folders)


@cases(200)
@given(text=ANY | LONG | st.text("ACGUNRYtn \n-", max_size=40))
def test_any_template(text):
    template = survives(cleaned, text, 40)
    if template:
        assert allowed_of(40, template=template).any(dim=1).all()
        assert keeps("A" * len(template), template) in (True, False)


@cases(200)
@given(text=ANY | LONG | st.text("0123456789:-+ ٣", max_size=8))
def test_any_length(text):
    found = survives(length_range, text, 205)
    assert found is None or 1 <= found[0] <= found[1] <= 205


WORDS = st.sampled_from(
    ["length", "id", "rna_type", "sequence", "nothing", "=", "<", "!=", "LIKE", "IN", "(", ")", "'tRNA'", "'", '"', "`"]
    + ["1", "1e999", "-1", "AND", "OR", "NOT", "NULL", "IS", "--", "/*", ";", "SELECT", "*", ",", "%", "CAST(", "AS INT"]
    + ["length / 0", "regexp_match(id, '(')", "arrow_cast(id,", "now()", "random()", "BETWEEN", "CASE", "INTERVAL '1 x'"]
    + ["to_timestamp(id)", "repeat(id, 9)", "id || id", "array[1]", "struct(1)", "x'00'", "9" * 400, "\\", "\n", "é"]
)  # fmt: skip


@cases(200)
@given(where=st.lists(WORDS, max_size=7).map(" ".join) | ANY)
def test_any_condition(store, where):
    count = survives(store.count, where)
    table = survives(store.table, ["id"], where)
    if count is not None and table is not None and "random" not in where:
        assert count == len(table)


@pytest.mark.parametrize(
    "where",
    ["(" * 20_000 + "length" + ")" * 20_000, "NOT " * 20_000 + "true", " OR ".join(["length = 1"] * 20_000)]
    + ["-" * 20_000 + "1 < 2", "length" + " + 1" * 20_000 + " > 3"],
    ids=["brackets", "not", "or", "minus", "plus"],
)
def test_deep_conditions_do_not_end_the_process(store, where):
    """In a process of its own, as a stack that overflows ends it."""
    program = (
        "import sys\nfrom ribospace.collection import Collection\nfrom ribospace.errors import UserError\n"
        "try:\n    print(Collection.open(sys.argv[1]).count(sys.stdin.read()))\nexcept UserError:\n    print('refused')\n"
    )
    command = [sys.executable, "-c", program, store.uri]
    done = subprocess.run(
        command, input=where, text=True, capture_output=True, timeout=600, env=os.environ, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])


@cases(100)
@given(text=ANY)
def test_urs_is_ascii(text):
    assert URS.match(text) is None or text.isascii()


COMMANDS = [
    ("info", "COLLECTION", "--where", "TEXT"),
    ("import", "TEXT", "--to", "NEW"),
    ("search", "COLLECTION", "--query", "TEXT", "--model", "kmer2"),
    ("search", "COLLECTION", "--query", "ACGU", "--model", "TEXT"),
    ("export", "COLLECTION", "TEXT"),
    ("export", "COLLECTION", "OUT.fasta", "--where", "TEXT"),
    ("embed", "COLLECTION", "--model", "TEXT"),
    ("embed", "TEXT", "--model", "kmer1", "--out", "OUT.parquet"),
    ("dedupe", "COLLECTION", "--to", "NEW", "--where", "TEXT"),
    ("sample", "COLLECTION", "--to", "NEW", "--by", "TEXT"),
    ("split", "COLLECTION", "--column", "TEXT"),
    ("relations", "COLLECTION", "--model", "kmer2", "--out", "NEW", "--targets", "TEXT"),
    ("relations", "COLLECTION", "--model", "kmer2", "--out", "NEW", "--best", "3", "--same", "TEXT"),
    ("relations", "COLLECTION", "--model", "kmer2", "--out", "NEW", "--relative", "TEXT"),
    ("analogy", "COLLECTION", "--model", "kmer2", "TEXT"),
    ("triples", "COLLECTION", "--model", "kmer2", "--equations", "TEXT", "--out", "NEW"),
    ("fold", "TEXT", "--out", "OUT.tsv"),
    ("synthesize", "--to", "NEW", "TEXT"),
    ("train", "autoencoder", "--data", "COLLECTION", "--out", "NEW", "--set", "TEXT", "--set", "model.width=x"),
    ("train", "autoencoder", "--data", "COLLECTION", "--out", "NEW", "--config", "TEXT"),
    ("generate", "--model", "TEXT", "--out", "OUT.fasta"),
    ("decode", "TEXT", "--model", "TEXT"),
    ("map", "COLLECTION", "--model", "kmer2", "--out", "TEXT"),
    ("composition", "COLLECTION", "TEXT"),
    ("TEXT",),
]
SAID = st.sampled_from(
    ["", "-", "--", "x" * 300, "/", ".", "/dev/null", "é\u202e", "\udcff", "nan", "-1", "1e999", "'", "a=b", "=", "kmer2"]
    + ["length >", "rna_type = 'tRNA'", "A - b'c + d", "a", "a b", "[", "{}", "%s", "?", "#", "s3://", "file://", "x://y"]
    + ["COLLECTION", "ACGU" * 100, "random:1", "--help", "--version", "../x", "x.fasta", "x.h5ad", "\n", "a\tb", "00"]
) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)  # fmt: skip


@cases(40)
@given(command=st.sampled_from(COMMANDS), text=SAID)
def test_any_word_of_a_command(store, run, tmp_path, monkeypatch, command, text):
    """Exit code 0 and an answer, or 2 (1: something outside) and a line; no traceback, nothing half written."""
    place = tmp_path / "here"
    place.mkdir(exist_ok=True)
    monkeypatch.chdir(place)
    said = {"COLLECTION": store.uri, "NEW": "new", "TEXT": text.replace("COLLECTION", store.uri)}
    words = [said.get(one, one.replace("OUT", "out")) for one in command]
    answer = run(*words)
    assert answer.code in (0, 1, 2), (words, answer)
    assert "Ribospace failed" not in answer.err, (words, answer.err)
    assert "Traceback" not in answer.err, (words, answer.err)
    if answer.code:
        left = [one.name for one in place.rglob("*") if one.name.startswith(".") and one.name != ".lock"]
        assert not left, (words, left)
    for one in sorted(place.rglob("*"), reverse=True):
        one.unlink() if one.is_file() or one.is_symlink() else one.rmdir()
