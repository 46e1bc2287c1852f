"""Read a file: whole as bytes, and piece by piece."""

import json

from dss_client import DSSClient

with DSSClient() as dss:
    content = dss.get_file(uuid="92bfd8ab-043b-5168-9b2a-e87b55fb96e5", replica="aws")
    print(json.loads(content)["describedBy"])
    with dss.get_file.stream(uuid="d202f062-fdfc-570a-9bc0-1094da35a96f", replica="aws") as stream:
        print(sum(len(chunk) for chunk in stream), "of", stream.headers.size)
