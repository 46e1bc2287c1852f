"""Remove the stored login."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
dss.logout()
print("logged out")
