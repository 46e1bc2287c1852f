"""Ask for the metadata of a file: of its latest version, and of a named one."""

from dss_client.hca.dss import DSSClient

FILE = "d202f062-fdfc-570a-9bc0-1094da35a96f"

dss = DSSClient()
latest = dss.head_file(uuid=FILE, replica="aws")
print(latest.status_code, latest.headers["X-DSS-VERSION"])

named = dss.head_file(uuid=FILE, replica="aws", version="2019-05-16T211813.059197Z")
print(named.headers["X-DSS-SHA256"], named.headers["X-DSS-SIZE"])
