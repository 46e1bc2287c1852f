"""The tables of a run, as Markdown that also reads well in a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from attrs import frozen

from .contenders import Measured
from .rows import MIB, Goal, Row
from .runner import Outcome

_GIB = 1 << 30
_NONE = "-"
_NOTES = """\
* All contenders of a row run in one session, one after the other in each round, on the same files;
  the order shifts by one from round to round. Each run is a fresh process. The clock runs around
  the call alone: imports, the client and its pool of processes are made before. Figures are
  medians, with the least and the greatest. CPU is user and system time, children included; memory
  is the peak of the process, its living children added.
* Storage and API are one nginx over files in memory, on the same machine, so it shares the
  processors with the contender. TLS is its own, with an authority made for the run.
* hca is the reference client with its default threads. It calls fsync for each file;
  so does ours, as it does by default, and so do the raw sockets: like is compared with like. In
  memory fsync costs next to nothing.
* curl fetches the storage URLs (in row `latency` the API's, as it has to ask for them, too) into
  files. It verifies nothing, calls no fsync, knows no store; its time includes its start.
* raw sockets is a yardstick: threads that read the storage URLs from plain sockets, hash and write.
  It asks no API, makes no store and no links, and checks nothing. It ran with the number of
  connections that was the fastest when tried out before.
* After each run the number of files and the sha256 of a sample are checked (of curl: the number).
* In rows `again`, `memory` and `memory-distinct` all contents are in the store before the clock
  starts. In `again` ours has also run once, so that it may remember what it has verified.
* Rows that take long get fewer rounds than the others; each row says how many it had.
* 1 GiB is 2^30 bytes, 1 MB 10^6. Speed compares medians: 2 x means in half the time.
"""


@frozen
class Verdict:
    """A goal, and what was measured."""

    row: Row
    goal: Goal
    value: float | None

    @property
    def met(self) -> bool:
        goal = self.goal
        if self.value is None:
            return False
        if goal.least is not None:
            return self.value >= goal.least
        return goal.most is None or self.value <= goal.most

    @property
    def cells(self) -> tuple[str, ...]:
        measured = _NONE if self.value is None else _value(self.goal, self.value)
        return self.row.name, _aim(self.goal), measured, "met" if self.met else "**not met**"


def verdicts(row: Row, outcomes: Sequence[Outcome]) -> list[Verdict]:
    """Compare a row's figures with its goals."""
    by_name = {outcome.contender.name: outcome for outcome in outcomes if not outcome.error}
    return [Verdict(row, goal, _measure(row, goal, by_name)) for goal in row.goals]


def row_table(row: Row, outcomes: Sequence[Outcome]) -> str:
    """Return the section of one row."""
    plan = row.plan
    rounds = max(len(outcome.runs) for outcome in outcomes)
    size = plan.bytes / plan.rows
    each = f"{size / MIB:,.4g} MiB" if row.in_mib else f"{size:,.0f} bytes"
    kind = "files" if row.plan.served else "rows"
    head = (
        f"## {row.name}: {row.title}\n\n{plan.rows:,} {kind} of {each} each (on average), in"
        f" {plan.bundles:,} bundles; layout {row.layout}; {rounds} rounds.\n\n"
    )
    ours = outcomes[0]
    columns = (
        *("contender", "seconds", "least - greatest", "MiB/s" if row.in_mib else f"{kind}/s"),
        *("CPU s", "peak MB", "API calls", f"time / that of {ours.contender.name}"),
    )
    cells = [columns, *(_row_cells(row, ours, outcome) for outcome in outcomes)]
    return head + _table(cells, numbers=True)


def goals_table(found: Iterable[Verdict]) -> str:
    """Return the table of the goals."""
    return _table([("row", "goal", "measured", ""), *(verdict.cells for verdict in found)])


def document(
    facts: Mapping[str, str], warning: str, found: Iterable[Verdict], tables: Iterable[str]
) -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "# Downloads, measured\n",
            "Written by `python -m benchmarks`.\n",
            *([f"**{warning}**\n"] if warning else []),
            *(f"* {name}: {text}" for name, text in facts.items()),
            "",
            "## Goals\n",
            goals_table(found),
            "## How it is measured\n",
            _NOTES,
            *tables,
        ]
    )


