"""Manifests: tab-separated lists of files to download."""

import csv
import gzip
import io
import os
import re
import reprlib
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    BinaryIO,
    ClassVar,
    Final,
    Protocol,
    Self,
    TextIO,
    TypeGuard,
    cast,
)

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ._files import replacing
from .errors import DSSError
from .versions import UUID_FORM, is_uuid, is_version, normal_uuid, parse_version

if TYPE_CHECKING:
    from .models import BundleVersion

__all__ = [
    "COLUMNS",
    "ManifestError",
    "ManifestReader",
    "ManifestRow",
    "ManifestSource",
    "is_joined",
    "joined_values",
    "manifest_rows",
    "manifest_text",
    "read_manifest",
    "write_manifest",
]

COLUMNS = (
    "bundle_uuid",
    "bundle_version",
    "file_name",
    "file_uuid",
    "file_version",
    "file_sha256",
    "file_size",
)

USED = {
    "none": ("file_name", "file_uuid", "file_version", "file_sha256", "file_size"),
    "bundle": ("bundle_uuid", "bundle_version", "file_name", "file_sha256"),
}
"""The columns that the layouts of a download use. Cells of other columns may be empty."""


class PandasFrame(Protocol):
    """A DataFrame of pandas."""

    def to_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the rows."""
        ...


class PolarsFrame(Protocol):
    """A DataFrame of polars."""

    def iter_rows(self, *args: Any, **kwargs: Any) -> Any:
        """Yield the rows."""
        ...


class ArrowTable(Protocol):
    """A Table of pyarrow."""

    def to_pylist(self, *args: Any, **kwargs: Any) -> Any:
        """Return the rows."""
        ...


ManifestTable = PandasFrame | PolarsFrame | ArrowTable
"""A table of pandas, polars or pyarrow."""
ManifestSource = str | os.PathLike[str] | TextIO | Iterable[Mapping[str, object]] | ManifestTable
"""The path of a manifest, an open text file, or the rows themselves, also as a table."""

MAX_SIZE = 1 << 50
"""Bytes; no object of any storage is as large."""
MAX_CELL = 131_072
"""Characters of a cell: the limit of Python's ``csv``, and so of the reference client."""

RawRow = tuple[str, str, str, str, str, str, str, str]
"""The cells of `COLUMNS`, empty where there is no such column, and the text of the whole row."""

_EXPECTED = (
    "expected a path, a file that is open as text, a table of pandas, polars or pyarrow, or rows as"
    " mappings whose keys are texts"
)
_JOINER = " || "  # of the data portal, between the values of one cell
_BATCH = 500
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_HEX = "0123456789abcdefABCDEF"
_LINE_END = re.compile(rb"\r\n?|\n")
_SPECIAL = re.compile(r'["\r\n]')
# A row as nearly all are. What it takes for a version is still to be looked at.
_ROW = re.compile(
    r"({uuid})\t({version})\t([^\t\"\ud800-\udfff]{{1,1000}})\t({uuid})\t({version})"
    r"\t([0-9A-Fa-f]{{64}})\t([0-9]{{1,15}})".format(uuid=UUID_FORM, version="[0-9TZ.-]{25}")
)
_CELL = r'(?:"(?:[^"]++|"")*+"|[^"\t][^\t]*+|)'
_CELLS = re.compile(rf"{_CELL}(?:\t{_CELL})*+")
_EACH_CELL = re.compile(rf"(?:\A|\t)({_CELL})")
_GZIP = b"\x1f\x8b"
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive, as workbooks of Excel are: unpack it, or save it as text",
    b"BZh": "compressed with bzip2: decompress it first (bunzip2)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: decompress it first (unzstd)",
    b"\xfd7zXZ": "compressed with xz: decompress it first (unxz)",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
}


