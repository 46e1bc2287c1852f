"""Download all files of a bundle."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
dss.download(
    bundle_uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7",
    version="2019-05-16T211813.059197Z",
    replica="aws",
    download_dir="data",
)
print("downloaded")
