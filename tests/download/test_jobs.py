"""Job arrays: planned, run and merged over a socket; the same as one download."""

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dss_client import DSSClient
from dss_client.download import (
    DownloadError,
    JobError,
    JobPlan,
    MissingShards,
    download_manifest,
    job_merge,
    merge_jobs,
    plan_jobs,
    run_job,
    shard_of_environment,
)
from dss_client.errors import InvalidArgument
from dss_client.local import LocalDSS
from dss_client.manifest import COLUMNS, ManifestError, manifest_rows
from dss_client.transfer.cancel import Stopped

from .sample import ROWS, sample_rows, table, tree, write_sample
from .scripted import ScriptedSource, Try, page_of, refusal

VERSION = "2019-01-01T000000.000000Z"
MIB = 1 << 20


@pytest.fixture
def dss(local_dss: LocalDSS) -> Iterator[DSSClient]:
    with DSSClient(local_dss.url) as client:
        yield client


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    return write_sample(tmp_path / "wanted.tsv", local_dss.url)


def row(bundle: int, number: int, size: int = 0, **more: str) -> dict[str, object]:
    """Return a row of a manifest: a file of a bundle."""
    return {
        "bundle_uuid": f"b0000000-0000-4000-8000-{bundle:012d}",
        "bundle_version": VERSION,
        "file_name": f"file_{number}",
        "file_uuid": f"f0000000-0000-4000-8000-{number:012d}",
        "file_version": VERSION,
        "file_sha256": f"{number:064x}",
        "file_size": size,
        **more,
    }


def shards_of(plan: JobPlan) -> list[list[dict[str, str]]]:
    return [table(plan.shard_path(shard)) for shard in range(1, plan.shards + 1)]


def weight(rows: list[dict[str, str]]) -> int:
    """Return what a shard costs, in bytes that could be downloaded meanwhile."""
    return sum(int(each["file_size"]) + MIB for each in rows)


@pytest.mark.parametrize("layout", ["none", "bundle"])
def test_jobs_do_what_one_download_does(
    dss: DSSClient, manifest: Path, tmp_path: Path, layout: Any
) -> None:
    one = download_manifest(
        dss, manifest=manifest, replica="aws", layout=layout, download_dir=tmp_path / "data"
    )
    assert one.manifest_path is not None
    expected = tree(tmp_path / "data")
    (tmp_path / "data").rename(tmp_path / "other")

    plan = plan_jobs(
        manifest,
        shards=3,
        out=tmp_path / "jobs",
        replica="aws",
        layout=layout,
        download_dir=tmp_path / "data",
    )
    assert (plan.rows, plan.shards, sum(plan.shard_rows)) == (ROWS, 3, ROWS)
    assert (plan.bytes, plan.rows_there) == (sum(plan.shard_bytes), 0)
    reports = [run_job(dss, tmp_path / "jobs", shard) for shard in (2, 3, 1)]
    assert {path.name for path in (tmp_path / "data").glob("*.tsv")} == set()
    merged = merge_jobs(tmp_path / "jobs")
    assert tree(tmp_path / "data") == expected
    assert merged.ok
    assert merged.manifest_path == tmp_path / "data" / "wanted.tsv"
    assert merged.total("files_done") == one.files_done
    assert merged.total("bytes_done") == sum(report.bytes_done for report in reports)
    assert merged.to_dict()["files_failed"] == 0
    assert [each.state for each in merged.shards] == ["done"] * 3


def test_a_shard_can_be_run_again_and_by_two_at_once(
    dss: DSSClient, manifest: Path, tmp_path: Path
) -> None:
    out, data = tmp_path / "jobs", tmp_path / "data"
    plan_jobs(manifest, shards=1, out=out, replica="aws", layout="bundle", download_dir=data)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_job, dss, out, 1, threads=2) for _ in range(2)]
        assert all(run.result().ok for run in runs)
    again = run_job(dss, out, 1)
    assert again.count("reused") == again.files_total
    result = json.loads((out / "result-0001.json").read_text())
    assert (result["shard"], result["ok"]) == (1, True)
    assert len(result["files"]) == again.files_total
    assert merge_jobs(out).ok


