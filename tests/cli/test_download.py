"""``dss download``, ``dss download-manifest`` and their siblings."""

import csv
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from dss_client import FQID, DSSClient, create_version
from dss_client.download.report import StoredEntries
from dss_client.local import LocalDSS
from dss_client.manifest import manifest_rows, write_manifest
from dss_client.models import BundleVersion, FileVersion
from tests.conftest import Origins
from tests.origin import Reply

from .conftest import ANSI, Run, Spawn

LINK = "(hard link|reflink|copy)"


def first_bundle(server: LocalDSS) -> BundleVersion:
    with DSSClient(server.url) as dss:
        fqid = dss.post_search(replica="aws", es_query={}).results[0].bundle_fqid
        return dss.get_bundle(replica="aws", uuid=fqid.split(".")[0]).bundle


@pytest.fixture
def bundle(local_dss: LocalDSS) -> BundleVersion:
    return first_bundle(local_dss)


@pytest.fixture
def manifest(bundle: BundleVersion, tmp_path: Path) -> Path:
    path = tmp_path / "wanted.tsv"
    write_manifest(path, manifest_rows(bundle))
    return path


def files_below(directory: Path) -> set[str]:
    paths = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths} - {"bundle.json"}


def spoil(server: LocalDSS, sha256: str) -> None:
    """Change a byte of a stored content."""
    blob = next(path for path in server.root.rglob("*") if sha256 in path.name and path.is_file())
    content = bytearray(blob.read_bytes())
    content[0] ^= 1
    blob.write_bytes(content)


