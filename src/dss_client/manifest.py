"""Manifests: tab-separated lists of files to download."""

import csv
import io
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TextIO, TypeVar, cast

from attrs import frozen
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from ._files import replacing
from .errors import DSSError
from .versions import UUID_FORM, is_uuid, is_version, normal_uuid, parse_version

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

USED = {
    "none": ("file_name", "file_uuid", "file_version", "file_sha256", "file_size"),
    "bundle": ("bundle_uuid", "bundle_version", "file_name", "file_sha256"),
}
"""The columns that the layouts of a download use. Cells of other columns may be empty."""

ManifestSource = str | os.PathLike[str] | TextIO | Iterable[Mapping[str, object]]
"""The path of a manifest, an open text file, or the rows themselves."""

_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_SIZE = re.compile(r"[0-9]+")
_QUOTED = re.compile(r'["\r\n]')
_HEX = "0123456789abcdefABCDEF"
_BATCH = 1000
# A row as nearly all are. What it takes for a version is still to be looked at.
_ROW = re.compile(
    r"({uuid})\t({version})\t([^\t\"]+)\t({uuid})\t({version})\t({hexes}{{64}})\t([0-9]{{1,15}})".format(
        uuid=UUID_FORM,
        version="[0-9TZ.-]{25}",
        hexes="[0-9A-Fa-f]",
    )
)
MAX_SIZE = 1 << 50
"""Bytes; no object of any storage is as large."""

RawRow = tuple[str, str, str, str, str, str, str, str]
"""The cells of `COLUMNS`, empty where there is no such column, and the text of the whole row."""


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
            raise ValueError(f"{value!r} is not a valid size: expected a number of bytes")
        return int(value)
    return value


def _no_size(_value: object) -> int:
    return 0


def _in_bounds(size: int) -> int:
    if size < 0:
        raise ValueError(f"{size} is not a valid size: expected 0 or more")
    if size > MAX_SIZE:
        raise ValueError(f"{size} is not a valid size: no file is as large")
    return size


@lru_cache(maxsize=4096)
def _is_version(text: str) -> bool:
    return is_version(text)


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
    file_size: Annotated[int, BeforeValidator(_size), AfterValidator(_in_bounds)]


class _StatedRow(BaseModel):
    """What a row may say, if not all columns are needed."""

    bundle_uuid: _Uuid = ""
    bundle_version: _Version = ""
    file_name: str = ""
    file_uuid: _Uuid = ""
    file_version: _Version = ""
    file_sha256: Annotated[str, AfterValidator(_sha256)] = ""
    file_size: Annotated[int, BeforeValidator(_size), AfterValidator(_in_bounds)] = 0


class _BundleRow(ManifestRow):
    """A row that names a whole bundle; its other cells are ignored."""

    file_uuid: str
    file_version: str
    file_sha256: str
    file_size: Annotated[int, BeforeValidator(_no_size)]


@frozen
class ManifestLine:
    """A row with its place and its cells.

    Attributes:
        number: Number of its line, from 1, or of the mapping among mappings.
        cells: The cells by column, as they are.
        row: The same, checked.
    """

    number: int
    cells: Mapping[str, str]
    row: ManifestRow


_Model = TypeVar("_Model", bound=BaseModel)
_Lists = Iterator[tuple[int, list[str]]]


