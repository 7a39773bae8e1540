"""Judged results in words: numbers with as many digits as the interval supports, verdicts, and what they mean."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from auctionlab.experiments.analysis import LEARNED
from auctionlab.experiments.tables import toml_value

if TYPE_CHECKING:
    from auctionlab.experiments.analysis import Analysis, Estimate


@dataclass(frozen=True)
class Badge:
    """A verdict to show: an icon, words, and a class for its colour; never the colour alone."""

    icon: str
    text: str
    kind: str  # "good", "bad", "open" or "none"


BADGES: dict[str, Badge] = {
    "converged": Badge("✓", "converged", "good"),
    "not converged": Badge("✗", "not converged", "bad"),
    "undecided": Badge("?", "undecided", "open"),
    "": Badge("–", "no verdict", "none"),
}
_OWN_WORDS: dict[tuple[str, str], str] = {
    ("drift", "converged"): "steady",
    ("drift", "not converged"): "drifting",
    ("bid_drift", "converged"): "steady",
    ("bid_drift", "not converged"): "drifting",
    ("deviation", "converged"): "truthful",
    ("deviation", "not converged"): "not truthful",
}
MEANINGS: dict[str, str] = {
    "converged": "Average revenue in the judged rounds is the equilibrium's, up to the margin fixed beforehand.",
    "not converged": "Average revenue in the judged rounds differs from the equilibrium's by more than the margin "
    "fixed beforehand. That is a finding about this play in this time, not an error of the run.",
    "undecided": "The replications do not show whether average revenue lies within the margin around equilibrium.",
}
METHOD: tuple[str, ...] = (
    "Rounds within a replication depend on each other, replications do not. So every quantity is first averaged over "
    "the judged rounds of each replication, and each 95 % interval is Student's t interval over replications.",
    "Converged is a claim that two numbers are close, so it is tested as one (TOST): two one-sided t tests, each at "
    "5 %, ask whether the mean lies above the lower end of the margin and below its upper end, and only if both say "
    "yes is the verdict “converged”. It is “not converged” where the whole 95 % interval lies outside the margin, and "
    "“undecided” otherwise: a difference that is merely not significant proves nothing.",
)


_HUGE = 1e15  # written with a power of ten from here on
_ROUNDING = 1e-9  # of a number, and no more than the rounding of what it was worked out from


def amount(value: float | None, unit: str = "", spread: float = math.nan) -> str:
    """A number with two significant digits of its spread (half an interval), else four of its own; shares in %.

    A spread that is the rounding of sums of equal numbers is none.
    """
    if value is None or math.isnan(value):
        return "–"
    if not spread > _ROUNDING * abs(value):
        spread = math.nan
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    sign = " %" if unit == "share" else ""
    if unit == "share":
        value, spread = 100 * value, 100 * spread
    if abs(value) >= _HUGE:
        return f"{value:.3g}".replace("e+", "e").replace("-", "−") + sign
    scale = spread / 10 if math.isfinite(spread) and spread > 0 else abs(value) / 1000
    places = min(max(-math.floor(math.log10(scale)), 0), 10) if scale > 0 else 0
    text = f"{round(value, places) + 0.0:,.{places}f}"
    if math.isfinite(spread) and spread > 0:
        return text.replace("-", "−") + sign
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−") + sign


def plus_minus(mean: float, low: float, high: float, unit: str = "") -> str:
    """A mean with half its interval, "0.331 ± 0.004"; the mean alone where there is no interval or no spread."""
    half = (high - low) / 2
    if not (math.isfinite(half) and half > _ROUNDING * abs(mean)):
        return amount(mean, unit)
    return f"{amount(mean, unit, half).removesuffix(' %')} ± {amount(half, unit, half)}"


def interval(estimate: Estimate) -> str:
    """Its 95 % interval: "0.327 to 0.335"."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "–"
    half = (estimate.high - estimate.low) / 2
    return f"{amount(estimate.low, estimate.unit, half)} to {amount(estimate.high, estimate.unit, half)}"


def estimate_row(estimate: Estimate) -> dict[str, Any]:
    """An estimate as the cells of a table, in words."""
    half = (estimate.high - estimate.low) / 2
    return {
        "label": estimate.label,
        "mean": amount(estimate.mean, estimate.unit, half),
        "interval": interval(estimate),
        "theory": amount(estimate.theory, estimate.unit),
        "margin": "–" if estimate.margin is None else f"± {amount(estimate.margin, estimate.unit)}",
        "badge": badge(estimate) if estimate.verdict else None,
        "needed": needed(estimate.needed) if estimate.verdict == "undecided" else "",
        "note": estimate.note,
    }