@pytest.mark.parametrize("way", ["gzip", "standard input", "gzip on standard input"])
def test_a_manifest_may_be_piped_or_compressed(
    run: Run,
    local_dss: LocalDSS,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    content = manifest.read_bytes()
    source = "-"
    if "gzip" in way:
        content = gzip.compress(content)
    if way == "gzip":
        (tmp_path / "m.tsv.gz").write_bytes(content)
        source = str(tmp_path / "m.tsv.gz")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    outcome = run(
        *("download-manifest", "--manifest", source, "--url", local_dss.url),
        *("--download-dir", tmp_path / "data"),
    )
    assert outcome.status == 0, outcome.err
    written = tmp_path / "data" / ("m.tsv" if way == "gzip" else "manifest.tsv")
    with written.open(newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    assert len(rows) == len(manifest.read_text().splitlines()) - 1
    assert all(Path(row["file_path"]).is_file() for row in rows)


def test_a_bad_manifest_on_standard_input_is_named(
    run: Run, local_dss: LocalDSS, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("download-manifest", "--manifest", "-", "--url", local_dss.url)
    for content, reason in [
        (manifest.read_text().encode("utf-16"), "standard input: is UTF-16 text: save it as UTF-8"),
        (manifest.read_bytes() + b"\xe9\n", "byte 0xe9 is not UTF-8 text"),
    ]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        outcome = run(*words)
        assert outcome.status == 1
        assert reason in outcome.err


def test_a_manifest_with_urls_needs_no_deployment(
    run: Run, manifest: Path, tmp_path: Path, origins: Origins
) -> None:
    content = b"of the portal"
    portal = origins(Reply(body=content))
    header, first, *_ = manifest.read_text().splitlines()
    row = dict(zip(header.split("\t"), first.split("\t"), strict=True))
    row |= {"file_sha256": hashlib.sha256(content).hexdigest(), "file_size": str(len(content))}
    row["file_url"] = f"{portal.url}/repository/files/1"
    manifest.write_text("".join("\t".join(cells) + "\n" for cells in (row, row.values())))
    words = ("download-manifest", "--manifest", manifest, "--download-dir", tmp_path / "data")
    outcome = run(*words, "--urls", "file_url", "--layout", "bundle")
    assert (outcome.status, outcome.err) == (0, "")
    assert next(iter((tmp_path / "data").glob(f"*/{row['file_name']}"))).read_bytes() == content
    outcome = run(*words, "--urls", "url")
    assert outcome.status == 1
    assert "lacks the columns url: it has bundle_uuid, " in outcome.err
    assert (
        "cannot be used with --urls"
        in run(*words, "--urls", "u", "--layout", "bundle", "--no-data").err
    )


def test_download_makes_a_directory(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, tmp_path: Path
) -> None:
    outcome = run("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url)
    directory = tmp_path / f"{bundle.uuid}.{bundle.version}"
    assert (outcome.status, outcome.err) == (0, "")
    total = len(bundle.files) + 1
    made = rf"\({total} downloaded; {total} by {LINK}\), in {re.escape(str(directory))}\n"
    assert re.search(made, outcome.out)
    assert files_below(directory) == {file.name for file in bundle.files}
    for file in bundle.files:
        assert hashlib.sha256((directory / file.name).read_bytes()).hexdigest() == file.sha256
    again = run("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url)
    assert f"({total} reused; {total} by " in again.out


def test_download_goes_to_the_current_directory_by_default(
    run: Run,
    local_dss: LocalDSS,
    bundle: BundleVersion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("download", bundle.uuid, "--url", local_dss.url).status == 0
    assert (tmp_path / f"{bundle.uuid}.{bundle.version}" / "bundle.json").is_file()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--no-data"], lambda file: file.indexed),
        (["--no-metadata"], lambda file: not file.indexed),
        (
            ["--metadata-filter", "li*s.json", "--data-filter", ""],
            lambda file: file.name == "links.json",
        ),
        (
            ["--no-metadata", "--data-filter", "*R1*", "--data-filter", "*R2*"],
            lambda file: file.name.endswith(".fastq.gz"),
        ),
    ],
)
def test_download_takes_what_is_asked_for(
    run: Run,
    local_dss: LocalDSS,
    bundle: BundleVersion,
    tmp_path: Path,
    options: list[str],
    wanted: Callable[[FileVersion], bool],
) -> None:
    words = ("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url, "--json")
    document = run(*words, *options).document
    names = {file.name for file in bundle.files if wanted(file)}
    assert files_below(tmp_path / f"{bundle.uuid}.{bundle.version}") == names
    skipped = [file for file in document["files"] if file["state"] == "skipped"]
    assert len(skipped) == len(bundle.files) - len(names)


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_each_failed_file_is_named(run: Run, tmp_path: Path, as_json: list[str]) -> None:
    with LocalDSS(tmp_path / "root", sample=True) as server:
        bundle = first_bundle(server)
        bad = next(file for file in bundle.files if file.name == "links.json")
        spoil(server, bad.sha256)
        words = ("download", bundle.uuid, "--download-dir", tmp_path / "data", "--url", server.url)
        outcome = run(*words, *as_json)
    total = len(bundle.files) + 1
    failed, last = outcome.err.splitlines()
    assert outcome.status == 1
    assert failed.startswith("failed: 'links.json' of bundle ")
    assert bad.sha256 in failed
    assert last == f"Error: 1 of {total} files failed"
    if as_json:
        assert outcome.document["files_failed"] == 1
        assert outcome.document["files_done"] == total - 1
    else:
        assert outcome.out.startswith(f"{total - 1} files, ")


def test_one_cause_of_many_failures_is_told_once(run: Run, tmp_path: Path) -> None:
    with LocalDSS(sample=True, faults=[{"on": "storage", "status": 403}]) as server:
        bundle, storage = first_bundle(server), server.storage_url
        words = ("download", bundle.uuid, "--download-dir", tmp_path, "--url", server.url)
        outcome = run(*words, "--num-retries", 0, "--verbose")
    failed, last = outcome.err.splitlines()
    count, total = len(bundle.files), len(bundle.files) + 1
    assert failed.startswith(f"failed: {count} files: GET {storage}/...: 403")
    assert failed.endswith(f" and {count - 3} more)")
    assert last == f"Error: {count} of {total} files failed"
    named = [line for line in outcome.out.splitlines() if line.startswith("failed ")]
    assert len(named) == count
    assert all("403" in line for line in named)


def test_download_manifest_in_the_bundle_layout(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, manifest: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    words = ("download-manifest", "--manifest", manifest, "--download-dir", data)
    outcome = run(*words, "--layout", "bundle", "--url", local_dss.url)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith(f", listed in {data / 'wanted.tsv'}\n")
    names = {file.name for file in bundle.files}
    assert files_below(data / f"{bundle.uuid}.{bundle.version}") == names
    with (data / "wanted.tsv").open(newline="") as file:
        assert all(row["file_path"] for row in csv.DictReader(file, dialect="excel-tab"))


def test_download_manifest_without_layout_and_as_json(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, manifest: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    words = ("download-manifest", "--manifest", manifest, "--download-dir", data, "--json")
    document = run(*words, "--url", local_dss.url).document
    assert document["ok"] is True
    assert document["files_done"] == len(bundle.files)
    assert document["manifest_path"] == str(data / "wanted.tsv")
    assert {path.name for path in data.iterdir()} == {".hca", "wanted.tsv"}
    again = run(*words[:-1], "--url", local_dss.url).out
    assert f", named by sha256 below {data / '.hca'} (--layout bundle: by their names), li" in again


def test_a_bad_manifest_is_one_line(run: Run, local_dss: LocalDSS, tmp_path: Path) -> None:
    manifest = tmp_path / "bad.tsv"
    manifest.write_text("bundle_uuid\tbundle_version\n")
    outcome = run("download-manifest", "--manifest", manifest, "--url", local_dss.url)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(f"Error: {manifest}, line 1: lacks the columns file_name")
    assert outcome.err.count("\n") == 1


def fqids(server: LocalDSS) -> list[str]:
    with DSSClient(server.url) as dss:
        hits = dss.post_search.iterate(replica="aws", es_query={})
        return [hit.bundle_fqid for hit in hits]


def test_several_bundles_with_or_without_a_version(
    run: Run, local_dss: LocalDSS, tmp_path: Path
) -> None:
    first, second, third = fqids(local_dss)
    words = ("download", first, second.partition(".")[0], "--download-dir", tmp_path)
    outcome = run(*words, "--url", local_dss.url)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith(f", in {tmp_path}\n")
    assert {path.name for path in tmp_path.iterdir()} == {".hca", first, second}
    missing = run(*words, third, UUID, "--url", local_dss.url)
    assert missing.status == 1
    assert "404 not_found" in missing.err
    assert not (tmp_path / third).exists()  # nothing is begun before all of them are known


def test_what_a_search_finds(run: Run, local_dss: LocalDSS, tmp_path: Path) -> None:
    words = ("download-search", "--url", local_dss.url, "--download-dir", tmp_path)
    outcome = run(*words, "{}", "--no-data", "--json")
    assert outcome.status == 0
    assert {each["bundle"] for each in outcome.document["files"]} == set(fqids(local_dss))
    assert outcome.document["files_skipped"] > 0
    nothing = run(*words, '{"query": {"match_none": {}}}')
    assert (nothing.status, nothing.err) == (0, "no bundle of replica aws matches\n")
    wrong = run(*words, "[]")
    assert wrong.status == 2
    assert "is not a JSON object" in wrong.err
    assert "Missing argument 'QUERY'" in run(*words).err


def test_what_a_collection_lists(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalDSS(tmp_path / "root", sample=True) as server:
        token = server.mint_token(email="me@example.org")
        monkeypatch.setenv("DSS_TOKEN", token)
        fqid = FQID.parse(fqids(server)[0])
        with DSSClient(server.url) as dss:
            made = dss.put_collection(
                replica="aws",
                uuid=UUID,
                version=create_version(),
                name="mine",
                description="of the test",
                details={},
                contents=[{"type": "bundle", "uuid": fqid.uuid, "version": fqid.version}],
            )
        words = ("download-collection", "--url", server.url, "--download-dir", tmp_path / "d")
        outcome = run(*words, made.uuid)
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.endswith(f", in {tmp_path / 'd'}\n")
        assert (tmp_path / "d" / str(fqid) / "bundle.json").is_file()
        assert run(*words, f"{made.uuid}.{made.version}", "--dry-run").status == 0
        # C13: the reference client's option refuses any value.
        assert run(*words, made.uuid, "--version", made.version, "--dry-run").status == 0
        assert "404" in run(*words, made.uuid, "--version", "2019-01-01T000000.000000Z").err


@pytest.mark.parametrize("command", ["download", "download-manifest"])
def test_a_dry_run_says_what_would_be_done(
    run: Run,
    local_dss: LocalDSS,
    bundle: BundleVersion,
    manifest: Path,
    tmp_path: Path,
    command: str,
) -> None:
    data = tmp_path / "data"
    what = [bundle.uuid] if command == "download" else ["--manifest", manifest]
    words = (command, *what, "--download-dir", data, "--url", local_dss.url)
    outcome = run(*words, "--dry-run")
    count = len(bundle.files) + (command == "download")
    assert (outcome.status, outcome.err) == (0, "")
    assert re.match(rf"to be downloaded +{count} +[0-9.]+ kB\nthere already +0 ", outcome.out)
    assert not data.exists()
    listed = run(*words, "--dry-run", "-v").out.splitlines()
    assert len(listed) == count + 4
    assert re.fullmatch(r"planned +[0-9.]+ \w+  \S+  \(not in the store\)", listed[0])
    document = run(*words, "--dry-run", "--json").document
    assert {each["reason"] for each in document["files"]} == {"not in the store"}

    assert run(*words).status == 0
    again = run(*words, "--dry-run", "-v").out
    assert command == "download-manifest" or "(in the store, and verified)" in again
    assert re.search(rf"there already +{count} ", again)


def test_each_file_can_be_listed(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, tmp_path: Path
) -> None:
    words = ("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url)
    *lines, _ = run(*words, "-v", "--no-data").out.splitlines()
    assert len(lines) == len(bundle.files) + 1
    assert any(re.match(rf"downloaded .*/links.json  \({LINK}\)$", line) for line in lines)
    assert any(re.match(r"skipped .*  \(left out by the filters\)$", line) for line in lines)


@pytest.mark.parametrize(("clash", "status"), [("error", 1), ("rename", 0), ("skip", 0)])
def test_options_reach_the_download(
    run: Run, empty_dss: LocalDSS, tmp_path: Path, clash: str, status: int
) -> None:
    (tmp_path / "source").mkdir()
    for name in ("read", "READ"):
        (tmp_path / "source" / name).write_text(name)
    fqid = empty_dss.load_bundle(tmp_path / "source").fqid
    words = ("download", fqid, "--download-dir", tmp_path / "data", "--url", empty_dss.url)
    more = ("--verify", "size", "--no-durable", "--threads", 2, "--num-retries", 0)
    outcome = run(*words, *more, "--clash", clash)
    assert outcome.status == status
    if clash == "error":
        assert "clashes with 'READ'" in outcome.err or "clashes with 'read'" in outcome.err


@pytest.mark.skipif(sys.platform == "win32", reason="the name is one for other systems")
def test_a_name_may_have_to_be_portable(run: Run, empty_dss: LocalDSS, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "lane:1.fastq").write_text("1")
    fqid = empty_dss.load_bundle(tmp_path / "source").fqid
    words = ("download", fqid, "--download-dir", tmp_path / "data", "--url", empty_dss.url)
    refused = run(*words, "--portable")
    assert refused.status == 1
    assert "failed: 'lane:1.fastq'" in refused.err
    assert "download without portable" in refused.err
    assert run(*words).status == 0


def test_the_last_line_of_a_long_download_reads_no_entries(
    run: Run,
    local_dss: LocalDSS,
    bundle: BundleVersion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: StoredEntries) -> NoReturn:
        raise AssertionError("the entries are read")

    monkeypatch.setattr("dss_client.download.run._IN_MEMORY", 1)
    monkeypatch.setattr(StoredEntries, "__iter__", refuse)
    words = ("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url)
    total = len(bundle.files) + 1
    for state in ("downloaded", "reused"):
        assert re.search(rf"\({total} {state}; {total} by {LINK}\), in ", run(*words).out)


def test_processes_share_the_work(
    spawn: Spawn, local_dss: LocalDSS, bundle: BundleVersion, tmp_path: Path
) -> None:
    process = spawn("download", bundle.uuid, "--processes", 2, cwd=tmp_path, DSS_URL=local_dss.url)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert f"({len(bundle.files) + 1} downloaded" in out


@pytest.fixture
def held_up(tmp_path: Path) -> Iterator[LocalDSS]:
    """A DSS whose storage does not get beyond the first bytes of an answer."""
    with LocalDSS(sample=True, faults=[{"on": "storage", "stall": 0}]) as server:
        yield server


INTERRUPTED = "interrupted; run the same command again to continue\n"


def is_held_up(server: LocalDSS) -> None:
    while not server.faults.counts[0].fired:
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize(
    ("name", "status", "more"),
    [
        ("SIGINT", 130, []),
        ("SIGTERM", 143, []),
        ("SIGHUP", 129, []),
        ("SIGINT", 130, ["--processes", "2"]),
        ("SIGTERM", 143, ["--processes", "2"]),
    ],
)
def test_an_interrupt_says_how_to_go_on(
    spawn: Spawn, held_up: LocalDSS, tmp_path: Path, name: str, status: int, more: list[str]
) -> None:
    words = ("download", fqids(held_up)[0], *more)
    process = spawn(*words, cwd=tmp_path, DSS_URL=held_up.url)
    is_held_up(held_up)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (status, "", INTERRUPTED)
    held_up.faults = None
    again = spawn(*words, cwd=tmp_path, DSS_URL=held_up.url)
    assert again.communicate(timeout=60)[1] == ""
    assert again.returncode == 0


def children_of(process: "subprocess.Popen[str]") -> list[Path]:
    """Return the places in ``/proc`` of the processes that another has started."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [Path("/proc", child) for child in listed.split()]


def is_running(place: Path) -> bool:
    try:
        state = place.joinpath("stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_no_process_outlives_the_command(spawn: Spawn, held_up: LocalDSS, tmp_path: Path) -> None:
    words = ("download", fqids(held_up)[0], "--processes", 2)
    process = spawn(*words, cwd=tmp_path, DSS_URL=held_up.url)
    is_held_up(held_up)
    children = children_of(process)
    assert len(children) > 1
    process.kill()
    process.wait(timeout=60)
    while any(map(is_running, children)):
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_may_come_to_all_processes(
    held_up: LocalDSS, tmp_path: Path, name: str, status: int
) -> None:
    """As from a terminal that is closed, or a scheduler."""
    words = ("download", fqids(held_up)[0], "--processes", "2", "--url", held_up.url)
    with subprocess.Popen(
        [sys.executable, "-m", "dss_client", *words],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        is_held_up(held_up)
        os.killpg(process.pid, getattr(signal, name))
        _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert INTERRUPTED in err


@pytest.mark.skipif(shutil.which("nohup") is None, reason="needs nohup")
def test_the_end_of_a_terminal_stays_ignored(held_up: LocalDSS, tmp_path: Path) -> None:
    words = ("download", fqids(held_up)[0], "--url", held_up.url)
    with subprocess.Popen(
        ["nohup", sys.executable, "-m", "dss_client", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        is_held_up(held_up)
        process.send_signal(signal.SIGHUP)
        held_up.faults = None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.endswith(INTERRUPTED)


UUID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["download", UUID, "--no-data", "--data-filter", "*"], "--no-data and --data-filter"),
        (["download", UUID, "--no-metadata", "--metadata-filter", "*"], "exclude each other"),
        (["download"], "Missing argument"),
        (["download", UUID, UUID, "--version", "2019-01-01T000000.000000Z"], "for one bundle"),
        (["download", UUID, "--threads", "0"], "--threads"),
        (["download-manifest", "--manifest", "missing.tsv"], "'missing.tsv' does not exist"),
        (["download-manifest", "--manifest", __file__, "--no-data"], "need --layout bundle"),
        (["download-manifest", "--manifest", __file__, "--layout", "tree"], "'tree'"),
    ],
)
def test_options_that_contradict_are_wrong_usage(run: Run, words: list[str], message: str) -> None:
    outcome = run(*words)
    assert outcome.status == 2
    assert message in outcome.err


def test_a_pipe_sees_no_progress(
    spawn: Spawn, local_dss: LocalDSS, bundle: BundleVersion, tmp_path: Path
) -> None:
    process = spawn("download", bundle.uuid, "--json", cwd=tmp_path, DSS_URL=local_dss.url)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert ANSI not in out
    assert json.loads(out)["ok"] is True


def test_one_file_goes_to_a_path(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, tmp_path: Path
) -> None:
    file = bundle.files[0]
    words = ("download-file", f"{file.uuid}.{file.version}", "--url", local_dss.url, "-o")
    outcome = run(*words, tmp_path / "x")
    assert (outcome.status, outcome.err) == (0, "")
    assert re.fullmatch(rf"{re.escape(str(tmp_path / 'x'))}: .+, downloaded\n", outcome.out)
    assert hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest() == file.sha256
    assert run(*words, tmp_path / "x", "--json").document["state"] == "reused"
    refused = run(*words, tmp_path)
    assert refused.status == 2
    assert "is a directory" in refused.err
    (tmp_path / "x").write_text("mine")
    assert "another file is at" in run(*words, tmp_path / "x").err
    assert run(*words, tmp_path / "x", "--overwrite").status == 0


def test_overwrite_replaces_what_differs(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, tmp_path: Path
) -> None:
    words = ("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url)
    folder = tmp_path / f"{bundle.uuid}.{bundle.version}"
    path = folder / bundle.files[0].name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    refused = run(*words)
    assert refused.status == 1
    assert f"another file is at {path}; move it out of the way" in refused.err
    assert path.read_text() == "mine"
    assert run(*words, "--overwrite").status == 0
    assert hashlib.sha256(path.read_bytes()).hexdigest() == bundle.files[0].sha256
    assert not list(folder.rglob("*.part"))
