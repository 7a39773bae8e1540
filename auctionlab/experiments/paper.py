"""[paper]: a published result that the experiment is about, and what it found, as claims that a run can be held to.

[paper]
citation = "Banchio and Skrzypacz (2022), Artificial intelligence and auction design, EC '22"

[[paper.findings]]
text = "Without feedback, first-price bidders pay far less than their value."
metric = "revenue"
at = "first-price, own result"      # the label of a point of the [sweep], or settings: { "mechanism.kind" = "all-pay" }
equals = 0.24                       # or above = ..., or below = ...
margin = 0.05
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from auctionlab.errors import ConfigError, UnknownName, suggest
from auctionlab.experiments import sources
from auctionlab.experiments.section import Section
from auctionlab.experiments.tables import toml_value

if TYPE_CHECKING:
    from auctionlab.experiments.config import Config
    from auctionlab.experiments.parties import Party

Document = Mapping[str, Any]

MEASURED: Final = (  # one value a replication, in the judged rounds
    *("revenue", "welfare", "efficiency", "sale_probability", "drift", "utility", "bid", "participation", "distance"),
    *("exploitability", "truthful", "deviation", "stake", "winning_distance", "regret", "swap_regret"),
    *("grid_exploitability", "exploitability_average", "exploitability_last", "bid_drift", "persistence"),
)
_WORDS: Final = {  # metrics whose names do not say to a reader what they are
    "exploitability": "best-reply gain",
    "grid_exploitability": "best-reply gain on the own grid",
    "exploitability_average": "best-reply gain to average play",
    "exploitability_last": "best-reply gain to the last play",
}


def metric_words(name: str) -> str:
    """A metric as tables and figures of findings name it: "exploitability" is the best-reply gain."""
    return _WORDS.get(name, name.replace("_", " "))


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys in place of tables in tables."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


class Quantity(Section):
    """What a finding is about: a metric of the judged rounds, of the whole market or of one strategy, at one point."""

    metric: Annotated[str | None, Field(description="what is measured, a name in the metric table")] = None
    at: Annotated[dict[str, Any] | None, Field(description="label or settings of the point of the sweep")] = None
    strategy: Annotated[str | None, Field(description="name of the [[agents]] block; none: the whole market")] = None
    role: Annotated[int | None, Field(ge=0, description="where a strategy plays several")] = None

    @field_validator("at", mode="before")
    @classmethod
    def _dotted(cls, table: Any) -> Any:
        return _flat(table) if isinstance(table, Mapping) else {"label": table} if isinstance(table, str) else table

    @field_validator("metric")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in MEASURED:
            raise ValueError(f"unknown metric {name!r}. {suggest(name, MEASURED)}")
        return name

    def fits(self, config: Document) -> bool:
        """True where the config of a run has the settings of `at`."""
        return all(sources.at(config, key) == value for key, value in (self.at or {}).items())

    def party(self, parties: Sequence[Party]) -> Party | None:
        """Whose quantity it is; None for the whole market. ConfigError where the strategy or role plays nowhere."""
        if self.strategy is None and self.role is None:
            return parties[0] if len(parties) == 1 and self.metric in _BY_PARTY else None
        labels = dict.fromkeys(party.label for party in parties)
        if self.strategy is not None and self.strategy not in labels:
            raise UnknownName("strategy", self.strategy, labels)
        fitting = [
            party
            for party in parties
            if self.strategy in (None, party.label) and (self.role is None or self.role == party.role)
        ]
        if len(fitting) == 1:
            return fitting[0]
        wrong, known = (
            ("role", [str(party.role) for party in parties]) if self.role is not None else ("strategy", labels)
        )
        if not fitting:
            raise ConfigError(f"{wrong}: nobody plays role {self.role} so, allowed: {', '.join(dict.fromkeys(known))}")
        raise ConfigError(
            f"{self.strategy or 'role ' + str(self.role)!r} stands for several: name both strategy and role of "
            + ", ".join(f"{party.label!r} (role {party.role})" for party in fitting)
        )


_BY_PARTY = ("utility", "bid", "participation", "distance")  # not measured of the whole market


class Finding(Quantity):
    """What a paper reports, in a sentence, and the claim on a quantity, or on a difference, that makes it testable."""

    text: Annotated[str, Field(min_length=1, description="what the paper reports")]
    minus: Annotated[Quantity | None, Field(description="the quantity is taken off this, where given")] = None
    equals: Annotated[float | None, Field(description="the paper's number, up to margin")] = None
    margin: Annotated[float | None, Field(gt=0, description="how far off still agrees, absolute")] = None
    above: Annotated[float | None, Field(description="the quantity is higher than this")] = None
    below: Annotated[float | None, Field(description="the quantity is lower than this")] = None

    @field_validator("minus", mode="before")
    @classmethod
    def _other(cls, table: Any, info: ValidationInfo) -> Any:
        where = (info.context or {}).get("where", "")
        return None if table is None else Quantity.parse(table, f"{where}.minus" if where else "minus")

    @model_validator(mode="after")
    def _one_claim(self) -> Self:
        claims = [name for name in ("equals", "above", "below") if getattr(self, name) is not None]
        if self.metric is None:
            raise ValueError(f"missing key 'metric'. {suggest('', MEASURED)}")
        if len(claims) != 1:
            raise ValueError(f"give one of equals, above, below, got {' and '.join(claims) or 'none'}")
        if (self.margin is None) == (self.equals is not None):
            raise ValueError("margin comes with equals, and only with it")
        if self.minus is not None:
            given = self.minus.model_dump(exclude_none=True)
            if not given:
                raise ValueError("minus should differ from what it is taken from, got an empty table")
            mine = self.model_dump(include={"metric", "at", "strategy", "role"}, exclude_none=True)
            object.__setattr__(self, "minus", Quantity.model_validate({**mine, **given}))
        return self

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What it is about: one quantity, or two of which the second is taken off the first."""
        return (self,) if self.minus is None else (self, self.minus)