class ManifestError(DSSError, ValueError):
    """A manifest that cannot be used.

    Attributes:
        manifest: Name of the manifest.
        line: Number of the line of a text, from 1, or of the mapping among mappings; None if the
            whole manifest is wrong.
        columns: The columns that are wrong.
    """

    def __init__(
        self,
        manifest: str,
        reason: str,
        *,
        line: int | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        place = manifest if line is None else f"{manifest}, line {line}"
        super().__init__(f"{place}: {reason}")
        self.manifest = manifest
        self.line = line
        self.columns: tuple[str, ...] = tuple(columns)


def _check_sha256(text: str) -> None:
    if _SHA256.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a sha256: expected 64 hexadecimal digits")


def _check_size(text: str) -> None:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} is not a valid size: expected a number of bytes")
    if len(text) > 16 or int(text) > MAX_SIZE:
        raise ValueError(f"{text} is not a valid size: no file is as large")


_CHECKS: Final[Mapping[str, Callable[[str], object]]] = {
    "bundle_uuid": normal_uuid,
    "bundle_version": parse_version,
    "file_uuid": normal_uuid,
    "file_version": parse_version,
    "file_sha256": _check_sha256,
    "file_size": _check_size,
}


def is_joined(row: RawRow) -> bool:
    """Tell whether a row names several bundles."""
    return _JOINER in row[0] or _JOINER in row[1]


def joined_values(cell: str) -> list[str]:
    """Return the values of a cell, of which the data portal joins several."""
    return cell.split(_JOINER)


def _plain(version: str) -> str:
    """Return a version as the service writes it; the data portal has colons in its time."""
    return version.replace(":", "")


@lru_cache(maxsize=4096)
def _is_version(text: str) -> bool:
    return is_version(text)


