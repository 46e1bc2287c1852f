"""Log in with an existing token; `dss.login()` asks in a browser."""

import os

from dss_client import DSSClient

with DSSClient() as dss:
    dss.login(access_token=os.environ["ACCESS_TOKEN"])
    credential = dss.credential()
    print("logged in with a", credential.origin if credential else "token that is gone")
