"""Draws the charts of the page on speed, from the benchmark's own figures: light and dark."""

import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
SEARCHES = ROOT / "docs" / "explanation" / "speed.md"

LABELS = {
    "small": "many small files",
    "latency": "small files,\nslow answers",
    "bundles": "bundles",
    "large": "large files",
    "disk": "large files,\non a disk",
    "tls-small": "small files, TLS",
    "tls-large": "large files, TLS",
    "again": "second run,\nall is there",
    "segments": "one large file,\nslow connections",
}
"""What the rows of the benchmark are about, in the order of the chart."""

# The colours of Okabe and Ito, which all kinds of sight tell apart: ours, hca, others, text.
THEMES = {
    "light": ("#0072b2", "#d55e00", "#8a8a8a", "#222222"),
    "dark": ("#56b4e9", "#e69f00", "#9a9a9a", "#dddddd"),
}
Theme = tuple[str, str, str, str]
Row = dict[str, str]


def table(text: str, first: str) -> list[Row]:
    """Return the rows of the first table whose first column has this name."""
    found = re.search(rf"^\| {first} .*\n(\|.*\n?)+", text, re.MULTILINE)
    if found is None:
        message = f"there is no table that begins with the column {first!r}"
        raise ValueError(message)
    head, _, *rows = found[0].splitlines()
    return [dict(zip(cells(head), cells(row), strict=True)) for row in rows]


def cells(line: str) -> list[str]:
    """Return the cells of a line of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def seconds(results: str, row: str) -> dict[str, float]:
    """Return the median of each contender of a row of the benchmark."""
    section = re.split(rf"^## {row}: ", results, flags=re.MULTILINE)[1]
    return {each["contender"]: float(each["seconds"]) for each in table(section, "contender")}


def goals(results: str) -> dict[str, float]:
    """Return how many times as fast as hca each row has to be."""
    found = {}
    for each in table(results, "row"):
        if goal := re.fullmatch(r"ours: >= ([\d.]+) x as fast as hca", each["goal"]):
            found[each["row"]] = float(goal[1])
    return found


def speedup(theme: Theme) -> Figure:
    """Draw how many times as fast as the reference client it is, and how fast it was to be."""
    ours, _, grey, ink = theme
    results = RESULTS.read_text(encoding="utf-8")
    wanted = goals(results)
    figure, axes = sheet(4.9, ink)
    for place, row in enumerate(LABELS):
        measured = seconds(results, row)
        times, goal = measured["hca"] / measured["ours"], wanted[row]
        axes.plot([1, times], [place, place], color=ours, linewidth=3, solid_capstyle="butt")
        axes.plot([goal], [place], "|", color=ink, markersize=15, markeredgewidth=1.6)
        face = ours if times >= goal else "none"
        axes.plot([times], [place], "o", color=ours, markerfacecolor=face, markersize=8)
        axes.text(220, place, f"{times:.3g} x", color=ink, va="center", ha="right")
        axes.text(270, place, f"{goal:g} x", color=grey, va="center", ha="left")
    axes.plot([1, 1], [-0.6, len(LABELS) - 0.5], color=grey, linewidth=1)
    axes.text(220, -1, "measured", color=ink, ha="right")
    axes.text(270, -1, "goal", color=grey, ha="left")
    axes.text(1, -1, "as fast as hca", color=grey, ha="center")
    axes.set_xscale("log")
    axes.set_xlim(0.7, 560)
    axes.set_ylim(len(LABELS) - 0.5, -1.2)
    axes.set_yticks(range(len(LABELS)), list(LABELS.values()))
    return figure


def contenders(theme: Theme) -> Figure:
    """Draw how long all contenders of three rows took."""
    ours, hca, grey, ink = theme
    results = RESULTS.read_text(encoding="utf-8")
    figure, axes = sheet(5.2, ink)
    marks: list[tuple[float, str]] = []
    place = 0.0
    for row in ("small", "bundles", "large"):
        measured = seconds(results, row)
        slowest = max(measured.values())
        axes.text(0, place, f"{LABELS[row]}, seconds", color=ink, weight="bold", va="center")
        for name, value in measured.items():
            place += 1
            color = ours if name.startswith("ours") else hca if name == "hca" else grey
            axes.barh(place, value / slowest, color=color, height=0.62)
            axes.text(value / slowest + 0.015, place, f"{value:.3g}", color=ink, va="center")
            marks.append((place, name))
        place += 1.6
    axes.set_xlim(0, 1.13)
    axes.set_ylim(place - 1, -0.7)
    axes.set_yticks([each for each, _ in marks], [name for _, name in marks])
    return figure


def searches(theme: Theme) -> Figure:
    """Draw how long the embedded DSS takes for searches."""
    ours, _, grey, ink = theme
    rows = table(SEARCHES.read_text(encoding="utf-8"), "query")
    figure, axes = sheet(4.2, ink)
    slowest = max(float(each["ms"]) for each in rows)
    for place, each in enumerate(rows):
        share = float(each["ms"]) / slowest
        axes.barh(place, share, color=ours, height=0.62)
        axes.text(share + 0.015, place, f"{each['ms']} ms", color=ink, va="center")
        axes.text(1.5, place, each["hits"], color=grey, va="center", ha="right")
    axes.text(1.5, -1, "hits", color=grey, va="center", ha="right")
    axes.set_xlim(0, 1.5)
    axes.set_ylim(len(rows) - 0.5, -1.4)
    axes.set_yticks(range(len(rows)), [each["query"].replace("`", "") for each in rows])
    return figure


def sheet(height: float, ink: str) -> tuple[Figure, Axes]:
    """Return a figure without a frame, narrow enough for a phone."""
    figure = Figure(figsize=(5.2, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=ink)
    axes.xaxis.set_visible(False)
    return figure, axes


CHARTS: tuple[Callable[[Theme], Figure], ...] = (speedup, contenders, searches)


def draw(app: Sphinx) -> None:
    """Draw each chart in the colours of each theme."""
    folder = Path(app.srcdir) / "explanation" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    style = {"svg.fonttype": "none", "svg.hashsalt": "dss-client", "font.size": 10}
    with mpl.rc_context(style):
        for chart in CHARTS:
            for name, theme in THEMES.items():
                path = folder / f"{chart.__name__}-{name}.svg"
                chart(theme).savefig(path, transparent=True, metadata={"Date": None})


def setup(app: Sphinx) -> dict[str, bool]:
    """Have the charts drawn before the pages are read."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True}
