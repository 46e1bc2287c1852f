"""Save the description of a bundle as JSON."""

from pathlib import Path

from dss_client import DSSClient

with DSSClient() as dss:
    bundle = dss.get_bundle(uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws")
    Path("bundle.json").write_text(bundle.model_dump_json(by_alias=True, exclude_unset=True))
    print("saved", len(bundle.bundle.files), "files")
