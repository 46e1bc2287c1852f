"""Downloads of this client beside those of others: ``python -m benchmarks``.

Runs the table of workloads (rows.py), prints each row, and writes RESULTS.md. A part of the table,
or a scaled one, is for a look: it is written only where --output says.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve

from .machine import (
    available_memory,
    check_curl,
    check_hca,
    check_tls,
    describe_machine,
    describe_ours,
    filesystem,
)
from .nginx import Unusable, check_nginx, check_ports
from .results import Verdict, document, goals_table, row_table, verdicts
from .rows import ROWS, Row
from .runner import Setup, run_row

_RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is cleaned up
    try:
        rows = [
            evolve(row, plan=row.plan.scale(arguments.scale)) for row in _chosen(arguments.only)
        ]
        facts = _check(rows, arguments)
        with _folders(rows, arguments.root, arguments.disk) as (folder, disk):
            facts["file systems"] = f"{filesystem(folder)} and, for row `disk`, {filesystem(disk)}"
            setup = Setup(
                folder=folder,
                disk=disk,
                port=arguments.port,
                hca=arguments.hca,
                rounds=arguments.rounds,
                say=lambda text: print(text, file=sys.stderr, flush=True),
            )
            return _run(rows, setup, facts, arguments)
    except Unusable as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return 130


def _run(
    rows: Sequence[Row], setup: Setup, facts: dict[str, str], arguments: argparse.Namespace
) -> int:
    failed = False
    found: list[Verdict] = []
    tables: list[str] = []
    for row in rows:
        outcomes = run_row(row, setup)
        failed |= any(outcome.error for outcome in outcomes)
        found += verdicts(row, outcomes)
        tables.append(row_table(row, outcomes))
        print(tables[-1], flush=True)
    print(goals_table(found))
    warning = _warning(arguments)
    output: Path | None = arguments.output or (None if warning else _RESULTS)
    if output is not None:
        output.write_text(document(facts, warning, found, tables), encoding="utf-8")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    peer = os.environ.get("DSS_PEER_PYTHON")
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="runs of each contender (%(default)s)")
    add("--only", metavar="ROW[,ROW]", help=", ".join(row.name for row in ROWS))
    add("--scale", type=float, default=1.0, metavar="F", help="shrink it all, for a quick check")
    add("--root", type=Path, default=Path("/dev/shm/dss-bench"), help="in memory (%(default)s)")
    add("--disk", type=Path, default=Path(tempfile.gettempdir()), help="on a disk (%(default)s)")
    add("--port", type=int, default=18960, help="for the API; the storage has the next one")
    add(
        "--hca",
        type=Path,
        default=Path(peer) if peer else None,
        metavar="PYTHON",
        help="interpreter that has the reference client (DSS_PEER_PYTHON)",
    )
    add("--output", type=Path, metavar="FILE", help=f"where to write ({_RESULTS.name})")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or not 0 < arguments.scale <= 1:
        parser.error("--rounds is at least 1, --scale above 0 and at most 1")
    return arguments


def _chosen(only: str | None) -> list[Row]:
    if only is None:
        return [row for row in ROWS if not row.by_name]
    rows = {row.name: row for row in ROWS}
    unknown = [name for name in only.split(",") if name not in rows]
    if unknown:
        raise Unusable(f"no row {', '.join(unknown)}: choose from {', '.join(rows)}")
    return [rows[name] for name in only.split(",")]


def _warning(arguments: argparse.Namespace) -> str:
    parts = [
        *([f"scaled by {arguments.scale:g}"] if arguments.scale != 1 else []),
        *([f"only {arguments.only}"] if arguments.only else []),
        *([f"only {arguments.rounds} rounds"] if arguments.rounds < 5 else []),
    ]
    return f"A check, no figures to go by: {', '.join(parts)}." if parts else ""


def _check(rows: Sequence[Row], arguments: argparse.Namespace) -> dict[str, str]:
    """See to it that nothing is missing; return what there is to be said of it."""
    modules = {contender.module for row in rows for contender in row.contenders}
    facts = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **describe_machine()}
    facts["ours"] = describe_ours()
    facts["nginx"] = check_nginx(delayed=any(row.serving.delayed for row in rows))
    check_ports(arguments.port, arguments.port + 1)
    if "peer" in modules:
        facts["hca"] = check_hca(arguments.hca)
    if "curl" in modules:
        facts["curl"] = check_curl()
    if any(row.serving.tls for row in rows):
        check_tls()
    return facts


@contextmanager
def _folders(rows: Sequence[Row], root: Path, disk: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a folder in memory and one on a disk, and remove them at the end."""
    made = [place for place in (root, disk) if not place.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        disk.mkdir(parents=True, exist_ok=True)
        folders = [Path(tempfile.mkdtemp(prefix="run-", dir=root))]
        folders.append(Path(tempfile.mkdtemp(prefix="dss-bench-", dir=disk)))
    except OSError as error:
        raise Unusable(f"{error}: name other folders with --root and --disk") from error
    try:
        _check_room(rows, *folders)
        yield folders[0], folders[1]
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for place in made:
            with suppress(OSError):  # another run may be in it
                place.rmdir()


def _check_room(rows: Sequence[Row], folder: Path, disk: Path) -> None:
    if any(row.on_disk for row in rows) and filesystem(disk) == "tmpfs":
        raise Unusable(f"{disk.parent} is in memory: name a folder on a disk with --disk")
    needed = {folder: 0, disk: 0}
    for row in rows:
        parts = [min(1.0, (each.limit or row.plan.rows) / row.plan.rows) for each in row.contenders]
        # The server's copy and that of one contender; or, where nothing is served, each's own.
        copies = (1.0 if row.on_disk else 2.0) if row.plan.served else sum(parts)
        needed[folder] = max(needed[folder], round(copies * row.plan.room))
        needed[disk] = max(needed[disk], row.plan.room if row.on_disk else 0)
    for place, room in needed.items():
        free = shutil.disk_usage(place).free
        if filesystem(place) == "tmpfs":
            free = min(free, available_memory())
        if free < room:
            raise Unusable(
                f"{place.parent} has {free / (1 << 30):.1f} GiB free, {room / (1 << 30):.1f} are"
                " needed: name another folder with --root or --disk, or rows with --only"
            )


if __name__ == "__main__":
    sys.exit(main())
