"""Subscribe, list subscriptions, look at one, and delete it."""

from dss_client import DSSClient

with DSSClient() as dss:
    made = dss.put_subscription(
        replica="aws",
        callback_url="https://receiver.example/",
        jmespath_query="event_type=='CREATE'",
    )
    for each in dss.get_subscriptions(replica="aws").subscriptions:
        print(each.callback_url, each.jmespath_query)
    print(dss.get_subscription(uuid=made.uuid, replica="aws").uuid == made.uuid)
    dss.delete_subscription(uuid=made.uuid, replica="aws")
    print(dss.get_subscriptions(replica="aws").subscriptions)
