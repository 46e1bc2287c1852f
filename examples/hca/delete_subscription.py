"""Subscribe, and delete the subscription."""

import os

from dss_client.hca import HCAConfig
from dss_client.hca.dss import DSSClient

config = HCAConfig(save_on_exit=False)
config["DSSClient"].swagger_url = os.environ["SWAGGER_URL"]
dss = DSSClient(config=config)
made = dss.put_subscription(
    replica="aws",
    callback_url="https://receiver.example/",
    es_query={"query": {"match_all": {}}},
)
gone = dss.delete_subscription(uuid=made["uuid"], replica="aws", subscription_type="elasticsearch")
print(sorted(gone))
