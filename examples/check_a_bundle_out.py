"""Copy a bundle to a bucket, and wait for the copy."""

from dss_client import DSSClient

with DSSClient() as dss:
    job = dss.checkout(uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", replica="aws")
    print(job.wait(timeout=600))
