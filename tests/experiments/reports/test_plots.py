"""Figures: what is drawn is what was judged, axes are labelled, files are what they say."""

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise

import matplotlib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from auctionlab.errors import ConfigError, StoreError
from auctionlab.experiments import plots
from auctionlab.experiments.drawing import draw_density, inline_svg
from auctionlab.experiments.pictures import pictures

SINGLE = ("plot_bids", "plot_bid_function", "plot_revenue", "plot_efficiency", "plot_utility")


def labels(figure):
    axes = figure.axes[0]
    own = [axes.get_xlabel(), axes.get_ylabel()]
    shared = [text.get_text() for text in (figure._supxlabel, figure._supylabel) if text is not None]
    return [label for label in own + shared if label]


@pytest.mark.parametrize("name", SINGLE)
def test_axes_are_labelled_with_units(make, name):
    found = labels(getattr(plots, name)(make()))
    expected = {"plot_revenue": "round", "plot_efficiency": "round"}.get(name, "money")
    assert any(expected in label for label in found)
    assert len(found) == (1 if name == "plot_utility" else 2)


def test_nothing_of_pyplot_is_touched(make):
    before = dict(matplotlib.rcParams)
    pictures(make(truthful=True))
    assert dict(matplotlib.rcParams) == before
    import matplotlib.pyplot as pyplot

    assert pyplot.get_fignums() == []


def test_revenue_line_is_the_series_and_the_dashes_are_theory(make):
    analysis = make()
    axes = plots.plot_revenue(analysis).axes[0]
    series = analysis.series[(analysis.series["name"] == "revenue") & analysis.series["strategy"].isna()]
    drawn = [line.get_ydata() for line in axes.lines]
    assert any(len(y) == len(series) and np.array_equal(y, series["mean"]) for y in drawn)
    assert any(len(y) == 2 and y[0] == y[1] == 1 / 3 for y in drawn)


def test_margin_band_spans_the_margin(make):
    analysis = make()
    estimate = analysis.estimate("revenue")
    axes = plots.plot_revenue(analysis).axes[0]
    spans = [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in axes.patches]
    assert any(
        math.isclose(low, 1 / 3 - estimate.margin) and math.isclose(high, 1 / 3 + estimate.margin)
        for low, high in spans
    )
    assert not plots.plot_revenue(make(benchmark=False)).axes[0].patches


def test_few_bids_are_dots_and_many_a_density(make):
    few, many = plots.plot_bids(make(bids=100)).axes[0], plots.plot_bids(make(bids=4_000)).axes[0]
    assert len(few.collections[0].get_offsets()) == 100
    assert type(many.collections[0]).__name__ == "QuadMesh"
    assert many.collections[0].get_rasterized()


def test_density_of_a_column_is_one_where_most_bids_are():
    with plots.chart() as (_, axes):
        x = np.repeat(np.linspace(0, 1, 50), 10)
        y = np.tile([0.0] * 7 + [0.5] * 3, 50)
        draw_density(axes, x, y, across=10)
        shade = np.asarray(axes.collections[0].get_array()) ** 2
    assert_allclose(shade.max(axis=0), 1.0)
    assert_allclose(np.unique(np.round(shade, 9)), [0.0, 3 / 7, 1.0], rtol=1e-6)


def test_a_single_bid_level_can_be_drawn():
    with plots.chart() as (_, axes):
        draw_density(axes, np.zeros(2_000), np.zeros(2_000))
        assert np.asarray(axes.collections[0].get_array()).max() == 1.0


def test_bids_without_records_are_refused_in_one_sentence(make):
    analysis = make()
    with pytest.raises(ConfigError, match="nothing to plot"):
        plots.plot_bids(replace(analysis, bids=analysis.bids.iloc[:0]))


def test_one_replication_has_no_band_but_is_drawn(make):
    analysis = make(replications=1)
    series = analysis.series.assign(low=-np.inf, high=np.inf)
    axes = plots.plot_revenue(replace(analysis, series=series)).axes[0]
    assert np.isfinite(axes.get_ylim()).all()


