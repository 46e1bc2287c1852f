"""Find bundles, and look at the first page only."""

from dss_client import DSSClient

with DSSClient() as dss:
    page = dss.post_search(replica="aws", es_query={}, per_page=10)
    print(page.total_hits, "in all")
    print(*(hit.bundle_fqid for hit in page.results), sep="\n")