class ManifestReader:
    """Reads a manifest row by row, each checked as it comes. Use it in a ``with`` statement.

    Args:
        source: The manifest.
        allow_unnamed: Accept rows without a file name; they stand for the whole bundle.
        needed: The columns that it must have. Only `batches` reads a manifest that lacks others.

    Attributes:
        name: Name of the manifest, for messages.
        path: Where it is, or None.
        columns: The columns of its header.

    Raises:
        ManifestError: It cannot be read, or its header lacks columns: the message names them.
    """

    name: str
    path: Path | None
    columns: tuple[str, ...]

    def __init__(
        self,
        source: ManifestSource,
        *,
        allow_unnamed: bool = False,
        needed: Sequence[str] = COLUMNS,
    ) -> None:
        self._allow_unnamed = allow_unnamed
        self._needed = needed
        self._next = 1  # number of the line that is read next
        self._plain: Iterator[str] = iter(())
        self._lists: _Lists = iter(())
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
        for number, texts in self._lists:
            cells = dict(zip(self.columns, texts, strict=True))
            yield ManifestLine(number, cells, self._row(number, cells))

    def batches(self) -> Generator[list[RawRow]]:
        """Yield the rows in batches, as texts, each checked: the fast way for a million of them.

        Raises:
            ManifestError: A row is bad; it names the line and the columns.
        """
        while lines := list(islice(self._plain, _BATCH)):
            texts = [line.rstrip("\r\n") for line in lines]
            usual = self._usual(texts)
            if usual is not None:
                yield usual
                self._next += len(lines)
            elif all(texts) and '"' not in "".join(texts):
                rows = [text.split("\t") for text in texts]
                yield self._checked(rows, texts, range(self._next, self._next + len(rows)))
                self._next += len(rows)
            else:
                self._lists = self._of_table(self._table(chain(lines, self._plain), self._next))
                break
        while numbered := list(islice(self._lists, _BATCH)):
            rows = [row for _, row in numbered]
            yield self._checked(rows, map(row_text, rows), [number for number, _ in numbered])

    def _usual(self, texts: list[str]) -> list[RawRow] | None:
        """Return rows that hold the usual columns and no fault, None if that cannot be said."""
        if self.columns != COLUMNS:
            return None
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

    def _checked(
        self, rows: list[list[str]], texts: Iterable[str], numbers: Sequence[int]
    ) -> list[RawRow]:
        pick = self._picker()
        width = len(self.columns)
        checked: list[RawRow] = []
        bundle = version = ""
        for index, (row, text) in enumerate(zip(rows, texts, strict=True)):
            if len(row) != width:
                raise self._wrong_width(numbers[index], row)
            picked = pick(row)
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
                self._check(numbers[index], dict(zip(self.columns, row, strict=True)))
            bundle, version = uuid, bundle_version
            checked.append(cast("RawRow", (*picked, text)))
        return checked

    def fields(self, text: str) -> list[str]:
        """Return the cells of `COLUMNS` of a row's text, and of texts that go on after it."""
        cells = text.split("\t") if '"' not in text else next(csv.reader([text], "excel-tab"))
        return list(self._picker()(cells))

    def _picker(self) -> Callable[[Sequence[str]], tuple[str, ...]]:
        """Return what picks the cells of `COLUMNS` from those of a row."""
        if set(COLUMNS) <= set(self.columns):
            return itemgetter(*map(self.columns.index, COLUMNS))
        places = [self.columns.index(name) if name in self.columns else None for name in COLUMNS]
        return lambda cells: tuple("" if place is None else cells[place] for place in places)

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
        self._lists = self._of_table(table)
        self._plain = self._lines_of(text)

    def _lines_of(self, text: Iterable[str]) -> Iterator[str]:
        """Yield the lines of a text."""
        try:
            yield from text
        except UnicodeDecodeError as error:
            raise ManifestError(
                self.name, f"is not tab-separated UTF-8 text: {error}", line=self._next
            ) from error

    def _table(self, text: Iterable[str], first: int = 1) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of its first line and the cells of each record that is not empty."""
        reader = csv.reader(text, dialect="excel-tab", strict=True)
        start = first
        try:
            for cells in reader:
                self._next = reader.line_num + first
                if cells:
                    yield start, cells
                start = reader.line_num + first
        except (csv.Error, UnicodeDecodeError) as error:
            raise ManifestError(
                self.name, f"is not tab-separated UTF-8 text: {error}", line=start
            ) from error

    def _of_table(self, table: Iterator[tuple[int, list[str]]]) -> _Lists:
        for number, cells in table:
            if len(cells) != len(self.columns):
                raise self._wrong_width(number, cells)
            yield number, cells

    def _wrong_width(self, number: int, cells: Sequence[str]) -> ManifestError:
        reason = f"has {len(cells)} cells, the header {len(self.columns)}"
        return ManifestError(self.name, reason, line=number)

    def _begin_mappings(self, mappings: Iterable[Mapping[str, object]]) -> None:
        rows = iter(mappings)
        first = next(rows, None)
        self.columns = COLUMNS if first is None else tuple(first)
        if first is not None:
            self._need_columns(1, first)
        self._lists = self._of_mappings(first, rows)

    def _of_mappings(
        self, first: Mapping[str, object] | None, others: Iterator[Mapping[str, object]]
    ) -> _Lists:
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
            yield number, [_cell(row.get(column)) for column in self.columns]
            row, number = next(others, None), number + 1

    def _need_columns(self, number: int, columns: Iterable[str], hint: str = "") -> None:
        given = set(columns)
        missing = [column for column in self._needed if column not in given]
        if missing:
            names = ", ".join(missing)
            raise ManifestError(
                self.name, f"lacks the columns {names}{hint}", line=number, columns=missing
            )

    def _row(self, number: int, cells: dict[str, str]) -> ManifestRow:
        model: type[ManifestRow] = ManifestRow
        if not cells["file_name"]:
            if not self._allow_unnamed:
                raise self._no_name(number)
            model = _BundleRow
        return self._valid(model, number, cells)

    def _check(self, number: int, cells: dict[str, str]) -> None:
        """Make sure that a row is good, of whatever columns."""
        named = bool(cells.get("file_name"))
        if not named and not self._allow_unnamed:
            raise self._no_name(number)
        stated = {
            name: text
            for name, text in cells.items()
            if (text or name in self._needed) and (named or name.startswith("bundle_"))
        }
        self._valid(_StatedRow, number, stated)

    def _no_name(self, number: int) -> ManifestError:
        return ManifestError(self.name, "file_name is empty", line=number, columns=["file_name"])

    def _valid(self, model: type[_Model], number: int, cells: dict[str, str]) -> _Model:
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


def row_text(cells: Sequence[str]) -> str:
    """Return cells as a row of a manifest is written, without its end."""
    text = "\t".join(cells)
    if text and len(cells) == text.count("\t") + 1 and not _QUOTED.search(text):
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
    """Write a tab-separated file with CRLF line ends, all or nothing."""
    with _written(path) as file:
        writer = csv.DictWriter(file, columns, dialect="excel-tab", restval="")
        writer.writeheader()
        writer.writerows(rows)


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
    return Path(name) if isinstance(name, str) and not name.startswith("<") else None


def _cell(value: object) -> str:
    return "" if value is None else str(value)
