"""Write a manifest of a bundle, download what it lists, and read where the files are."""

from dss_client.hca.dss import DSSClient
from dss_client.hca.util import tsv

COLUMNS = ["name", "uuid", "version", "sha256", "size"]

dss = DSSClient()
bundle = dss.get_bundle(uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws")["bundle"]
with open("manifest.tsv", "w", newline="") as file:
    writer = tsv.DictWriter(
        file, fieldnames=["bundle_uuid", "bundle_version", *(f"file_{name}" for name in COLUMNS)]
    )
    writer.writeheader()
    for each in bundle["files"]:
        row: dict[str, object] = {
            "bundle_uuid": bundle["uuid"],
            "bundle_version": bundle["version"],
        }
        row.update((f"file_{name}", value) for name, value in each.items() if name in COLUMNS)
        writer.writerow(row)

dss.download_manifest(manifest="manifest.tsv", replica="aws", layout="bundle")
with open("manifest.tsv", newline="") as file:
    for listed in tsv.DictReader(file):
        print(listed["file_name"], listed["file_path"])
