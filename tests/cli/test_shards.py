"""``--shard``: one share of a download, as a job of an array takes it."""

from pathlib import Path

import pytest

from dss_client.local import LocalDSS

from ..download.sample import ROWS, sample_rows, write_sample
from .conftest import Run

SHARDS = ("1/3", "2/3", "3/3")
# What a scheduler calls the first of its jobs.
FIRST = {
    "SLURM_ARRAY_TASK_ID": 1,
    "SGE_TASK_ID": 1,
    "PBS_ARRAY_INDEX": 1,
    "PBS_ARRAYID": 1,
    "LSB_JOBINDEX": 1,
    "AWS_BATCH_JOB_ARRAY_INDEX": 0,
    "BATCH_TASK_INDEX": 0,
    "JOB_COMPLETION_INDEX": 0,
}


@pytest.fixture(autouse=True)
def no_job_array(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIRST:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    return write_sample(tmp_path / "wanted.tsv", local_dss.url)


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("shard", ["auto/3", "/3"])
def test_a_scheduler_gives_the_number(
    run: Run,
    local_dss: LocalDSS,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    shard: str,
) -> None:
    common = ("--url", local_dss.url, "--json", "--dry-run", "--download-dir", tmp_path)
    words = ("download-manifest", "--manifest", manifest, *common)
    counts = []
    for number in range(3):
        monkeypatch.setenv(name, str(FIRST[name] + number))
        given = run(*words, "--shard", shard).document["files_total"]
        assert given == run(*words, "--shard", f"{number + 1}/3").document["files_total"]
        counts.append(given)
    assert sum(counts) == ROWS
    monkeypatch.setenv(name, str(FIRST[name] + 3))
    outcome = run(*words, "--shard", shard)
    assert outcome.status == 2
    expected = f"number the jobs of the array from {FIRST[name]} to {FIRST[name] + 2}"
    assert expected in outcome.err


@pytest.mark.parametrize(
    ("name", "value"), [("SGE_TASK_ID", "undefined"), ("LSB_JOBINDEX", "0"), ("", "")]
)
def test_outside_of_an_array_there_is_no_number(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    if name:
        monkeypatch.setenv(name, value)
    outcome = run("download-search", "{}", "--shard", "auto/3")
    assert outcome.status == 2
    assert "shard='auto/3' needs a job array" in outcome.err
    assert "SLURM_ARRAY_TASK_ID" in outcome.err


def test_what_a_command_says_of_a_share(
    run: Run, local_dss: LocalDSS, manifest: Path, tmp_path: Path
) -> None:
    common = ("--url", local_dss.url, "--download-dir", tmp_path / "data")
    words = ("download-manifest", "--manifest", manifest, *common)
    for shard in SHARDS:
        outcome = run(*words, "--shard", shard)
        assert outcome.status == 0
        assert outcome.out.endswith(f", in {tmp_path / 'data'}\n")
    outcome = run(*words)
    assert f"{ROWS} reused" in outcome.out
    assert outcome.out.endswith(f", listed in {tmp_path / 'data' / 'wanted.tsv'}\n")
    nothing = run(
        "download",
        sample_rows(local_dss.url)[0].bundle_uuid,
        "--url",
        local_dss.url,
        "--no-data",
        "--no-metadata",
        "--shard",
        "1/1000",
        "--download-dir",
        tmp_path / "none",
    )
    assert nothing.out == f"0 files, 0 bytes, in {tmp_path / 'none'}\n"
