"""A manifest needs the columns that its layout uses, and no others."""

import io
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.manifest import COLUMNS, ManifestError
from tests.cli.conftest import Run, run
from tests.drive import Driver

from .sample import ROWS, sample_rows, table, tree

__all__ = ["run"]

BUNDLE = ("bundle_uuid", "bundle_version", "file_name")
DOCUMENTED = tuple(column for column in COLUMNS if column != "file_version")
FILE = ("file_name", "file_uuid", "file_version", "file_sha256", "file_size")
LAYOUTS = [
    ("bundle", (*BUNDLE, "file_sha256")),
    ("bundle", DOCUMENTED),
    ("bundle", ("note", "file_sha256", *reversed(BUNDLE))),
    ("none", FILE),
    ("none", ("bundle_uuid", *FILE)),
]
cases = pytest.mark.parametrize(
    ("layout", "columns"), LAYOUTS, ids=["four", "documented", "any order", "files", "no version"]
)


@pytest.fixture(scope="module")
def rows(local_dss: LocalDSS) -> list[dict[str, str]]:
    """What a full manifest of the sample says."""
    return [
        {name: str(value) for name, value in row.model_dump().items()}
        for row in sample_rows(local_dss.url)
    ]


@pytest.fixture(scope="module")
def whole(local_dss: LocalDSS, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as a manifest with all columns brings it, by layout."""
    root = tmp_path_factory.mktemp("whole")
    with DSSClient(local_dss.url) as dss:
        manifest = list(sample_rows(local_dss.url))
        for layout in ("bundle", "none"):
            each: Any = layout
            dss.download_manifest(
                manifest=[row.model_dump() for row in manifest],
                replica="aws",
                layout=each,
                download_dir=root / layout,
                output_dir=root / f"of-{layout}",
                durable=False,
            )
    return root


def contents(root: Path) -> set[str]:
    return {path.name for path in (root / ".hca").rglob("*") if path.is_file()}


def write(path: Path, rows: list[dict[str, str]], columns: tuple[str, ...]) -> Path:
    lines = ["\t".join(columns), *("\t".join(row.get(c, "x") for c in columns) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@cases
@pytest.mark.parametrize("cells", ["left out", "empty"])
def test_what_is_not_used_may_be_missing(
    drive: Driver,
    local_dss: LocalDSS,
    rows: list[dict[str, str]],
    whole: Path,
    tmp_path: Path,
    layout: str,
    columns: tuple[str, ...],
    cells: str,
) -> None:
    data, manifest = tmp_path / "data", tmp_path / "m.tsv"
    if cells == "left out":
        write(manifest, rows, columns)
    else:
        stated = [{name: row.get(name, "") for name in columns} for row in rows]
        write(manifest, [{**dict.fromkeys(COLUMNS, ""), **row} for row in stated], COLUMNS)
    report = drive(url=local_dss.url).call(
        "download_manifest",
        manifest=manifest,
        replica="aws",
        layout=layout,
        download_dir=data,
        durable=False,
    )
    assert report.ok
    assert contents(data) == contents(whole / layout)
    assert tree(data) == {**tree(whole / layout), "m.tsv": (data / "m.tsv").read_bytes()}
    assert all(Path(row["file_path"]).exists() for row in table(data / "m.tsv"))
    assert {entry.sha256 for entry in report.files if entry.uuid} == {
        row["file_sha256"] for row in rows
    }
    again = drive(url=local_dss.url).call(
        "download_manifest", manifest=manifest, replica="aws", layout=layout, download_dir=data
    )
    assert again.bytes_downloaded == 0
    assert len(list(again.files)) == len(list(report.files))


@pytest.mark.parametrize(
    ("layout", "columns"), [("bundle", (*BUNDLE, "file_sha256")), ("none", FILE)]
)
def test_each_column_that_is_used_must_be_there(
    local_dss: LocalDSS, tmp_path: Path, layout: Any, columns: tuple[str, ...]
) -> None:
    with DSSClient(local_dss.url) as dss:
        for missing in columns:
            text = "\t".join(column for column in COLUMNS if column != missing)
            with pytest.raises(ManifestError, match=f"lacks the columns {missing}") as caught:
                dss.download_manifest(
                    manifest=io.StringIO(text), replica="aws", layout=layout, download_dir=tmp_path
                )
            assert caught.value.columns == (missing,)


@pytest.mark.parametrize(
    ("layout", "changes", "message"),
    [
        ("bundle", {"bundle_version": ""}, "bundle_version"),
        ("bundle", {"file_size": "many"}, "file_size"),
        ("none", {"file_size": ""}, "file_size"),
        ("none", {"bundle_uuid": "x"}, "bundle_uuid"),
    ],
)
def test_what_is_stated_must_be_valid(
    local_dss: LocalDSS,
    rows: list[dict[str, str]],
    tmp_path: Path,
    layout: Any,
    changes: dict[str, str],
    message: str,
) -> None:
    wrong = [rows[0], {**rows[1], **changes}]
    with (
        DSSClient(local_dss.url) as dss,
        pytest.raises(ManifestError, match=f"line 2: {message}: ") as caught,
    ):
        dss.download_manifest(manifest=wrong, replica="aws", layout=layout, download_dir=tmp_path)
    assert caught.value.columns == (message,)


def test_executors_take_them_as_well(
    local_dss: LocalDSS, rows: list[dict[str, str]], whole: Path, tmp_path: Path
) -> None:
    manifest = write(tmp_path / "m.tsv", rows, FILE)
    with ProcessPoolExecutor(1) as executor, DSSClient(local_dss.url) as dss:
        report = dss.download_manifest(
            manifest=manifest, replica="aws", download_dir=tmp_path / "data", executor=executor
        )
    assert report.ok
    assert contents(tmp_path / "data") == contents(whole / "none")


@cases
def test_verify_and_gc_take_them_as_well(
    run: Run,
    local_dss: LocalDSS,
    rows: list[dict[str, str]],
    tmp_path: Path,
    layout: Any,
    columns: tuple[str, ...],
) -> None:
    data, manifest = tmp_path / "data", write(tmp_path / "m.tsv", rows, columns)
    with DSSClient(local_dss.url) as dss:
        dss.download_manifest(
            manifest=manifest, replica="aws", layout=layout, download_dir=data, durable=False
        )
    verified = run("verify", data, "--manifest", manifest, "--layout", layout, "--json")
    assert (verified.status, verified.document["files"]) == (0, ROWS)
    listed = run("gc", data, "--keep", manifest, "--older-than", 0, "--json")
    assert (listed.status, listed.document["items"]) == (0, [])


def test_verify_finds_faults_without_sizes(
    run: Run, local_dss: LocalDSS, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    data, manifest = tmp_path / "data", write(tmp_path / "m.tsv", rows, LAYOUTS[0][1])
    with DSSClient(local_dss.url) as dss:
        dss.download_manifest(
            manifest=manifest, replica="aws", layout="bundle", download_dir=data, durable=False
        )
    first, second, third, *_ = sorted(
        path for path in data.glob("*/*") if path.is_file() and path.name != "bundle.json"
    )
    first.unlink()
    for path in (second, third):
        path.unlink()
        path.write_bytes(b"other")
    seen = run("verify", data, "--manifest", manifest, "--json")
    assert seen.status == 1
    assert {Path(fault["path"]) for fault in seen.document["faults"]} == {first, second, third}
