"""Print the content of a bundle."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
bundle = dss.get_bundle(uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws")
for file in bundle["bundle"]["files"]:
    print(file["name"], file["size"])
