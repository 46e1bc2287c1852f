"""Save the description of a bundle as JSON."""

import json

from dss_client.hca.dss import DSSClient

dss = DSSClient()
bundle = dss.get_bundle(
    uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7", version="2019-05-16T211813.059197Z", replica="aws"
)
with open("bundle.json", "w") as file:
    json.dump(bundle, file, indent=4, sort_keys=True)
print("saved", len(bundle["bundle"]["files"]), "files")
