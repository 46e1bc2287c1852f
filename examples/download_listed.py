"""Download chosen files of a bundle; the copy of the list says where they are."""

from dss_client import DSSClient

with DSSClient() as dss:
    bundle = dss.get_bundle(uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws").bundle
    rows = [
        {
            "bundle_uuid": bundle.uuid,
            "bundle_version": bundle.version,
            "file_name": file.name,
            "file_uuid": file.uuid,
            "file_version": file.version,
            "file_sha256": file.sha256,
            "file_size": file.size,
        }
        for file in bundle.files
        if file.name.endswith(".fastq.gz")
    ]
    report = dss.download_manifest(manifest=rows, replica="aws", download_dir="data")
    print(report.count("downloaded"), "files; see", report.manifest_path)