class ManifestRow(BaseModel):
    """One file of a manifest. Columns it does not know are kept (``model_extra``).

    Attributes:
        bundle_uuid: Id of the bundle the file is in.
        bundle_version: Version of that bundle.
        file_name: Name of the file in that bundle.
        file_uuid: Id of the file.
        file_version: Version of the file.
        file_sha256: sha256 of the content.
        file_size: Size of the content in bytes.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True)

    bundle_uuid: str
    bundle_version: str
    file_name: str
    file_uuid: str
    file_version: str
    file_sha256: str
    file_size: Annotated[int, Field(ge=0, le=MAX_SIZE)]

    @field_validator(*_CHECKS, mode="before")
    @classmethod
    def _valid(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str):
            _CHECKS[str(info.field_name)](value)
        return value


_Pick = Callable[[list[str]], tuple[str, ...]]
_Record = tuple[int, list[str], str]
"""A row before its cells are checked: the number of its first line, its cells, its text."""


class ManifestReader:
    """Reads a manifest in batches of rows, each checked. Use it in a ``with`` statement.

    Args:
        source: The manifest. A file may be compressed with gzip.
        allow_unnamed: Accept rows without a file name; they stand for the whole bundle.
        allow_joined: Accept several bundles in one row, as the data portal writes them.
        needed: The columns that it must have.

    Attributes:
        name: Name of the manifest, for messages.
        path: Where it is, or None.
        columns: The columns of its header.

    Raises:
        ManifestError: It cannot be read, or its header lacks columns: the message names them.
    """

    name: str
    path: Path | None
    columns: tuple[str, ...] = ()

    def __init__(
        self,
        source: ManifestSource,
        *,
        allow_unnamed: bool = False,
        allow_joined: bool = False,
        needed: Sequence[str] = COLUMNS,
    ) -> None:
        self._allow_unnamed = allow_unnamed
        self._allow_joined = allow_joined
        self._needed = needed
        source = _rows_of(source)
        self._lines: Iterator[str] = iter(())
        self._read = 0  # lines
        self._mappings: Iterator[_Record] = iter(())
        self._own: BinaryIO | None = None
        self.path = _path_of(source)
        piped = getattr(source, "name", None) == "<stdin>"
        self.name = str(self.path or ("standard input" if piped else "manifest"))
        try:
            if isinstance(source, str | os.PathLike):
                self._own = self._open(Path(source))
                source = manifest_text(self._own, self.name)
            if hasattr(source, "read"):
                self._begin_text(cast("TextIO", source))
            else:
                self._begin_mappings(cast("Iterable[object]", source))
            places = {name: place for place, name in enumerate(self.columns)}
            self._pick: _Pick = itemgetter(*(places.get(name, len(places)) for name in COLUMNS))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._own is not None:
            self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def output_name(self) -> str:
        """The name for a copy of it that is plain text."""
        name = self.path.name if self.path else "manifest.tsv"
        return name.removesuffix(".gz")

    def batches(self) -> Generator[list[RawRow]]:
        """Yield the rows in batches, as texts, each checked.

        Raises:
            ManifestError: A row is bad; it names the line and the columns.
        """
        while lines := self._take(_BATCH):
            if rows := self._usual(lines) or self._checked(self._records(lines)):
                yield rows
        while records := list(islice(self._mappings, _BATCH)):
            yield self._checked(records)

    def row(self, text: str) -> RawRow:
        """Return a row by its text, or by one that goes on after it."""
        picked = self._picked([*_cells(text)[: len(self.columns)], ""])
        return cast("RawRow", (*picked, text))

    def cell(self, text: str, column: str) -> str:
        """Return one cell of a row's text."""
        return _cells(text)[self.columns.index(column)]

    def _picked(self, cells: list[str]) -> tuple[str, ...]:
        """Return the cells of `COLUMNS`, versions as the service writes them."""
        picked = self._pick(cells)
        if ":" in picked[1] or ":" in picked[4]:
            uuid, version, name, file, file_version, *others = picked
            picked = (uuid, _plain(version), name, file, _plain(file_version), *others)
        return picked

    # Texts

    def _open(self, path: Path) -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as error:
            raise ManifestError(self.name, f"cannot be read: {error.strerror}") from error

    def _begin_text(self, text: TextIO) -> None:
        self._lines = iter(text)
        header: list[_Record] = []
        while not header:
            lines = self._take(1)
            if not lines:
                raise ManifestError(self.name, "is empty: expected a header line")
            if not _is_text(lines[0]):
                raise ManifestError(self.name, f"is a file of bytes: {_EXPECTED}")
            header = self._records(lines)
        number, columns, _ = header[0]
        _refuse_repeated(self.name, number, columns)
        hint = "" if len(columns) > 1 else ", only one column: is it separated by tabs?"
        self._need_columns(number, columns, hint)
        self.columns = tuple(columns)
        self._check_cells(header[0])

    def _take(self, count: int) -> list[str]:
        """Read lines."""
        lines: list[str] = []
        try:
            for line in islice(self._lines, count):
                lines.append(line)  # noqa: PERF402 - these count where the next one is bad
        except UnicodeDecodeError as error:
            # Raised for a block of bytes, all lines before which have come.
            before = error.object[: error.start]
            number = self._read + len(lines) + len(_LINE_END.findall(before)) + 1
            reason = (
                f"byte 0x{error.object[error.start]:02x} is not {error.encoding.upper()} text"
                f" ({error.reason}): save the manifest as UTF-8"
            )
            raise ManifestError(self.name, reason, line=number) from error
        except (OSError, EOFError, zlib.error) as error:
            reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            raise ManifestError(self.name, reason, line=self._read + len(lines) + 1) from error
        self._read += len(lines)
        return lines

    def _usual(self, lines: list[str]) -> list[RawRow] | None:
        """Return rows that hold the usual columns and no fault, None if that cannot be said."""
        if self.columns != COLUMNS:
            return None
        texts = [line.rstrip("\r\n") for line in lines]
        found = list(map(_ROW.fullmatch, texts))
        if None in found:
            return None
        rows = [
            cast("RawRow", (*match.groups(), text))
            for match, text in zip(found, texts, strict=True)
            if match
        ]
        versions = {row[1] for row in rows} | {row[4] for row in rows}
        return rows if all(map(_is_version, versions)) else None

    def _records(self, lines: list[str]) -> list[_Record]:
        """Split lines that were just read, and those on which the last row goes on."""
        number = self._read - len(lines)
        records: list[_Record] = []
        waiting = iter(lines)
        for line in waiting:
            number += 1
            text = line.rstrip("\r\n")
            if '"' not in text:
                if text:
                    records.append((number, text.split("\t"), text))
                continue
            first, whole = number, line
            while not _is_whole(cells := _EACH_CELL.findall(text), text):
                end = next(_CELLS.finditer(text)).end()
                column = len(_EACH_CELL.findall(text[:end])) - 1
                if text[end] != '"':
                    raise self._bad_cell(first, column, "text follows its closing quote")
                if len(text) - end > MAX_CELL:
                    reason = f"longer than {MAX_CELL:,} characters: is its quote closed?"
                    raise self._bad_cell(first, column, reason)
                more = next(waiting, None) or "".join(self._take(1))
                if not more:
                    raise self._bad_cell(first, column, "its quote is not closed")
                number += 1
                whole += more
                text = whole.rstrip("\r\n")
            records.append((first, list(map(_unquoted, cells)), text))
        return records

    def _bad_cell(self, number: int, index: int, reason: str) -> ManifestError:
        known = self.columns[index : index + 1]
        name = known[0] if known else f"cell {index + 1}"
        return ManifestError(self.name, f"{name}: {reason}", line=number, columns=known)

    # Mappings

    def _begin_mappings(self, mappings: Iterable[object]) -> None:
        try:
            rows = iter(mappings)
        except TypeError:
            raise self._no_rows(mappings) from None
        first = next(rows, None)
        if first is not None and not _is_row(first):
            raise self._no_rows(first)
        self.columns = tuple(dict.fromkeys((*COLUMNS, *self._needed)) if first is None else first)
        self._need_columns(1, self.columns)
        if first is not None:
            others = cast("Iterator[Mapping[str, object]]", rows)
            self._mappings = self._of_mappings(first, others)

    def _no_rows(self, given: object) -> ManifestError:
        return ManifestError(self.name, f"has {reprlib.repr(given)}: {_EXPECTED}")

    def _of_mappings(
        self, first: Mapping[str, object], others: Iterator[Mapping[str, object]]
    ) -> Iterator[_Record]:
        row: Mapping[str, object] | None = first
        number = 1
        while row is not None:
            self._need_columns(number, row)
            unknown = [column for column in row if column not in self.columns]
            if unknown:
                reason = f"has columns that the first row has not: {', '.join(unknown)}"
                raise ManifestError(self.name, reason, line=number, columns=unknown)
            cells = [_cell(row.get(column)) for column in self.columns]
            yield number, cells, row_text(cells)
            row, number = next(others, None), number + 1

    # Checks

    def _need_columns(self, number: int, columns: Iterable[str], hint: str = "") -> None:
        given = set(columns)
        missing = [column for column in self._needed if column not in given]
        if missing:
            there = ", ".join(columns)
            reason = f"lacks the columns {', '.join(missing)}: it has {there}{hint}"
            raise ManifestError(self.name, reason, line=number, columns=missing)

    def _checked(self, records: list[_Record]) -> list[RawRow]:
        width = len(self.columns)
        complete = set(COLUMNS) <= set(self.columns)
        checked: list[RawRow] = []
        bundle = version = None
        for record in records:
            _, cells, text = record
            if len(cells) != width or len(text) > MAX_CELL or not text.isascii():
                self._check_cells(record)
            picked = self._picked(cells if complete else [*cells, ""])
            uuid, bundle_version, name, file, file_version, sha256, size = picked
            if not (
                name
                and (uuid == bundle or is_uuid(uuid))
                and (bundle_version == version or _is_version(bundle_version))
                and is_uuid(file)
                and (file_version == version or _is_version(file_version))
                and len(sha256) == 64
                and not sha256.strip(_HEX)
                and size.isdecimal()
                and size.isascii()
                and len(size) < 16
            ):
                self._check_values(record)
            bundle, version = uuid or None, bundle_version or None
            checked.append(cast("RawRow", (*picked, text)))
        return checked

    def _check_cells(self, record: _Record) -> None:
        """Make sure that a row has the right number of cells, and that they are texts."""
        number, cells, _ = record
        if len(cells) != len(self.columns):
            reason = f"has {len(cells)} cells, the header {len(self.columns)}"
            raise ManifestError(self.name, reason, line=number)
        for index, cell in enumerate(cells):
            if len(cell) > MAX_CELL:
                reason = f"{len(cell):,} characters long, expected at most {MAX_CELL:,}"
                raise self._bad_cell(number, index, reason)
            try:
                cell.encode()
            except UnicodeEncodeError as error:
                reason = f"{cell[error.start]!r} cannot be written in UTF-8"
                raise self._bad_cell(number, index, reason) from None

    def _check_values(self, record: _Record) -> None:
        """Make sure that a row is good, of whatever columns."""
        number, texts, _ = record
        cells = dict(zip(self.columns, texts, strict=True))
        named = bool(cells.get("file_name"))
        if not named and not self._allow_unnamed:
            reason = "file_name is empty"
            raise ManifestError(self.name, reason, line=number, columns=["file_name"])
        faults: dict[str, str] = {}
        for column, check in _CHECKS.items():
            text = cells.get(column, "")
            of_bundle = column.startswith("bundle_")
            if (text or column in self._needed) and (named or of_bundle):
                values = joined_values(text) if of_bundle and self._allow_joined else [text]
                try:
                    for value in values:
                        check(_plain(value) if column.endswith("_version") else value)
                except ValueError as error:
                    faults[column] = f"{column}: {error}"
        if faults:
            raise ManifestError(
                self.name, "; ".join(faults.values()), line=number, columns=tuple(faults)
            )


