"""What docs/guide.md promises of memory: it does not grow with the molecules, but for so many bytes of each.

Each command runs on n and on four times as many molecules (or calls, or steps); the difference of the two peaks is held
against what is promised for the molecules more, and an allowance.
"""

import numpy as np
import pytest

from tests.faults.cases import CASES
from tests.faults.workshop import contents

pytestmark = pytest.mark.slow

FEW, MANY = 140_000, 560_000  # an import gathers 131,072 molecules before it commits
ALLOWANCE_MB = 60.0
BYTES_AN_ID = 32  # 16, and twice that while the index of an import is merged


@pytest.fixture(scope="module")
def crowd(tmp_path_factory, zygote):
    """Two FASTA files and their collections, of many short molecules."""
    folder = tmp_path_factory.mktemp("crowd")
    draw = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGU", "u1")
    for count in (FEW, MANY):
        rows = letters[draw.integers(0, 4, (count, 30))].tobytes().decode()
        with open(folder / f"{count}.fasta", "w") as file:
            file.writelines(f">m{row}\n{rows[30 * row : 30 * row + 30]}\n" for row in range(count))
    return folder


def peaks(zygote, folder, line, **more):
    """The peaks of a command on few and on many; COUNT in its words stands for how many."""
    found = []
    for count in (FEW, MANY):
        ended = zygote.run(folder, tuple(one.replace("COUNT", str(count)) for one in line), count=True, **more)
        assert ended.code == 0, ended
        found.append(ended.peak_mb)
    print(f"\n{' '.join(line)}: {found[0]:.0f} MB of {FEW:,}, {found[1]:.0f} MB of {MANY:,}")
    return found


LINES = {
    "import": ("import", "COUNT.fasta", "--to", "COUNT"),
    "embed": ("embed", "COUNT", "--model", "kmer2"),
    "embed a file": ("embed", "COUNT.fasta", "--model", "kmer2", "--out", "COUNT.vectors.npy"),
    "embed to parquet": ("embed", "COUNT.fasta", "--model", "kmer2", "--out", "COUNT.vectors.parquet"),
    "search": ("search", "COUNT", "--model", "kmer2", "--query", "m7", "--exact"),
    "export fasta": ("export", "COUNT", "--out", "COUNT.out.fasta"),
    "export parquet": ("export", "COUNT", "--out", "COUNT.out.parquet"),
    "export npy": ("export", "COUNT", "--embedding", "kmer2", "--out", "COUNT.out.npy"),
    "info": ("info", "COUNT"),
    "optimize": ("optimize", "COUNT"),
}


def test_memory_does_not_grow_with_the_molecules(zygote, crowd):
    """In one test, as each step needs those before it; all are said that grow."""
    grown = {}
    for name, line in LINES.items():
        few, many = peaks(zygote, crowd, line)
        promised = BYTES_AN_ID * (MANY - FEW) / 1e6 if "import" in name or "embed" in name else 0
        if many - few > promised + ALLOWANCE_MB:
            grown[name] = (few, many)
    assert not grown


CALLS = """
import numpy as np
from ribospace.collection import Collection
from ribospace.records import record_batch
from ribospace.encoders import find_encoder
from ribospace.encoders.engine import embed_records

store, encoder = Collection.open("rnas"), find_encoder("model")
records = record_batch(["a", "b"], ["ACGUACGUACGU", "GGGAAACCC"])
for number in range({count}):
    list(embed_records([records], encoder))
    store.neighbours("kmer2", np.arange(16) + 1.0 + number, 5)
    store.count("length < 70")
    for batch in store.read(["id"]):
        pass
"""


def test_calls_in_one_process(zygote, material):
    """Searching, counting and reading again and again."""
    few, many = (
        zygote.run(material, (), program=CALLS.format(count=count), count=True).peak_mb for count in (100, 1000)
    )
    print(f"\n100 calls {few:.0f} MB, 1,000 calls {many:.0f} MB")
    assert few > 50
    assert many - few < 30


@pytest.mark.parametrize(
    ("name", "few", "many"),
    [
        ("train autoencoder", ("--set", "optimizer.steps=20"), ("--set", "optimizer.steps=200")),
        ("train latent", ("--set", "optimizer.steps=20"), ("--set", "optimizer.steps=100")),
        ("train diffusion", ("--set", "optimizer.steps=20"), ("--set", "optimizer.steps=200")),
        ("generate", ("-n", "64", "--batch", "32"), ("-n", "640", "--batch", "32")),
    ],
)
def test_steps_and_batches(zygote, workshop, name, few, many):
    case, found = next(one for one in CASES if one.name == name), []
    before = contents(workshop)
    for words, out in ((few, "few"), (many, "many")):
        line = [one if one != case.out else f"{out}{case.out[1:]}" for one in case.line]
        ended = zygote.run(workshop, (*line, *words), count=True)
        assert ended.code == 0, ended
        found.append(ended.peak_mb)
    print(f"\n{name} {' '.join(few)}: {found[0]:.0f} MB; {' '.join(many)}: {found[1]:.0f} MB")
    assert len(contents(workshop)) > len(before)
    assert found[1] - found[0] < 50
