"""``dss serve`` and ``dss load``, as processes that are signalled."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dss_client import FQID, DSSClient, ServerError
from dss_client.local import LocalDSS
from dss_client.models import BundleFileDict

from .conftest import Run, Spawn

READY = re.compile(
    r"DSS ready: (http://\S+/v1) \(storage (http://\S+)\);"
    r" (?:no bundles|bundles: 3 in aws); Ctrl-C stops it\n"
)
FREE_PORTS = ("--port", "0", "--storage-port", "0")

posix = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


def urls(process: "subprocess.Popen[str]") -> tuple[str, str]:
    assert process.stdout is not None
    line = process.stdout.readline()
    match = READY.fullmatch(line)
    assert match is not None, (line, process.stderr and process.stderr.read())
    return match[1], match[2]


def port_of(url: str) -> int:
    return int(url.split(":")[2].split("/")[0])


def can_be_bound(port: int) -> bool:
    with socket.create_server(("127.0.0.1", port)):
        return True


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_signalled(spawn: Spawn, number: signal.Signals) -> None:
    process = spawn("serve", "--sample", *FREE_PORTS)
    url, storage_url = urls(process)
    with DSSClient(url) as dss:
        hits = list(dss.post_search.iterate(replica="aws", es_query={}))
        bundle = FQID.parse(hits[0].bundle_fqid)
        file = dss.get_bundle(
            replica="aws", uuid=bundle.uuid, version=bundle.version, presignedurls=True
        ).bundle.files[0]
    assert len(hits) == 3
    assert file.url is not None
    assert file.url.startswith(storage_url)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    assert can_be_bound(port_of(url))
    assert can_be_bound(port_of(storage_url))


@posix
def test_it_serves_what_was_loaded_as_json(spawn: Spawn, run: Run, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "cell_0.json").write_text('{"name": "one"}')
    root = tmp_path / "root"
    loaded = run("load", source, "--root", root)
    assert (loaded.status, loaded.err) == (0, "")
    process = spawn("serve", "--root", root, *FREE_PORTS, "--json")
    assert process.stdout is not None
    document = json.loads(process.stdout.readline())
    with DSSClient(document["url"]) as dss:
        hits = list(dss.post_search.iterate(replica="aws", es_query={}))
    assert [hit.bundle_fqid for hit in hits] == [loaded.out.strip()]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0


@posix
def test_a_host_that_others_reach_gets_a_warning(spawn: Spawn) -> None:
    process = spawn("serve", "--sample", "--host", "0.0.0.0", *FREE_PORTS)
    urls(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err == (
        "Warning: there are no accounts: everyone who reaches 0.0.0.0 can read everything.\n"
    )


@pytest.mark.parametrize("option", ["--port", "--storage-port"])
def test_a_port_in_use_is_one_line(run: Run, tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = run("serve", "--root", tmp_path, *FREE_PORTS, option, port)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; "
    )
    assert outcome.err.count("\n") == 1


def test_a_root_that_is_served_already_is_one_line(run: Run, tmp_path: Path) -> None:
    with LocalDSS(tmp_path):
        outcome = run("serve", "--root", tmp_path, *FREE_PORTS)
    assert outcome.status == 1
    assert outcome.err.startswith("Error: another server works on ")
    assert outcome.err.count("\n") == 1


def test_a_host_that_is_not_of_this_machine_is_one_line(run: Run, tmp_path: Path) -> None:
    outcome = run("serve", "--root", tmp_path, "--host", "nosuchhost.invalid", *FREE_PORTS)
    assert outcome.status == 1
    assert "Error: cannot listen on nosuchhost.invalid:0: " in outcome.err


def test_a_root_that_cannot_be_filled_is_no_matter_of_ports(spawn: Spawn, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "aws").mkdir(parents=True)
    (root / "aws" / "main").touch()  # where a bucket should be
    process = spawn("serve", "--root", root, "--sample", *FREE_PORTS)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.count("\n") == 1
    assert "cannot listen" not in err
    assert str(root) in err


def test_serve_needs_data(run: Run) -> None:
    outcome = run("serve", *FREE_PORTS)
    assert outcome.status == 2
    assert "--root DIR" in outcome.err
    assert "--sample" in outcome.err


@pytest.fixture
def stopped_when_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the bundles counted late, and Ctrl-C come when their number was told."""

    def count(_server: LocalDSS) -> dict[str, int]:
        counter = threading.current_thread()

        def stop() -> None:
            counter.join()
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=stop).start()
        threading.Event().wait(0.1)
        return {"aws": 12_345, "gcp": 0}

    monkeypatch.setattr(LocalDSS, "bundle_counts", count)
    monkeypatch.setattr("dss_client.cli.commands.serve._PATIENCE", 0)


@posix
@pytest.mark.usefixtures("stopped_when_counted")
def test_a_large_bucket_does_not_hold_up_the_start(run: Run) -> None:
    outcome = run("serve", "--sample", *FREE_PORTS)
    assert outcome.status == 0
    assert "; many bundles, still counting; Ctrl-C stops it\n" in outcome.out
    assert outcome.err == "Counted: bundles: 12,345 in aws\n"