def manifest_text(file: BinaryIO, name: str = "manifest") -> TextIO:
    """Return the text of a manifest that is read as bytes, decompressed if it is in gzip's format.

    Args:
        file: The manifest.
        name: Its name, for messages.

    Raises:
        ManifestError: It is in another format; the message says what to do.
    """
    buffered = io.BufferedReader(cast("io.RawIOBase", file))
    try:
        head = buffered.peek(64)[:64]
    except OSError as error:
        raise ManifestError(name, f"cannot be read: {error.strerror}") from error
    for magic, what in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise ManifestError(name, f"is {what}")
    content: BinaryIO = buffered
    if head.startswith(_GZIP):
        content = cast("BinaryIO", gzip.GzipFile(fileobj=buffered))
    elif b"\0" in head:
        raise ManifestError(name, "is UTF-16 text or no text at all: save it as UTF-8")
    return io.TextIOWrapper(content, encoding="utf-8-sig", newline="")


def _cells(text: str) -> list[str]:
    """Return the cells of a row's text."""
    if '"' not in text:
        return text.split("\t")
    return list(map(_unquoted, _EACH_CELL.findall(text)))


def _is_whole(cells: list[str], text: str) -> bool:
    """Tell whether cells as they are written are all of a text."""
    return len("\t".join(cells)) == len(text)


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


