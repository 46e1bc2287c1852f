"""Manifests: tab-separated lists of files to be downloaded (behaviour reference §14.11)."""

import csv
import os
import re
import secrets
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TextIO, cast

from attrs import frozen
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from .errors import DSSError
from .versions import normal_uuid, parse_version

if TYPE_CHECKING:
    from .models import BundleVersion

__all__ = [
    "COLUMNS",
    "ManifestError",
    "ManifestLine",
    "ManifestReader",
    "ManifestRow",
    "ManifestSource",
    "manifest_rows",
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

ManifestSource = str | os.PathLike[str] | TextIO | Iterable[Mapping[str, object]]
"""The path of a manifest, an open text file, or the rows themselves."""

_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_SIZE = re.compile(r"[0-9]+")


class ManifestError(DSSError, ValueError):
    """A manifest that cannot be used.

    Attributes:
        manifest: Name of the manifest.
        line: Number of the line of a text, from 1, or of the mapping among mappings; None where
            the whole is at fault.
        columns: The columns at fault.
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


def _uuid(text: str) -> str:
    normal_uuid(text)
    return text


def _version(text: str) -> str:
    parse_version(text)
    return text


def _sha256(text: str) -> str:
    if _SHA256.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a sha256: expected 64 hexadecimal digits")
    return text


def _size(value: object) -> object:
    if isinstance(value, str):
        if _SIZE.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not a size: expected a number of bytes")
        return int(value)
    return value


def _no_size(_value: object) -> int:
    return 0


def _not_negative(size: int) -> int:
    if size < 0:
        raise ValueError(f"{size} is not a size: it is negative")
    return size


_Uuid = Annotated[str, AfterValidator(_uuid)]
_Version = Annotated[str, AfterValidator(_version)]


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

    bundle_uuid: _Uuid
    bundle_version: _Version
    file_name: str
    file_uuid: _Uuid
    file_version: _Version
    file_sha256: Annotated[str, AfterValidator(_sha256)]
    file_size: Annotated[int, BeforeValidator(_size), AfterValidator(_not_negative)]


class _BundleRow(ManifestRow):
    """A row that names a bundle alone; what it says of a file is not looked at."""

    file_uuid: str
    file_version: str
    file_sha256: str
    file_size: Annotated[int, BeforeValidator(_no_size)]


@frozen
class ManifestLine:
    """A row with its place and its cells.

    Attributes:
        number: Number of its line, from 1, or of the mapping among mappings.
        cells: What the manifest says, column by column, untouched.
        row: The same, checked.
    """

    number: int
    cells: Mapping[str, str]
    row: ManifestRow


_Records = Iterator[tuple[int, dict[str, str]]]


class ManifestReader:
    """Reads a manifest row by row, each checked as it comes. Use it in a ``with`` statement.

    Args:
        source: The manifest.
        allow_unnamed: Accept rows without a file name; they stand for their bundle alone.

    Attributes:
        name: Name of the manifest, for messages.
        path: Where it is, or None.
        columns: The columns of its header.

    Raises:
        ManifestError: It cannot be read, or its header lacks columns: all of them are named (C25).
    """

    name: str
    path: Path | None
    columns: tuple[str, ...]

    def __init__(self, source: ManifestSource, *, allow_unnamed: bool = False) -> None:
        self._allow_unnamed = allow_unnamed
        self._own: TextIO | None = None
        self.path = _path_of(source)
        self.name = str(self.path or "manifest")
        if isinstance(source, str | os.PathLike):
            source = self._own = self._open(Path(source))
        try:
            if hasattr(source, "read"):
                self._begin_text(cast("TextIO", source))
            else:
                self._begin_mappings(cast("Iterable[Any]", source))
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

    def __iter__(self) -> Generator[ManifestLine]:
        """Yield the rows.

        Raises:
            ManifestError: A row is bad; it names the line and the columns.
        """
        for number, cells in self._records:
            yield ManifestLine(number, cells, self._row(number, cells))

    def _open(self, path: Path) -> TextIO:
        try:
            return path.open(encoding="utf-8-sig", newline="")
        except OSError as error:
            raise ManifestError(self.name, f"cannot be read: {error.strerror}") from error

    def _begin_text(self, text: TextIO) -> None:
        table = self._table(text)
        first = next(table, None)
        if first is None:
            raise ManifestError(self.name, "is empty: expected a header line")
        _, header = first
        repeated = sorted({column for column in header if header.count(column) > 1})
        if repeated:
            names = ", ".join(repeated)
            raise ManifestError(self.name, f"has columns twice: {names}", line=1, columns=repeated)
        self.columns = tuple(header)
        hint = "" if len(header) > 1 else "; it has only one column: is it separated by tabs?"
        self._need_columns(1, header, hint)
        self._records = self._of_table(table)

    def _table(self, text: TextIO) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of its first line and the cells of each record that is not empty."""
        reader = csv.reader(text, dialect="excel-tab", strict=True)
        start = 1
        try:
            for cells in reader:
                if cells:
                    yield start, cells
                start = reader.line_num + 1
        except (csv.Error, UnicodeDecodeError) as error:
            raise ManifestError(
                self.name, f"is not tab-separated UTF-8 text: {error}", line=start
            ) from error

    def _of_table(self, table: Iterator[tuple[int, list[str]]]) -> _Records:
        for number, cells in table:
            if len(cells) != len(self.columns):
                raise ManifestError(
                    self.name,
                    f"has {len(cells)} cells, the header {len(self.columns)}",
                    line=number,
                )
            yield number, dict(zip(self.columns, cells, strict=True))

    def _begin_mappings(self, mappings: Iterable[Mapping[str, object]]) -> None:
        rows = iter(mappings)
        first = next(rows, None)
        self.columns = COLUMNS if first is None else tuple(first)
        if first is not None:
            self._need_columns(1, first)
        self._records = self._of_mappings(first, rows)

    def _of_mappings(
        self, first: Mapping[str, object] | None, others: Iterator[Mapping[str, object]]
    ) -> _Records:
        row, number = first, 1
        while row is not None:
            self._need_columns(number, row)
            unknown = [column for column in row if column not in self.columns]
            if unknown:
                names = ", ".join(unknown)
                raise ManifestError(
                    self.name,
                    f"has columns that the first row has not: {names}",
                    line=number,
                    columns=unknown,
                )
            yield number, {column: _cell(row.get(column)) for column in self.columns}
            row, number = next(others, None), number + 1

    def _need_columns(self, number: int, columns: Iterable[str], hint: str = "") -> None:
        given = set(columns)
        missing = [column for column in COLUMNS if column not in given]
        if missing:
            names = ", ".join(missing)
            raise ManifestError(
                self.name, f"lacks the columns {names}{hint}", line=number, columns=missing
            )

    def _row(self, number: int, cells: dict[str, str]) -> ManifestRow:
        model: type[ManifestRow] = ManifestRow
        if not cells["file_name"]:
            if not self._allow_unnamed:
                raise ManifestError(
                    self.name, "file_name is empty", line=number, columns=["file_name"]
                )
            model = _BundleRow
        try:
            return model.model_validate(cells)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            columns = [str(fault["loc"][0]) for fault in faults]
            texts = [fault["msg"].removeprefix("Value error, ") for fault in faults]
            reason = "; ".join(
                f"{column}: {text}" for column, text in zip(columns, texts, strict=True)
            )
            raise ManifestError(self.name, reason, line=number, columns=columns) from None


def read_manifest(source: ManifestSource, *, allow_unnamed: bool = False) -> Generator[ManifestRow]:
    """Yield the rows of a manifest, each checked.

    Args:
        source: Path of the manifest, an open text file, or its rows as mappings.
        allow_unnamed: Accept rows without a file name; they stand for their bundle alone.

    Raises:
        ManifestError: The header lacks columns, or a row is bad.
    """
    with ManifestReader(source, allow_unnamed=allow_unnamed) as reader:
        for line in reader:
            yield line.row


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
    write_cells(path, tuple(every[0]) if every else COLUMNS, every)
    return len(every)


def write_cells(
    path: str | os.PathLike[str], columns: Sequence[str], rows: Iterable[Mapping[str, str]]
) -> None:
    """Write a tab-separated file with CRLF line ends (§14.11), all or nothing."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, dialect="excel-tab", restval="")
            writer.writeheader()
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _path_of(source: ManifestSource) -> Path | None:
    if isinstance(source, str | os.PathLike):
        return Path(source)
    name = getattr(source, "name", None)
    return Path(name) if isinstance(name, str) else None


def _cell(value: object) -> str:
    return "" if value is None else str(value)
