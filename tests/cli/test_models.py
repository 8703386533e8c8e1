"""What is said of the weights that ship."""

from ribospace.models.shipped import SHIPPED


def test_models_lists_size_licence_data_and_figures(run):
    answer = run("models")
    assert answer.code == 0
    for name in SHIPPED:
        assert name in answer.out
    assert "Apache-2.0" in answer.out
    assert "covariance models" in answer.out
    said = run("models", "--json").json
    assert [one["name"] for one in said["models"]] == list(SHIPPED)
    assert said["bytes"] == sum(one["size"] for one in said["models"]) < 25_000_000


def test_latents_and_back_without_naming_a_model(run):
    answer = run(
        "roundtrip", "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA", "--json"
    ).json
    assert answer["cer"] < 0.2
    assert run("interpolate", "GGGGAAAACCCC", "GGGCCCAAAUUUGGGCCC", "--steps", "3").code == 0
