"""Download the data of a bundle only."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
dss.download(bundle_uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws", no_metadata=True)
print("data downloaded")
