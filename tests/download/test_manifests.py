"""What a manifest brings, in both layouts, and what is written of it."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dss_client import FQID, NotFound
from dss_client.download import DownloadReport, ManifestError, ManifestMismatch, NameClash
from dss_client.errors import InvalidArgument
from dss_client.manifest import COLUMNS

from .directory import stored
from .fetching import fail, get, mixed, states
from .sample import table, tree
from .wire import VERSION, Bundle, Wire

DESCRIPTION = "bundle.json"
GONE = "cccccccc-0000-4000-8000-000000000003"


@pytest.fixture
def bundle(wire: Wire) -> Bundle:
    """A bundle of metadata and data."""
    return mixed(wire, {"m.json": b"{}"}, {"a": b"1", "b": b"22"})


def written(report: DownloadReport) -> list[dict[str, str]]:
    assert report.manifest_path is not None
    return table(report.manifest_path)


def path_of(folder: Path, bundle: Bundle, name: str) -> Path:
    return stored(folder, next(str(f["sha256"]) for f in bundle.files if f["name"] == name))


# What is written


def test_c3_the_output_is_beside_the_data_byte_for_byte(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    manifest, folder = tmp_path / "m.tsv", tmp_path / "d"
    lines = ["\t".join([*COLUMNS, "note"])]
    lines += [
        "\t".join([*(row[name] for name in COLUMNS), '"kept, ""so"""']) for row in bundle.rows
    ]
    given = "".join(f"{line}\n" for line in lines).encode()
    manifest.write_bytes(given)
    report = get(wire, manifest, folder)
    assert report.manifest_path == folder / "m.tsv"
    names = [str(file["name"]) for file in bundle.files]
    paths = ["file_path", *(path_of(folder, bundle, name).as_posix() for name in names)]
    expected = [f"{line}\t{path}\r\n" for line, path in zip(lines, paths, strict=True)]
    assert report.manifest_path.read_bytes() == "".join(expected).encode()
    assert manifest.read_bytes() == given
    assert set(tree(folder)) == {"m.tsv"}
    assert [entry.path for entry in report.files] == [path_of(folder, bundle, n) for n in names]
    assert all(entry.path and entry.path.is_file() for entry in report.files)
    assert [entry.link for entry in report.files] == [None] * 3
    assert not any("/bundles/" in asked.path for asked in wire.asked_api)


