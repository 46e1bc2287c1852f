"""What all commands share: options, exit statuses, error lines."""

import io
import itertools
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import dss_client
from dss_client import DSSClient
from dss_client.cli import _app, commands, main
from dss_client.cli.groups import GROUPS
from dss_client.local import LocalDSS

from .conftest import Run, Spawn, fill

UNKNOWN = "00000000-0000-4000-8000-000000000000"
COMMANDS = (
    "checkout",
    "create-version",
    "demo",
    "download",
    "download-collection",
    "download-file",
    "download-manifest",
    "download-search",
    "gc",
    "get-bundle",
    "load",
    "search",
    "serve",
    "verify",
)


@pytest.fixture
def broken(request: pytest.FixtureRequest) -> Iterator[str]:
    """A command that fails with the error the test asks for; it is removed afterwards."""
    error: BaseException = request.param

    @_app.app.command("broken")
    def command() -> None:
        raise error

    yield "broken"
    del _app.app.commands["broken"]


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_commands(run: Run, flag: str) -> None:
    outcome = run(flag)
    assert outcome.status == 0
    assert all(f"  {command} " in outcome.out for command in COMMANDS)


def test_each_command_is_under_one_heading(run: Run) -> None:
    shown = run("--help").out
    assert sorted(itertools.chain(*GROUPS.values())) == sorted(_app.app.commands)
    cut = [line for line in shown.splitlines()[1:] if line.endswith("...")]
    assert cut == []  # each says in one line what it does
    headings = [line.removesuffix(":") for line in shown.splitlines() if line.endswith(":")]
    assert headings == ["Options", *GROUPS]


@pytest.mark.parametrize("command", ["plan", "run", "merge"])
def test_a_command_of_old_names_what_to_use(run: Run, command: str) -> None:
    outcome = run(command, "--replica", "aws")
    assert outcome.status == 2
    assert f"no command '{command}' any more" in outcome.err
    assert "--shard I/N" in outcome.err


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_the_common_options(run: Run, command: str) -> None:
    outcome = run(command, "-h")
    assert outcome.status == 0
    assert f"Usage: dss {command}" in outcome.out
    assert all(option in outcome.out for option in ("--url", "--json", "--debug", "--retries"))


@pytest.mark.parametrize("words", [["--version"], ["search", "--version"]])
def test_version(run: Run, words: list[str]) -> None:
    outcome = run(*words)
    assert (outcome.status, outcome.out) == (0, f"dss-client {dss_client.__version__}\n")


def test_without_a_command_the_help_is_shown_as_wrong_usage(run: Run) -> None:
    outcome = run()
    assert outcome.status == 2
    assert "Usage: dss" in outcome.out + outcome.err


def test_an_unknown_command_is_wrong_usage(run: Run) -> None:
    outcome = run("serach")
    assert outcome.status == 2
    assert "serach" in outcome.err


@pytest.mark.parametrize("place", ["before", "after", "both"])
def test_common_options_hold_before_and_after_the_command(
    run: Run, local_dss: LocalDSS, place: str
) -> None:
    options = ["--url", local_dss.url, "--json"]
    words = {
        "before": [*options, "search"],
        "after": ["search", *options],
        "both": ["--url", "http://127.0.0.1:9/v1", "search", *options],
    }[place]
    outcome = run(*words)
    assert outcome.status == 0
    assert outcome.document["total_hits"] == 3


def test_the_url_may_come_from_the_environment(
    run: Run, local_dss: LocalDSS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSS_URL", local_dss.url)
    assert len(run("search").out.splitlines()) == 3


def test_an_error_of_the_service_is_one_line_with_code_and_request_id(
    run: Run, local_dss: LocalDSS
) -> None:
    outcome = run("get-bundle", UNKNOWN, "--url", local_dss.url)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("Error: GET http://127.0.0.1:")
    assert "404 not_found" in outcome.err
    assert "request id" in outcome.err


def test_no_connection_is_one_line(run: Run) -> None:
    outcome = run("search", "--url", "http://127.0.0.1:9/v1", "--retries", 0)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert "127.0.0.1:9" in outcome.err


def test_a_wrong_url_is_wrong_usage(run: Run) -> None:
    outcome = run("search", "--url", "nonsense")
    assert outcome.status == 2
    assert "'nonsense' is not a valid URL of a DSS" in outcome.err


def test_debug_shows_requests_and_trace(spawn: Spawn, local_dss: LocalDSS) -> None:
    process = spawn("--debug", "get-bundle", UNKNOWN, "--url", local_dss.url)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "Traceback (most recent call last)" in err
    assert "ms dss_client" in err
    assert err.splitlines()[-1].startswith("Error: GET ")


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (OSError(28, "No space left on device", "data"), "No space left on device: 'data'"),
        (ValueError("two\n  lines"), "Error: two; lines\n"),
        (ValueError("a \x1b[31mname"), "Error: a \\x1b[31mname\n"),
        (KeyError("surprise"), "Error: unexpected KeyError: 'surprise' (--debug shows where)\n"),
    ],
    indirect=["broken"],
)
def test_other_errors_are_one_line_too(run: Run, broken: str, line: str) -> None:
    outcome = run(broken)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("Error: ")
    assert outcome.err.count("\n") == 1
    assert line in outcome.err


