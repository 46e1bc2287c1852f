"""``dss plan``, ``dss run`` and ``dss merge``."""

from pathlib import Path

import pytest

from dss_client.local import LocalDSS

from ..download.sample import ROWS, write_sample
from .conftest import Run, Spawn

MISSING = Path("missing")


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    return write_sample(tmp_path / "wanted.tsv", local_dss.url)


def test_an_array_of_jobs(
    run: Run,
    local_dss: LocalDSS,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DSS_URL", local_dss.url)
    jobs, data = tmp_path / "jobs", tmp_path / "data"
    words = ("plan", manifest, "--shards", 2, "--out", jobs, "--download-dir", data)
    outcome = run(*words, "--layout", "bundle", "--no-durable", "--threads", 3)
    assert (outcome.status, outcome.err) == (0, "")
    rows, there, shards, each, last = outcome.out.splitlines()
    assert rows.startswith(f"{ROWS} rows, 360.2 kB")
    assert there == (
        f"in the store already: 0 rows, 0 bytes; to be downloaded: {ROWS} rows, 360.2 kB"
    )
    assert shards.startswith("2 shards of ")
    assert f"dss run {jobs} --shard 1 to 2" in each
    assert last == f"at the end: dss merge {jobs}"
    assert run(*words).status == 2

    dry = run("run", jobs, "--shard", 1, "--dry-run")
    assert dry.out.startswith("to be downloaded")
    missing = run("merge", jobs)
    assert missing.status == 1
    assert "2 of the 2 shards" in missing.err

    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    outcome = run("run", jobs)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith(f", shard 2 of {jobs}\n")
    partly = run("merge", jobs, "--partial")
    assert partly.status == 1
    assert partly.out.startswith("1 of 2 shards done: ")
    assert partly.err == (
        f"missing: shard 1; run dss run {jobs} --shard 1\nError: 1 of 2 shards are not done\n"
    )

    assert run("run", jobs, "--shard", 1, "--threads", 2, "--json").document["shard"] == 1
    merged = run("merge", jobs)
    assert (merged.status, merged.err) == (0, "")
    assert merged.out == (
        f"2 of 2 shards done: {ROWS + 3} files, 393.6 kB, listed in {data / 'wanted.tsv'}\n"
    )
    document = run("merge", jobs, "--json").document
    assert document["ok"] is True
    assert [shard["state"] for shard in document["shards"]] == ["done", "done"]


def test_a_job_whose_files_fail(
    run: Run, manifest: Path, tmp_path: Path, local_dss: LocalDSS
) -> None:
    jobs = tmp_path / "jobs"
    with LocalDSS(sample=True, faults=[{"on": "storage", "status": 404}]) as server:
        words = ("--out", jobs, "--download-dir", tmp_path / "d", "--num-retries", 0)
        document = run("plan", manifest, "--shards", 1, *words, "--json").document
        assert document["shards"] == 1
        outcome = run("run", jobs, "--shard", 1, "--url", server.url)
    assert outcome.status == 1
    assert outcome.err.endswith(f"Error: {ROWS} of {ROWS} files failed\n")
    merged = run("merge", jobs)
    assert merged.status == 1
    assert f"0 of 1 shards done: 0 files, 0 bytes ({ROWS} failed)" in merged.out
    assert f"failed: shard 1; run dss run {jobs} --shard 1\n" in merged.err


def test_processes_share_a_shard(
    spawn: Spawn, run: Run, local_dss: LocalDSS, manifest: Path, tmp_path: Path
) -> None:
    words = ("--out", tmp_path / "jobs", "--download-dir", tmp_path / "d")
    assert run("plan", manifest, "--shards", 1, *words).status == 0
    process = spawn("run", tmp_path / "jobs", "--shard", 1, "--processes", 1, DSS_URL=local_dss.url)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.startswith(f"{ROWS} files, ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", __file__, "--shards", 1, "--out", MISSING, "--no-data"], "need --layout bundle"),
        (["plan", __file__, "--shards", 0, "--out", MISSING], "--shards"),
        (["plan", MISSING, "--shards", 1, "--out", MISSING], "does not exist"),
        (["run", MISSING], "give --shard, or run it in a job array"),
    ],
)
def test_wrong_usage(
    run: Run, words: list[object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {})
    outcome = run(*words)
    assert outcome.status == 2
    assert message in outcome.err


def test_no_plan_is_one_line(run: Run, tmp_path: Path) -> None:
    outcome = run("merge", tmp_path)
    assert outcome.status == 1
    assert outcome.err == (
        f"Error: {tmp_path / 'plan.json'} is not there: make a plan with dss plan\n"
    )
