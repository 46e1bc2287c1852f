"""Print the content of a bundle, with all its pages."""

from dss_client import DSSClient

with DSSClient() as dss:
    for file in dss.get_bundle.iterate(uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws"):
        print(file.name, file.size)
