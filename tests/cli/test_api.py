"""``dss api``: every operation, from its own signature."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client._endpoints import ENDPOINTS
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.validation import operations as specified
from tests.local.writing import HELLO, VERSION, put_source

from .conftest import Run, fill

UUID = "11111111-2222-4333-8444-555555555555"
OTHER = "22222222-2222-4333-8444-555555555555"
FILE = {"uuid": UUID, "version": VERSION, "name": "a.json", "indexed": True}


@pytest.fixture
def dss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalDSS]:
    """Return a DSS that can be written to, with a bucket to copy files from."""
    put_source(tmp_path / "bucket", "hello", b"hello", HELLO)
    settings = LocalSettings(
        sources={"bucket": tmp_path / "bucket"},
        admins=frozenset({"someone@example.org"}),
        retry_after=0,
    )
    with LocalDSS(tmp_path / "root", sample=True, settings=settings) as dss:
        monkeypatch.setenv("DSS_URL", dss.url)
        monkeypatch.setenv("DSS_TOKEN", dss.mint_token())
        yield dss


@pytest.fixture
def call(run: Run) -> Any:
    """Return a caller of an operation that must succeed; it returns what was printed."""

    def call_it(name: str, /, *words: str) -> Any:
        done = run("api", name, *words)
        assert (done.status, done.err) == (0, "")
        return done.document

    return call_it


def put_a_bundle(call: Any) -> None:
    where = ["--uuid", UUID, "--creator-uid", "1", "--version", VERSION]
    call("put-file", *where, "--source-url", "s3://bucket/hello")
    call("put-bundle", *where, "--replica", "aws", "--files", json.dumps(FILE))


class TestOperations:
    def test_all_of_them_are_there(self) -> None:
        assert sorted(ENDPOINTS) == sorted(each.id for each in specified())
        assert all(each.summary for each in ENDPOINTS.values())

    @pytest.mark.parametrize("name", sorted(ENDPOINTS))
    def test_each_has_its_help(self, run: Run, name: str) -> None:
        done = run("api", name.replace("_", "-"), "--help")
        assert done.status == 0
        assert ENDPOINTS[name].summary in done.out
        found = ENDPOINTS[name]
        assert found.parameters or name == "get_collections"
        for parameter in found.parameters:
            assert f"--{parameter.name.replace('_', '-')}" in done.out
            assert parameter.description

    def test_files_and_bundles(self, dss: LocalDSS, call: Any, run: Run) -> None:
        put_a_bundle(call)
        where = ["--uuid", UUID, "--replica", "aws"]
        assert call("head-file", *where)["size"] == 5
        assert call("get-bundle", *where)["bundle"]["files"][0]["name"] == "a.json"
        patched = call(
            "patch-bundle", *where, "--version", VERSION, "--remove-files", json.dumps(FILE)
        )
        assert call("get-bundle", *where, "--version", patched["version"])["bundle"]["files"] == []
        job = call("post-bundles-checkout", *where, "--version", VERSION)["checkout_job_id"]
        state = call("get-bundles-checkout", "--checkout-job-id", job, "--replica", "aws")
        assert state["status"] == "SUCCEEDED"
        assert call("get-event", *where, "--version", VERSION)["event_type"] == "CREATE"
        assert call("delete-bundle", *where, "--reason", "gone") == {}
        gone = run("api", "get-bundle", *where)
        assert gone.status == 1
        assert "404 not_found" in gone.err
        assert gone.err.count("\n") == 1

    def test_collections(self, dss: LocalDSS, call: Any) -> None:
        put_a_bundle(call)
        item = {"type": "file", "uuid": UUID, "version": VERSION}
        bundle = {**item, "type": "bundle"}
        where = ["--uuid", OTHER, "--replica", "aws", "--version", VERSION]
        texts = ["--name", "n", "--description", "d", "--details", '{"a": [1]}']
        # Several words after an option, as with the reference client.
        call("put-collection", *where, *texts, "--contents", json.dumps(item), json.dumps(bundle))
        found = call("get-collection", "--uuid", OTHER, "--replica", "aws")
        assert found["contents"] == [item, bundle]
        assert call("get-collections")["collections"] == [{"uuid": OTHER, "version": VERSION}]
        call("patch-collection", *where, "--remove-contents", json.dumps([item]))
        assert call("get-collection", "--uuid", OTHER, "--replica", "aws")["contents"] == [bundle]
        assert call("delete-collection", "--uuid", OTHER, "--replica", "aws") == {}

    def test_subscriptions(self, dss: LocalDSS, call: Any) -> None:
        put = ["--replica", "aws", "--callback-url", "http://127.0.0.1:1/x", "--method", "PUT"]
        uuid = call("put-subscription", *put, "--jmespath-query", "a")["uuid"]
        assert call("get-subscription", "--uuid", uuid, "--replica", "aws")["method"] == "PUT"
        assert len(call("get-subscriptions", "--replica", "aws")["subscriptions"]) == 1
        assert "timeDeleted" in call("delete-subscription", "--uuid", uuid, "--replica", "aws")


class TestPages:
    def test_c10_all_of_them_become_one_document(self, dss: LocalDSS, call: Any) -> None:
        query = ["--replica", "aws", "--es-query", "{}", "--per-page", "10"]
        found = call("post-search", *query)
        assert len(found["results"]) == found["total_hits"] == 3
        uuid = found["results"][0]["bundle_fqid"][:36]
        whole = call("get-bundle", "--uuid", uuid, "--replica", "aws", "--per-page", "10")
        assert len(whole["bundle"]["files"]) > 10
        assert list(whole) == ["bundle"]  # C10: nothing beside it

    @pytest.mark.parametrize(
        ("more", "count"), [(["--no-paginate"], 10), (["--limit", "3"], 3), (["--limit", "12"], 12)]
    )
    def test_or_part_of_one(self, dss: LocalDSS, call: Any, more: list[str], count: int) -> None:
        where = ["--replica", "aws", "--per-page", "10"]
        (uuid,) = {
            b["uuid"]
            for b in call("get-bundles-all", "--replica", "aws", "--limit", "1")["bundles"]
        }
        found = call("get-bundle", "--uuid", uuid, *where, *more)
        assert len(found["bundle"]["files"]) == count

    def test_or_lines(self, dss: LocalDSS, run: Run) -> None:
        done = run("api", "get-bundles-all", "--replica", "aws", "--jsonl")
        assert [set(json.loads(line)) for line in done.out.splitlines()] == [
            {"uuid", "version"}
        ] * 3

    @pytest.mark.parametrize(
        ("more", "count", "has_more", "has_token"),
        [
            ([], 12, False, False),
            (["--limit", "11"], 11, True, False),
            (["--limit", "10"], 10, True, True),
            (["--limit", "3"], 3, True, False),
            (["--no-paginate"], 10, True, True),
        ],
    )
    def test_it_says_of_itself_what_it_holds(
        self,
        empty_dss: LocalDSS,
        tmp_path: Path,
        call: Any,
        more: list[str],
        count: int,
        has_more: bool,
        has_token: bool,
    ) -> None:
        fill(empty_dss, tmp_path / "bundle", 12)
        where = ["--replica", "aws", "--per-page", "10", "--url", empty_dss.url]
        found = call("get-bundles-all", *where, *more)
        assert len(found["bundles"]) == found["page_count"] == count
        assert found["has_more"] is has_more
        for mark in ("token", "search_after", "link"):
            assert (mark in found) is has_token

    def test_nothing_is_a_document_too(self, dss: LocalDSS, call: Any) -> None:
        assert call("get-collections") == {"collections": []}


class TestContent:
    @pytest.fixture
    def file(self, dss: LocalDSS, call: Any) -> list[str]:
        put_a_bundle(call)
        return ["--uuid", UUID, "--replica", "aws"]

    def test_it_goes_out_as_it_is(self, file: list[str], run: Run) -> None:
        assert run("api", "get-file", *file).out == "hello"

    def test_it_goes_to_a_file_whole(self, file: list[str], run: Run, tmp_path: Path) -> None:
        target = tmp_path / "out" / "f"
        target.parent.mkdir()
        assert run("api", "get-file", *file, "-o", target).out == ""
        assert target.read_bytes() == b"hello"
        assert run("api", "get-file", "--uuid", OTHER, "--replica", "aws", "-o", target).status == 1
        assert target.read_bytes() == b"hello"
        assert list(target.parent.iterdir()) == [target]

    def test_a_directory_is_no_file(self, file: list[str], run: Run, tmp_path: Path) -> None:
        failed = run("api", "get-file", *file, "-o", tmp_path)
        assert failed.status == 2
        assert "is a directory: name a file" in failed.err

    def test_a_terminal_gets_it_only_if_asked(
        self, file: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        failed = run("api", "get-file", *file)
        assert failed.status == 2
        assert "use --output FILE" in failed.err
        assert run("api", "get-file", *file, "-o", "-").out == "hello"

    def test_a_url_is_a_line(self, file: list[str], run: Run) -> None:
        for words in (["--directurl"], ["--directurl", "true"]):
            assert run("api", "get-file", *file, *words).out.startswith("s3://")
        assert run("api", "get-file", *file, "--directurl", "false").out == "hello"

    def test_c19_its_metadata_is_json(self, file: list[str], call: Any) -> None:
        found = call("head-file", *file)
        assert (found["size"], found["sha256"]) == (5, HELLO["hca-dss-sha256"])


class TestJSON:
    def test_it_comes_from_a_file_or_standard_input(
        self, dss: LocalDSS, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "query.json"
        path.write_text("{}")
        assert call("post-search", "--replica", "aws", "--es-query", f"@{path}")["total_hits"] == 3
        monkeypatch.setattr(sys, "stdin", io.StringIO("{}"))
        assert call("post-search", "--replica", "aws", "--es-query", "-")["total_hits"] == 3

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("{", "Invalid value for '--es-query': not JSON"),
            ("[]", "expected a JSON object, got []"),
            ('"' + "x" * 99 + '"', "xxx..."),
            ("@none.json", "none.json cannot be read"),
        ],
    )
    def test_what_is_none_is_told(self, dss: LocalDSS, run: Run, value: str, said: str) -> None:
        failed = run("api", "post-search", "--replica", "aws", "--es-query", value)
        assert failed.status == 2
        assert said in failed.err

    def test_so_is_a_file_that_holds_none(self, dss: LocalDSS, run: Run, tmp_path: Path) -> None:
        (tmp_path / "q").write_text("nope")
        failed = run("api", "post-search", "--replica", "aws", "--es-query", f"@{tmp_path / 'q'}")
        assert f"{tmp_path / 'q'}: not JSON" in failed.err

    def test_and_a_list_of_something_else(self, dss: LocalDSS, run: Run) -> None:
        failed = run("api", "patch-bundle", "--uuid", UUID, "--add-files", "[1]")
        assert "Invalid value for '--add-files': expected JSON objects, got 1" in failed.err


class TestMistakes:
    def test_an_unknown_operation_is_named(self, run: Run) -> None:
        failed = run("api", "get-bundel")
        assert failed.status == 2
        assert "there is no operation 'get-bundel': did you mean get-bundle" in failed.err
        assert "see dss api --help" in run("api", "xyzzy").err

    def test_c15_an_unknown_option_is_refused(self, run: Run) -> None:
        failed = run("api", "get-bundle", "--uuid", UUID, "--replica", "aws", "--colour", "red")
        assert failed.status == 2
        assert "No such option" in failed.err

    def test_a_wrong_choice_is_refused(self, run: Run) -> None:
        failed = run("api", "get-bundle", "--uuid", UUID, "--replica", "azure")
        assert failed.status == 2
        assert "'azure' is not one of 'aws', 'gcp'" in failed.err

    def test_debug_shows_where(self, dss: LocalDSS, run: Run) -> None:
        failed = run("api", "get-bundle", "--uuid", UUID, "--replica", "aws", "--debug")
        assert failed.status == 1
        assert "Traceback" in failed.err


class TestStart:
    @pytest.mark.parametrize("words", [["--help"], ["api", "--help"]])
    def test_help_loads_no_operation_and_no_http(self, words: list[str]) -> None:
        code = (
            "import sys\nfrom dss_client.cli import main\n"
            f"try: main({words!r})\nexcept SystemExit: pass\n"
            "heavy = {'httpx', 'pydantic', 'starlette', 'dss_client.models'}\n"
            "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        assert done.stderr == "[]\n"


class TestCompletion:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["dss", "ap"], "plain,api"),
            (["dss", "api", "get-bundles-"], "plain,get-bundles-all\nplain,get-bundles-checkout"),
            (["dss", "api", "get-bundle", "--rep"], "plain,--replica"),
            (["dss", "api", "get-bundle", "--replica", ""], "plain,aws\nplain,gcp"),
        ],
    )
    def test_bash_gets_its_words(self, words: list[str], expected: str) -> None:
        environ = {
            **os.environ,
            "_DSS_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        done = subprocess.run(
            [sys.executable, "-c", "from dss_client.cli import main; main()"],
            env=environ,
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == expected

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_has_a_script(
        self, run: Run, shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        script = run("completion", shell).out
        assert f"_DSS_COMPLETE={shell}_complete" in script
        said = run("completion", shell, "--install").out
        (path,) = (p for p in tmp_path.rglob("*dss*") if p.is_file())
        assert str(path) in said
        assert path.read_text() == script

    def test_click_may_know_a_shell_no_more(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = "dss_client.cli.commands.completion.get_completion_class"
        monkeypatch.setattr(name, lambda _: None)
        assert run("completion", "fish").status == 2

    def test_another_shell_has_none(self, run: Run) -> None:
        assert run("completion", "csh").status == 2
