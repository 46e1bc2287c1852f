"""Manifests: docs/behaviour.md 14.11, C14, C25."""

import bz2
import csv
import gzip
import io
import lzma
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dss_client.manifest import (
    COLUMNS,
    ManifestError,
    ManifestReader,
    ManifestRow,
    RawRow,
    manifest_rows,
    read_manifest,
    row_text,
    write_manifest,
    write_texts,
)
from dss_client.models import BundleVersion

UUID = "aaaaaaaa-0000-4000-8000-000000000001"
VERSION = "2019-01-01T000000.000000Z"
SHA = "0123456789abcdef" * 4
CELLS = {
    "bundle_uuid": UUID,
    "bundle_version": VERSION,
    "file_name": "a/b.fastq.gz",
    "file_uuid": UUID,
    "file_version": VERSION,
    "file_sha256": SHA,
    "file_size": "12",
}
HEADER = "\t".join(COLUMNS)
LINE = "\t".join(CELLS.values())


def text_of(*lines: str) -> io.StringIO:
    return io.StringIO("".join(f"{line}\n" for line in lines), newline="")


def test_rows_are_typed() -> None:
    (row,) = read_manifest(text_of(HEADER, LINE))
    assert row == ManifestRow(
        bundle_uuid=UUID,
        bundle_version=VERSION,
        file_name="a/b.fastq.gz",
        file_uuid=UUID,
        file_version=VERSION,
        file_sha256=SHA,
        file_size=12,
    )


def test_c14_sizes_are_numbers() -> None:
    (row,) = read_manifest([{**CELLS, "file_size": "0"}])
    assert row.file_size == 0
    assert type(row.file_size) is int


def test_columns_come_in_any_order_and_others_are_kept() -> None:
    cells = {"species": "Homo sapiens", **dict(reversed(CELLS.items()))}
    lines = text_of("\t".join(cells), "\t".join(cells.values()))
    (row,) = read_manifest(lines)
    assert row.model_dump() == {**cells, "file_size": 12}
    assert row.model_extra == {"species": "Homo sapiens"}


def test_paths_are_opened_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n\r\n{LINE}\r\n".encode())
    with ManifestReader(path) as reader:
        assert (reader.path, reader.name) == (path, str(path))
        assert reader.columns == COLUMNS
    assert [row.file_size for row in read_manifest(str(path))] == [12]


def test_standard_input_is_no_path() -> None:
    text = io.StringIO("\t".join(COLUMNS) + "\n")
    text.name = "<stdin>"  # as the interpreter's own has it
    with ManifestReader(text) as reader:
        assert (reader.path, reader.name) == (None, "standard input")


def test_open_files_tell_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_text(f"{HEADER}\n{LINE}\n")
    with path.open() as file:
        assert ManifestReader(file).path == path
    assert ManifestReader(text_of(HEADER)).path is None


def test_mappings(tmp_path: Path) -> None:
    rows: list[Mapping[str, Any]] = [
        {**CELLS, "file_size": 12, "note": None},
        {**CELLS, "file_name": "c", "file_size": 3},
    ]
    listed = list(read_manifest(iter(rows)))
    assert [row.file_size for row in listed] == [12, 3]
    assert [row.model_extra for row in listed] == [{"note": ""}] * 2
    assert ManifestReader([]).columns == COLUMNS
    assert list(read_manifest([])) == []


def test_c25_missing_columns_are_all_named_before_any_row() -> None:
    with pytest.raises(ManifestError, match="lacks the columns file_sha256, file_size") as caught:
        ManifestReader(text_of("\t".join(COLUMNS[:-2]), "a\tb"))
    assert caught.value.columns == ("file_sha256", "file_size")
    assert caught.value.line == 1


def test_c25_mappings_too() -> None:
    with pytest.raises(ManifestError, match="line 1: lacks the columns bundle_uuid"):
        ManifestReader([{"file_name": "x"}])
    short = {key: value for key, value in CELLS.items() if key != "file_uuid"}
    with pytest.raises(ManifestError, match="line 2: lacks the columns file_uuid"):
        list(read_manifest([CELLS, short]))