def test_what_is_there_is_counted_and_a_dry_run_leaves_nothing(
    dss: DSSClient, manifest: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    download_manifest(dss, manifest=manifest, replica="aws", download_dir=data)
    plan = plan_jobs(manifest, shards=2, out=tmp_path / "jobs", replica="aws", download_dir=data)
    assert (plan.rows_there, plan.bytes_there) == (plan.rows, plan.bytes)
    assert run_job(dss, tmp_path / "jobs", 1, dry_run=True).count("planned") == 0
    assert not plan.result_path(1).exists()
    assert not plan.output_path(1).exists()


def test_a_job_that_is_stopped_leaves_no_result(
    dss: DSSClient, manifest: Path, tmp_path: Path
) -> None:
    plan = plan_jobs(
        manifest, shards=1, out=tmp_path / "j", replica="aws", download_dir=tmp_path / "d"
    )
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        run_job(dss, tmp_path / "j", 1, stop=stop)
    assert not plan.result_path(1).exists()


def test_failed_files_leave_a_result_and_are_named_by_the_merge(tmp_path: Path) -> None:
    source = ScriptedSource()
    files = [source.add_file(f"f{number}", b"content") for number in range(2)]
    source.add_bundle(files)
    rows = [each.model_dump() for each in manifest_rows(page_of(files).bundle)]
    rows[1] |= {"file_sha256": "0" * 64}
    out = tmp_path / "my jobs"
    plan = plan_jobs(rows, shards=1, out=out, replica="aws", download_dir=tmp_path, num_retries=0)
    source.tries[files[1].uuid] = [Try(refuse=refusal(404))]
    with pytest.raises(DownloadError, match="1 of 2 files failed"):
        run_job(source, out, 1)
    merged = merge_jobs(out)
    assert not merged.ok
    (failed,) = merged.in_state("failed")
    assert failed.command == f"dss run '{out}' --shard 1"
    assert merged.to_dict()["files_failed"] == 1
    assert merged.manifest_path == tmp_path / "manifest.tsv"
    assert [bool(each["file_path"]) for each in table(merged.manifest_path)] == [True, False]
    assert plan.manifest.name == "manifest.tsv"


def test_missing_shards_are_named_and_may_be_left_out(
    dss: DSSClient, manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "jobs"
    plan = plan_jobs(
        manifest, shards=25, out=out, replica="aws", layout="none", download_dir=tmp_path
    )
    with pytest.raises(MissingShards, match=r"25 of the 25 .* 20, \.\.\.\. Run each with dss run "):
        merge_jobs(out)
    run_job(dss, out, 2)
    with pytest.raises(MissingShards, match="--partial") as caught:
        merge_jobs(out)
    assert caught.value.shards == (1, *range(3, 26))
    merged = merge_jobs(out, partial=True)
    assert not merged.ok
    assert len(merged.in_state("missing")) == 24
    # The manifest itself lies where its files go: it stays as it is.
    assert merged.manifest_path == tmp_path / "wanted.downloaded.tsv"
    rows = table(merged.manifest_path)
    assert [{**each, "file_path": ""} for each in rows] == [
        {**each, "file_path": ""} for each in table(manifest)
    ]
    there = {each["file_uuid"] for each in table(plan.shard_path(2))}
    assert {each["file_uuid"] for each in rows if each["file_path"]} == there


def test_any_manifest_comes_back_as_it_was(
    dss: DSSClient, local_dss: LocalDSS, tmp_path: Path
) -> None:
    """With quotes and line breaks, columns of every name, and a path to be replaced."""
    rows: list[dict[str, object]] = [
        {
            "row_number": f'a "{number}"\r\nb',
            **each.model_dump(),
            "file_path": "old",
            "row_number_": "\t",
        }
        for number, each in enumerate(sample_rows(local_dss.url))
    ]
    out = tmp_path / "jobs"
    plan = plan_jobs(rows, shards=2, out=out, replica="aws", download_dir=tmp_path / "data")
    assert plan.row_column == "row_number__"
    run_job(dss, out, 1)
    partly = table(merge_jobs(out, partial=True).manifest_path)
    assert len({each["file_path"] for each in partly if each["file_path"]}) > 10
    assert any(not each["file_path"] for each in partly)
    run_job(dss, out, 2)
    merged = table(merge_jobs(out).manifest_path)
    assert list(merged[0]) == list(rows[0])
    for before, after in zip(rows, merged, strict=True):
        path = Path(after.pop("file_path"))
        assert path.is_absolute()
        assert path.name == before["file_sha256"]
        assert after == {name: str(text) for name, text in before.items() if name != "file_path"}


@pytest.mark.parametrize("opened", [2, 3, 64])
def test_a_merge_has_few_files_open(
    dss: DSSClient,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: int,
) -> None:
    monkeypatch.setattr(job_merge, "_OPEN", opened)
    monkeypatch.setattr(job_merge, "_BATCH", 10)
    out = tmp_path / "jobs"
    plan_jobs(manifest, shards=9, out=out, replica="aws", download_dir=tmp_path / "data")
    merged = merge_jobs(out, partial=True)
    assert [{**each, "file_path": ""} for each in table(manifest)] == table(merged.manifest_path)
    assert not list(out.glob(".merge-*"))


@settings(max_examples=25)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20 * MIB)), max_size=40),
    shards=st.integers(1, 6),
    layout=st.sampled_from(["none", "bundle"]),
)
def test_every_row_is_in_one_shard_and_bundles_stay_whole(
    rows: list[tuple[int, int]], shards: int, layout: Any
) -> None:
    listed = [row(bundle, number, size) for number, (bundle, size) in enumerate(rows)]
    with TemporaryDirectory() as folder:
        plan = plan_jobs(
            listed,
            shards=shards,
            out=Path(folder, "jobs"),
            replica="aws",
            layout=layout,
            download_dir=Path(folder, "data"),
        )
        parts = shards_of(plan)
        again = JobPlan.read(plan.directory)
        merged = table(merge_jobs(plan.directory, partial=True).manifest_path)
    assert again == plan
    assert [each["file_uuid"] for each in merged] == [each["file_uuid"] for each in listed]
    assert tuple(map(len, parts)) == plan.shard_rows
    numbers = [int(each["row_number"]) for part in parts for each in part]
    assert sorted(numbers) == list(range(len(rows)))
    for part in parts:
        assert [int(each["row_number"]) for each in part] == sorted(
            int(each["row_number"]) for each in part
        )
    places = Counter(bundle for part in parts for bundle in {each["bundle_uuid"] for each in part})
    whole = Counter(bundle for bundle, _ in rows)
    total = sum(map(weight, parts))
    if layout == "bundle":
        assert set(places.values()) <= {1}
        assert len(places) == len(whole)
    # The largest thing that cannot be cut is all that shards may differ by.
    units = [
        weight([each for part in parts for each in part if each["bundle_uuid"] == bundle])
        for bundle in places
    ]
    if layout == "none":
        largest = max((size + MIB for _, size in rows), default=0)
        units = [min(unit, max(total // shards + 1, largest)) for unit in units]
    if parts and total:
        assert max(map(weight, parts)) <= total / shards + max(units)


def test_a_bundle_is_cut_where_its_layout_allows_it(tmp_path: Path) -> None:
    rows = [row(1, number, 10 * MIB) for number in range(16)]
    for layout, expected in (("bundle", [16, 0, 0, 0]), ("none", [4, 4, 4, 4])):
        plan = plan_jobs(
            rows,
            shards=4,
            out=tmp_path / layout,
            replica="aws",
            layout=layout,  # type: ignore[arg-type]
            download_dir=tmp_path,
        )
        assert sorted(plan.shard_rows, reverse=True) == expected


def test_rows_without_a_name_go_along(dss: DSSClient, local_dss: LocalDSS, tmp_path: Path) -> None:
    first = sample_rows(local_dss.url)[0]
    bundle = {"bundle_uuid": first.bundle_uuid, "bundle_version": first.bundle_version}
    rows = [{**dict.fromkeys(COLUMNS, ""), **bundle}]
    out = tmp_path / "jobs"
    with pytest.raises(ManifestError, match="file_name is empty"):
        plan_jobs(rows, shards=1, out=out, replica="aws", download_dir=tmp_path)
    plan_jobs(rows, shards=1, out=out, replica="aws", layout="bundle", download_dir=tmp_path)
    assert run_job(dss, out, 1).files_done > 1
    assert [each["file_path"] for each in table(merge_jobs(out).manifest_path)] == [""]


def test_a_plan_is_not_made_twice(manifest: Path, tmp_path: Path) -> None:
    plan = plan_jobs(manifest, shards=1, out=tmp_path / "j", replica="aws")
    assert plan.settings.download_dir == str(Path.cwd())
    with pytest.raises(InvalidArgument, match="holds a plan already: choose another"):
        plan_jobs(manifest, shards=1, out=tmp_path / "j", replica="aws")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 0}, "shards=0 is too small"),
        ({"threads": 0}, "threads=0 is too small"),
        ({"clash": "ask"}, "clash='ask' is unknown"),
        ({"layout": "tree"}, "layout='tree' is unknown"),
        ({"no_data": True}, "work with layout='bundle' only"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    manifest: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        plan_jobs(manifest, **{"shards": 1, "out": tmp_path / "j", "replica": "aws", **options})
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is not there: make a plan with dss plan"),
        ("{", "cannot be read"),
        ("[]", "is not a valid plan"),
        ("{}", "is not a valid plan"),
        ('{"format": 2}', "its format is not 1"),
    ],
)
def test_a_damaged_plan_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    with pytest.raises(JobError, match=message) as caught:
        merge_jobs(tmp_path)
    assert str(tmp_path / "plan.json") in str(caught.value)