@pytest.mark.parametrize(
    ("broken", "status", "printed"),
    [
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
        (click.ClickException("own words"), 1, "Error: own words\n"),
    ],
    indirect=["broken"],
)
def test_interrupts_and_broken_pipes(run: Run, broken: str, status: int, printed: str) -> None:
    before = (sys.stdout, sys.stderr)
    try:
        outcome = run(broken)
    finally:
        sys.stdout, sys.stderr = before  # click replaces them after a broken pipe
    assert (outcome.status, outcome.out, outcome.err) == (status, "", printed)


def test_an_interrupt_before_the_command_runs_ends_with_130(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_module: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "import_module", interrupt)
    outcome = run("search")
    assert (outcome.status, outcome.out, outcome.err) == (130, "", "")


def test_a_closed_pipe_is_quiet(spawn: Spawn, local_dss: LocalDSS) -> None:
    process = spawn("search", "--url", local_dss.url)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1


def test_any_stream_will_do_for_output(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit, match="0"):
        main(["create-version"])
    assert dss_client.is_version(stream.getvalue().strip())


def test_any_name_can_be_printed(spawn: Spawn, empty_dss: LocalDSS, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "日.txt").touch()
    fqid = empty_dss.load_bundle(tmp_path / "source").fqid
    process = spawn("get-bundle", fqid, "--url", empty_dss.url, PYTHONIOENCODING="cp1252")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("  \\u65e5.txt\n")


@pytest.mark.parametrize(
    ("missing", "words", "remedy"),
    [
        ("click", "['search']", "needs click: pip install 'dss-client[cli]'"),
        ("rich", "['search']", "needs rich: pip install 'dss-client[cli]'"),
        ("s3fs", "['serve', '--root', 's3://x']", "pip install 'dss-client[s3]'"),
        ("starlette", "['demo']", "needs starlette: pip install 'dss-client[local]'"),
        ("uvicorn", "['serve', '--sample']", "needs uvicorn: pip install 'dss-client[local]'"),
        ("starlette", "['load', '.', '--root', 'x']", "pip install 'dss-client[local]'"),
    ],
)
def test_a_missing_extra_is_named(
    missing: str, words: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = python(
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from dss_client.cli import main; main({words})"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert remedy in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_loads_neither_client_dependencies_nor_rich() -> None:
    done = python(
        "import sys\n"
        "from dss_client.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {'rich', 'starlette', 'pydantic', 'dss_client.models'} & set(sys.modules)\n"
        "print(loaded, file=sys.stderr)"
    )
    assert done.stderr == "set()\n"


def test_create_version(run: Run) -> None:
    line = run("create-version").out
    assert dss_client.is_version(line.rstrip("\n"))
    assert dss_client.is_version(run("create-version", "--json").document["version"])


@pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors as POSIX shells do")
class TestClosedStreams:
    def shell(self, command: str, server: LocalDSS) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", command.replace("dss ", f"{sys.executable} -m dss_client ")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "DSS_URL": server.url},
        )

    @pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- 2>&-"])
    def test_closed_streams_are_no_error(
        self, local_dss: LocalDSS, closed: str, tmp_path: Path
    ) -> None:
        with DSSClient(local_dss.url) as dss:
            fqid = dss.post_search(replica="aws", es_query={}).results[0].bundle_fqid
        done = self.shell(f"dss download {fqid} --download-dir {tmp_path} {closed}", local_dss)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(f"in {tmp_path / fqid}\n")

    @pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
    def test_nobody_may_listen(self, local_dss: LocalDSS, closed: str, tmp_path: Path) -> None:
        """Nothing of what is printed goes to a file that took a closed descriptor."""
        done = self.shell(
            f"cd {tmp_path}; dss api get-bundles-all --replica aws {closed} &&"
            f" dss api get-bundles-all --replica aws -o all --debug {closed}",
            local_dss,
        )
        assert (done.returncode, done.stdout) == (0, "")
        assert len(json.loads((tmp_path / "all").read_text())["bundles"]) == 3

    def test_errors_have_their_status_without_a_place_to_be_printed(
        self, local_dss: LocalDSS
    ) -> None:
        assert self.shell(f"dss get-bundle {UNKNOWN} 2>&-", local_dss).returncode == 1
        assert self.shell("dss get-bundle x 2>&-", local_dss).returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ["search", "--output-format", "raw"],
        ["api", "get-bundles-all", "--replica", "aws", "--per-page", "10", "--jsonl"],
    ],
    ids=lambda words: words[0],
)
def test_lines_come_before_the_last_page(
    spawn: Spawn, empty_dss: LocalDSS, tmp_path: Path, words: list[str]
) -> None:
    fill(empty_dss, tmp_path / "bundle", 12)
    stalled: list[dict[str, object]] = [
        {"on": name, "nth": 2, "stall": 0} for name in ("post_search", "get_bundles_all")
    ]
    empty_dss.faults = stalled
    process = spawn(*words, "--url", empty_dss.url, PYTHONUNBUFFERED="")
    assert process.stdout is not None
    for _ in range(10):  # of the first page; the second never comes
        assert json.loads(process.stdout.readline())


