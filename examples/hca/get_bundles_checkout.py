"""Ask for the status of a checkout."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
job = dss.post_bundles_checkout(uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws")
status = dss.get_bundles_checkout(checkout_job_id=job["checkout_job_id"], replica="aws")
print(status["status"])
