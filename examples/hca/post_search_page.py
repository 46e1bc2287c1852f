"""Find bundles, and look at the first page only."""

from dss_client.hca.dss import DSSClient

dss = DSSClient()
page = dss.post_search(replica="aws", es_query={}, per_page=10)
print(page["total_hits"])
for hit in page["results"]:
    print(hit["bundle_url"].partition("/v1")[2])
