import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ribospace.models import feedforward
from ribospace.models.dropout import Dropper, dropout
from ribospace.models.feedforward import FeedForward


@given(st.floats(0, 0.999), st.integers(0, 200))
@settings(deadline=None)
def test_what_is_kept_is_one_or_zero_and_its_scale_keeps_the_mean(share, count):
    dropper = Dropper(share)
    kept = dropper.kept(count)
    assert kept.shape == (count,)
    assert set(kept.tolist()) <= {0, 1}
    assert dropper.scale >= 1
    assert 1 / dropper.scale == pytest.approx(1 - share, abs=1 / 256)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_is_dropped_and_the_rest_scaled(share):
    torch.manual_seed(0)
    x = torch.ones(400, 500, requires_grad=True)
    y = dropout(x, share, training=True)
    assert float((y == 0).float().mean()) == pytest.approx(round(256 * share) / 256, abs=0.005)
    assert float(y.detach().mean()) == pytest.approx(1, abs=0.01)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())
    assert dropout(x, share, training=False) is x


def test_the_same_seed_drops_the_same():
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(dropout(torch.ones(100), 0.3, training=True))
    torch.testing.assert_close(*drawn)
    assert not torch.equal(drawn[0], dropout(torch.ones(100), 0.3, training=True))


@pytest.mark.parametrize(("kind", "close"), [(torch.float32, 1e-4), (torch.bfloat16, 0.05)])
def test_gradients_of_the_wide_layer_are_those_of_the_kept_activations(kind, close, monkeypatch):
    """The same masks, drawn again from the same seed, in plain autograd."""
    monkeypatch.setattr(feedforward, "PIECE", 5)
    layer = FeedForward(8, 24, 0.25, "relu").train()
    x = torch.randn(1, 13, 8)
    found = []
    for wide in (True, False):
        layer.zero_grad()
        given = x.clone().requires_grad_()
        torch.manual_seed(7)
        if wide:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind == torch.bfloat16):
                out = layer(given)
        else:
            dropper = Dropper(0.25)
            kept = torch.cat([dropper.kept(24 * rows).view(rows, 24) for rows in (5, 5, 3)]) * dropper.scale
            out = layer.second(torch.relu(layer.first(given)) * kept)
        out.float().square().sum().backward()
        found.append([out.detach().float(), given.grad, *(one.grad.clone() for one in layer.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=close * float(b.abs().max()), rtol=close)