def _row_cells(row: Row, ours: Outcome, outcome: Outcome) -> tuple[str, ...]:
    name = outcome.contender.name
    if len(outcome.contender.connections) > 1 or outcome.contender.module == "curl":
        name += f" ({outcome.connections} connections)"
    if outcome.error is not None or not outcome.runs:
        return name, f"failed: {(outcome.error or 'did not run').replace('|', '/')}", *[""] * 6
    walls = [run.wall for run in outcome.runs]
    wall = median(walls)
    plan = row.plan
    count = min(outcome.contender.limit or plan.rows, plan.rows)
    rate = plan.bytes / MIB / wall if row.in_mib else count / wall
    mine = median(run.wall for run in ours.runs) if ours.runs and not ours.error else None
    return (
        name,
        f"{wall:.3f}",
        f"{min(walls):.3f} - {max(walls):.3f}",
        f"{rate:,.0f}",
        f"{median(run.cpu for run in outcome.runs):.2f}",
        _NONE if outcome.contender.module == "curl" else _megabytes(outcome.runs),
        f"{median(run.calls for run in outcome.runs):,.0f}",
        _NONE if mine is None else f"{wall / mine:.2f}",
    )


def _megabytes(runs: Sequence[Measured]) -> str:
    return f"{median(run.rss for run in runs) / 1e6:,.1f}"


def _measure(row: Row, goal: Goal, by_name: Mapping[str, Outcome]) -> float | None:
    mine = by_name.get(goal.contender)
    theirs = by_name.get(goal.against or goal.contender)
    if mine is None or theirs is None or not mine.runs or not theirs.runs:
        return None
    match goal.figure:
        case "speed":
            return median(run.wall for run in theirs.runs) / median(run.wall for run in mine.runs)
        case "calls":
            calls = median(run.calls for run in theirs.runs)
            return median(run.calls for run in mine.runs) / calls if calls else None
        case "cpu":
            return median(run.cpu for run in mine.runs) / (row.plan.bytes / _GIB)
        case "rss":
            unit = 1e6 if goal.against is None else median(run.rss for run in theirs.runs)
            return median(run.rss for run in mine.runs) / unit


def _aim(goal: Goal) -> str:
    bound = f">= {goal.least:g}" if goal.least is not None else f"<= {goal.most:g}"
    match goal.figure:
        case "speed":
            return f"{goal.contender}: {bound} x as fast as {goal.against}"
        case "calls":
            return f"{goal.contender}: API calls {bound} x those of {goal.against}"
        case "cpu":
            return f"{goal.contender}: CPU {bound} s a GiB"
        case "rss":
            unit = f"x that of {goal.against}" if goal.against else "MB"
            return f"{goal.contender}: peak memory {bound} {unit}"


def _value(goal: Goal, value: float) -> str:
    match goal.figure:
        case "cpu":
            return f"{value:.2f} s"
        case "calls":
            return f"{value:.3f} x"
        case "rss" if goal.against is None:
            return f"{value:.1f} MB"
        case _:
            return f"{value:.2f} x"


def _table(lines: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Return a Markdown table, its first line the header; numbers stand to the right."""
    # The text of a failure may be long: it does not make its column wider.
    widths = [
        max(3, *(len(cell) for cell in column if not cell.startswith("failed:")))
        for column in zip(*lines, strict=True)
    ]
    right = [numbers and column > 0 for column in range(len(widths))]
    rule = [
        "-" * (width - 1) + (":" if to_right else "-")
        for width, to_right in zip(widths, right, strict=True)
    ]
    return "".join(
        "| "
        + " | ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        + " |\n"
        for line in (lines[0], rule, *lines[1:])
    )
