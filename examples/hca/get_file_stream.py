"""Read a file as it comes."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
with dss.get_file.stream(uuid="d202f062-fdfc-570a-9bc0-1094da35a96f", replica="aws") as response:
    print(response.raw.read(2).hex())
    print(sum(len(chunk) for chunk in response.iter_content(chunk_size=1024)))