def row_text(cells: Sequence[str]) -> str:
    """Return cells as a row of a manifest is written, without its end."""
    text = "\t".join(cells)
    if text and len(cells) == text.count("\t") + 1 and not _SPECIAL.search(text):
        return text
    out = io.StringIO()
    csv.writer(out, dialect="excel-tab").writerow(cells)  # quotes what is in its line end
    return out.getvalue().removesuffix("\r\n")


def read_manifest(source: ManifestSource, *, allow_unnamed: bool = False) -> Generator[ManifestRow]:
    """Yield the rows of a manifest, each checked.

    Args:
        source: Path of the manifest, an open text file, or its rows as mappings.
        allow_unnamed: Accept rows without a file name; they stand for the whole bundle.

    Raises:
        ManifestError: The header lacks columns, or a row is bad.
    """
    with ManifestReader(source, allow_unnamed=allow_unnamed) as reader:
        for batch in reader.batches():
            for row in batch:
                cells: dict[str, Any] = dict(zip(reader.columns, _cells(row[7]), strict=True))
                cells["bundle_version"], cells["file_version"] = row[1], row[4]
                cells["file_size"] = int(row[6]) if row[2] else 0
                yield ManifestRow.model_construct(**cells)


def manifest_rows(bundle: "BundleVersion") -> Generator[ManifestRow]:
    """Yield a row for each file of a bundle."""
    for file in bundle.files:
        yield ManifestRow(
            bundle_uuid=bundle.uuid,
            bundle_version=bundle.version,
            file_name=file.name,
            file_uuid=file.uuid,
            file_version=file.version,
            file_sha256=file.sha256,
            file_size=file.size,
        )


