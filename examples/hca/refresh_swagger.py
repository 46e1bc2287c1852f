"""Compare the deployment's specification with this client's."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
print(dss.refresh_swagger())
