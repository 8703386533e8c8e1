"""What 40 million molecules cost: arithmetic from sizes, lengths and measured rates, for machines one may replace.

Nothing here is measured. `python -m benchmarks.scale table` gives it the rates that `benchmarks.scale` has measured,
and where it has not, those of docs/benchmarks.md (`documented_rates`).
All times are in seconds, arithmetic in FLOP (a product and its sum are two), lengths in nt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

MOLECULES = 40_000_000
#: Lengths that rates are measured at; each stands for the molecules about it.
TYPICAL = (32, 80, 160, 360, 750, 1500, 4000)
#: Shares of molecules by typical length. None is a count of RNAcentral, see docs/scale.md.
LENGTHS: Mapping[str, Mapping[int, float]] = {
    "short": {32: 0.25, 80: 0.5, 160: 0.25},
    "mixed": {32: 0.25, 80: 0.2, 160: 0.1, 360: 0.15, 750: 0.15, 1500: 0.13, 4000: 0.02},
}
IMPORT_LENGTHS = (80, 1500)
#: A second of two cores without other work, see docs/benchmarks.md: 3-mers (64 numbers) over a collection of a million,
#: written; an index over a million; fetch-bulk of two million of 100 nt; embedding at one length each.
STORED, INDEXED, FETCHED = 180_895, 119_226, 155_480
EMBEDDED = {"mini": (110, 1_668.0), "rnafm": (164, 26.3)}
HOST_CORES = 2  # that an import keeps busy: a thread reads, one cleans and stores


@dataclass(frozen=True)
class Sizes:
    """Of an encoder: what its arithmetic and traffic follow from.

    Attributes
    ----------
    width, layers, feedforward, window
        Of the config; the window in nt.
    batch
        Tokens of a padded batch on a GPU.
    number_bytes
        Of a number that is multiplied on a GPU: 4 in fp32, 2 in bf16.
    """

    name: str
    width: int
    layers: int
    feedforward: int
    window: int
    batch: int
    number_bytes: int


MINI = Sizes("mini", 64, 3, 256, 512, 8192, 4)
RNAFM = Sizes("rnafm", 640, 12, 5120, 1022, 16_384, 2)


@dataclass(frozen=True)
class Gpu:
    """A GPU: what its makers state of an A100 80 GB, and what is assumed of how it is used.

    Attributes
    ----------
    peak
        FLOP/s by bytes of a number.
    share
        Of the peak that large products reach.
    bandwidth, bandwidth_share
        Bytes/s of its memory, and the share that is reached.
    launch
        Seconds between two kernels of PyTorch, called one by one.
    price
        Dollars an hour.
    """

    name: str = "A100 80 GB"
    peak: tuple[tuple[int, float], ...] = ((4, 19.5e12), (2, 312e12))
    share: float = 0.4
    bandwidth: float = 2.0e12
    bandwidth_share: float = 0.7
    launch: float = 10e-6
    price: float = 2.0


@dataclass(frozen=True)
class Cluster:
    """Machines with processors alone: cores in all, share of them that is work, dollars a core and hour."""

    cores: int = 512
    efficiency: float = 0.8
    price: float = 0.04


def windows(length: int, window: int) -> tuple[int, int]:
    """How many windows a molecule is cut into, and their length; see `batching.cut_windows`.

    Examples
    --------
    >>> windows(300, 512), windows(1500, 512)
    ((1, 300), (4, 512))
    """
    if length <= window:
        return 1, length
    overlap = window // 4
    return -(-(length - overlap) // (window - overlap)), window


def tokens(length: int, sizes: Sizes) -> int:
    """That a network reads of a molecule: windows, each with its START and END."""
    count, each = windows(length, sizes.window)
    return count * (each + 2)


def flop(length: int, sizes: Sizes) -> float:
    """Of an encoder's matrix products for one molecule.

    A token is multiplied with the 4 D² weights of attention and the 2 D F of the feed-forward layer, and attention
    makes L scores of D numbers for it and mixes L vectors.

    Examples
    --------
    >>> flop(78, MINI) / 1e6
    28.50816
    """
    count, each = windows(length, sizes.window)
    long, width = each + 2, sizes.width
    a_layer = 2 * long * (4 * width**2 + 2 * width * sizes.feedforward) + 4 * long**2 * width
    return float(count * sizes.layers * a_layer)


def traffic(length: int, sizes: Sizes) -> float:
    """Bytes that a GPU's memory moves for one molecule, each operation reading and writing what it takes and gives.

    For a token and layer: norms, projections, rotary turns, attention and sums 26 D numbers, the feed-forward layer's
    hidden ones 4 F.
    """
    numbers = 26 * sizes.width + 4 * sizes.feedforward
    return float(tokens(length, sizes) * sizes.layers * numbers * sizes.number_bytes)


def on_gpu(lengths: Mapping[int, float], sizes: Sizes, gpu: Gpu, molecules: int = MOLECULES) -> tuple[float, str]:
    """Seconds of one GPU, and which of its three limits that is: arithmetic, memory or launches.

    A layer is some 25 kernels and a batch 30 more.
    """
    read = mean(lengths, lambda length: tokens(length, sizes))
    seconds = {
        "arithmetic": mean(lengths, lambda length: flop(length, sizes))
        / (dict(gpu.peak)[sizes.number_bytes] * gpu.share),
        "memory": mean(lengths, lambda length: traffic(length, sizes)) / (gpu.bandwidth * gpu.bandwidth_share),
        "launches": read / sizes.batch * (25 * sizes.layers + 30) * gpu.launch,
    }
    limit = max(seconds, key=lambda name: seconds[name])
    return molecules * seconds[limit], limit


def on_cores(lengths: Mapping[int, float], rates: Mapping[str, float], kind: str, molecules: int = MOLECULES) -> float:
    """Seconds of one core, from the rate that was measured at each length.

    Examples
    --------
    >>> on_cores({32: 0.5, 80: 0.5}, {"embed mini 32": 1000.0, "embed mini 80": 500.0}, "embed mini", 1000)
    1.5
    """
    return molecules * mean(lengths, lambda length: 1 / rates[f"{kind} {length}"])


def importing(lengths: Mapping[int, float], rates: Mapping[str, float], molecules: int = MOLECULES) -> float:
    """Seconds of one core: so much a molecule and so much a letter, by the rates at two lengths."""
    short, long = IMPORT_LENGTHS
    at_short, at_long = (1 / rates[f"import {length}"] for length in IMPORT_LENGTHS)
    a_letter = (at_long - at_short) / (long - short)
    return molecules * mean(lengths, lambda length: max(0.0, at_short + a_letter * (length - short)))


def mean(lengths: Mapping[int, float], of: Callable[[int], float]) -> float:
    """Of what a molecule has, over the lengths."""
    return float(sum(share * of(length) for length, share in lengths.items()) / sum(lengths.values()))


def storage(lengths: Mapping[int, float], molecules: int = MOLECULES) -> dict[str, float]:
    """Bytes of what may be kept.

    Examples
    --------
    >>> storage({80: 1.0}, 1000)["vectors of width 64, float32"]
    256000.0
    """
    letters = mean(lengths, float)
    return {
        "letters, a byte each": molecules * letters,
        "hashes of the ids, 16 bytes, in memory": molecules * 16.0,
        "vectors of width 64, float32": molecules * 64 * 4.0,
        "vectors of width 64, float16": molecules * 64 * 2.0,
        "their index, with the vectors in it and a row each": molecules * (64 * 4 + 8.0),
        "vectors of width 640, float32": molecules * 640 * 4.0,
        "a map, two float32": molecules * 8.0,
        "token embeddings of width 64, float16": molecules * letters * 64 * 2.0,
    }


def documented_rates() -> dict[str, float]:
    """Molecules a second of one core, from figures that were seen at one length and are carried to others.

    A core is taken as half of the two; embedding at another length has the same FLOP/s, an import the same molecules.
    """
    rates = {"store 64": STORED / 2, "index 64": INDEXED / 2}
    rates |= {f"import {length}": FETCHED / 2 for length in IMPORT_LENGTHS}
    for sizes in (MINI, RNAFM):
        seen, rate = EMBEDDED[sizes.name]
        for length in TYPICAL:
            rates[f"embed {sizes.name} {length}"] = rate / 2 * flop(seen, sizes) / flop(length, sizes)
    return rates


@dataclass(frozen=True)
class Row:
    """A line of the table: hours that pass, dollars, and what is at its limit."""

    what: str
    machine: str
    hours: float
    dollars: float
    limit: str


def table(
    rates: Mapping[str, float],
    lengths: Mapping[int, float],
    molecules: int = MOLECULES,
    gpu: Gpu = Gpu(),
    cluster: Cluster = Cluster(),
) -> list[Row]:
    """Embedding by two models on three kinds of machine, and what comes before and after on one.

    A process reads, embeds and writes one after the other, so that what its core does is added to the GPU's time. Maps
    are there where their rates were measured.
    """
    rows = []
    store = molecules / rates["store 64"]
    for sizes in (MINI, RNAFM):
        host = store * sizes.width / 64
        alone, limit = on_gpu(lengths, sizes, gpu, molecules)
        limit = limit if alone > host else "reading and writing"
        for count in (1, 8):
            hours = (alone + host) / count / (1 if count == 1 else cluster.efficiency) / 3600
            rows.append(Row(f"embed, {sizes.name}", f"{count} × {gpu.name}", hours, hours * count * gpu.price, limit))
        work = (on_cores(lengths, rates, f"embed {sizes.name}", molecules) + host) / 3600
        hours = work / cluster.cores / cluster.efficiency
        price = hours * cluster.cores * cluster.price
        rows.append(Row(f"embed, {sizes.name}", f"{cluster.cores} cores", hours, price, "arithmetic"))
    after = {
        "index, width 64": "index 64",
        "map by PCA, applied": "project pca",
        "map by UMAP, applied": "project umap",
    }
    after["map by parametric UMAP, applied"] = "project parametric-umap"
    steps = [("import", importing(lengths, rates, molecules), HOST_CORES)]
    steps += [(what, molecules / rates[rate], 1) for what, rate in after.items() if rate in rates]
    for what, seconds, cores in steps:
        hours = seconds / cores / 3600
        rows.append(Row(what, f"{cores} core{'s' * (cores > 1)}", hours, hours * cores * cluster.price, "processor"))
    return rows
