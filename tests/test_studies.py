"""The studies' TOML files are configs that training takes, and their tables hold what their runs say."""

from pathlib import Path

import pytest

from ribospace.config import from_mapping, laid_over
from ribospace.training.config import TrainConfig, read_preset
from studies.run import flat, read_study
from studies.tables import COLUMNS, bars

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
