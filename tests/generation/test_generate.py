import re
from types import SimpleNamespace

import pytest
import torch

from ribospace.errors import UserError
from ribospace.generation.generate import Generator, Request
from ribospace.generation.rewards import parse
from ribospace.generation.sampling import Sampling
from ribospace.generation.template import keeps
from tests.generation.conftest import TYPES, WINDOW

HOW = Sampling(steps=3)


@pytest.fixture(scope="module")
def generator(generator_folder):
    return Generator(generator_folder)


def made(generator, request, count=12, seed=0, batch=5, loss=None):
    batches = generator.generate(request, range(count), seed, loss, batch)
    return [one for batch in batches for one in batch]


def asked(**said):
    return Request(**{"how": HOW, **said})


@pytest.mark.parametrize("request_", [asked(), asked(template="GANNNNNNCC"), asked(start="GGGAAACCC", noise=0.4)])
def test_the_same_seed_gives_the_same_molecules_whatever_the_batch(generator, request_):
    found = [[one.sequence for one in made(generator, request_, batch=batch)] for batch in (1, 5, 12)]
    assert found[0] == found[1] == found[2]
    assert [one.sequence for one in made(generator, request_, seed=1)] != found[0]
    assert [one.sequence for one in made(generator, request_, count=7)] == found[0][:7]


@pytest.mark.parametrize("template", ["GANNNNNNCC", "N" * 12, "RYSWKMACGU", "G" * WINDOW, "A"])
def test_fixed_positions_are_always_kept(generator, template):
    for one in made(generator, asked(template=template)):
        assert keeps(one.sequence, template)
    pulled = asked(template=template, how=Sampling(steps=3, strength=5.0))
    for one in made(generator, pulled, loss=lambda latents: latents[:, 0, 0]):
        assert keeps(one.sequence, template)


def test_lengths_that_are_asked_for_are_held(generator):
    for one in made(generator, asked(shortest=7, longest=9)):
        assert 7 <= len(one.sequence) <= 9
        assert 7 <= one.asked_length <= 9


def test_types_are_drawn_or_named(generator):
    assert {one.asked_type for one in made(generator, asked(), 40)} == set(TYPES)
    assert {one.asked_type for one in made(generator, asked(types=("tRNA",)))} == {"tRNA"}
    assert {one.asked_type for one in made(generator, asked(unsaid_type=True))} == {None}
    assert {one.asked_length for one in made(generator, asked(unsaid_length=True))} == {None}


def test_only_bases_are_written_and_confidence_is_a_probability(generator):
    for one in made(generator, asked(), 30):
        assert set(one.sequence) <= set("ACGU")
        assert one.sequence
        assert 0 < one.confidence <= 1
        assert one.latents.shape == (4, 6)


def test_a_type_never_seen_is_refused(generator):
    with pytest.raises(UserError, match="Did you mean tRNA"):
        made(generator, asked(types=("tRNAs",)))


def test_confidence_is_that_of_the_letters(generator):
    """One molecule by hand: the decoder asked letter by letter, without a cache."""
    from ribospace.alphabet import END, START, tokenize

    one = made(generator, asked(), 1)[0]
    latent = generator.model.latent
    memory = latent.decoder.memory(torch.from_numpy(one.latents)[None])
    letters = [START, *tokenize([one.sequence]).ids.tolist(), END]
    with torch.inference_mode():
        chances = latent.decode(torch.tensor([letters[:-1]]), memory, None).log_softmax(dim=-1)[0]
    said = chances[torch.arange(len(letters) - 1), torch.tensor(letters[1:])].mean().exp()
    assert one.confidence == pytest.approx(float(said), abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"types": ["tRN"]}, "Did you mean tRNA"),
        ({"template": "ACGN", "start": "ACGU"}, "cannot both be given"),
        ({"template": "ACGN", "lengths": (5, 9)}, "4 nt, which --length 5:9 does not allow"),
        ({"template": "ACGN", "lengths": (5, 5)}, "--length 5 does not allow"),
        ({"start": "A" * (WINDOW + 1)}, f"at most {WINDOW}"),
        ({"start": "ACGU", "noise": 0.0}, "changes nothing"),
        ({"wishes": ["length=12"], "lengths": (10, 12)}, "the reward length decide the same"),
        ({"wishes": ["length=12"], "template": "ACGN"}, "the reward length decide the same"),
        ({"wishes": ["type=tRNA"], "types": ["rRNA"]}, "the reward type decide the same"),
        ({"wishes": ["structure=((...))"], "lengths": (10, 12)}, "The structure has 7 places"),
    ],
)
def test_what_contradicts_itself_is_refused(generator, asked, words):
    rewards = [SimpleNamespace(wish=parse(text)) for text in asked.pop("wishes", [])]
    with pytest.raises(UserError, match=re.escape(words)):
        generator.request(**asked, rewards=rewards)


def test_what_rewards_decide_is_left_open(generator):
    rewards = [SimpleNamespace(wish=parse(text)) for text in ("type=tRNA", "structure=((...))")]
    request = generator.request(rewards=rewards)
    assert (request.shortest, request.longest, request.unsaid_type, request.unsaid_length) == (7, 7, True, False)
