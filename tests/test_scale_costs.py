"""The arithmetic of what 40 million molecules cost: against the networks themselves, and against sums by hand."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.scale import lengths_of
from benchmarks.scale_costs import (
    LENGTHS,
    MINI,
    RNAFM,
    TYPICAL,
    Cluster,
    Gpu,
    Row,
    documented_rates,
    flop,
    importing,
    on_gpu,
    storage,
    table,
    tokens,
    windows,
)
from ribospace.alphabet import tokenize
from ribospace.batching import cut_windows
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.rnafm import RnaFmConfig

#: Molecules a second of one core, each kind the same at all lengths.
FLAT = {
    **{f"embed {name} {length}": rate for name, rate in (("mini", 400.0), ("rnafm", 2.0)) for length in TYPICAL},
    **{"import 80": 1000.0, "import 1500": 1000.0, "store 64": 1000.0, "index 64": 500.0},
    **{f"project {name}": 100.0 for name in ("pca", "umap", "parametric-umap")},
}


@pytest.mark.parametrize("length", [10, 511, 512, 513, 640, 896, 897, 1500, 4000, 20_000])
def test_windows_are_those_that_encoders_cut(length):
    cut, _ = cut_windows(tokenize(["A" * length]), MINI.window, MINI.window // 4)
    count, each = windows(length, MINI.window)
    assert cut.lengths.tolist() == [each] * count
    assert tokens(length, MINI) == int((cut.lengths + 2).sum())


@pytest.mark.parametrize("length", [20, 200])
def test_the_arithmetic_is_the_network_s(length):
    sizes = {"width": MINI.width, "encoder_layers": MINI.layers, "feedforward": MINI.feedforward}
    model = Autoencoder(AutoencoderConfig(**sizes, window=MINI.window)).eval()
    read = torch.from_numpy(tokenize(["A" * length]).padded(np.array([0]))).long()
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.encode(read)
    assert counter.get_total_flops() == pytest.approx(flop(length, MINI), rel=0.02)


def test_sizes_are_those_of_rnafm_s_config():
    config = RnaFmConfig()
    assert (RNAFM.width, RNAFM.layers, RNAFM.feedforward) == (config.width, config.layers, config.feedforward)
    assert RNAFM.window == config.window


def test_shares_are_of_all():
    for lengths in LENGTHS.values():
        assert set(lengths) <= set(TYPICAL)
        assert sum(lengths.values()) == pytest.approx(1)


def test_the_lowest_limit_of_a_gpu_counts():
    lengths = {80: 1.0}
    slow = Gpu(peak=((4, 1e12), (2, 1e12)), share=0.5)
    assert on_gpu(lengths, MINI, slow, 1000) == (pytest.approx(1000 * flop(80, MINI) / 0.5e12), "arithmetic")
    narrow = Gpu(bandwidth=1e9)
    assert on_gpu(lengths, MINI, narrow)[1] == "memory"
    batches = 82 / 8192
    assert on_gpu(lengths, MINI, Gpu(launch=1e-3), 1000) == (pytest.approx(1000 * batches * 105 * 1e-3), "launches")


def test_an_import_costs_so_much_a_molecule_and_so_much_a_letter():
    rates = {"import 80": 1 / 100, "import 1500": 1 / 1520}  # 20 s and 1 s a letter
    assert importing({80: 0.5, 4000: 0.5}, rates, 2) == pytest.approx(100 + 4020)


def test_the_table_by_hand():
    rows = {(row.what, row.machine): row for row in table(FLAT, {80: 1.0}, 3_600_000, cluster=Cluster(100, 0.5, 0.1))}
    cpu = rows["embed, mini", "100 cores"]
    hours = (3_600_000 / 400 + 3_600_000 / 1000) / 3600  # of one core
    assert (cpu.hours, cpu.dollars) == (pytest.approx(hours / 100 / 0.5), pytest.approx(hours / 0.5 * 0.1))
    one, eight = rows["embed, mini", "1 × A100 80 GB"], rows["embed, mini", "8 × A100 80 GB"]
    assert one.limit == "reading and writing"  # a second, where the GPU needs less
    assert one.hours == pytest.approx((on_gpu({80: 1.0}, MINI, Gpu(), 3_600_000)[0] + 3600) / 3600)
    assert one.dollars == pytest.approx(2 * one.hours)
    assert eight.hours == pytest.approx(one.hours / 8 / 0.5)
    assert rows["import", "2 cores"] == Row("import", "2 cores", 0.5, pytest.approx(0.1), "processor")
    assert rows["index, width 64", "1 core"].hours == 2
    assert rows["map by PCA, applied", "1 core"].hours == 10


def test_documented_rates_are_carried_by_arithmetic():
    rates = documented_rates()
    assert rates["embed mini 80"] * flop(80, MINI) == pytest.approx(834 * flop(110, MINI))
    assert rates["embed rnafm 4000"] * flop(4000, RNAFM) == pytest.approx(13.15 * flop(164, RNAFM))
    assert importing(LENGTHS["mixed"], rates) == pytest.approx(40e6 / 155_480 * 2)
    assert not [row for row in table(rates, LENGTHS["short"]) if row.what.startswith("map")]


def test_what_is_kept():
    kept = storage({80: 0.5, 160: 0.5})
    assert kept["letters, a byte each"] == 40e6 * 120
    assert kept["vectors of width 64, float32"] == pytest.approx(10.24e9)
    assert kept["vectors of width 640, float32"] == pytest.approx(102.4e9)


def test_lengths_of_a_collection(collection):
    shares = lengths_of(str(collection.path))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[32] == 1  # 5 to 40 nt