def write_manifest(path: str | os.PathLike[str], rows: Iterable[ManifestRow]) -> int:
    """Write a manifest, all or nothing, and return the number of its rows.

    Args:
        path: Where to; an existing file is replaced.
        rows: The rows. Those after the first have the same extra columns as the first, or fewer.

    Raises:
        ValueError: A row has an extra column that the first has not.
    """
    every = [{column: _cell(value) for column, value in row.model_dump().items()} for row in rows]
    with _written(path) as file:
        columns = tuple(every[0]) if every else COLUMNS
        writer = csv.DictWriter(file, columns, dialect="excel-tab", restval="")
        writer.writeheader()
        writer.writerows(every)
    return len(every)


def write_texts(path: str | os.PathLike[str], batches: Iterable[Sequence[str]]) -> None:
    """Write rows that are texts already, with CRLF line ends, all or nothing."""
    with _written(path) as file:
        for batch in batches:
            file.write("".join([f"{text}\r\n" for text in batch]))


@contextmanager
def _written(path: str | os.PathLike[str]) -> Generator[TextIO]:
    """Yield a new file that replaces `path` at the end, if nothing fails."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(path) as file,
        # The path of a directory may be any bytes; so it is written as it is.
        open(
            file.fileno(),
            "w",
            encoding="utf-8",
            errors="surrogateescape",
            newline="",
            closefd=False,
        ) as text,
    ):
        yield text


def _path_of(source: ManifestSource) -> Path | None:
    if isinstance(source, str | os.PathLike):
        return Path(source)
    name = getattr(source, "name", None)  # "<stdin>" is not the name of a file
    return Path(name) if isinstance(name, str) and name and not name.startswith("<") else None


def _refuse_repeated(name: str, number: int, columns: Sequence[object]) -> None:
    repeated = sorted({str(column) for column in columns if columns.count(column) > 1})
    if repeated:
        reason = f"has columns twice: {', '.join(repeated)}"
        raise ManifestError(name, reason, line=number, columns=repeated)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_row(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping) and all(map(_is_text, cast("Mapping[object, object]", value)))


def _rows_of(source: Any) -> Any:
    """Return the rows of a table, by the methods that it has; other sources are as they are.

    Raises:
        ManifestError: It has columns twice.
    """
    columns: Iterable[object] = getattr(source, "column_names", getattr(source, "columns", ()))
    _refuse_repeated("manifest", 1, list(columns))
    if hasattr(source, "iter_rows"):
        return source.iter_rows(named=True)
    if hasattr(source, "to_pylist"):
        return source.to_pylist()
    if hasattr(source, "astype"):
        present = source.astype(object).where(source.notna(), None)
        return present.to_dict("records")
    return source


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas has integers as floats where some are missing
    return "" if value is None else str(value)
