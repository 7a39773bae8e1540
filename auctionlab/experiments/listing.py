"""What `auctionlab list` and `auctionlab show` print: the gallery, recorded runs, and one thing looked up by name."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable
from typing import Any

from auctionlab.errors import UnknownName
from auctionlab.experiments.catalogue import GROUPS, entry, groups_of
from auctionlab.experiments.findings import claim
from auctionlab.experiments.paper import Paper, metric_words
from auctionlab.experiments.sources import gallery, parse
from auctionlab.experiments.sweep import point_label
from auctionlab.experiments.tables import plain_table, toml_value
from auctionlab.registry import kinds


def gallery_rows() -> list[dict[str, Any]]:
    """Every gallery config: name, description, mechanism, agents, paper (what it is about; None where no paper is)."""
    rows = []
    for name, text in gallery().items():
        table = parse(text, f"{name}.toml")
        strategies = [block["strategy"] for block in table.get("agents", [])]
        rows.append(
            {
                "name": name,
                "description": " ".join(table.get("description", "").split()),
                "mechanism": _kind(table["mechanism"]),
                "agents": [_kind(strategy) for strategy in strategies],
                "paper": table.get("paper"),
            }
        )
    return rows


def _kind(table: Any) -> str:
    return str(table if isinstance(table, str) else table.get("kind"))


def run_rows(runs: Iterable[Any]) -> list[dict[str, Any]]:
    """Recorded runs as plain data, oldest first."""
    return [
        {
            "id": run.id,
            "name": run.name,
            "point": "" if run.point is None else point_label(run.point["settings"]),
            "status": "interrupted" if run.status == "running" and not run.alive else run.status,
            "rounds": run.rounds,
            "round": run.round,
            "replications": run.replications,
            "groups": run.groups,
            "seats": run.seats,
            "seed": run.seed,
            "started": run.started,
            "finished": run.finished,
            "fingerprint": run.fingerprint,
        }
        for run in runs
    ]


def look_up(name: str) -> dict[str, Any]:
    """What is called `name`: a component (mechanisms first, then agents, environments, priors, risks) or a gallery
    config; `also` lists the other places where the name occurs. `name.toml` is always the gallery config.
    """
    texts = gallery()
    groups = groups_of(name)
    if groups:
        also = [*groups[1:], *(["gallery"] if name in texts else [])]
        return {**entry(groups[0], name), "also": also}
    config = name.removesuffix(".toml")
    if config in texts:
        row = next(row for row in gallery_rows() if row["name"] == config)
        return {"kind": config, "group": "gallery", **row, "config": texts[config], "also": []}
    raise UnknownName("name", name, {*(kind for group in GROUPS for kind in kinds(group)), *texts})


def gallery_text(rows: Iterable[dict[str, Any]]) -> str:
    """The gallery for reading: each name with its description under it, the experiments of papers last."""
    rows = list(rows)
    papers = [row for row in rows if row["paper"]]
    parts = [_titled(row["name"], row["description"]) for row in rows if not row["paper"]]
    if papers:
        parts.append(f"Papers: what they found beside what a run finds ({len(papers)})")
    for row in papers:
        findings = len(row["paper"].get("findings", ()))
        parts.append(_titled(f"{row['name']} (paper, {findings} findings)", row["description"]))
    return "\n\n".join(parts)


def _titled(title: str, text: str) -> str:
    return f"{title}\n{textwrap.indent(textwrap.fill(text, 90), '  ')}"


def as_text(found: dict[str, Any]) -> str:
    """What `look_up` found, for reading."""
    if found["group"] == "gallery":
        parts = [f"{found['name']} (gallery)", textwrap.fill(found["description"], 90)]
        if found["paper"]:
            parts += [f"Paper: {textwrap.fill(found['paper']['citation'], 83)}", _claims(found["paper"])]
        return "\n\n".join([*parts, f"The config:\n\n{found['config'].rstrip()}"])
    parts = [f"{found['kind']} ({found['group'].removesuffix('s')})", found["rule"], found["about"]]
    if found.get("needs"):
        parts.append(_disclosure(found["needs"]))
    if found["parameters"]:
        columns = ["parameter", "type", "range", "default", "meaning"]
        rows = [
            [item["name"], item["type"], item["range"], _default(item), item["description"]]
            for item in found["parameters"]
        ]
        parts.append(plain_table(columns, rows))
    parts.append(f"In a config:\n\n{textwrap.indent(found['snippet'], '  ')}")
    if found["source"]:
        parts.append(f"Source: {found['source']}")
    if "gallery" in found["also"]:
        parts.append(f"Also a gallery config: auctionlab show {found['kind']}.toml")
    return "\n\n".join(part for part in parts if part)


def _claims(table: dict[str, Any]) -> str:
    """The findings of a [paper], as claims that a run is held to."""
    rows = []
    for finding in Paper.parse(table).findings:
        first, *more = textwrap.wrap(finding.text, 65)
        less = " (difference)" if finding.minus is not None else ""
        rows += [
            [first, f"{metric_words(str(finding.metric))}{less}", claim(finding)],
            *([line, "", ""] for line in more),
        ]
    return plain_table(["the paper finds", "tested on", "claim"], rows)


def _disclosure(needs: list[str]) -> str:
    """What an experiment has to disclose to a learner with these needs."""
    text = f"Learns from {' and '.join(needs)}: set market.disclose = "
    if "others" in needs:
        return f'{text}"all".'
    if "payoff" in needs:
        enough = [kind for kind, cls in sorted(kinds("mechanisms").items()) if _price_suffices(cls)]
        return f'{text}"all"; "price" is enough in {", ".join(enough)}.'
    return f'{text}"price" or "all".'


def _price_suffices(cls: Any) -> bool:
    """True where the payoffs of a mechanism, at the parameters of its first example, follow from the price to win."""
    return any(mechanism.sufficient_price for mechanism, _ in itertools.islice(cls.examples(), 1))


def _default(item: dict[str, Any]) -> str:
    if item["required"]:
        return "required"
    return "none" if item["default"] is None else toml_value(item["default"])
