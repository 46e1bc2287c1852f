"""What a download is to leave behind, looked at after each run."""

import csv
import hashlib
from pathlib import Path

from .contenders import ContenderFailed
from .corpus import STORE, Corpus, stored
from .rows import Contender, Row

_SHA256_DIGITS = 64


def check(row: Row, corpus: Corpus, contender: Contender, folder: Path, scratch: Path) -> None:
    """Raise an error unless all is there: the numbers, and the content of a sample.

    Args:
        row: What was done.
        corpus: What was to be downloaded.
        contender: The contender.
        folder: The download directory.
        scratch: The contender's current directory.

    Raises:
        ContenderFailed: Something is missing or wrong.
    """
    if not corpus.plan.served:
        # The contents were there before: what a run makes is the manifest with their places.
        manifest = corpus.manifest.name
        _check_output(
            (scratch if contender.module == "peer" else folder) / manifest, contender, row
        )
    elif contender.module == "curl":
        _same("files", sum(1 for _ in folder.iterdir()), corpus.plan.rows)
    elif contender.module == "raw":
        _same("files", sum(1 for _ in folder.iterdir()), corpus.plan.contents)
        _check_sample(corpus, folder, flat=True)
    else:
        _check_download(row, corpus, folder)


def _check_download(row: Row, corpus: Corpus, folder: Path) -> None:
    contents = corpus.plan.contents
    if row.layout == "bundle":
        contents += corpus.plan.bundles  # the documents that describe them
        links = [path for path in folder.glob("*.*/*") if path.parent.name != ".hca"]
        _same("links", len(links), corpus.plan.rows + corpus.plan.bundles)
        for entry in corpus.sample:
            found = next(folder.glob(f"{entry.bundle}.*/{entry.name}"), None)
            if found is None or not found.samefile(stored(folder, entry.sha256)):
                raise ContenderFailed(f"{entry.name} is not a link to the store")
    names = (path.name for path in (folder / STORE).glob("*/*/*"))
    _same("contents", sum(len(name) == _SHA256_DIGITS for name in names), contents)
    _check_sample(corpus, folder, flat=False)


def _check_sample(corpus: Corpus, folder: Path, *, flat: bool) -> None:
    for entry in corpus.sample:
        path = folder / entry.sha256 if flat else stored(folder, entry.sha256)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                raise ContenderFailed(f"{entry.name} has another content")


def _check_output(path: Path, contender: Contender, row: Row) -> None:
    """Look at the manifest that a run wrote, without keeping it in memory."""
    count = 0
    with path.open(newline="") as file:
        for count, cells in enumerate(csv.DictReader(file, dialect="excel-tab"), 1):
            if count % 1000 == 1 and not Path(cells["file_path"]).is_file():
                raise ContenderFailed(f"{cells['file_path']} does not exist")
    _same("rows", count, min(contender.limit or row.plan.rows, row.plan.rows))
    path.unlink()


def _same(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise ContenderFailed(f"{found} {what} instead of {expected}")
