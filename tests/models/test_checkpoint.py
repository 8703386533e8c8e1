"""Models on disk: the same after a round trip, and never half right."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(width=8, heads=2, feedforward=16))
    checkpoint.save(model, tmp_path / "model", "small", {"figures": {"loss": 1.5}})
    return tmp_path / "model"


def test_round_trip(folder):
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(width=8, heads=2, feedforward=16))
    found = checkpoint.load(folder)
    assert (found.name, found.model.config, found.about["figures"]) == ("small", model.config, {"loss": 1.5})
    for key, value in model.state_dict().items():
        assert torch.equal(value, found.model.state_dict()[key]), key
    assert not found.model.training
    assert "torch" in found.about["versions"]


def test_who_may_read_the_card_may_read_the_weights(folder):
    assert (folder / "model.safetensors").stat().st_mode == (folder / "config.json").stat().st_mode


def test_revision_follows_the_weights(folder):
    before = checkpoint.load(folder).revision
    assert checkpoint.load(folder).revision == before
    changed = checkpoint.load(folder).model
    with torch.no_grad():
        changed.writer.bias += 1
    checkpoint.save(changed, folder, "small", {"figures": {"loss": 1.5}})
    assert checkpoint.load(folder).revision != before


def test_weights_other_than_those_written_are_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["writer.bias"] = tensors["writer.bias"] + 1
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UserError, match="is not the file that was written"):
        checkpoint.load(folder)


def test_weights_of_older_models_say_nothing_of_their_file(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["weights_sha256"]
    (folder / "config.json").write_text(json.dumps(config))
    assert "weights_sha256" not in checkpoint.load(folder).about


def test_save_never_replaces_what_is_no_model(folder):
    (folder / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match="would be lost"):
        checkpoint.save(Autoencoder(AutoencoderConfig(width=4, heads=1, feedforward=4)), folder, "new", {})
    assert (folder / "thesis.txt").read_text() == "x"
    with pytest.raises(UserError, match="is a file"):
        checkpoint.require_place(folder / "thesis.txt")


def test_save_replaces_whole(folder):
    checkpoint.save(Autoencoder(AutoencoderConfig(width=4, heads=1, feedforward=4)), folder, "new", {})
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert checkpoint.load(folder).name == "new"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_card_belongs_to_a_model_and_nothing_else_does(folder):
    config = AutoencoderConfig(width=4, heads=1, feedforward=4)
    checkpoint.save(Autoencoder(config), folder, "new", {}, "# new\n")
    assert (folder / "README.md").read_text() == "# new\n"
    assert checkpoint.is_model(folder)
    revision = checkpoint.load(folder).revision
    (folder / "README.md").write_text("# mine\n")  # a user's words on the model change no vector
    assert checkpoint.load(folder).revision == revision
    checkpoint.save(Autoencoder(config), folder, "newer", {}, "# newer\n")
    assert (folder / "README.md").read_text() == "# newer\n"
    (folder / "notes.md").write_text("x")
    assert not checkpoint.is_model(folder)
    with pytest.raises(UserError, match="would be lost"):
        checkpoint.require_place(folder)
    (folder / "notes.md").unlink()
    (folder / "config.json").unlink()
    assert not checkpoint.is_model(folder)  # half a model is no model


def change(folder, **more):
    said = json.loads((folder / "config.json").read_text())
    said.update(more)
    (folder / "config.json").write_text(json.dumps(said))


def test_config_that_disagrees_is_refused_with_names(folder):
    change(folder, config={"width": 8, "heads": 2, "feedforward": 32})
    with pytest.raises(UserError, match=r"feedforward is 32, the weights were made with 16"):
        checkpoint.load(folder)
    change(folder, config={"width": 8, "heads": 1, "feedforward": 16})  # the same shapes, other vectors
    with pytest.raises(UserError, match=r"heads is 1, the weights were made with 2"):
        checkpoint.load(folder)


def test_layers_that_are_missing_are_named(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["decoder.0.self_sum.norm.weight"]
    tensors["writer.bias"] = tensors["writer.bias"][:3].clone()
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(
        UserError, match=r"decoder\.0\.self_sum\.norm\.weight missing.*writer\.bias is \(3,\), the config says \(22,\)"
    ):
        checkpoint.load(folder)


def relabel(folder, metadata):
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", metadata)


def test_a_model_of_an_older_format_is_refused_with_the_version_that_wrote_it(folder):
    old = {"width": 8, "heads": 2, "encoder_layers": 3, "decoder_layers": 1, "feedforward": 16, "window": 205}
    change(folder, format=1, config=old, versions={"ribospace": "0.0.7"})
    with pytest.raises(UserError) as refused:
        checkpoint.load(folder)
    assert str(refused.value) == (
        f"The model in {folder} has format 1, this Ribospace reads 2. Train it again, or use it with the Ribospace "
        "that wrote it (0.0.7)."
    )
    for unknown in (None, "0.0.7", {}):
        change(folder, versions=unknown)
        with pytest.raises(UserError, match=r"the Ribospace that wrote it\."):
            checkpoint.load(folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: change(f, config={"widht": 8}), "width"),
        (lambda f: change(f, format=99), r"format 99, this Ribospace reads 2\. Update Ribospace"),
        (lambda f: change(f, format=None), "not the config"),
        (lambda f: change(f, config=[8]), "not the config"),
        (lambda f: change(f, config={}), "width is 64, the weights were made with 8"),
        (lambda f: change(f, config={"width": "8"}), "must be int"),
        (lambda f: (f / "config.json").write_text("[]"), "not the config"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "not JSON"),
        (lambda f: relabel(f, {"config": "{"}), "damaged"),
        (lambda f: relabel(f, {"config": "[8]"}), "does not fit"),
        (lambda f: save_file({}, f / "model.safetensors"), "missing"),
        (lambda f: change(f, model="rnafm"), "not the config"),
        (lambda f: (f / "config.json").write_text("{"), "not JSON"),
        (lambda f: (f / "config.json").unlink(), "no model"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x80\x04pickle"), "damaged"),
        (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:500]), "damaged"),
        (lambda f: change(f, config={"width": 9, "heads": 2}), "not divisible"),
    ],
)
def test_damage_is_said(folder, damage, words):
    damage(folder)
    with pytest.raises(UserError, match=words):
        checkpoint.load(folder)


def test_what_is_no_folder(tmp_path):
    with pytest.raises(UserError, match="holds no model"):
        checkpoint.load(tmp_path / "nowhere")


def test_moving_a_model_changes_nothing(folder, tmp_path):
    before = checkpoint.load(folder)
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert checkpoint.load(moved).revision == before.revision
