"""What a mechanism promises: the form of its outcomes, that they are its messages' alone, and each of its claims."""

from __future__ import annotations

from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import NO_BID, Array
from auctionlab.checks import profiles
from auctionlab.checks._require import require, require_finite
from auctionlab.checks.audit import PROPERTIES
from auctionlab.checks.evidence import Finding
from auctionlab.core import CLAIMS, Environment, Mechanism, Outcome
from auctionlab.errors import ContractError, NoEquilibrium
from auctionlab.registry import kind_of

_ROUNDING = 1e-9  # relative to the largest value
_PLAYED, _REPEATED = 64, 2000
_SIGMAS = 6.0


def check_mechanism(mechanism: Mechanism, environment: Environment) -> tuple[Finding, ...]:
    """Hold a mechanism to its contract and to each of its claims in an environment; returns what the audit found."""
    check_form(mechanism, environment)
    return check_claims(mechanism, environment)


def check_form(mechanism: Mechanism, environment: Environment) -> None:
    """Hold a mechanism to its contract in an environment, whatever it claims.

    Right shapes, no NaN, the messages' own floating type, inputs left alone, the same outcome for the same messages,
    each auction settled by its own messages, feasible allocations, realised outcomes that average to the expected one
    (and so do the outcomes of `lottery`), and nothing to pay or get for who takes no part.
    """
    name, sent, expected = kind_of(mechanism), *check_outcomes(mechanism, environment)
    _check_pure(name, mechanism, environment, sent, expected)
    _check_feasible(f"{name}: the expected allocation", environment, expected.allocation, realised=False)
    _check_lottery(name, mechanism, environment, sent, expected)
    _check_realised(name, mechanism, environment, sent, expected)
    _check_absent(name, mechanism, environment, sent)
    _check_price(name, mechanism, environment, sent)
    _check_equilibrium_shape(name, mechanism, environment)


def check_outcomes(mechanism: Mechanism, environment: Environment) -> tuple[Array, Outcome]:
    """Messages of every kind and their outcomes, held to their form, and to be the same when asked for again."""
    name, sent = kind_of(mechanism), _sent(mechanism, environment)
    expected = _outcome(name, mechanism, environment, sent)
    again = _outcome(name, mechanism, environment, sent)
    require(_equal(again, expected), f"{name}: two runs of the same messages give different outcomes")
    return sent, expected


def check_claims(mechanism: Mechanism, environment: Environment) -> tuple[Finding, ...]:
    """Search for a counterexample to each claim; ContractError shows the worst one. Its equilibrium is checked too."""
    name = kind_of(mechanism)
    claims = mechanism.claims(environment)
    unknown = sorted(set(claims) - set(CLAIMS))
    require(not unknown, f"{name}: claims {unknown}, which are not among {sorted(CLAIMS)}")
    findings = []
    for claim in [claim for claim in PROPERTIES if claim in claims or claim == "equilibrium"]:
        finding = PROPERTIES[claim](mechanism, environment)
        judged = finding.holds or (claim == "equilibrium" and finding.holds is None)
        require(judged, f"{name} claims {claim} in {environment}, but {finding.line()}")
        findings.append(finding)
    return tuple(findings)


def _sent(mechanism: Mechanism, environment: Environment) -> Array:
    """Messages to try, (B, n, *M): legal ones of every kind, ties and no part among them."""
    random = rng.stream(11)
    known = [profiles.types(environment, seat, 12, random) for seat in range(environment.n)]
    if not profiles.direct(mechanism, environment):
        box = mechanism.messages(environment)
        shape = (12, environment.n, *box.shape)
        low, high = (np.broadcast_to(np.asarray(end, float), shape) for end in (box.low, box.high))
        low = np.where(np.isfinite(low), low, -1.0)
        spread = np.where(np.isfinite(high), high, low + 1.0) - low
        drawn = low + random.random(shape) * spread
        known = [drawn[:, seat] for seat in range(environment.n)]
    absent = np.full((1, *mechanism.messages(environment).shape), NO_BID)
    grid = [
        np.concatenate([profiles.messages(mechanism, environment, seat, np.concatenate(known)), absent])
        for seat in range(environment.n)
    ]
    return profiles.profiles(grid, 400, random)


def _outcome(name: str, mechanism: Mechanism, environment: Environment, sent: Array, random: Any = None) -> Outcome:
    """Run the mechanism and check the form of what it returns."""
    before = sent.copy()
    try:
        outcome = mechanism.run(sent, random)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ContractError(f"{name}: run raised {type(error).__name__}: {error}") from error
    require(isinstance(outcome, Outcome), f"{name}: run returned {type(outcome).__name__}, expected an Outcome")
    require(np.array_equal(sent, before), f"{name}: run changed the messages that it was given")
    shape = (len(sent), environment.n)
    allocated = (*shape, *environment.outcomes().shape[2:])
    for what, array, expected in (
        ("payments", outcome.payments, shape),
        ("allocations", outcome.allocation, allocated),
    ):
        got = getattr(array, "shape", None)
        require(got == expected, f"{name}: {what} have shape {got}, expected {expected}")
        kind = array.dtype
        require(kind == sent.dtype, f"{name}: {what} are of type {kind}, expected {sent.dtype} like the messages")
        require_finite(f"{name}: {what}", array, sent)
    return outcome


