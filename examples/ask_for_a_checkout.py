"""Start a checkout, and ask for its status."""

from dss_client import DSSClient

with DSSClient() as dss:
    started = dss.post_bundles_checkout(uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws")
    job = dss.get_bundles_checkout(checkout_job_id=started.checkout_job_id, replica="aws")
    print(job.status)
