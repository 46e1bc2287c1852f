"""Joins the manifests of all shards, in the order of their rows."""

import csv
import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from dss_client.manifest import row_text, write_texts

from .job_plan import JobError, JobPlan

__all__ = ["merge_manifests"]

_PATH = "file_path"
_OPEN = 64  # files at once
_BATCH = 1000
_Row = tuple[int, list[str]]


def merge_manifests(plan: JobPlan, missing: Collection[int]) -> Path:
    """Write the manifest with the paths of the files that exist, and return its own path.

    Args:
        plan: The plan.
        missing: The shards without one; their rows get no path.

    Raises:
        JobError: The manifest of a shard is gone or damaged.
    """
    directory = Path(plan.settings.download_dir)
    path = directory / plan.manifest.name
    if path.exists() and plan.manifest.exists() and path.samefile(plan.manifest):
        path = path.with_name(f"{path.stem}.downloaded.tsv")
    columns = list(dict.fromkeys((*plan.columns, _PATH)))
    with TemporaryDirectory(prefix=".merge-", dir=plan.directory) as scratch:
        sources = [
            _shard(plan, shard, missing=shard in missing) for shard in range(1, plan.shards + 1)
        ]
        merged = _merged(sources, Path(scratch))
        write_texts(path, _texts(columns, _counted(merged, plan)))
    return path


def _counted(rows: Iterable[_Row], plan: JobPlan) -> Iterator[str]:
    """Yield the texts of rows, and see to it that all of the plan are among them."""
    expected = 0
    for number, cells in rows:
        if number != expected:
            break
        yield row_text(cells)
        expected += 1
    if expected != plan.rows:
        raise JobError(
            f"row {expected} of {plan.manifest} is in no shard of {plan.directory}, or in several:"
            " make the plan again in a new directory"
        )


def _shard(plan: JobPlan, shard: int, *, missing: bool) -> Iterator[_Row]:
    """Yield the rows of a shard, with its file's path in its place."""
    if not missing:
        yield from _rows(plan.output_path(shard), plan.command(shard))
        return
    at = plan.columns.index(_PATH) if _PATH in plan.columns else len(plan.columns)
    for number, cells in _rows(plan.shard_path(shard), "dss plan again"):
        yield number, [*cells[:at], "", *cells[at + 1 :]]


def _rows(path: Path, remedy: str) -> Iterator[_Row]:
    """Yield the rows of a file by their numbers."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, "excel-tab", strict=True)
            next(rows, None)
            for number, *cells in rows:
                yield int(number), cells
    except (OSError, ValueError, csv.Error) as error:
        raise JobError(f"{path} cannot be read: {error}; run {remedy}") from error


def _merged(sources: Sequence[Iterator[_Row]], scratch: Path) -> Iterator[_Row]:
    """Merge by number, in several rounds where there are too many files to be open at once."""
    number = 0
    while len(sources) > _OPEN:
        fewer: list[Iterator[_Row]] = []
        for start in range(0, len(sources), _OPEN):
            path = scratch / f"{number}.tsv"
            number += 1
            rows = heapq.merge(*sources[start : start + _OPEN], key=itemgetter(0))
            texts = (row_text([str(place), *cells]) for place, cells in rows)
            write_texts(path, _texts(("row",), texts))
            fewer.append(_rows(path, "dss merge again"))
        sources = fewer
    return heapq.merge(*sources, key=itemgetter(0))


def _texts(columns: Sequence[str], texts: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield a header and lines, in batches."""
    yield [row_text(columns)]
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch
