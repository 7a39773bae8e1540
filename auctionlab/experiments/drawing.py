"""How figures look: sizes, colours that the colour-blind can tell apart, direct labels, densities, SVG for a web page.

Figures are made without pyplot, so drawing one changes no global state and needs no screen. Colours: Okabe and Ito
(2008), "Color Universal Design". Text and axes have one colour, `INK`, which `inline_svg` turns into the page's own.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

WIDTH: Final = 4.5  # inches; a column of the report, and on a phone still 10 pixels high letters
HEIGHT: Final = 3.1
INK: Final = "#22262b"
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: Final = ("-", (0, (6, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2, 1, 2)), (0, (4, 2)))
BAND: Final = 0.22  # opacity of an interval
STYLE: Final[Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "savefig.dpi": 200,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 6),
    "svg.fonttype": "path",
    "text.parse_math": False,  # names come from users
}


class Chart(Figure):
    """A figure that notebooks show by themselves, whether pyplot is loaded or not."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=144)
        return buffer.getvalue()


@contextmanager
def chart(rows: int = 1, columns: int = 1, height: float = HEIGHT, **options: Any) -> Iterator[tuple[Chart, Any]]:
    """A new figure and its axes (an array where there are several), in the house style while inside."""
    with matplotlib.rc_context(STYLE):
        figure = Chart(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, **options)


def colour(index: int) -> str:
    """The colour of the index-th line."""
    return COLOURS[index % len(COLOURS)]


def rounds_axis(axes: Axes) -> None:
    """Label the x axis with round numbers, thousands separated."""
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))


def share_axis(axis: Axis) -> None:
    """Show an axis of shares, which lie between 0 and 1, in per cent."""
    axis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.6g} %"))


def draw_series(axes: Axes, x: Any, mean: Any, low: Any, high: Any, index: int) -> None:
    """A line with its interval as a band around it; infinite intervals (one replication) are left out."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    known = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(x, low, high, where=known, color=colour(index), alpha=BAND, linewidth=0)
    axes.plot(x, mean, color=colour(index), linestyle=DASHES[index % len(DASHES)], solid_capstyle="round")


def draw_theory(axes: Axes, level: float, margin: float | None = None) -> None:
    """A dashed line at the equilibrium value, with the margin around it as a grey band."""
    if margin is not None:
        axes.axhspan(level - margin, level + margin, color="#8a8f98", alpha=0.25, linewidth=0, zorder=0)
    axes.axhline(level, color=INK, linestyle=(0, (5, 3)), linewidth=1.2)


def draw_interval(axes: Any, mean: float, low: float, high: float, place: float, ink: str) -> None:
    """A dot with its interval as a bar, in the row at height `place`."""
    if np.isfinite(low) and np.isfinite(high):
        axes.plot([low, high], [place, place], color=ink, linewidth=5, alpha=BAND + 0.2, solid_capstyle="butt")
    axes.plot([mean], [place], "o", color=ink, markersize=6)


def draw_margin(axes: Any, middle: float, margin: float | None, place: float) -> None:
    """The margin around `middle` in grey, in the row at height `place`."""
    if margin:
        axes.barh(place, 2 * margin, left=middle - margin, height=0.6, color="#8a8f98", alpha=0.25, linewidth=0)


def name_rows(axes: Any, names: Sequence[str]) -> None:
    """Rows instead of a y axis: names from the top down, at heights len(names) − 1 to 0."""
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def two_lines(text: str, width: int) -> str:
    """The text broken into at most two lines of about so many letters; what is left over gives way to an ellipsis."""
    lines = textwrap.wrap(text, width, break_on_hyphens=False)
    return "\n".join(lines[:2]) + ("…" if len(lines) > 2 else "")


def draw_density(axes: Axes, x: Any, y: Any, index: int = 0, across: int = 40) -> None:
    """How often each y occurs at each x, darker where more often; every column of x on the same footing.

    Columns hold equally many points; rows are the values themselves where y takes few (a learner's grid of bids), else
    equal steps. Drawn as an image inside the vector figure.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    columns = np.unique(np.quantile(x, np.linspace(0, 1, across + 1)))
    if len(columns) < 2:
        columns = np.array([x.min() - 0.5, x.max() + 0.5])
    levels = np.unique(y.round(12))
    if len(levels) <= 2 * across:
        thick = np.ptp(levels) / 40 if len(levels) > 1 else 0.5
        below = np.minimum(np.diff(levels, prepend=-np.inf) / 2, thick)
        above = np.minimum(np.diff(levels, append=np.inf) / 2, thick)
        rows = np.unique(np.concatenate([levels - below, levels + above]))
    else:
        rows = np.linspace(levels[0], levels[-1], across + 1)
    counts, _, _ = np.histogram2d(x, y, bins=[columns, rows])
    share = counts / np.maximum(counts.max(axis=1, keepdims=True), 1)
    fade = LinearSegmentedColormap.from_list("fade", [(*to_rgb(colour(index)), a) for a in (0.0, 0.45, 0.9)])
    axes.pcolormesh(columns, rows, np.sqrt(share).T, cmap=fade, vmin=0, vmax=1, rasterized=True, shading="flat")


def label_ends(axes: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names to the right of the axes, each at the height where its line ends, moved apart where they collide.

    labels : (x, y, text, colour) of the ends of the lines, in data coordinates.
    """
    if not labels:
        return
    low, high = axes.get_ylim()
    lines = [text.count("\n") + 1 for *_, text, _ in labels]
    tall = axes.get_position().height * HEIGHT * 72  # points, about
    unit = (high - low) * 12 / tall  # one line of text, in data units
    order = sorted(range(len(labels)), key=lambda i: labels[i][1])
    heights = [min(max(labels[i][1], low), high) for i in order]
    for _ in range(200):
        for a in range(len(order) - 1):
            gap = unit * (lines[order[a]] + lines[order[a + 1]]) / 2
            overlap = gap - (heights[a + 1] - heights[a])
            if overlap > 1e-9:
                heights[a] -= overlap / 2
                heights[a + 1] += overlap / 2
    edge = axes.get_yaxis_transform()
    for place, height in zip(order, heights, strict=True):
        _, y, text, ink = labels[place]
        at = min(max(y, low), high)
        axes.plot([1.0, 1.035], [at, height], transform=edge, color=ink, linewidth=1.0, clip_on=False)
        axes.text(1.045, height, text, transform=edge, va="center", ha="left", fontsize=9, linespacing=1.05)
    axes.set_ylim(low, high)


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """The figure as an <svg> element of an HTML page: text in the page's font and colour, ids of its own, no links.

    name : prefix of its ids, unique in the page.   alt : what it shows, for those who do not see it.
    """
    buffer = io.StringIO()
    before = figure.get_facecolor()
    figure.set_facecolor("none")
    with matplotlib.rc_context({**STYLE, "svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, facecolor="none", dpi=150)
    figure.set_facecolor(before)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1; font-family: inherit", text)
    head, _, body = text.replace(INK, "currentColor").partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    return f'<svg {box.group() if box else ""} role="img" aria-label="{escape(alt)}">' + re.sub(r"\s+", " ", body)
