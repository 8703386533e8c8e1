"""Every command of the command line: how it is run small and what it writes, or that it writes nothing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A small run of a command, in a folder that has what `material` makes.

    Attributes
    ----------
    name
        The command, and behind a colon which of its ways.
    args
        Arguments behind the command; paths are of the folder.
    out
        The file or folder it writes; empty where it writes into `store`.
    store
        The collection it changes.
    loose
        Files whose bytes differ from run to run: pages with random ids, figures with a date.
    elsewhere
        Tests that hold some of its faults already, more closely.
    """

    name: str
    args: tuple[str, ...]
    out: str = ""
    store: str = ""
    loose: tuple[str, ...] = ()
    elsewhere: str = ""

    @property
    def command(self) -> str:
        return self.name.split(":")[0]

    @property
    def line(self) -> tuple[str, ...]:
        return (*self.command.split(), *self.args)


def _set(*settings: str) -> tuple[str, ...]:
    return tuple(word for setting in settings for word in ("--set", setting))


TINY = _set(
    "model.width=16", "model.heads=2", "model.encoder_layers=1", "model.feedforward=16", "optimizer.precision=fp32"
)
QUICK = _set("optimizer.steps=3", "optimizer.token_budget=1024", "data.where=length < 80")
TINY_LATENT = _set(
    "model.queries=4", "model.width=8", "model.reader_width=16", "model.reader_heads=2", "model.decoder_width=16",
    "model.heads=2", "model.feedforward=16", "model.window=80",
)  # fmt: skip
TINY_DENOISER = _set("model.width=12", "model.heads=2", "model.layers=1", "model.feedforward=16", "rewards.steps=3")
TINY_GRAPH = _set("graph.width=8", "graph.heads=2", "graph.layers=1", "graph.neighbours=3", "optimizer.steps=3")

AUTOENCODER = ("--data", "rnas", *TINY, *QUICK)
LATENT = ("--data", "rnas", "--encoder", "model", *TINY_LATENT, *QUICK)
DIFFUSION = ("--data", "rnas", "--latent", "latent", *TINY_DENOISER, *QUICK)
REWARD = ("--table", "values.tsv", "--latent", "latent", *_set("fit.steps=5", "model.hidden=32"))
GRAPH = ("--data", "rnas", "--model", "kmer2", *TINY_GRAPH)

#: In order; each may use what those before it wrote.
MATERIAL: tuple[tuple[str, ...], ...] = (
    ("import", "sample", "--to", "all"),
    ("sample", "all", "--per-type", "40", "--where", "length < 130", "--to", "rnas"),
    ("embed", "rnas", "--model", "kmer2"),
    ("map", "rnas", "--model", "kmer2", "--method", "pca", "--store"),
    ("split", "rnas", "--column", "parts"),
    ("export", "rnas", "--out", "rnas.fasta"),
    ("train", "autoencoder", *AUTOENCODER, "--out", "model"),
    ("train", "classifier", *AUTOENCODER, "--out", "classifier"),
    ("train", "latent", *LATENT, "--out", "latent"),
    ("train", "diffusion", *DIFFUSION, "--out", "generator"),
    ("train", "graph", *GRAPH, "--out", "graph"),
    ("embed", "rnas.fasta", "--model", "latent", "--pool", "latents", "--out", "latents.npy"),
    ("generate", "--model", "generator", "-n", "24", "--steps", "2", "--out", "made.fasta"),
)  # fmt: skip

