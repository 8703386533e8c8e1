import dataclasses

import pytest
import torch

from ribospace.errors import UserError
from ribospace.generation import properties
from ribospace.generation import run as runs
from ribospace.generation.generate import Generator, Request
from ribospace.generation.properties import pair_similarity
from ribospace.generation.rewards import find_reward
from ribospace.generation.run import Natural, Run, forget, generate_table, parts_in
from ribospace.generation.sampling import Sampling
from ribospace.generation.template import keeps
from ribospace.models import checkpoint
from ribospace.models.surrogate import Surrogate, SurrogateConfig


@pytest.fixture
def generator(generator_folder):
    return Generator(generator_folder)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(runs, "PART", 4)


NATURAL = Natural(["one", "two"], ["GGGAAACCC", "ACGUACGU"], "two")
RUN = Run(Request(how=Sampling(steps=2)), 10, seed=3, natural=NATURAL, batch=3)


def test_every_molecule_has_a_row_with_all_that_is_known(generator, tmp_path):
    found = generate_table(generator, RUN, tmp_path / "parts").to_pylist()
    assert [row["id"] for row in found] == [f"generated:3:{number}" for number in range(10)]
    for row in found:
        assert row["length"] == len(row["sequence"]) == len(row["structure"])
        assert row["nearest"] in ("one", "two")
        assert 0 < row["confidence"] <= 1
        assert row["mfe"] <= 0


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_is_the_same(generator, tmp_path, monkeypatch):
    whole = generate_table(generator, RUN, tmp_path / "whole")
    made = []
    part = runs._part

    def dying(*given):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(part(*given))
        return made[-1]

    monkeypatch.setattr(runs, "_part", dying)
    with pytest.raises(KeyboardInterrupt):
        generate_table(generator, RUN, tmp_path / "parts")
    calls = []
    monkeypatch.setattr(runs, "_part", lambda *given: calls.append(given) or part(*given))
    assert generate_table(generator, RUN, tmp_path / "parts").equals(whole)
    assert len(calls) == 1
    forget(tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_parts_of_another_run_are_not_taken(generator, tmp_path):
    generate_table(generator, RUN, tmp_path / "parts")
    with pytest.raises(UserError, match="another run"):
        generate_table(generator, dataclasses.replace(RUN, seed=4), tmp_path / "parts")


def test_a_reward_that_was_learned_anew_is_another_run(generator, tmp_path):
    config = SurrogateConfig("1", 4, 6, 30, 8, 2, 1, ("half_life",), ("h",))
    for seed in (0, 1):
        torch.manual_seed(seed)
        checkpoint.save(Surrogate(config), tmp_path / "reward", "reward", {})
        run = dataclasses.replace(RUN, rewards=[find_reward(str(tmp_path / "reward"), latent="1", shape=(4, 6))])
        if seed == 0:
            generate_table(generator, run, tmp_path / "parts")
    with pytest.raises(UserError, match="another run"):
        generate_table(generator, run, tmp_path / "parts")


def test_molecules_are_folded_once(generator, tmp_path, monkeypatch):
    config = SurrogateConfig("1", 4, 6, 30, 8, 2, 1, ("mfe",), ("kcal/mol per nt",), (), True)
    rewards = [find_reward(one, Surrogate(config).eval()) for one in ("mfe", "structure=((...))")]
    monkeypatch.setattr(properties, "fold_many", None)  # which the rewards would call
    found = generate_table(generator, dataclasses.replace(RUN, rewards=rewards), tmp_path / "parts").to_pylist()
    for row in found:
        assert row["mfe_per_nt"] == pytest.approx(row["mfe"] / row["length"], abs=1e-3)
        assert row["structure_similarity"] == pytest.approx(pair_similarity(row["structure"], "((...))"), abs=1e-4)


def test_the_batch_may_change_on_the_way(generator, tmp_path):
    first = generate_table(generator, RUN, tmp_path / "one")
    other = generate_table(generator, dataclasses.replace(RUN, batch=7), tmp_path / "two")
    assert first["sequence"].equals(other["sequence"])


def test_a_template_is_kept_in_the_table(generator, tmp_path):
    run = dataclasses.replace(RUN, request=dataclasses.replace(RUN.request, template="GGNNNNCC"))
    for row in generate_table(generator, run, tmp_path / "parts").to_pylist():
        assert keeps(row["sequence"], "GGNNNNCC")


def test_without_viennarna_it_says_so(generator, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "installed", lambda: False)
    warned = []
    found = generate_table(generator, RUN, tmp_path / "parts", warn=warned.append)
    assert "ViennaRNA" in warned[0]
    assert found["mfe"].null_count == 10


def test_two_runs_are_never_at_work_in_one_folder(tmp_path):
    """The second is refused; what broke off keeps its parts, what ended well takes them away."""
    folder = tmp_path / "new" / "parts"
    with parts_in(folder):
        (folder / "000000000.parquet").write_bytes(b"")
        with pytest.raises(UserError, match="Another command is generating"):
            with parts_in(folder):
                pytest.fail("two at once")
        assert folder.exists()
    assert not (tmp_path / "new").exists()
    folder.mkdir(parents=True)
    (folder / "000000000.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match="broken off"):
        with parts_in(folder):
            raise ValueError("broken off")
    assert [path.name for path in folder.iterdir()] == ["000000000.parquet"]


@pytest.mark.parametrize("text", ["", '{"model":', "\x00\x00"])
def test_a_damaged_note_is_named(generator, tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json is damaged\. Remove "):
        generate_table(generator, RUN, tmp_path)


@pytest.mark.parametrize("bytes_kept", [0, 200])
def test_a_damaged_part_is_made_again(generator, tmp_path, bytes_kept):
    whole = generate_table(generator, RUN, tmp_path)
    part = tmp_path / "000000004.parquet"
    part.write_bytes(part.read_bytes()[:bytes_kept])
    assert generate_table(generator, RUN, tmp_path).equals(whole)
