"""Networks that learn to bid: where torch is installed; and a sentence where it is not."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from auctionlab.core import Draw
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block
from auctionlab.registry import build, kinds
from auctionlab.rng import stream

KIND = "neural-pseudo-gradient"


def test_without_torch_one_sentence_says_how_to_get_it(sit, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r'needs torch, which is not installed: pip install "auctionlab\[torch\]"'):
        build("agents", KIND).start(sit())


def test_a_gpu_that_is_not_there_is_refused(sit, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r'device: torch finds no GPU for "cuda" here; allowed: "auto", "cpu"'):
        build("agents", {"kind": KIND, "device": "cuda"}).start(sit())


def test_its_gradient_is_that_of_finite_differences(sit):
    pytest.importorskip("torch")
    learner = build("agents", {"kind": KIND, "hidden": 3, "device": "cpu"})
    learner.start(sit(2))
    weights = stream(1).random(learner.weights_.shape) - 0.5
    inputs, slopes = stream(2).random((2, 5)), stream(3).random((2, 5))
    found = learner.networks.gradient(weights, inputs, slopes)
    for place in range(weights.shape[1]):
        step = 1e-6 * np.eye(weights.shape[1])[place]
        up, down = (learner.networks.outputs(weights + sign * step, inputs) for sign in (1, -1))
        expected = (slopes * (up - down)).mean(axis=1) / 2e-6
        np.testing.assert_allclose(found[:, place], expected, atol=1e-8)  # truncation and rounding of the differences


def test_two_of_them_learn_to_shade_towards_half_their_values():
    """The first-price equilibrium of two uniform values is v / 2 (Krishna (2010), ex. 2.1); they start at the value.

    The distance of the start is 1 / √12 = 0.289; over these eight lanes it ends at 0.040 with standard deviation 0.008,
    so their mean has a standard error of 0.003.
    """
    pytest.importorskip("torch")
    learner = build("agents", {"kind": KIND, "device": "cpu"})
    market = Market(
        PrivateValues(2, Uniform()), FirstPrice(), [Block(learner)], rounds=3000, seed=1, replications=4, disclose="all"
    )
    for _ in range(3000):
        market.play()
    strategy = market.teams[0].strategy
    values = np.tile((np.arange(100) + 0.5) / 100, (8, 1))
    bids = np.clip(values + strategy.networks.outputs(strategy.weights_, 2 * values - 1), 0.0, 1.0)
    assert np.sqrt(((bids - values / 2) ** 2).mean(axis=1)).mean() < 0.06


@pytest.mark.parametrize("kind", kinds("mechanisms"))
def test_mechanisms_run_on_tensors(kind):
    torch = pytest.importorskip("torch")
    cls = kinds("mechanisms")[kind]
    mechanism, environment = next(iter(cls.examples()))
    draw: Draw = environment.sample(stream(4), 50)
    expected = mechanism.run(draw.signals)
    tensors = torch.as_tensor(draw.signals)
    found = mechanism.run(tensors)
    assert isinstance(found.payments, torch.Tensor)
    np.testing.assert_allclose(found.allocation.numpy(), expected.allocation, atol=1e-15)
    np.testing.assert_allclose(found.payments.numpy(), expected.payments, atol=1e-14)
    utility = environment.utility(found, torch.as_tensor(draw.values))
    np.testing.assert_allclose(utility.numpy(), environment.utility(expected, draw.values), atol=1e-14)
