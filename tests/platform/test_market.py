"""The market: addressed randomness, disclosure, feedback, Mesa's verbs."""

import gc
import weakref

import mesa
import numpy as np
import pytest

import auctionlab
from auctionlab.agents.bandits import EpsilonGreedy, Exp3
from auctionlab.agents.fixed import Shading, Truthful
from auctionlab.agents.regret import Hedge
from auctionlab.core import Strategy
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.single_item import FirstPrice, KthPrice, SecondPrice
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block

TWO = PrivateValues(bidders=2, prior=Uniform())


class Shade(auctionlab.Bidder):
    """A plain Mesa bidder that shades, and adapts its fraction to what it earns."""

    def __init__(self, model, fraction=0.5, step=0.0):
        super().__init__(model)
        self.fraction_ = fraction
        self.step = step

    def bid(self, value):
        return self.fraction_ * value

    def learn(self, value, bid, utility):
        self.fraction_ += self.step * (self.rng.random() - 0.5)


def play(market, rounds):
    return [market.play() for _ in range(rounds)]


def rows(rounds, name):
    return np.stack([getattr(round, name) for round in rounds])


@pytest.mark.parametrize("matching", ["fixed", "strangers"])
def test_a_replication_is_the_same_whatever_the_number_of_replications(matching):
    def market(replications, first=0):
        blocks = [Block(EpsilonGreedy(bids=11, cells=5), count=3), Block(Exp3(bids=11, cells=5))]
        return Market(
            TWO, FirstPrice(), blocks, rounds=40, seed=3, replications=replications, groups=3, matching=matching,
            first=first,
        )  # fmt: skip

    many, few, late = play(market(7), 40), play(market(2), 40), play(market(3, first=4), 40)
    for name in ("signals", "messages", "allocation", "payments", "utility"):
        assert (rows(many, name)[:, :2] == rows(few, name)).all()
        assert (rows(many, name)[:, 4:] == rows(late, name)).all()


def test_a_market_restored_halfway_plays_the_same_rounds():
    def market():
        return Market(
            TWO, FirstPrice(), [Block(Exp3(bids=11, cells=5), seats=(0,)), Block(Shade.from_parameters({"step": 0.1}))],
            rounds=30, seed=3, replications=2, groups=2, matching="strangers",
        )  # fmt: skip

    unbroken = market()
    expected = play(unbroken, 30)
    first = market()
    play(first, 13)
    second = market()
    second.restore(13, first.state())
    assert (rows(play(second, 17), "messages") == rows(expected[13:], "messages")).all()


class Witness(Strategy):
    """Bids half the value and keeps the feedback."""

    def act(self, signals, rng):
        return signals / 2

    def learn(self, feedback):
        self.feedback = feedback


@pytest.mark.parametrize(
    ("disclose", "price", "others", "payoff"),
    [("own", False, False, False), ("price", True, False, True), ("all", True, True, True)],
)
def test_disclosure_reveals_exactly_what_it_says(disclose, price, others, payoff):
    market = Market(TWO, FirstPrice(), [Block(Witness())], rounds=1, replications=2, groups=2, disclose=disclose)
    market.play()
    feedback = market.teams[0].strategy.feedback
    assert (feedback.price is not None, feedback.others is not None, feedback.payoff is not None) == (
        price,
        others,
        payoff,
    )


def test_the_price_does_not_suffice_for_payoffs_in_the_third_price_auction():
    three = PrivateValues(bidders=3, prior=Uniform())
    market = Market(three, KthPrice(k=3), [Block(Witness())], rounds=1, disclose="price")
    market.play()
    assert market.teams[0].strategy.feedback.payoff is None


def test_a_learner_that_needs_what_is_hidden_is_refused():
    with pytest.raises(ConfigError, match="hedge learns from payoff, which disclose = 'own' hides in first-price"):
        Market(TWO, FirstPrice(), [Block(Hedge())], rounds=1)