def test_a_strategy_has_one_colour_in_all_figures(make):
    analysis = make(strategies=("exp3", "hedge", "truthful"), bids=50)
    shuffled = replace(analysis, bids=analysis.bids.iloc[::-1].reset_index(drop=True))
    panels = {axes.get_title(loc="left"): axes for axes in plots.plot_bids(shuffled).axes}
    rows = [line for line in plots.plot_utility(shuffled).axes[0].lines if line.get_marker() == "o"]
    for row, name in zip(rows, ("exp3", "hedge", "truthful"), strict=True):
        dots = panels[name].collections[0].get_facecolor()[0, :3]
        assert_allclose(dots, matplotlib.colors.to_rgb(row.get_color()), atol=1e-9)


def test_names_of_lines_do_not_overlap(make):
    figure = plots.plot_bid_function(make(strategies=("truthful", "exp3", "hedge", "q-learning")))
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert len(boxes) == 5  # four strategies and the equilibrium
    assert all(low.y1 <= high.y0 + 2 for low, high in pairwise(boxes))  # pixels


def test_files_have_the_right_headers_and_the_numbers_of_the_analysis(make, tmp_path):
    analysis = make(truthful=True)
    written = plots.save_figures(analysis, tmp_path / "a" / "b", ("png", "svg", "pdf"))
    names = {"bid-function", "bids", "revenue", "efficiency", "utility", "truthful"}
    assert {path.name for path in written} == {
        f"{name}.{suffix}" for name in names for suffix in ("png", "svg", "pdf", "csv")
    } | {"estimates.csv"}
    for name in names:
        assert (tmp_path / "a/b" / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert (tmp_path / "a/b" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert ElementTree.parse(tmp_path / "a/b" / f"{name}.svg").getroot().tag.endswith("svg")
    revenue = pd.read_csv(tmp_path / "a/b/revenue.csv", dtype=str)
    series = analysis.series[analysis.series["name"] == "revenue"]
    assert_array_equal(revenue["mean"].astype(float), series["mean"])  # written in full precision
    bids = pd.read_csv(tmp_path / "a/b/bids.csv", dtype=str)
    assert_array_equal(bids["bid"].astype(float), analysis.bids["bid"])
    estimates = pd.read_csv(tmp_path / "a/b/estimates.csv", dtype=str).set_index("name")
    assert float(estimates.loc["revenue", "mean"]) == analysis.estimate("revenue").mean
    assert estimates.loc["revenue", "verdict"] == analysis.estimate("revenue").verdict


def test_unknown_format_is_refused_before_anything_is_written(make, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown format 'gif'\. Allowed: png, svg, pdf"):
        plots.save_figures(make(), tmp_path / "figures", ("png", "gif"))
    assert not (tmp_path / "figures").exists()


def test_a_folder_that_is_a_file_is_one_sentence(make, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match="cannot write figures"):
        plots.save_figures(make(), tmp_path / "taken", ())


def test_inline_svg_is_self_contained(make):
    text = inline_svg(plots.plot_bids(make()), "bids", 'a "quoted" & <odd> \\1 text')
    root = ElementTree.fromstring(text.replace("xlink:href", "href"))
    assert root.attrib["aria-label"] == 'a "quoted" & <odd> \\1 text'
    assert "http" not in text
    ids = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
    assert all(name.startswith("bids-") for name in ids)
    links = [element.attrib["href"] for element in root.iter() if "href" in element.attrib]
    assert links
    assert all(link.startswith("data:image/png") or link.removeprefix("#") in ids for link in links)


def test_dollar_signs_in_names_are_not_mathematics(make):
    analysis = make(strategies=(r"$\frac{$", "b"))
    text = inline_svg(plots.plot_bid_function(analysis), "x", "")
    assert r"$\frac{$" in text


def test_comparison_draws_every_run(make):
    axes = plots.plot_comparison([make(run_id=1), make(run_id=2), make(run_id=3, benchmark=False)]).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(dots) == 3
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["3 first-price", "2 first-price", "1 first-price"]


def test_notebooks_get_a_picture(make):
    assert plots.plot_revenue(make())._repr_png_().startswith(b"\x89PNG")
