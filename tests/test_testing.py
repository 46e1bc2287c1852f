"""The fixtures that come with the package, in test runs of their own."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent

import pytest

PROBE = """
import sys
loaded = sorted({name.partition('.')[0] for name in sys.modules})
parts = [name for name in ("httpx", "pydantic", "starlette", "uvicorn") if name in loaded]
assert not parts, parts
assert "dss_client.local" not in sys.modules
"""

TESTS = {
    "fixtures": """
        import pathlib
        from dss_client import DSSClient, FQID

        roots = []

        def test_local_dss_is_empty(local_dss, tmp_path):
            roots.append(local_dss.root)
            (tmp_path / "cell_0.json").write_text("{}")
            local_dss.load_bundle(tmp_path)
            with DSSClient(local_dss.url) as client:
                assert len(client.get_bundles_all(replica="aws").bundles) == 1

        def test_and_of_each_test(local_dss):
            assert local_dss.root not in roots
            assert not roots[0].exists()
            with DSSClient(local_dss.url) as client:
                assert client.get_bundles_all(replica="aws").bundles == []

        def test_dss_client_is_one_of_local_dss(dss_client, local_dss, tmp_path):
            (tmp_path / "a").write_text("content")
            bundle = local_dss.load_bundle(tmp_path)
            report = dss_client.download(
                bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d"
            )
            assert report.ok

        def test_dss_client_may_write(dss_client):
            assert dss_client.get_collections().collections == []

        def test_sample_dss_has_the_sample(sample_dss):
            roots.append(sample_dss.root)
            with DSSClient(sample_dss.url) as client:
                assert len(client.get_bundles_all(replica="aws").bundles) == 3

        def test_sample_dss_is_one_for_all(sample_dss):
            assert sample_dss.root == roots[-1]
        """,
    "faults": """
        import pytest
        from dss_client import DSSClient, ServerError

        @pytest.mark.dss_faults({"on": "get_bundles_all", "nth": 1, "status": 503})
        def test_one_fault(local_dss):
            with DSSClient(local_dss.url, retries=0) as client:
                with pytest.raises(ServerError):
                    client.get_bundles_all(replica="aws")
                client.get_bundles_all(replica="aws")
            assert local_dss.faults.counts[0].selected == 2

        def test_no_fault(local_dss):
            assert local_dss.faults.counts == ()
        """,
    "bad": """
        import pytest

        @pytest.mark.dss_faults({"statsu": 1})
        def test_it(local_dss):
            pass
        """,
}


def run(tmp_path: Path, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run tests by pytest, in a process and a directory of its own, with no plugin but ours."""
    # A configuration of its own, wherever the directory lies: below this project, perhaps.
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / f"test_{name}.py").write_text(dedent(TESTS[name]))
    bare = ["-p", "no:cacheprovider", "-p", "dss_client.testing"]
    environ = {key: text for key, text in os.environ.items() if key != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *bare, *options, f"test_{name}.py"],
        cwd=tmp_path,
        env={**environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_plugin_is_named() -> None:
    (found,) = (each for each in entry_points(group="pytest11") if each.name == "dss_client")
    assert found.value == "dss_client.testing"


@pytest.mark.parametrize(("name", "passed"), [("fixtures", 6), ("faults", 2)])
def test_the_fixtures(tmp_path: Path, name: str, passed: int) -> None:
    outcome = run(tmp_path, name, "--strict-markers", "-W", "error")
    assert outcome.returncode == 0, outcome.stdout
    assert f"{passed} passed" in outcome.stdout


def test_a_bad_scenario_is_told(tmp_path: Path) -> None:
    outcome = run(tmp_path, "bad")
    assert "rules[0].statsu: no such field; did you mean 'status'?" in outcome.stdout


def test_without_the_extra_the_fixtures_say_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['starlette'] = None\n")
    outcome = run(tmp_path, "fixtures", "-k", "sample")
    assert outcome.returncode == 1
    assert "pip install 'dss-client[local]'" in outcome.stdout


def test_nothing_is_loaded_before_a_test_asks() -> None:
    code = f"import dss_client.testing\n{PROBE}"
    subprocess.run([sys.executable, "-c", code], check=True)
