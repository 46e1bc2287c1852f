"""List subscriptions."""

import os

from dss_client.hca import HCAConfig
from dss_client.hca.dss import DSSClient

config = HCAConfig(save_on_exit=False)
config["DSSClient"].swagger_url = os.environ["SWAGGER_URL"]
dss = DSSClient(config=config)
answer = dss.get_subscriptions(replica="aws", subscription_type="elasticsearch")
for each in answer["subscriptions"]:
    print(each["callback_url"], each["replica"])
print(len(answer["subscriptions"]))