def test_the_end_of_a_pipe_is_quiet_in_the_middle(
    spawn: Spawn, empty_dss: LocalDSS, tmp_path: Path
) -> None:
    fill(empty_dss, tmp_path / "bundle", 12)
    process = spawn("search", "--output-format", "raw", "--url", empty_dss.url)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""


UUID = "11111111-2222-4333-8444-555555555555"


class TestWordsOfTheReferenceClient:
    @pytest.mark.parametrize(
        ("typed", "right"),
        [
            ("get-bundle --uuid <U>", "get-bundle <U>"),
            ("get-bundle --uuid <U> --replica aws", "get-bundle <U> --replica aws"),
            (
                "get-bundle --uuid <U> --replica aws --presignedurls true",
                "api get-bundle --uuid <U> --replica aws --presignedurls true",
            ),
            ("dss get-bundle --uuid=<U> --replica=aws", "get-bundle <U> --replica=aws"),
            ("dss get-bundle <U>", "get-bundle <U>"),
            ("download --bundle-uuid <U>", "download <U>"),
            (
                "dss download --replica aws --bundle-uuid <U> --data-filter 'a*' 'b*' --no-data",
                "download <U> --replica aws --data-filter 'a*' --data-filter 'b*' --no-data",
            ),
            (
                "download <U> --metadata-filter A B",
                "download <U> --metadata-filter A --metadata-filter B",
            ),
            (
                "download --metadata-filter A B",
                "download UUID --metadata-filter A --metadata-filter B",
            ),
            ("download --data-filter A B <U>", "download --data-filter A --data-filter B <U>"),
            (
                "dss download --bundle-uuid <U> --min-delay-seconds 1 -v",
                "download <U> --min-delay-seconds 1 -v",
            ),
            (
                "download-collection --uuid <U> --replica aws",
                "download-collection <U> --replica aws",
            ),
            ("dss download-manifest --manifest M", "download-manifest --manifest M"),
            ("upload --src-dir D", "upload D --staging-bucket BUCKET"),
            ("upload --src-dir D --staging-bucket b", "upload D --staging-bucket b"),
            (
                "post-search --es-query '{}' --replica aws",
                "api post-search --es-query '{}' --replica aws",
            ),
            ("dss head-file --uuid <U> --replica aws", "api head-file --uuid <U> --replica aws"),
            ("get-file <U> --replica aws", "api get-file --uuid <U> --replica aws"),
            ("dss dss create-version", "create-version"),
            ("dss login --access-token s3cret", "login --access-token ..."),
            ("dss login --access-token=s3cret", "login --access-token=..."),
            ("clear-hca-cache", "clear-cache"),
        ],
    )
    def test_it_is_told_in_ours(self, run: Run, typed: str, right: str) -> None:
        outcome = run(*shlex.split(typed.replace("<U>", UUID)))
        assert outcome.status == 2
        assert outcome.err.endswith(f" Use: dss {right}\n".replace("<U>", UUID))
        assert "s3cret" not in outcome.err
        assert "Did you mean" not in outcome.err

    @pytest.mark.parametrize(
        "typed",
        [
            "get-bundle",
            "get-bundle x",
            "get-bundle <U> --presignedurls true",
            "download --colour red",
            "download --bundle-uuid <U> --colour red",
            "download --metadata-filter A <U> --version today",
            "upload D --staging-bucket",
            "dss",
            "dss upload-area",
            "auth login",
            "serach",
        ],
    )
    def test_nothing_is_told_where_nothing_is_known(self, run: Run, typed: str) -> None:
        outcome = run(*shlex.split(typed.replace("<U>", UUID)))
        assert outcome.status == 2
        assert "Use: dss" not in outcome.err

    def test_what_is_told_works(
        self, run: Run, local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DSS_URL", local_dss.url)
        uuid = run("search").out.split(".")[0]
        for typed in (
            f"get-bundle --uuid {uuid} --replica aws",
            f"dss get-bundle --uuid {uuid} --replica aws --per-page 10",
            f"dss download --bundle-uuid {uuid} --replica aws --metadata-filter cell* donor*",
            "dss post-search --es-query {} --replica aws",
        ):
            told = run(*typed.split()).err.partition(" Use: dss ")[2]
            assert run(*shlex.split(told)).status == 0
