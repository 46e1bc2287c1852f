"""Print a version for a new file or bundle."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
dss.create_version()