def test_mappings_have_the_columns_of_the_first() -> None:
    with pytest.raises(ManifestError, match="line 2: has columns that the first row has not: new"):
        list(read_manifest([CELLS, {**CELLS, "new": "x"}]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (HEADER.replace("\t", ","), "is it separated by tabs"),
        (f"{HEADER}\tnote\tnote", "has columns twice: note"),
        (f"{HEADER}\n{LINE}\tmore", "line 2: has 8 cells, the header 7"),
        (f"{HEADER}\n{LINE}\n\nshort", "line 4: has 1 cells, the header 7"),
        (f'{HEADER}\n{LINE}\nx\t"a"b\tc', "line 3: bundle_version: text follows its closing"),
        (f'{HEADER}\n{LINE}\nx\t"a\tb\nc\n', "line 3: bundle_version: its quote is not closed"),
        (f'{HEADER}\t"note', "line 1: cell 8: its quote is not closed"),
    ],
)
def test_what_is_no_manifest(text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        list(read_manifest(io.StringIO(text, newline="")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere\.tsv: cannot be read: No such file"):
        ManifestReader(tmp_path / "nowhere.tsv")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("source", ["path", "text file", "gzip"])
@pytest.mark.parametrize("odd", ["", '"'])
@pytest.mark.parametrize("line", [1, 2, 900, 2_000])
def test_a_bad_byte_is_named_by_its_line(
    tmp_path: Path, end: str, source: str, odd: str, line: int
) -> None:
    lines = [HEADER, LINE.replace("a/b", f"a/b{odd}"), *[LINE] * 2_000]
    content = [each.encode() for each in lines]
    content[line - 1] = content[line - 1].replace(b"e", b"\xff", 1)
    path = tmp_path / ("m.tsv.gz" if source == "gzip" else "m.tsv")
    whole = end.encode().join(content)
    path.write_bytes(gzip.compress(whole, 1, mtime=0) if source == "gzip" else whole)
    message = rf"line {line}: byte 0xff is not UTF-8 text \(.*\): save the manifest as UTF-8"
    with (
        path.open(encoding="utf-8", newline="") as file,
        pytest.raises(ManifestError, match=message) as caught,
    ):
        list(read_manifest(file if source == "text file" else path))
    assert caught.value.line == line


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("name", ["file_name", "note"])
def test_one_limit_for_all_cells(name: str, quoted: bool) -> None:
    def read(length: int, breaks: int = 0) -> list[ManifestRow]:
        text = "x" * (length - breaks) + "\n" * breaks
        cells = {**CELLS, "note": "", name: f'"{text}"' if quoted else text}
        lines = ["\t".join(cells), f"{LINE}\t", "\t".join(cells.values())]
        return list(read_manifest(text_of(*lines)))

    assert len(read(131_072)) == 2
    message = f"line 3: {name}: (131,073 characters long, expected at most|longer than) 131,072"
    with pytest.raises(ManifestError, match=message) as caught:
        read(131_073)
    assert caught.value.columns == (name,)
    if quoted:
        assert len(read(131_072, breaks=5)) == 2
        with pytest.raises(ManifestError, match=message):
            read(131_073, breaks=5)


def test_a_forgotten_quote_does_not_swallow_the_rest() -> None:
    lines = [LINE.replace("a/b", '"a/b'), *[LINE] * 2_000]
    with pytest.raises(ManifestError, match=r"line 2: file_name: .* is its quote closed\?"):
        list(read_manifest(text_of(HEADER, *lines)))


@pytest.mark.parametrize("name", ["a\udcff", "\ud800"])
def test_what_no_file_can_hold_is_refused(name: str) -> None:
    cells = {**CELLS, "file_name": name}
    for source in (text_of(HEADER, LINE, "\t".join(cells.values())), [CELLS, cells]):
        with pytest.raises(ManifestError, match=r"file_name: '\\ud.*' cannot be written in UTF-8"):
            list(read_manifest(source))


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m.tsv", content)
    return file.getvalue()


TEXT = f"{HEADER}\n{LINE}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
        (TEXT.encode("utf-16-be"), "is UTF-16 text or no text at all: save it as UTF-8"),
        (TEXT.encode("utf-16-le"), "is UTF-16 text or no text at all: save it as UTF-8"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "is UTF-16 text: save it as UTF-8"),
        (TEXT.encode("utf-32"), "is UTF-16 text"),
        (zipped(TEXT.encode()), "is a zip archive, as workbooks of Excel are: unpack it"),
        (bz2.compress(TEXT.encode()), r"compressed with bzip2: decompress it first \(bunzip2\)"),
        (lzma.compress(TEXT.encode()), r"compressed with xz: decompress it first \(unxz\)"),
        (b"\x28\xb5\x2f\xfd\x24", r"compressed with zstd: decompress it first \(unzstd\)"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-20], "cannot be read: Compressed file ended"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-8] + b"x" * 8, "cannot be read: CRC check failed"),
        (
            gzip.compress(b"", mtime=0)[:10] + b"x" * 50,
            "cannot be read: Error -3 while decompressing",
        ),
    ],
)
def test_other_formats_are_recognised(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.tsv"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=rf"m\.tsv.*: .*{message}"):
        list(read_manifest(path))


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + TEXT.encode(), mtime=0))
    assert [row.file_size for row in read_manifest(path)] == [12]
    with ManifestReader(path) as reader:
        assert (reader.path, reader.output_name) == (path, "m.tsv")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("bundle_uuid", "x"),
        ("bundle_uuid", f"../{UUID}"),
        ("bundle_version", "2019-01-01T00:00:00Z"),
        ("bundle_version", ""),
        ("file_uuid", ""),
        ("file_version", "latest"),
        ("file_sha256", SHA[1:]),
        ("file_sha256", "g" * 64),
        ("file_size", "12.0"),
        ("file_size", "-1"),
        ("file_size", " 1"),
        ("file_size", "1_000"),
        ("file_size", "٣"),
        ("file_size", "²"),
        ("file_size", str(2**63)),
        ("file_size", "9" * 5000),
        ("file_size", ""),
        ("file_name", ""),
    ],
)
def test_bad_cells_name_line_and_column(column: str, value: str) -> None:
    line = "\t".join({**CELLS, column: value}.values())
    with pytest.raises(ManifestError, match=f"line 3: {column}") as caught:
        list(read_manifest(text_of(HEADER, LINE, line)))
    assert (caught.value.line, caught.value.columns) == (3, (column,))


