"""The plugin passes Snakemake's own tests, and a workflow reads the sample by it."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.tests import TestStorageBase
from snakemake_storage_plugin_dss import StorageProvider, StorageProviderSettings

from dss_client.local import LocalDSS

BUNDLE = "dss://0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7.2019-05-16T211813.059197Z"
DOCS = Path(__file__).parents[3] / "docs"


class TestStorage(TestStorageBase):
    """Snakemake's tests of all plugins."""

    __test__ = True
    retrieve_only = True

    @pytest.fixture(autouse=True)
    def _deployment(self, sample_dss: LocalDSS) -> None:
        self.settings = StorageProviderSettings(endpoint_url=sample_dss.url)

    def get_query(self, tmp_path: Path) -> str:
        return f"{BUNDLE}/links.json"

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return f"{BUNDLE}/nothing.json"

    def get_storage_provider_cls(self) -> type[StorageProvider]:
        return StorageProvider

    def get_storage_provider_settings(self) -> StorageProviderSettings:
        return self.settings

    def test_an_output_is_refused_with_what_to_do(self, tmp_path: Path) -> None:
        output = self._get_obj(tmp_path, f"{BUNDLE}/new.json")
        with pytest.raises(WorkflowError, match=r"new\.json cannot be an output: .* dss upload"):
            asyncio.run(output.managed_store())


@pytest.mark.parametrize(
    ("query", "is_valid"),
    [
        (f"{BUNDLE}/{{sample}}.fastq.gz", True),
        (BUNDLE, False),
        (f"{BUNDLE}/../out", False),
        ("https://example.org/a", False),
        ("dss:///a", False),
        ("dss://foo/a", False),
        ("dss://{bundle}/a", True),
    ],
)
def test_queries_are_checked(query: str, is_valid: bool) -> None:
    assert bool(StorageProvider.is_valid_query(query)) == is_valid


def test_the_workflow_of_the_page_runs(
    sample_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (DOCS / "how-to" / "workflows.md").read_text(encoding="utf-8")
    [workflow] = re.findall(r"^```snakemake\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "Snakefile").write_text(workflow, encoding="utf-8")
    monkeypatch.setenv("DSS_URL", sample_dss.url)
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reads.txt").read_text() == "R1 300\nR2 300\n"