def _check_pure(name: str, mechanism: Mechanism, environment: Environment, sent: Array, expected: Outcome) -> None:
    """The same outcome auction by auction, whatever else is in the batch, and in single precision."""
    order = np.argsort(rng.stream(12).random(len(sent)))
    for rows in (order, *order[:16, None]):
        part = Outcome(expected.allocation[rows], expected.payments[rows])
        moved = _outcome(name, mechanism, environment, sent[rows])
        require(_close(moved, part), f"{name}: an auction's outcome depends on the other auctions in the batch")
    half = _outcome(name, mechanism, environment, sent.astype(np.float32))
    moved = np.abs(half.allocation - expected.allocation) > 1e-4 * np.maximum(1.0, np.abs(expected.allocation))
    same = ~moved.reshape(len(sent), -1).any(axis=1)  # elsewhere rounding has made a tie, or broken one
    near = np.isclose(half.payments, expected.payments, rtol=1e-4, atol=1e-4 * profiles.scale(environment))
    tied = len(np.unique(sent[np.isfinite(sent)])) != len(np.unique(sent[np.isfinite(sent)].astype(np.float32)))
    require(bool(near[same].all()) or tied, f"{name}: single precision gives other payments")
    require(same.mean() > 0.5 or tied, f"{name}: single precision gives other allocations")


def _check_feasible(what: str, environment: Environment, allocation: Array, realised: bool) -> None:
    """A realised allocation is one of the environment's outcomes; an expected one hands out no more than they do.

    Where outcomes are not listed, as there is no end of them, anything goes.
    """
    outcomes = environment.outcomes()
    if not len(outcomes):
        return
    if realised:
        flat = outcomes.reshape(len(outcomes), -1)
        rows = allocation.reshape(len(allocation), -1)
        known = (np.abs(rows[:, None] - flat[None]) < 1e-9).all(axis=2).any(axis=1)  # (B,)
        if not known.all():
            bad = allocation[~known][0].tolist()
            raise ContractError(f"{what} {bad} is none of the {len(outcomes)} that the environment allows")
    low, high = outcomes.min(axis=0), outcomes.max(axis=0)
    outside = ((allocation < low - 1e-9) | (allocation > high + 1e-9)).any(axis=tuple(range(1, allocation.ndim)))
    total = outcomes.reshape(len(outcomes), -1).sum(axis=1).max()
    summed = allocation.reshape(len(allocation), -1).sum(axis=1)
    bad_rows = outside | (summed > total + 1e-9)
    if bad_rows.any():
        row = int(np.argmax(bad_rows))
        raise ContractError(
            f"{what} {allocation[row].tolist()} hands out {summed[row]:.6g}, at most {total:.6g} is there"
        )


def _check_lottery(name: str, mechanism: Mechanism, environment: Environment, sent: Array, expected: Outcome) -> None:
    """Chances sum to one and average the outcomes to the expected one; each outcome is feasible."""
    chances, outcomes = mechanism.lottery(sent)
    ways = len(chances)
    require(chances.shape == (ways, len(sent)), f"{name}: lottery weights have shape {chances.shape}, expected (K, B)")
    require(
        np.allclose(chances.sum(axis=0), 1) and bool((chances >= 0).all()), f"{name}: lottery weights do not sum to 1"
    )
    mean = [
        (chances.reshape(*chances.shape, *(1,) * (array.ndim - 2)) * array).sum(axis=0)
        for array in (outcomes.allocation, outcomes.payments)
    ]
    require(_close(Outcome(*mean), expected), f"{name}: the outcomes of lottery do not average to that of run")
    if type(mechanism).lottery is Mechanism.lottery and environment.risk_neutral:
        return  # nothing needs single outcomes
    for k in range(ways):
        drawn = outcomes.allocation[k][chances[k] > 0]
        _check_feasible(f"{name}: the lottery's allocation", environment, drawn, realised=True)