@pytest.mark.parametrize("shard", [0, 3])
def test_a_shard_that_is_none_is_refused(
    dss: DSSClient, manifest: Path, tmp_path: Path, shard: int
) -> None:
    plan_jobs(manifest, shards=2, out=tmp_path / "j", replica="aws", download_dir=tmp_path)
    with pytest.raises(InvalidArgument, match=r"its shards are 1 to 2; .* --array=1-2"):
        run_job(dss, tmp_path / "j", shard)


def test_damaged_shards_are_named(dss: DSSClient, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "j"
    plan = plan_jobs(
        manifest, shards=2, out=out, replica="aws", download_dir=tmp_path / "d", threads=4
    )
    text = plan.shard_path(2).read_bytes()
    plan.shard_path(2).unlink()
    with pytest.raises(JobError, match=r"shard-0002.tsv is not there: make the plan again"):
        run_job(dss, out, 2)
    with pytest.raises(JobError, match=r"shard-0001.tsv|shard-0002.tsv"):
        merge_jobs(out, partial=True)
    plan.shard_path(2).write_bytes(text)
    for shard in (1, 2):
        run_job(dss, out, shard)

    good = plan.output_path(1).read_bytes()
    plan.output_path(1).write_bytes(good.replace(b"\r\n", b"\r\nx", 1))
    with pytest.raises(JobError, match=r"shard-0001.downloaded.tsv cannot be read.*--shard 1"):
        merge_jobs(out)
    plan.output_path(1).write_bytes(good[: good.rindex(b"\r\n", 0, -2) + 2])
    with pytest.raises(JobError, match=r"row \d+ of .*wanted.tsv is in no shard"):
        merge_jobs(out)
    plan.output_path(1).write_bytes(good)

    plan.result_path(1).write_text("[]")
    with pytest.raises(JobError, match=r"result-0001.json cannot be read: .*--shard 1"):
        merge_jobs(out)
    plan.result_path(1).write_text("[1, [\n")
    with pytest.raises(JobError, match=r"result-0001.json cannot be read"):
        merge_jobs(out)


@pytest.mark.parametrize(
    ("environ", "shard"),
    [
        ({}, None),
        ({"SLURM_ARRAY_TASK_ID": "7"}, 7),
        ({"SGE_TASK_ID": "undefined"}, None),
        ({"SGE_TASK_ID": "3"}, 3),
        ({"PBS_ARRAY_INDEX": "4"}, 4),
        ({"PBS_ARRAYID": "4"}, 4),
        ({"LSB_JOBINDEX": "0"}, None),
        ({"LSB_JOBINDEX": "2"}, 2),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0"}, 1),
        ({"BATCH_TASK_INDEX": "4"}, 5),
        ({"JOB_COMPLETION_INDEX": "1"}, 2),
        ({"LSB_JOBINDEX": "0", "AWS_BATCH_JOB_ARRAY_INDEX": "2"}, 3),
    ],
)
def test_schedulers_tell_the_shard(environ: dict[str, str], shard: int | None) -> None:
    assert shard_of_environment(environ) == shard


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM", "SGE", "PBS", "LSB", "AWS_BATCH", "BATCH", "JOB")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "12")
    assert shard_of_environment() == 12