def test_c3_or_where_it_is_wanted(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    manifest = bundle.write_manifest(tmp_path / "m.tsv")
    report = get(wire, manifest, tmp_path / "d", output_dir=tmp_path / "out")
    assert report.manifest_path == tmp_path / "out" / "m.tsv"
    assert len(written(report)) == 3
    assert not (tmp_path / "d" / "m.tsv").exists()


def test_c3_the_manifest_itself_is_never_overwritten(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    manifest = bundle.write_manifest(tmp_path / "m.tsv")
    given = manifest.read_bytes()
    report = get(wire, manifest, tmp_path)
    assert manifest.read_bytes() == given
    assert report.manifest_path == tmp_path / "m.downloaded.tsv"
    again = get(wire, report.manifest_path, tmp_path)
    assert again.manifest_path == tmp_path / "m.downloaded.downloaded.tsv"
    assert again.manifest_path.read_bytes() == report.manifest_path.read_bytes()


@pytest.mark.parametrize("layout", ["none", "bundle"])
def test_c3_a_path_only_where_there_is_a_file(
    wire: Wire, bundle: Bundle, tmp_path: Path, layout: str
) -> None:
    bundle.files[2]["sha256"] = "0" * 64
    report = fail(wire, bundle.rows, tmp_path, layout=layout)
    assert report.manifest_path == tmp_path / "manifest.tsv"
    there = [path_of(tmp_path, bundle, name).as_posix() for name in ("m.json", "a")]
    assert [row["file_path"] for row in written(report)] == [*there, ""]


def test_paths_are_relative_to_where_one_is(
    wire: Wire, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (row,) = written(get(wire, bundle.rows[1:2], Path()))
    assert row["file_path"].startswith("./.hca/v2/files_2_4/6b/86b2/6b86b2")
    assert Path(row["file_path"]).read_bytes() == b"1"


@pytest.mark.parametrize("rows", [[], None], ids=["no rows", "rows"])
def test_a_dry_run_writes_nothing(
    wire: Wire, bundle: Bundle, tmp_path: Path, rows: list[dict[str, str]] | None
) -> None:
    report = get(wire, bundle.rows if rows is None else rows, tmp_path / "d", dry_run=True)
    assert report.count("planned") == len(report.files) == (3 if rows is None else 0)
    assert (report.manifest_path, wire.asked, wire.asked_api) == (None, [], [])
    assert list(tmp_path.iterdir()) == []


def test_an_empty_manifest(wire: Wire, tmp_path: Path) -> None:
    report = get(wire, [], tmp_path)
    assert (list(report.files), report.ok, written(report)) == ([], True, [])


# What is refused


@pytest.mark.parametrize("bad", [{"file_size": "1.5"}, {"file_name": ""}, None])
def test_c14_c25_a_bad_manifest_asks_for_nothing(
    wire: Wire, bundle: Bundle, tmp_path: Path, bad: dict[str, str] | None
) -> None:
    good = bundle.rows[0]
    wrong = {"bundle_uuid": bundle.uuid} if bad is None else {**good, **bad}
    with pytest.raises(ManifestError, match="line 2"):
        get(wire, [good, wrong], tmp_path / "d")
    assert (wire.asked, wire.asked_api) == ([], [])
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("options", [{"layout": "flat"}, {"no_data": True}, {"no_metadata": True}])
def test_bad_arguments(wire: Wire, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        get(wire, [], tmp_path, **options)


# Bundles


def test_c2_metadata_comes_whole_and_data_by_name(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    other = wire.add_bundle({"a[1]": b"x", "a1": b"y"})
    rows = [bundle.rows[1], other.rows[0], bundle.rows[1]]
    report = get(wire, rows, tmp_path, layout="bundle")
    assert set(tree(tmp_path)) == {
        *(f"{bundle.fqid}/{name}" for name in (DESCRIPTION, "m.json", "a")),
        *(f"{other.fqid}/{name}" for name in (DESCRIPTION, "a[1]")),
        "manifest.tsv",
    }
    assert (states(report)["b"], states(report)["a1"]) == ("skipped", "skipped")
    assert report.files_total == 5
    paths = [
        path_of(tmp_path, of, name).as_posix() for of, name in ((bundle, "a"), (other, "a[1]"))
    ]
    assert [row["file_path"] for row in written(report)] == [*paths, paths[0]]
    versions = {asked.query["version"] for asked in wire.asked_api if "/bundles/" in asked.path}
    assert versions == {VERSION}


@pytest.mark.parametrize(
    ("switches", "taken"),
    [
        ({"no_metadata": True}, {DESCRIPTION, "a"}),
        ({"no_data": True}, {DESCRIPTION, "m.json"}),
        ({"no_metadata": True, "no_data": True}, {DESCRIPTION}),
    ],
)
def test_switches(
    wire: Wire, bundle: Bundle, tmp_path: Path, switches: dict[str, bool], taken: set[str]
) -> None:
    get(wire, bundle.rows[:2], tmp_path, layout="bundle", **switches)
    assert set(tree(tmp_path / bundle.fqid)) == taken


def test_unnamed_rows_bring_metadata_only(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    row = {**dict.fromkeys(COLUMNS, ""), "bundle_uuid": bundle.uuid, "bundle_version": VERSION}
    report = get(wire, [row], tmp_path, layout="bundle")
    assert set(tree(tmp_path / bundle.fqid)) == {DESCRIPTION, "m.json"}
    assert written(report) == [{**row, "file_path": ""}]


@pytest.mark.parametrize("index", [0, 1], ids=["metadata", "data"])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"file_uuid": GONE}, f"uuid {GONE} in the manifest, "),
        ({"file_version": "2020-02-02T000000.000000Z"}, f"in the manifest, {VERSION} in the"),
        ({"file_sha256": "0" * 64}, "sha256 000"),
        ({"file_size": "9"}, "size 9 in the manifest, "),
        ({"file_name": "c"}, "the bundle has no file of that name"),
        ({"file_size": "9", "file_sha256": "0" * 64}, "; size 9"),
    ],
)
def test_a_contradiction_fails_its_row_alone(
    wire: Wire, bundle: Bundle, tmp_path: Path, changes: dict[str, str], why: str, index: int
) -> None:
    rows = bundle.rows
    name = changes.get("file_name", rows[index]["file_name"])
    rows[index] |= changes
    report = fail(wire, rows, tmp_path, layout="bundle")
    (error,) = report.errors
    assert isinstance(error, ManifestMismatch)
    assert (error.name, error.bundle) == (name, FQID(bundle.uuid, VERSION))
    assert why in str(error)
    left = {DESCRIPTION, "m.json", "a", "b"} - {name}
    if name == "c" and index == 1:
        left -= {"a"}  # data that no row names
    assert set(tree(tmp_path / bundle.fqid)) == left


def test_files_of_one_name_are_each_compared_with_their_row(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle({f"a{number}": b"%d" % number for number in range(3)})
    for file in bundle.files:
        file["name"] = "a"
    rows = bundle.rows
    rows[2]["file_size"] = "9"
    report = fail(wire, rows, tmp_path, layout="bundle", clash="rename")
    assert set(tree(tmp_path / bundle.fqid)) == {DESCRIPTION, "a", "a~2"}
    assert "size 9 in the manifest, 1 in the bundle" in str(report.errors[0])


def test_a_bundle_that_cannot_be_had_fails_its_rows(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    clashing = wire.add_bundle({"c": b"2", "C": b"3"})
    gone = evolve(clashing, uuid=GONE)
    rows = [*clashing.rows, *bundle.rows[:2], *gone.rows[:1]]
    report = fail(wire, rows, tmp_path, layout="bundle")
    failed = [(entry.bundle and entry.bundle.uuid, entry.name) for entry in report.failed]
    expected = [(clashing.uuid, name) for name in (DESCRIPTION, "c", "C")]
    assert failed == [*expected, (GONE, DESCRIPTION), (GONE, "c")]
    assert all(
        isinstance(error, NameClash) or isinstance(error.cause, NameClash)
        for error in report.errors[:3]
    )
    assert "its bundle cannot be downloaded" in str(report.errors[1])
    assert all(isinstance(error.cause, NotFound) for error in report.errors[3:])
    assert set(tree(tmp_path / bundle.fqid)) == {DESCRIPTION, "m.json", "a"}