def badge(estimate: Estimate | None) -> Badge:
    """The badge of an estimate's verdict."""
    if estimate is None:
        return BADGES[""]
    found = BADGES.get(estimate.verdict, BADGES[""])
    return replace(found, text=_OWN_WORDS.get((estimate.name, estimate.verdict), found.text))


def verdicts(analysis: Analysis) -> list[tuple[str, Badge]]:
    """What the run is judged by, each with its badge: revenue, and truthfulness where truth is dominant."""
    found = [("revenue", badge(analysis.estimate("revenue")))]
    for estimate in analysis.truthfulness or ():
        if estimate.name == "deviation" and estimate.verdict:
            found.append(("bids", badge(estimate)))
    return found


def needed(replications: int | None) -> str:
    """How many replications would decide an undecided verdict; empty where nothing is known of that."""
    if not replications:
        return ""
    step = 10 ** max(len(str(replications)) - 2, 0)  # two significant digits, rounded up: it is a rough number
    return f"about {-(-replications // step) * step:,} replications would decide"


def key_estimates(analysis: Analysis) -> list[Estimate]:
    """The estimates for the main table, each once: of the market, and of the strategy where there is only one."""
    return [estimate for estimate in _shown(analysis) if estimate.name not in LEARNED]


def learned_estimates(analysis: Analysis) -> list[Estimate]:
    """The same for the table of how play developed; empty where nobody learns."""
    return [estimate for estimate in _shown(analysis) if estimate.name in LEARNED]


def _shown(analysis: Analysis) -> list[Estimate]:
    more = [*(analysis.truthfulness or ()), *([analysis.exploitability] if analysis.exploitability else [])]
    by_key = {(e.name, e.strategy, e.role): e for e in [*analysis.estimates, *more]}
    alone = len(analysis.by_strategy) == 1
    measured = {name for name, strategy, _ in by_key if strategy is None}
    return [e for (name, strategy, _), e in by_key.items() if strategy is None or (alone and name not in measured)]


def meaning(analysis: Analysis) -> str:
    """One or two sentences, below the headline, on what the verdict on revenue means, or what is shown without one."""
    if analysis.equilibrium is None:
        return "Without an equilibrium there is no verdict; the figures show what was played."
    estimate = analysis.estimate("revenue")
    return "" if estimate is None else MEANINGS.get(estimate.verdict, "")


def counted(number: int, noun: str) -> str:
    """1 replication, 2,000 replications."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def facts(analysis: Analysis) -> str:
    """The run in one line: format, bidders, strategies, how much was played."""
    config, run = analysis.config, analysis.run
    who = ", ".join(dict.fromkeys(str(block.get("name") or kind(block["strategy"])) for block in config["agents"]))
    played = f"{run.rounds:,} rounds × {counted(run.replications, 'replication')}"
    if run.status != "finished":
        played = f"{run.round:,} of {played}"
    if gone := len({one["replication"] for one in analysis.details.get("stopped", ())}):
        some = "all" if gone == run.replications else f"{gone:,}"
        played += f", {some} of them stopped" if run.replications > 1 else ", stopped"
    groups = f", {run.groups:,} auctions at once" if run.groups > 1 else ""
    return f"{kind(config['mechanism'])}, {run.seats} bidders, played by {who}; {played}{groups}"


def toml_document(document: Mapping[str, Any]) -> str:
    """A config as TOML: plain keys first, then a [section] for each table and [[agents]] for each block."""
    lines = [
        f"{_key(key)} = {_text(value)}" for key, value in document.items() if not (_nested(value) or value is None)
    ]
    for key, value in document.items():
        if _nested(value):
            several = isinstance(value, list)
            for table in value if several else [value]:
                lines += ["", f"[[{_key(key)}]]" if several else f"[{_key(key)}]"]
                lines += [f"{_key(name)} = {toml_value(item)}" for name, item in table.items() if item is not None]
    return "\n".join(lines) + "\n"


def hide_password(url: str) -> str:
    """A database URL as it may be shown."""
    url = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"([?&]\w*password=)[^&]*", r"\1***", url)


def _nested(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)


def _text(value: Any) -> str:
    """A plain value; a text of several lines as several lines."""
    if not (isinstance(value, str) and "\n" in value):
        return toml_value(value)
    inner = "\n".join(toml_value(line)[1:-1] for line in value.split("\n"))
    return f'"""\n{inner}"""'


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_value(key)


def kind(table: Any) -> str:
    """The kind that a component's table, or its bare name, names."""
    return str(table["kind"]) if isinstance(table, Mapping) else str(table)