@pytest.mark.parametrize("matching", ["fixed", "strangers"])
def test_price_others_and_payoffs_are_those_of_the_own_auction(matching):
    three = PrivateValues(bidders=3, prior=Uniform())
    market = Market(
        three, SecondPrice(reserve=0.1), [Block(Witness())], rounds=1, replications=2, groups=2, matching=matching,
        disclose="all", seed=2,
    )  # fmt: skip
    round = market.play()
    feedback = market.teams[0].strategy.feedback
    grid = np.array([0.0, 0.3, 0.6, 0.9])
    payoffs = feedback.payoff(grid)
    messages, values = round.messages.reshape(-1, 3), round.values.reshape(-1, 3)
    members = np.broadcast_to(round.members, round.messages.shape).reshape(2, -1)
    for lane in range(12):
        replication, member = divmod(lane, 6)
        place = int(np.flatnonzero(members[replication] == member)[0]) + replication * 6
        row, seat = divmod(place, 3)
        rivals = np.delete(messages[row], seat)
        price = max(rivals.max(), 0.1)
        assert feedback.signals[lane] == values[row, seat]
        assert (feedback.others[lane] == rivals).all()
        assert feedback.price[lane] == price
        expected = np.where(grid > price, values[row, seat] - price, 0.0)  # no ties here
        assert payoffs[lane] == pytest.approx(expected)


def test_ties_are_split_in_counterfactual_payoffs():
    market = Market(TWO, FirstPrice(), [Block(Witness())], rounds=1, disclose="price")
    draw = market.deal()
    round = market.settle(draw, np.full((1, 1, 2), 0.25))
    market.teach(round)
    payoff = market.teams[0].strategy.feedback.payoff(np.array([0.25]))
    assert payoff[:, 0] == pytest.approx((draw.values[0, 0] - 0.25) / 2)


def test_people_replace_their_bots():
    market = Market(TWO, FirstPrice(), [Block(Truthful())], rounds=1, replications=2, groups=2, matching="strangers")
    draw = market.deal()
    messages = market.ask(draw, given={1: np.array([0.9, 0.8])})
    members = market.seating.members
    assert sorted(messages[members == 1]) == [0.8, 0.9]
    assert (messages[members != 1] == draw.signals[members != 1]).all()


def test_messages_below_the_reserve_take_no_part():
    market = Market(TWO, FirstPrice(reserve=0.5), [Block(Truthful())], rounds=1, replications=50)
    round = market.play()
    assert (np.isneginf(round.messages) == (round.signals < 0.5)).all()
    assert (round.payments[round.signals < 0.5] == 0).all()


def test_a_plain_mesa_bidder_plays_like_the_array_strategy():
    plain = Market(
        TWO, FirstPrice(), [Block(Shade.from_parameters({"fraction": 0.7}))], rounds=5, replications=3, seed=1
    )
    array = Market(TWO, FirstPrice(), [Block(Shading(fraction=0.7))], rounds=5, replications=3, seed=1)
    assert rows(play(plain, 5), "utility") == pytest.approx(rows(play(array, 5), "utility"))
    assert len(plain.agents) == 6  # one a member and replication
    assert len(array.agents) == 2  # one a member


def test_agents_are_grouped_by_strategy_kind_and_role():
    blocks = [Block(Shading(fraction=fraction), seats=(seat,)) for seat, fraction in enumerate((0.5, 0.5, 0.7))]
    market = Market(PrivateValues(3, Uniform()), FirstPrice(), blocks, rounds=5, groups=2)
    market.step()
    groups = market.agents.groupby("strategy")
    assert {strategy.fraction: len(agents) for strategy, agents in groups} == {0.5: 4, 0.7: 2}  # equal: one group
    assert groups.agg("utility", len).keys() == {team.strategy for team in market.teams}
    assert market.agents.groupby("kind").count() == {"shading": 6}
    assert len({Shading(), Shading(), Truthful()}) == 2