def test_all_bad_cells_of_a_row_are_named() -> None:
    with pytest.raises(ManifestError) as caught:
        list(read_manifest([{**CELLS, "file_uuid": "x", "file_size": "y"}]))
    assert caught.value.columns == ("file_uuid", "file_size")
    assert "'y' is not a valid size: expected a number of bytes" in str(caught.value)


def test_unnamed_rows_stand_for_their_bundle() -> None:
    empty = dict.fromkeys(("file_name", "file_uuid", "file_version", "file_sha256"), "")
    (row,) = read_manifest([{**CELLS, **empty, "file_size": ""}], allow_unnamed=True)
    assert (row.bundle_uuid, row.file_name, row.file_size) == (UUID, "", 0)
    with pytest.raises(ManifestError, match="bundle_uuid"):
        list(read_manifest([{**CELLS, "file_name": "", "bundle_uuid": ""}], allow_unnamed=True))


def test_rows_made_by_hand_are_checked() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        ManifestRow.model_validate({**CELLS, "file_size": -1})
    with pytest.raises(ValidationError, match="less than or equal to"):
        ManifestRow.model_validate({**CELLS, "file_size": 1 << 60})


def test_lines_are_counted_across_quoted_line_ends() -> None:
    odd = LINE.replace("a/b.fastq.gz", '"two\nlines"')
    first, _ = read_manifest(text_of(HEADER, odd, LINE))
    assert first.file_name == "two\nlines"
    with pytest.raises(ManifestError, match="line 4: has 1 cells"):
        list(read_manifest(text_of(HEADER, odd, "short")))


