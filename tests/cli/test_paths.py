"""``~`` is the home in every path of the command line, where the shell left it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client.local import LocalDSS

from ..download.sample import ROWS, write_sample
from .conftest import Run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home, which is not the current directory; that stays empty."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def nothing_is_made_here(home: Path) -> Iterator[None]:
    yield
    assert list(Path().iterdir()) == []


def test_of_downloads(run: Run, local_dss: LocalDSS, home: Path) -> None:
    write_sample(home / "wanted.tsv", local_dss.url)
    outcome = run(
        "download-manifest",
        "--manifest=~/wanted.tsv",
        "--download-dir=~/data",
        "--output-dir=~/lists",
        "--layout=bundle",
        "--url",
        local_dss.url,
    )
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith(f"listed in {home / 'lists' / 'wanted.tsv'}\n")
    assert str(home / "data") in (home / "lists" / "wanted.tsv").read_text()
    verified = run("verify", "~/data", "--manifest=~/wanted.tsv", "--json").document
    assert (verified["ok"], verified["files"]) == (True, ROWS)
    assert run("gc", "~/data", "--keep=~/wanted.tsv").status == 0


def test_of_texts_and_contents(run: Run, local_dss: LocalDSS, home: Path) -> None:
    (home / "query.json").write_text("{}")
    url = ("--url", local_dss.url)
    assert run("search", "@~/query.json", *url).out.count("\n") == 3
    words = ("api", "post-search", "--replica=aws", "--es-query=@~/query.json")
    assert run(*words, "--output=~/found.json", *url).status == 0
    assert "bundle_fqid" in (home / "found.json").read_text()


def test_of_an_embedded_dss(run: Run, home: Path) -> None:
    (home / "source").mkdir()
    (home / "source" / "cell.json").write_text("{}")
    assert run("load", "~/source", "--root=~/root").status == 0
    assert run("reindex", "--root=~/root").status == 0
    assert (home / "root").is_dir()
    assert run("serve", "--root=~/root", "--source=b=~/nowhere").status == 2


def test_a_name_that_begins_with_it(run: Run, local_dss: LocalDSS, home: Path) -> None:
    words = ("download-search", "{}", "--dry-run", "--url", local_dss.url)
    outcome = run(*words, "--download-dir=~no-such-user/data")
    assert outcome.status == 2
    assert "or ./~no-such-user/data for what has that name here" in outcome.err
    assert run(*words, "--download-dir=./~no-such-user/data").status == 0
