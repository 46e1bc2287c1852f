"""Remove the stored login."""

from dss_client import DSSClient

with DSSClient() as dss:
    print("removed from", len(dss.logout()), "places")