@posix
@pytest.mark.usefixtures("stopped_when_counted")
def test_a_bucket_and_a_new_root_are_told(run: Run, tmp_path: Path) -> None:
    LocalDSS(tmp_path / "root", sample=True).start().stop()
    raw, new = tmp_path / "root" / "aws" / "main", tmp_path / "new"
    for root, note in (
        (raw, f"Note: {raw} is the bucket of one replica: it is served as aws, read-only.\n"),
        (tmp_path / "root", ""),
        (new, f"Note: there was no data in {new}: it is a new root.\n"),
    ):
        outcome = run("serve", "--root", root, "--token-file", tmp_path / "token", *FREE_PORTS)
        assert outcome.status == 0
        assert outcome.err.removesuffix("Counted: bundles: 12,345 in aws\n") == note


def test_a_root_by_mistake_is_one_line(run: Run, tmp_path: Path) -> None:
    for words in (["--root", tmp_path / "typo"], ["--root", f"memory://{tmp_path}/typo"]):
        outcome = run("serve", *words, *FREE_PORTS)
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err.startswith("Error: there is no")
        assert "typo: expected aws/main/ or gcp/main/ below it, or bundles/" in outcome.err
        assert outcome.err.count("\n") == 1
    assert not (tmp_path / "typo").exists()


def test_a_root_may_be_a_url(run: Run, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "data.txt").write_text("data")
    root = tmp_path / "root"
    loaded = run("load", tmp_path / "source", "--root", root.as_uri())
    assert (loaded.status, loaded.err) == (0, "")
    assert [path.name for path in (root / "aws" / "main" / "bundles").iterdir()] == [
        loaded.out.strip()
    ]


def test_load_with_id_and_version(run: Run, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "data.txt").write_text("data")
    uuid, version = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", "2019-01-01T000000.000000Z"
    words = ("load", tmp_path / "source", "--root", tmp_path / "root", "--uuid", uuid)
    outcome = run(*words, "--version", version, "--replica", "gcp", "--json")
    assert outcome.document == {"uuid": uuid, "version": version, "files": 1}
    again = run(*words, "--version", version, "--replica", "gcp")
    assert again.status == 1
    assert f"{uuid}.{version} exists in replica gcp" in again.err
    wrong = run(*words, "--version", "yesterday")
    assert wrong.status == 2
    assert "'yesterday' is not a valid DSS version" in wrong.err


def test_load_refuses_what_is_no_bundle(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = run("load", tmp_path / "empty", "--root", tmp_path / "root")
    assert outcome.status == 1
    assert "has no files" in outcome.err
    assert run("load", tmp_path / "missing", "--root", tmp_path / "root").status == 2


@posix
def test_a_token_lets_everything_be_written(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged" / "cell_0.json").write_text('{"name": "one"}')
    token_file = tmp_path / "token"
    token_file.write_text("an older one")
    process = spawn(
        *("serve", "--root", str(tmp_path / "dss"), "--token-file", str(token_file), *FREE_PORTS),
        *("--source", f"staging={tmp_path / 'staged'}", "--replication", "at once"),
    )
    url, _ = urls(process)
    assert token_file.stat().st_mode & 0o777 == 0o600
    version = "2020-01-01T000000.000000Z"
    uuid = "3f1d2a5c-0000-4000-8000-000000000001"
    with DSSClient(url, token=token_file.read_text()) as dss:
        source = "s3://staging/cell_0.json"
        dss.put_file(uuid=uuid, version=version, creator_uid=0, source_url=source)
        file: BundleFileDict = {
            "name": "cell_0.json",
            "uuid": uuid,
            "version": version,
            "indexed": True,
        }
        dss.put_bundle(uuid=uuid, version=version, replica="aws", creator_uid=0, files=[file])
        assert dss.get_file(uuid=uuid, replica="gcp") == b'{"name": "one"}'
        dss.delete_bundle(uuid=uuid, replica="gcp", reason="a test")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert not token_file.exists()


@posix
def test_read_only_and_as_the_original(spawn: Spawn, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    process = spawn(
        *("serve", "--sample", "--read-only", "--compat", "original", *FREE_PORTS),
        *("--token-file", str(token_file)),
    )
    url, _ = urls(process)
    with DSSClient(url, token=token_file.read_text(), retries=0) as dss:
        with pytest.raises(ServerError) as refused:
            dss.put_file(
                uuid="3f1d2a5c-0000-4000-8000-000000000001",
                version="2020-01-01T000000.000000Z",
                creator_uid=0,
                source_url="s3://bucket/key",
            )
        page = dss.get_bundle.raw(
            uuid=dss.get_bundles_all(replica="aws").bundles[-1].uuid, replica="aws", per_page=10
        )
    assert refused.value.code == "read_only"
    assert "rel='next'" in page.headers["link"]
    assert "token=None" in page.headers["link"]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0


@pytest.mark.parametrize("source", ["staging", "=.", "staging=", "staging=/no/such/directory"])
def test_a_source_that_is_none_is_refused(run: Run, source: str) -> None:
    outcome = run("serve", "--sample", "--source", source)
    assert outcome.status == 2
    assert f"{source!r} is not BUCKET=DIR" in outcome.err
