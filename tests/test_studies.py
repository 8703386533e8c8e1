"""The studies' TOML files are configs that training takes, and their tables hold what their runs say."""

import argparse
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

import benchmarks.__main__
from ribospace.cli.app import command
from ribospace.config import from_mapping, laid_over, read_toml
from ribospace.generation.train import DiffusionTrainConfig
from ribospace.training.config import LatentTrainConfig, TrainConfig, read_preset
from studies import remake, sampled
from studies.run import flat, read_study
from studies.tables import COLUMNS, bars

ROOT = Path(__file__).parent.parent
STUDIES = sorted(path.parent.name for path in (Path(__file__).parent.parent / "studies").glob("*/study.toml"))


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_runs_that_training_takes(name):
    study, runs = read_study(name)
    assert study["title"]
    assert 0 < study["minutes"] <= 40
    assert set(study["columns"]) <= set(COLUMNS)
    assert len({run.folder for run in runs}) == len(runs)
    for run in runs:
        config = from_mapping(TrainConfig, laid_over(read_preset(run.preset), run.settings), run.name)
        assert config.data.split == "split"
        sections = {key.split(".")[0] for key, _ in flat(run.settings)}
        assert sections <= {"data", "model", "objective", "optimizer", "seed"}


def test_figures_that_are_orders_apart_are_dots_on_a_logarithmic_axis():
    apart, near = ([{"name": "a", "loss": value}, {"name": "b", "loss": 1.0}] for value in (0.01, 0.5))
    assert bars(apart, "loss", "title").axes[0].get_xscale() == "log"
    assert bars(near, "loss", "title").axes[0].get_xscale() == "linear"
    assert (
        bars([{"name": "a", "loss": 0.0}, {"name": "b", "loss": 1.0}], "loss", "title").axes[0].get_xscale() == "linear"
    )


def test_a_chart_has_a_bar_for_each_run_that_has_the_figure():
    figure = bars([{"name": "a", "cer": 0.1}, {"name": "b", "cer": 0.0}, {"name": "c"}], "cer", "title")
    assert len(figure.axes[0].patches) == 2


def test_every_study_that_the_docs_name_is_made_again_by_remake():
    docs = [*(ROOT / "docs").rglob("*.md"), ROOT / "studies" / "README.md"]
    named = {
        one for page in docs for one in re.findall(r"python -m (studies\.[a-z_.]+[a-z_])", page.read_text("utf-8"))
    }
    lines = [line for table in remake.read() for line in table.run]
    run = {one for line in lines for one in re.findall(r"python -m (studies\.[a-z_.]+)", line)}
    assert named - {"studies.remake"} == run
    for table in remake.read():
        assert (ROOT / table.page).is_file()


def test_what_remake_runs_are_commands_of_ours_with_configs_that_are_there():
    for line in (line for table in remake.read() for line in table.run):
        _, words = remake.parts(line)
        assert words[0] in remake.PROGRAMS
        for module in re.findall(r"-m ((?:studies|benchmarks)[a-z_.]*)", line):
            assert find_spec(module) is not None
        for path in [word for word in words if word.endswith((".toml", ".py"))]:
            assert (ROOT / path).is_file()
        for study in re.findall(r"studies\.run (\w+)", line):
            assert study in STUDIES


class Understood(Exception):
    """A command has read its options."""


@pytest.mark.parametrize("line", sorted({line for table in remake.read() for line in table.run}))
def test_every_line_of_remake_is_understood_by_what_it_runs(line, monkeypatch):
    """Options that have gone, or that are missing, are found before hours of work."""
    _, words = remake.parts(line.format(source="."))
    if words[0] == "ribospace":
        one, words = command(words[1]), words[2:]
        while hasattr(one, "commands"):
            one, words = one.commands[words[0]], words[1:]
        one.make_context("it", words)
        return
    if words[1] != "-m":
        return  # a script that is there, see above
    read, module = argparse.ArgumentParser.parse_args, words[2]

    def parse(self, *given):
        read(self, *given)
        raise Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", words[2:])
    if module == "pytest":
        assert all((ROOT / one).exists() for one in words[3:])
    elif module == "benchmarks":
        assert set(words[3:]) <= set(benchmarks.__main__.SUBJECTS)
    elif words[3:]:
        with pytest.raises(Understood):
            import_module(module).main()
    else:
        assert find_spec(module)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TrainConfig, "mini_families_begun"),
        (TrainConfig, "mini_families"),
        (TrainConfig, "mini"),
        (LatentTrainConfig, "latent"),
        (DiffusionTrainConfig, "diffusion"),
    ],
)
def test_the_shipped_weights_recipes_are_configs(kind, name):
    preset = {"latent": "latent", "diffusion": "diffusion"}.get(name, "default")
    said = read_toml(ROOT / "studies" / "pretrain" / f"{name}.toml")
    config = from_mapping(kind, laid_over(read_preset(preset), said), name)
    assert config.data.split == "part"  # no molecule of a cluster that anything is judged by


def test_sampled_molecules_are_named_by_rfams_lists(tmp_path, monkeypatch):
    """Without Infernal: what its programs print is given."""
    (tmp_path / "__build").mkdir()
    for kingdom in sampled.KINGDOMS:
        (tmp_path / kingdom).touch()
        (tmp_path / "__build" / f"Rfam_{kingdom.lower()}_14.1.txt").write_text(
            "RF1\tGene; snRNA; snoRNA; CD-box;\tSmall nucleolar RNA sR44\nRF2\tCis-reg; leader;\tHis leader\n"
        )
    said = {"cmstat": "# idx name\n1 sR44 RF1 9\n2 His RF2 9\n", "cmemit": ">sR44-sample1\nAC\nGT\n>His-sample1\nggg\n"}
    monkeypatch.setattr(sampled, "infernal", lambda program, *words: said[program])
    monkeypatch.setattr(sys, "argv", ["sampled", "--rfam", str(tmp_path), "--to", str(tmp_path / "cm.parquet")])
    sampled.main()
    rows = pl.read_parquet(tmp_path / "cm.parquet").rows()
    assert len(rows) == 6
    assert rows[0] == ("Archaea:sR44-sample1", "ACGU", "snoRNA", "sR44", "Small nucleolar RNA sR44")
    assert rows[1] == ("Archaea:His-sample1", "GGG", "misc_RNA", "His", "His leader")
