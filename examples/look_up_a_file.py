"""Ask for the metadata of a file: of its latest version, and of a named one."""

from dss_client import DSSClient

FILE = "d202f062-fdfc-570a-9bc0-1094da35a96f"

with DSSClient() as dss:
    latest = dss.head_file(uuid=FILE, replica="aws")
    print(latest.version, latest.content_type)
    named = dss.head_file(uuid=FILE, replica="aws", version="2019-05-16T211813.059197Z")
    print(named.sha256, named.size)
