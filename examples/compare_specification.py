"""Compare the deployment's specification with this client's."""

from dss_client import DSSClient

with DSSClient() as dss:
    report = dss.refresh_swagger()
    print("the same" if report.same else report)