def batched(text: io.StringIO | list[dict[str, str]], *, bare: bool = False) -> list[RawRow]:
    with ManifestReader(text, allow_unnamed=bare) as reader:
        return [row for batch in reader.batches() for row in batch]


class TestBatches:
    def test_rows_come_as_texts(self) -> None:
        assert batched(text_of(HEADER, LINE, LINE)) == [(*CELLS.values(), LINE)] * 2
        assert batched(text_of(HEADER)) == []

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_lines_end_as_they_like(self, end: str) -> None:
        text = io.StringIO(end.join([HEADER, LINE, LINE]), newline="")
        assert batched(text) == [(*CELLS.values(), LINE)] * 2

    def test_there_may_be_many(self) -> None:
        lines = [LINE.replace("a/b", f"f{number}") for number in range(2_500)]
        with ManifestReader(text_of(HEADER, *lines)) as reader:
            batches = list(reader.batches())
        assert max(map(len, batches)) <= 1_000
        assert [row[7] for batch in batches for row in batch] == lines

    @pytest.mark.parametrize("odd", [0, 1, 499, 500, 501, 2_499])
    def test_a_quote_or_an_empty_line_changes_nothing(self, odd: int) -> None:
        names = [f"f{number}" for number in range(2_500)]
        names[odd] = 'a "name"\n'
        lines = [row_text([*{**CELLS, "file_name": name}.values()]) for name in names]
        for between in ([], [""]):
            rows = batched(text_of(HEADER, *lines[:odd], *between, *lines[odd:]))
            assert [row[2] for row in rows] == names
            assert [row[7] for row in rows] == lines

    def test_columns_come_in_any_order(self) -> None:
        cells = {"species": "Homo sapiens", **dict(reversed(CELLS.items()))}
        text = "\t".join(cells.values())
        (row,) = batched(text_of("\t".join(cells), text))
        assert row == (*CELLS.values(), text)

    def test_mappings_have_texts_too(self) -> None:
        assert batched([{**CELLS, "note": 'a "note"'}]) == [
            (*CELLS.values(), LINE + '\t"a ""note"""')
        ]

    def test_rows_may_stand_for_bundles(self) -> None:
        bare = "\t".join([UUID, VERSION, *[""] * 5])
        assert batched(text_of(HEADER, bare), bare=True) == [(UUID, VERSION, *[""] * 5, bare)]
        with pytest.raises(ManifestError, match="line 2: file_name is empty"):
            batched(text_of(HEADER, bare))

    @pytest.mark.parametrize(
        ("lines", "line"),
        [
            ([LINE, "short"], 3),
            ([LINE, "", "short"], 4),
            (["", LINE, LINE, "short"], 5),
            ([LINE] * 1_500 + ["short"], 1_502),
            ([LINE] * 1_500 + ["", "short"], 1_503),
            ([LINE.replace("a/b", '"x\ny"'), LINE, "short"], 5),
            ([LINE] * 1_200 + [LINE.replace("a/b", '"x\ny"'), LINE, "short"], 1_205),
        ],
    )
    @pytest.mark.parametrize("before", ["", "\n\n"])
    def test_a_bad_one_is_named_by_its_line(self, lines: list[str], line: int, before: str) -> None:
        lines = [each.replace('"x\ny".fastq.gz', '"x\ny"') for each in lines]
        text = io.StringIO(before + text_of(HEADER, *lines).read(), newline="")
        with pytest.raises(ManifestError, match="has 1 cells, the header 7") as caught:
            batched(text)
        assert caught.value.line == line + len(before)

    def test_cells_can_be_had_of_a_text(self) -> None:
        cells = {"note": 'a\t"note"', **dict(reversed(CELLS.items()))}
        with ManifestReader([cells]) as reader:
            ((row,),) = reader.batches()
            assert list(reader.row(row[7])[:7]) == [*CELLS.values()]
            assert list(reader.row(row[7] + "\t/and/more")[:7]) == [*CELLS.values()]
        with ManifestReader(text_of(HEADER)) as reader:
            assert list(reader.row(LINE + "\t/and/more")[:7]) == [*CELLS.values()]

    @given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
    def test_the_text_of_a_row_has_its_cells(self, cells: list[str]) -> None:
        (again,) = csv.reader(io.StringIO(row_text(cells) + "\r\n", newline=""), "excel-tab")
        assert again == cells

    @pytest.mark.parametrize(
        ("cells", "text"),
        [
            (["a", "b"], "a\tb"),
            (["a", ""], "a\t"),
            ([""], '""'),
            (["a\nb"], '"a\nb"'),
            (["a\rb", "c"], '"a\rb"\tc'),
            (["a\r\n"], '"a\r\n"'),
            (["a\tb"], '"a\tb"'),
            (['"'], '""""'),
        ],
    )
    def test_texts_are_quoted_where_need_be(self, cells: list[str], text: str) -> None:
        assert row_text(cells) == text


