"""The examples of `examples/hca` run as they stand, told of the service by files of `hca`."""

import re
from pathlib import Path

import pytest

from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES
from tests.test_examples import (
    BUNDLE,
    FILES,
    FQID,
    LISTING,
    METADATA,
    READ,
    ROOT,
    VERSION,
    environment,
    run,
    service,
)

__all__ = ["HCA", "LEFT", "service"]

STORED = r"\.hca/v2/files_2_4/[0-9a-f]{2}/[0-9a-f]{4}/[0-9a-f]{64}"

HCA = {
    "create_version": rf"{VERSION}\n",
    "delete_subscription": r"\['timeDeleted'\]\n",
    "download": "downloaded\n",
    "download_manifest": "".join(rf"{re.escape(name)} {STORED}\n" for name in sorted(FILES)),
    "download_no_data": "metadata downloaded\n",
    "download_no_metadata": "data downloaded\n",
    "get_bundle": LISTING,
    "get_bundle_save": f"saved {len(FILES)} files\n",
    "get_bundles_checkout": "(RUNNING|SUCCEEDED)\n",
    "get_file": r"\{'biomaterial_core': .*\}\n",
    "get_file_stream": rf"1f8b\n{READ - 2}\n",
    "get_subscription": "https://receiver.example/\n",
    "get_subscriptions": r"(https://receiver.example/ aws\n)*\d\n",
    "head_file": rf"200 {BUNDLE.version}\n[0-9a-f]{{64}} {READ}\n",
    "login": "Storing access credentials\n",
    "logout": "logged out\n",
    "post_bundles_checkout": "True\n",
    "post_search": rf"{re.escape(FQID)}\n",
    "post_search_page": rf"{len(BUNDLES)}\n(/bundles/\S+\n){{{len(BUNDLES)}}}",
    "put_subscription": r"\[.*'uuid'.*\]\n",
    "refresh_swagger": r"http://\S+/swagger.json: the same API as this client's\n",
}
LEFT = {
    "download": {f"data/{FQID}/{name}" for name in [*FILES, "bundle.json"]},
    "download_manifest": {"manifest.tsv", *(f"{FQID}/{n}" for n in [*FILES, "bundle.json"])},
    "download_no_data": {f"{FQID}/{name}" for name in [*METADATA, "bundle.json"]},
    "download_no_metadata": {f"{FQID}/{name}" for name in [*BUNDLE.read_names, "bundle.json"]},
    "get_bundle_save": {"bundle.json"},
}
"""Files that an example makes, beside the store."""


@pytest.mark.parametrize("name", sorted(HCA))
def test_an_example_for_scripts_of_hca_runs(service: LocalDSS, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    environ = environment(service, tmp_path / "home", hca=True)
    printed = run(ROOT / "hca" / f"{name}.py", folder, environ)
    assert re.fullmatch(HCA[name], printed), printed
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {each for each in made if "/.hca/" not in f"/{each}"} == LEFT.get(name, set())


def test_every_example_is_run() -> None:
    assert {path.stem for path in ROOT.glob("hca/*.py")} == HCA.keys()
