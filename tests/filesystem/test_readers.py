"""pandas, h5py, zarr, Dask and anndata read files of bundles.

They are imported in tests, not by each process that collects them; anndata takes seconds.
"""

import re
import runpy
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec
import pytest

from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES

DOCS = Path(__file__).parents[2] / "docs"
[SAMPLE] = [bundle for bundle in BUNDLES if bundle.has_matrix]
MATRIX = f"dss://{SAMPLE.uuid}.{SAMPLE.version}/matrix.zarr"
ORGANS = ["brain", "blood", "blood", "brain"]


@pytest.fixture
def options(local_dss: LocalDSS) -> dict[str, Any]:
    """What opens the sample, with directories made of its flattened names."""
    return {"endpoint_url": local_dss.url, "unflatten": "!"}


def test_pandas_reads_a_table(empty_dss: LocalDSS, tmp_path: Path) -> None:
    pandas: Any = import_module("pandas")
    pandas.DataFrame({"organ": ORGANS}).to_csv(tmp_path / "cells.csv")
    url = f"dss://{empty_dss.load_bundle(tmp_path).fqid}/cells.csv"
    table = pandas.read_csv(url, storage_options={"endpoint_url": empty_dss.url})
    assert list(table["organ"]) == ORGANS


def test_h5py_reads_an_open_file(empty_dss: LocalDSS, tmp_path: Path) -> None:
    h5py: Any = import_module("h5py")
    with h5py.File(tmp_path / "cells.h5", "w") as h5:
        h5["counts"] = range(100)
    fs = fsspec.filesystem("dss", endpoint_url=empty_dss.url)
    with fs.open(f"{empty_dss.load_bundle(tmp_path).fqid}/cells.h5") as file, h5py.File(file) as h5:
        assert list(h5["counts"][50:52]) == [50, 51]


def test_zarr_reads_the_sample_and_cannot_write(options: dict[str, Any]) -> None:
    zarr: Any = import_module("zarr")
    for mode in ("r", "r+", "a"):
        group = zarr.open_group(MATRIX, mode=mode, storage_options=options)
        assert group["expression"][:2].shape == (2, 60)
    assert sorted(group) == ["cell_id", "expression", "gene_id"]
    with pytest.raises(OSError, match="read-only"):
        group["expression"][0, 0] = 1


def test_dask_reads_the_sample_by_chunks(options: dict[str, Any]) -> None:
    array = import_module("dask.array").from_zarr(
        MATRIX, component="expression", storage_options=options
    )
    assert array.numblocks == (2, 1)
    assert array.sum().compute() == array[:24].sum().compute() + array[24:].sum().compute() > 0


# What anndata writes will be of zarr 3 by default; either can be read.
@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")
@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option is deprecated")
def test_anndata_reads_files_stores_and_the_matrix(
    own_dss: LocalDSS,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    anndata: Any = import_module("anndata")
    obs: Any = import_module("pandas").DataFrame({"organ": ORGANS}, index=list("abcd"))
    written = anndata.AnnData(import_module("numpy").eye(4, dtype="f4"), obs)
    store, folder = tmp_path / "store", tmp_path / "bundle"
    folder.mkdir()
    written.write_h5ad(folder / "cells.h5ad")
    written.write_zarr(store)
    for path in store.rglob("*"):
        if path.is_file():
            flat = "!".join(path.relative_to(store).parts)
            path.rename(folder / f"cells.zarr!{flat}")
    options = {"endpoint_url": own_dss.url, "unflatten": "!"}
    url = f"dss://{own_dss.load_bundle(folder).fqid}"

    group = import_module("zarr").open_group(f"{url}/cells.zarr", mode="r", storage_options=options)
    with fsspec.filesystem("dss", **options).open(f"{url}/cells.h5ad") as file:
        for cells in (anndata.read_zarr(group), anndata.read_h5ad(file)):
            assert (cells.X == written.X).all()
            assert list(cells.obs["organ"]) == ORGANS

    [block] = re.findall(
        r"^```python\n(import anndata\n.*?)^```",
        (DOCS / "how-to" / "files-by-url.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    monkeypatch.setenv("DSS_URL", own_dss.url)
    (tmp_path / "block.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(tmp_path / "block.py"))
    shown = capsys.readouterr().out  # later versions tell of layers, too
    assert re.match(r"AnnData object with n_obs . n_vars = 48 . 60\n", shown)