class TestTexts:
    def test_they_are_written_as_they_are(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "m.tsv"
        write_texts(path, iter([["a\tb"], [], ["é", '"x"']]))
        assert path.read_bytes() == 'a\tb\r\né\r\n"x"\r\n'.encode()
        assert list(path.parent.iterdir()) == [path]

    def test_a_failed_write_leaves_the_old_one(self, tmp_path: Path) -> None:
        def texts() -> Iterator[list[str]]:
            yield ["new"]
            raise OSError("disk full")

        path = tmp_path / "m.tsv"
        path.write_text("old")
        with pytest.raises(OSError, match="full"):
            write_texts(path, texts())
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


def test_written_manifests_have_crlf(tmp_path: Path) -> None:
    path = tmp_path / "new" / "m.tsv"
    assert write_manifest(path, read_manifest([{**CELLS, "note": "n"}])) == 1
    assert path.read_bytes() == f"{HEADER}\tnote\r\n{LINE}\tn\r\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_manifest_has_a_header(tmp_path: Path) -> None:
    assert write_manifest(tmp_path / "m.tsv", []) == 0
    assert (tmp_path / "m.tsv").read_text() == f"{HEADER}\n"


def test_a_row_with_more_columns_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("old")
    with pytest.raises(ValueError, match="not in fieldnames"):
        write_manifest(path, map(ManifestRow.model_validate, [CELLS, {**CELLS, "note": "more"}]))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_rows_of_a_bundle() -> None:
    file = {
        "name": "a",
        "uuid": UUID,
        "version": VERSION,
        "content-type": "text/plain",
        "size": 5,
        "indexed": True,
        "crc32c": "",
        "s3_etag": "",
        "sha1": "",
        "sha256": SHA,
    }
    bundle = BundleVersion.model_validate(
        {"uuid": UUID, "version": VERSION, "creator_uid": 1, "files": [file]}
    )
    (row,) = manifest_rows(bundle)
    assert row == ManifestRow.model_validate({**CELLS, "file_name": "a", "file_size": 5})


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=4))
def test_any_name_survives_a_round_trip(names: list[str]) -> None:
    rows = [ManifestRow.model_validate({**CELLS, "file_name": name}) for name in names]
    text = io.StringIO(newline="")
    writer = csv.writer(text, dialect="excel-tab")
    writer.writerows([COLUMNS, *([str(v) for v in row.model_dump().values()] for row in rows)])
    text.seek(0)
    assert list(read_manifest(text)) == rows


def test_errors_pickle() -> None:
    error = ManifestError("m.tsv", "bad", line=3, columns=["a"])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.line, again.columns) == ("m.tsv, line 3: bad", 3, ("a",))
    assert isinstance(again, ValueError)