class Paper(Section):
    """[paper]: who found it, and what."""

    citation: Annotated[str, Field(min_length=1, description="authors, year, title, where")]
    findings: Annotated[tuple[Finding, ...], Field(strict=False, description="[[paper.findings]]")] = ()

    @field_validator("findings", mode="before")
    @classmethod
    def _each(cls, tables: Any) -> Any:
        if not isinstance(tables, list | tuple):
            raise ConfigError(f"paper.findings: should be [[paper.findings]] tables, got {tables!r}")
        return [Finding.parse(table, f"paper.findings.{i}") for i, table in enumerate(tables)]


def check_paper(configs: Sequence[Config], *, whole: bool = False, asked: Iterable[str] = ()) -> None:
    """ConfigError where a finding names a setting, strategy or role that no experiment has.

    configs : of one experiment, or of all points of a sweep; whole : every finding has to have its point among them;
    asked : keys that were set for this run alone: a finding among them has to have its point in any case.
    """
    asked = tuple(f"{key}." for key in asked)
    paper = configs[0].paper
    documents = [config.document for config in configs] if paper is not None else []
    for i, finding in enumerate(paper.findings if paper is not None else ()):
        for quantity, where in zip(finding.quantities, ("", "minus: "), strict=False):
            try:
                own = f"paper.findings.{i}."
                set_now = any(key.startswith(own) or own.startswith(key) for key in asked)
                _check(quantity, configs, documents, whole or set_now)
            except ConfigError as error:
                raise ConfigError(f"paper.findings.{i}: {where}{error}") from None


def _check(quantity: Quantity, configs: Sequence[Config], documents: Sequence[Document], whole: bool) -> None:
    from auctionlab.experiments.parties import parties_of

    keys = sorted({key for document in documents for key in _keys(document)})
    for key in quantity.at or {}:
        if all(sources.at(document, key) is None for document in documents):
            raise ConfigError(f"at: unknown key {key!r}. {suggest(key, keys)}")
    fitting = [number for number, document in enumerate(documents) if quantity.fits(document)]
    said = ", ".join(f"{key} = {toml_value(value)}" for key, value in (quantity.at or {}).items()) or "nothing"
    if whole and not fitting:
        who = "no point of the sweep has" if len(documents) > 1 else "the experiment does not have"
        raise ConfigError(f"at: {who} {said}{_nearest(quantity, documents)}")
    if len(fitting) > 1:
        points = ", ".join(str(number + 1) for number in fitting)
        raise ConfigError(f"at: should name one point of the sweep; {said} fits points {points}")
    if fitting:
        quantity.party(parties_of(configs[fitting[0]]))


def _nearest(quantity: Quantity, documents: Sequence[Document]) -> str:
    """What the first setting could be that no point has; nothing where only the combination is missing."""
    for key, value in (quantity.at or {}).items():
        known = [sources.at(document, key) for document in documents]
        if value not in known:
            return f". {suggest(str(value), list(dict.fromkeys(str(one) for one in known if one is not None)))}"
    return ""


def _keys(document: Document) -> list[str]:
    """Every dotted key of a config, with numbers for places in lists."""
    found = []
    for key, value in document.items():
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inner, Mapping):
            found += [f"{key}.{rest}" for rest in _keys({str(name): item for name, item in inner.items()})]
        elif key != "paper":
            found.append(key)
    return found
