"""Find all bundles of human blood."""

from dss_client.hca.dss import DSSClient

QUERY = {
    "query": {
        "bool": {
            "must": [
                {"match": {"files.donor_organism_json.genus_species.text": "Homo sapiens"}},
                {"match": {"files.specimen_from_organism_json.organ.text": "blood"}},
            ]
        }
    }
}

dss = DSSClient()
for hit in dss.post_search.iterate(replica="aws", es_query=QUERY):
    print(hit["bundle_fqid"])
