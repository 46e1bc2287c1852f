"""Make versions: each is later than all before it in this process."""

from dss_client import create_version

first, second = create_version(), create_version()
print(first)
print(first < second)
