"""Bid functions that are neural networks: time of a round on the processor and on a GPU; distance to v / 2.

    python -m benchmarks neural [--lanes 1000 4000 16000] [--rounds 200] [--learn 8000]

Two bidders with uniform values in first-price auctions, who begin by bidding their values. The platform's share
(dealing, settling, what the perturbed bids would have earned) is NumPy on the processor in either case. The distance is
the root mean square to the equilibrium v / 2 over values, its mean over the lanes of 20 replications.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block
from auctionlab.registry import build


def market(device: str, lanes: int, rounds: int) -> Market:
    learner = build("agents", {"kind": "neural-pseudo-gradient", "device": device})
    environment = PrivateValues(2, Uniform())
    return Market(
        environment, FirstPrice(), [Block(learner)], rounds=rounds, seed=1, replications=lanes // 2, disclose="all"
    )


def milliseconds(device: str, lanes: int, rounds: int) -> float:
    """Of one round, after a warm-up of 32."""
    playing = market(device, lanes, rounds + 32)
    for _ in range(32):
        playing.play()
    start = time.perf_counter()
    for _ in range(rounds):
        playing.play()
    elapsed = time.perf_counter() - start
    playing.close()
    return 1e3 * elapsed / rounds


def distance(device: str, rounds: int) -> tuple[float, float]:
    """Distance to v / 2 of 40 lanes after so many rounds, and the seconds that they took."""
    playing, start = market(device, 40, rounds), time.perf_counter()
    for _ in range(rounds):
        playing.play()
    elapsed = time.perf_counter() - start
    strategy = playing.teams[0].strategy
    values = np.tile((np.arange(200) + 0.5) / 200, (40, 1))
    bids = np.clip(values + strategy.networks.outputs(strategy.weights_, 2 * values - 1), 0.0, 1.0)  # type: ignore[attr-defined]
    return float(np.sqrt(((bids - values / 2) ** 2).mean(axis=1)).mean()), elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--learn", type=int, default=8000, help="rounds in which they learn; 0 leaves it out")
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        print('torch is not installed: pip install "auctionlab[torch]"')
        return
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    gpu = f", {torch.cuda.get_device_name()}" if len(devices) > 1 else ", no GPU"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads{gpu}")
    print(f"{'lanes':>8}" + "".join(f"{device + ', ms a round':>20}" for device in devices))
    for lanes in options.lanes:
        times = [milliseconds(device, lanes, options.rounds) for device in devices]
        print(f"{lanes:>8}" + "".join(f"{taken:>20.2f}" for taken in times), flush=True)
    if options.learn:
        for device in devices:
            found, elapsed = distance(device, options.learn)
            print(f"{device}: distance {found:.4f} after {options.learn:,} rounds in {elapsed:.1f} s, from 0.2887")


if __name__ == "__main__":
    main()
