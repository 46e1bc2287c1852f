"""Log in with an existing token."""

import os

from dss_client.hca.dss import DSSClient

dss = DSSClient()
dss.login(access_token=os.environ["ACCESS_TOKEN"])