def test_reporters_of_the_message_serve_plain_agents_and_others():
    collector = mesa.DataCollector(agent_reporters={"bid": "message", "utility": "utility"})
    blocks = [Block(Shade.from_parameters({}), seats=(0,)), Block(Truthful())]
    market = Market(
        PrivateValues(2, Uniform()), FirstPrice(reserve=0.3), blocks, rounds=30, seed=5, datacollector=collector
    )
    sent = []
    for _ in range(30):
        market.step()
        sent.append(market.last.messages[0, 0])
    bids = collector.get_agent_vars_dataframe()["bid"].unstack().to_numpy(float)
    np.testing.assert_array_equal(bids, sent)
    assert np.isneginf(bids).any(axis=0).all()  # both stay out at times


def test_mesa_verbs_and_data_collector_work():
    collector = mesa.DataCollector(
        model_reporters={"revenue": lambda model: model.last.payments.sum()}, agent_reporters={"bid": "bid"}
    )
    market = Market(
        TWO, FirstPrice(), [Block(Truthful(), seats=(0,)), Block(Shading(fraction=0.5))], rounds=4,
        datacollector=collector, seed=4,
    )  # fmt: skip
    for _ in range(4):
        market.step()
    truthful = market.agents.select(lambda agent: agent.kind == "truthful")
    assert [agent.member for agent in truthful] == [0]
    assert truthful.agg("utility", np.mean) == 0.0  # a truthful winner of a first-price auction earns nothing
    assert market.agents.get("bid") == pytest.approx([market.last.messages[0, 0, 0], market.last.messages[0, 0, 1]])
    bids = collector.get_agent_vars_dataframe()["bid"].unstack()
    assert bids.shape == (4, 2)
    assert collector.get_model_vars_dataframe()["revenue"].iloc[-1] == market.last.payments.sum()


def test_plain_bidders_and_members_are_grouped_by_kind_and_role():
    blocks = [Block(Truthful(), count=3), Block(Shade.from_parameters({}))]
    market = Market(TWO, FirstPrice(), blocks, rounds=1, groups=5, replications=2, matching="strangers")
    assert market.agents.groupby("kind").count() == {"truthful": 3, "shade": 14}  # 7 members in each of 2 replications
    assert market.agents.groupby("role").count() == {0: 17}


def test_a_subclass_can_add_to_a_step_in_mesas_way():
    class Noted(Market):
        def step(self):
            super().step()
            self.notes = [*getattr(self, "notes", []), self.last.payments.sum()]

    market = Noted(TWO, FirstPrice(), [Block(Truthful())], rounds=3)
    market.step()
    market.step()
    assert len(market.notes) == market.round == 2


def test_a_closed_market_is_let_go():
    market = Market(TWO, FirstPrice(), [Block(Truthful())], rounds=3)
    market.step()
    gone = weakref.ref(market)
    market.close()
    del market
    gc.collect()
    assert gone() is None


class Jumpy(Strategy):
    """Stays in an ascending clock until the last exit it saw, plus a little."""

    def act(self, signals, rng):
        return signals

    def leave(self, history, signals, rng):
        return np.fmax(np.nanmax(np.nan_to_num(history, nan=0.0), axis=1) + 0.01, 0.0)


def test_a_clock_shows_exits_and_lets_the_others_react():
    from auctionlab.mechanisms.clock import Ascending

    three = PrivateValues(bidders=3, prior=Uniform())
    blocks = [Block(Truthful(), seats=(0,)), Block(Jumpy(), seats=(1, 2))]
    market = Market(three, Ascending(), blocks, rounds=1, replications=20, seed=1)
    round = market.play()
    first = round.signals.min(axis=2)
    own = round.messages[:, :, 0]
    assert (own == round.signals[:, :, 0]).all()  # the truthful one is not moved by exits
    jumpy = np.sort(round.messages[:, :, 1:], axis=2)
    lowest = round.messages.min(axis=2)
    assert (lowest == first).all()  # nobody leaves before the lowest first plan
    assert (jumpy[:, :, 1] <= np.maximum(jumpy[:, :, 0], own) + 0.02 + 1e-12).all()