CASES = (
    Case("import", ("new.fasta", "--to", "rnas"), store="rnas",
         elsewhere="collection/test_append.py: SIGKILL, full disk, two at once, damaged journal"),
    Case("import:new", ("rnas.fasta", "--to", "fresh"), store="fresh"),
    Case("synthesize", ("words", "--max-length", "3", "--to", "rnas"), store="rnas"),
    Case("optimize", ("rnas",), store="rnas", elsewhere="collection/test_upkeep.py: SIGKILL, full disk"),
    Case("dedupe", ("rnas",), store="rnas", elsewhere="hygiene/test_dedupe.py: SIGKILL"),
    Case("split", ("rnas",), store="rnas", elsewhere="hygiene/test_split.py: SIGKILL"),
    Case("sample", ("rnas", "--per-type", "3", "--to", "few"), out="few", elsewhere="hygiene/test_sample.py: full disk"),
    Case("embed", ("rnas", "--model", "kmer3"), store="rnas", elsewhere="collection/test_columns.py: SIGKILL, full disk"),
    Case("embed:trained", ("rnas", "--model", "model"), store="rnas"),
    Case("embed:file", ("rnas.fasta", "--model", "kmer3", "--out", "out.parquet"), out="out.parquet"),
    Case("embed:npy", ("rnas.fasta", "--model", "kmer3", "--out", "out.npy"), out="out.npy"),
    Case("embed:tokens", ("rnas.fasta", "--model", "model", "--tokens", "--out", "tokens.lance"), out="tokens.lance",
         elsewhere="encoders/test_tokens.py: what its rows are"),
    Case("map:store", ("rnas", "--model", "kmer2", "--method", "pca", "--dims", "3", "--store"), store="rnas",
         elsewhere="collection/test_projections.py: SIGKILL"),
    Case("map", ("rnas", "--model", "kmer2", "--method", "pca", "--out", "map.png"), out="map.png"),
    Case("fold", ("rnas", "--where", "length < 60", "--processes", "1"), store="rnas"),
    Case("fold:file", ("new.fasta", "--processes", "1", "--out", "folded.tsv"), out="folded.tsv"),
    Case("trajectory", ("rnas", "--model", "kmer2", "-k", "5", "--runs", "1", "--out", "way"), out="way", store="rnas",
         loose=("*.h5ad", "*.html")),
    Case("info", ("rnas", "--figure", "summary.png"), out="summary.png"),
    Case("export", ("rnas", "--out", "out.fasta"), out="out.fasta", elsewhere="collection/test_export.py: full disk"),
    Case("export:parquet", ("rnas", "--out", "out.parquet"), out="out.parquet"),
    Case("export:h5ad", ("rnas", "--out", "out.h5ad"), out="out.h5ad", loose=("*.h5ad",)),
    Case("export:npy", ("rnas", "--embedding", "kmer2", "--out", "out.npy"), out="out.npy"),
    Case("export:projector", ("rnas", "--embedding", "kmer2", "--out", "projector"), out="projector"),
    Case("atlas", ("rnas", "--out", "atlas.html"), out="atlas.html"),
    Case("evaluate", ("model", "--data", "rnas", "--where", "length < 80", "--out", "report"), out="report"),
    Case("decode", ("latents.npy", "--model", "latent", "--out", "decoded.fasta"), out="decoded.fasta"),
    Case("generate", ("--model", "generator", "-n", "3", "--steps", "2", "--out", "g.fasta"), out="g.fasta",
         elsewhere="generation/test_run.py, cli/test_generate.py: broken off and gone on"),
    Case("assess", ("made.fasta", "--against", "rnas", "--model", "kmer2", "--out", "judged"), out="judged",
         loose=("*.html",)),
    Case("compare", ("rnas", "--models", "kmer1,kmer2", "--limit", "60", "--out", "compared"), out="compared",
         loose=("*",)),
    Case("compare-projections", ("rnas", "--model", "kmer2", "--methods", "pca,random", "--dims", "2", "--seeds", "1",
         "--limit", "120", "--out", "reduced"), out="reduced", loose=("*",)),
    Case("heads", ("rnas", "--model", "model", "--limit", "20", "--where", "length < 60", "--out", "heads"),
         out="heads"),
    Case("relations", ("rnas", "--model", "kmer2", "--most-targets", "3", "--permutations", "2", "--out", "related"),
         out="related", loose=("*.html",)),
    Case("triples", ("--model", "kmer2", "--out", "triples.tsv"), out="triples.tsv"),
    Case("analogy", ("rnas", "--model", "kmer2", "rna_type=tRNA - rna_type=rRNA + rna_type=snoRNA", "--out", "a.json"),
         out="a.json"),
    Case("basis", ("rnas", "--model", "kmer2", "--fit", "rna_type = 'tRNA'", "--apply", "rna_type = 'rRNA'",
         "--method", "pca", "--dims", "2", "--seeds", "2", "--out", "seen"), out="seen", loose=("*.html",)),
    Case("composition", ("rnas", "--clusters", "rna_type", "--cluster", "tRNA", "--out", "made_of"), out="made_of"),
    Case("train autoencoder", (*AUTOENCODER, "--out", "m"), out="m", loose=("README.md",),
         elsewhere="training/test_resuming.py, training/test_faults.py"),
    Case("train classifier", (*AUTOENCODER, "--out", "m"), out="m", loose=("README.md",)),
    Case("train latent", (*LATENT, "--out", "m"), out="m", loose=("README.md",)),
    Case("train diffusion", (*DIFFUSION, "--out", "m"), out="m", loose=("README.md",)),
    Case("train reward", (*REWARD, "--out", "m"), out="m", loose=("README.md",)),
    Case("train graph", (*GRAPH, "--out", "m"), out="m", loose=("README.md",)),
    Case("demo", ("--out", "demo"), out="demo", loose=("*.html", "*.md")),
)  # fmt: skip

#: Commands whose source is a server: their faults are tested beside a server of our own.
FROM_A_SERVER = {
    "fetch": "fetching/test_fetch.py: SIGKILL ten times, commits that fail, faulty servers",
    "fetch-bulk": "cli/test_bulk.py: SIGKILL ten times; net/test_download.py: full disk, wrong checksums",
    "describe": "fetching/test_describe.py: a server that fails half way, asked again",
}

WRITES_NOTHING = {
    "attended": "prints",
    "encoders": "prints",
    "models": "prints",
    "interpolate": "prints",
    "roundtrip": "prints",
    "search": "prints; of a large collection it makes an index: collection/test_vector_index.py",
    "serve": "holds what it makes in memory",
}