def _check_realised(name: str, mechanism: Mechanism, environment: Environment, sent: Array, expected: Outcome) -> None:
    """One outcome is drawn, from the stream alone, and many draws average to the expected outcome."""
    drawn = _outcome(name, mechanism, environment, sent, rng.stream(13))
    require(_equal(drawn, mechanism.run(sent, rng.stream(13))), f"{name}: two runs from one stream differ")
    _check_feasible(f"{name}: the realised allocation", environment, drawn.allocation, realised=True)
    other = sent.copy()
    other[len(sent) // 2 :] = sent[: len(sent) - len(sent) // 2]
    mixed = mechanism.run(other, rng.stream(13))
    first = slice(len(sent) // 2)
    same = np.array_equal(mixed.allocation[first], drawn.allocation[first])
    require(same, f"{name}: what is drawn in one auction depends on the messages in others")
    rows = np.argsort(-_ties(sent), kind="stable")[:_PLAYED]  # ties first: that is where lotteries are
    many = np.repeat(sent[rows], _REPEATED, axis=0)
    played = mechanism.run(many, rng.stream(14))
    for what, array, mean in (
        ("allocation", played.allocation, expected.allocation[rows]),
        ("payments", played.payments, expected.payments[rows]),
    ):
        draws = array.reshape(len(rows), _REPEATED, *array.shape[1:])
        error = draws.std(axis=1) / np.sqrt(_REPEATED)
        off = np.abs(draws.mean(axis=1) - mean)
        wrong = off > _SIGMAS * error + _ROUNDING * max(1.0, float(np.abs(mean).max()))
        if wrong.any():
            place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
            raise ContractError(
                f"{name}: realised {what} average {draws.mean(axis=1)[place]:.6g} for seat {place[1]} at messages "
                f"{sent[rows][place[0]].tolist()}, but {mean[place]:.6g} is expected"
            )


def _check_absent(name: str, mechanism: Mechanism, environment: Environment, sent: Array) -> None:
    """Who takes no part pays nothing; of a single item, it also gets nothing."""
    low = np.asarray(mechanism.messages(environment).low, float)
    if np.any(low == NO_BID):
        return
    outcomes = environment.outcomes()
    single = outcomes.ndim == 2 and len(outcomes) > 0 and float(outcomes.sum(axis=1).max()) == 1
    single = single and not hasattr(environment, "shares")  # a partner who stays out keeps its share
    for seat in range(environment.n):
        absent = sent.copy()
        absent[:, seat] = NO_BID
        outcome = mechanism.run(absent)
        paid = float(np.abs(outcome.payments[:, seat]).max())
        require(paid == 0, f"{name}: seat {seat} sends no part (-inf) and pays {paid:.6g}")
        if single:
            got = float(outcome.allocation[:, seat].max())
            require(got == 0, f"{name}: seat {seat} sends no part (-inf) and gets {got:.6g}")


def _check_price(name: str, mechanism: Mechanism, environment: Environment, sent: Array) -> None:
    """Just above its price to win a seat gets the item, just below it does not."""
    price = mechanism.price(sent)
    if price is None:
        require(not mechanism.sufficient_price, f"{name}: sufficient_price without a price")
        return
    require(price.shape == sent.shape[:2], f"{name}: prices have shape {price.shape}, expected {sent.shape[:2]}")
    step = 1e-6 * max(1.0, profiles.scale(environment))
    high = np.broadcast_to(np.asarray(mechanism.messages(environment).high, float), (environment.n,))
    for seat in range(environment.n):
        for sign, share in ((1, 1.0), (-1, 0.0)):
            moved = sent.copy()
            moved[:, seat] = price[:, seat] + sign * step
            got = mechanism.run(moved).allocation[:, seat]
            off = (got != share) & (moved[:, seat] <= high[seat])
            if off.any():
                row = int(np.argmax(off))
                raise ContractError(
                    f"{name}: price to win is {price[row, seat]:.6g} for seat {seat} at messages {sent[row].tolist()}, "
                    f"but sending {moved[row, seat]:.8g} wins {got[row]:.6g}"
                )


def _check_equilibrium_shape(name: str, mechanism: Mechanism, environment: Environment) -> None:
    """One bid function a seat, arrays in, arrays of the same number of messages out, never NaN."""
    try:
        bids = mechanism.equilibrium(environment)
    except NoEquilibrium as reason:
        require(bool(str(reason)), f"{name}: NoEquilibrium without a reason")
        return
    require(len(bids) == environment.n, f"{name}: {len(bids)} equilibrium bid functions for {environment.n} seats")
    for seat, bid in enumerate(bids):
        signals = environment.sample(rng.stream(15), 16).signals[:, seat]
        sent = np.asarray(bid(signals))
        shape = (16, *mechanism.messages(environment).shape)
        require(
            sent.shape == shape, f"{name}: equilibrium bids of seat {seat} have shape {sent.shape}, expected {shape}"
        )
        require(not np.isnan(sent).any(), f"{name}: equilibrium bids of seat {seat} contain NaN")


def _ties(sent: Array) -> Array:
    """How many seats send the highest message, (B,); vectors count by their sum."""
    total = sent.reshape(*sent.shape[:2], -1).sum(axis=2)
    return (total == total.max(axis=1, keepdims=True)).sum(axis=1)


def _equal(one: Outcome, two: Outcome) -> bool:
    return np.array_equal(one.allocation, two.allocation) and np.array_equal(one.payments, two.payments)


def _close(one: Outcome, two: Outcome) -> bool:
    return np.allclose(one.allocation, two.allocation, atol=1e-9) and np.allclose(one.payments, two.payments, atol=1e-9)
