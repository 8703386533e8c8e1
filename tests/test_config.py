from dataclasses import dataclass, field

import pytest

from ribospace.config import from_mapping, read_toml, with_overrides
from ribospace.errors import UserError


@dataclass
class Inner:
    width: int = 64
    rate: float = 0.1
    name: str = "x"
    wide: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is {self.width}, must be positive")


@dataclass
class Outer:
    model: Inner = field(default_factory=Inner)
    seed: int = 0


def test_a_mapping_becomes_nested_dataclasses():
    assert from_mapping(Outer, {}) == Outer()
    said = {"seed": 3, "model": {"width": 8, "rate": 1, "name": "y", "wide": True, "limit": 5}}
    made = from_mapping(Outer, said)
    assert made == Outer(Inner(8, 1.0, "y", True, 5), 3)
    assert isinstance(made.model.rate, float)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sead": 1}, ["'sead'", "here", "Did you mean seed?"]),
        ({"model": {"widht": 1}}, ["'widht'", "section model", "Did you mean width"]),
        ({"zzzz": 1}, ["'zzzz'", "There are: model, seed."]),
        ({"seed": "1"}, ["'seed'", "must be int", "'1'"]),
        ({"seed": 1.5}, ["'seed'", "must be int", "1.5"]),
        ({"seed": True}, ["'seed'", "must be int", "True"]),
        ({"seed": None}, ["'seed'", "must be int"]),
        ({"model": {"wide": 1}}, ["'wide'", "must be bool", "1"]),
        ({"model": {"rate": True}}, ["'rate'", "must be float", "True"]),
        ({"model": {"rate": "0.1"}}, ["'rate'", "must be float"]),
        ({"model": {"rate": 1e308}}, ["'rate'", "section model", "between -3.4e+38 and 3.4e+38"]),  # no float32
        ({"model": {"rate": 10**400}}, ["'rate'", "between"]),
        ({"model": {"rate": float("nan")}}, ["'rate'", "between"]),
        ({"model": {"rate": -float("inf")}}, ["'rate'", "between"]),
        ({"model": {"name": 3}}, ["'name'", "must be str", "3"]),
        ({"model": {"limit": "no"}}, ["'limit'", "must be int or NoneType"]),
        ({"model": 3}, ["'model'", "section", "model.KEY"]),
        ({"seed": {"a": 1}}, ["'seed'", "must be int"]),
        ({"model": {"width": 0}}, ["section model", "width is 0, must be positive"]),
    ],
)
def test_a_wrong_config_is_refused_by_name(said, words):
    with pytest.raises(UserError) as error:
        from_mapping(Outer, said, "here")
    for word in words:
        assert word in str(error.value)


def test_an_optional_number_may_be_left_out():
    assert from_mapping(Inner, {"limit": None}).limit is None


def test_overrides_reach_into_sections_and_leave_the_mapping_alone():
    said = {"model": {"width": 1}}
    settings = ["model.width=2", "model.name = tRNA", "seed=-3", "a.b.c=[1, 2]", 'q="7"', "t=true", "e=1e-4", "x=a=b"]
    assert with_overrides(said, settings) == {
        "model": {"width": 2, "name": "tRNA"},
        "seed": -3,
        "a": {"b": {"c": [1, 2]}},
        "q": "7",
        "t": True,
        "e": 1e-4,
        "x": "a=b",
    }
    assert said == {"model": {"width": 1}}


@pytest.mark.parametrize("setting", ["seed", "=3", " = 3", "", "model.width.more=1"])
def test_a_setting_that_is_none_is_refused(setting):
    with pytest.raises(UserError, match="--set"):
        with_overrides({"model": {"width": 1}}, [setting])


def test_toml(tmp_path):
    good, bad, binary = tmp_path / "good.toml", tmp_path / "bad.toml", tmp_path / "binary.toml"
    good.write_text("seed = 2\n[model]\nwidth = 16\n", encoding="utf-8")
    bad.write_text("seed = \n", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe\x00")
    assert from_mapping(Outer, read_toml(good)) == Outer(Inner(16), 2)
    for path in (bad, binary):
        with pytest.raises(UserError, match=f"{path.name} is not valid TOML"):
            read_toml(path)
    with pytest.raises(UserError, match="does not exist"):
        read_toml(tmp_path / "none.toml")
