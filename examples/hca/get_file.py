"""Read a JSON file, which is returned parsed."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
metadata = dss.get_file(uuid="92bfd8ab-043b-5168-9b2a-e87b55fb96e5", replica="aws")
print(metadata)
