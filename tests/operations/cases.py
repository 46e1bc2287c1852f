"""What each operation sends and returns: one row for each, with every argument and with the fewest.

The methods, paths and names are those of the behaviour reference, §8 and §14.2.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

BASE = "https://dss.example.org/v1"
TOKEN = "opaque.bearer.token"
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
FILE = "5b7e3c2d-4f60-4172-9b83-94a5b6c7d8e9"
VERSION = "2019-05-16T211813.059197Z"
SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
STORAGE = "https://storage.example.net/blobs/x?X-Amz-Signature=5ec7e7&X-Amz-Expires=3600"
CONTENT = b"hello"

BUNDLE_FILE = {"uuid": FILE, "version": VERSION, "name": "a b.json", "indexed": True}
ITEM = {"type": "file", "uuid": FILE, "version": VERSION}
FILE_VERSION = {
    "name": "a b.json",
    "uuid": FILE,
    "version": VERSION,
    "content-type": "application/json; dcp-type=metadata",
    "size": 5,
    "indexed": True,
    "crc32c": "9a71bb4c",
    "s3_etag": "5d41402abc4b2a76b9719d911017c592",
    "sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
    "sha256": SHA256,
}
FILE_HEADERS = {
    "X-DSS-CREATOR-UID": "8008",
    "X-DSS-VERSION": VERSION,
    "X-DSS-CONTENT-TYPE": "text/plain",
    "X-DSS-SIZE": "5",
    "X-DSS-CRC32C": "9a71bb4c",
    "X-DSS-S3-ETAG": "5d41402abc4b2a76b9719d911017c592",
    "X-DSS-SHA1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
    "X-DSS-SHA256": SHA256,
}
SUBSCRIPTION = {
    "uuid": UUID,
    "owner": "someone@example.org",
    "replica": "aws",
    "callback_url": "https://example.org/hook",
    "attachments": {"tissue": {"type": "jmespath", "expression": "files.x"}},
}
COLLECTION = {
    "name": "n",
    "description": "d",
    "details": {"any": [1, None]},
    "contents": [ITEM],
    "owner": "someone@example.org",
}
_V = quote(VERSION, safe="")


@frozen(kw_only=True)
class Case:
    """One operation.

    Attributes:
        name: Method of the client.
        method: HTTP method.
        path: Path below the base URL, as sent.
        all: Every argument there is.
        query: The query that they make.
        body: The JSON body that they make; None where the operation has none.
        least: The arguments that must be given.
        least_query: The query that they make.
        least_body: The JSON body that they make.
        status: Status of the answer.
        answer: JSON of the answer.
        model: Name of the result's type.
        secured: A token is sent.
        repeatable: It is sent again after a 503.
    """

    name: str
    method: str
    path: str
    all: Mapping[str, Any]
    query: str
    body: Mapping[str, Any] | None = None
    least: Mapping[str, Any]
    least_query: str
    least_body: Mapping[str, Any] | None = None
    status: int = 200
    answer: Any = field(factory=dict[str, Any])
    model: str
    secured: bool = False
    repeatable: bool = True

    def __str__(self) -> str:
        return self.name


CASES = [
    Case(
        name="post_search",
        method="POST",
        path="/search",
        all={
            "replica": "gcp",
            "es_query": {"query": {"match": {"x": None}}},
            "output_format": "raw",
            "per_page": 10,
            "search_after": "a,b",
        },
        query="replica=gcp&output_format=raw&per_page=10&search_after=a%2Cb",
        body={"es_query": {"query": {"match": {"x": None}}}},
        least={"replica": "aws", "es_query": {}},
        least_query="replica=aws",
        least_body={"es_query": {}},
        answer={
            "es_query": {},
            "results": [
                {"bundle_fqid": f"{UUID}.{VERSION}", "bundle_url": BASE, "search_score": None}
            ],
            "total_hits": 1,
        },
        model="SearchResult",
    ),
    Case(
        name="head_file",
        method="HEAD",
        path=f"/files/{FILE}",
        all={"uuid": FILE, "replica": "aws", "version": VERSION},
        query=f"replica=aws&version={_V}",
        least={"uuid": FILE, "replica": "aws"},
        least_query="replica=aws",
        model="FileHeaders",
    ),
    Case(
        name="get_file",
        method="GET",
        path=f"/files/{FILE}",
        all={
            "uuid": FILE,
            "replica": "aws",
            "version": VERSION,
            "token": '{"attempts": 1}',
            "directurl": False,
            "content_disposition": "attachment; filename=å.json",
        },
        query=(
            f"replica=aws&version={_V}&token=%7B%22attempts%22%3A%201%7D&directurl=false"
            "&content_disposition=attachment%3B%20filename%3D%C3%A5.json"
        ),
        least={"uuid": FILE, "replica": "aws"},
        least_query="replica=aws",
        status=302,
        model="bytes",
    ),
    Case(
        name="put_file",
        method="PUT",
        path=f"/files/{FILE}",
        all={
            "uuid": FILE,
            "version": VERSION,
            "source_url": "s3://bucket/key",
            "creator_uid": 0,
        },
        query=f"version={_V}",
        body={"source_url": "s3://bucket/key", "creator_uid": 0},
        least={
            "uuid": FILE,
            "version": VERSION,
            "source_url": "s3://bucket/key",
            "creator_uid": 0,
        },
        least_query=f"version={_V}",
        least_body={"source_url": "s3://bucket/key", "creator_uid": 0},
        status=202,
        answer={"version": VERSION, "task_id": UUID},
        model="PutFileResponse",
        secured=True,
    ),
    Case(
        name="get_bundles_all",
        method="GET",
        path="/bundles/all",
        all={
            "replica": "aws",
            "prefix": "0a",
            "token": "t/+=",
            "search_after": f"bundles/{UUID}.{VERSION}",
            "per_page": 10,
        },
        query=(
            f"replica=aws&prefix=0a&token=t%2F%2B%3D&search_after=bundles%2F{UUID}.{VERSION}"
            "&per_page=10"
        ),
        least={"replica": "aws"},
        least_query="replica=aws",
        answer={
            "object": "list",
            "bundles": [{"uuid": UUID, "version": VERSION}],
            "page_count": 1,
            "per_page": 100,
            "has_more": False,
            "event_timestamp": VERSION,
        },
        model="BundleEnumerationResult",
    ),
    Case(
        name="get_bundle",
        method="GET",
        path=f"/bundles/{UUID}",
        all={
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "directurls": True,
            "presignedurls": False,
            "token": "t",
            "start_at": 0,
            "per_page": 500,
        },
        query=(
            f"replica=aws&version={_V}&directurls=true&presignedurls=false&token=t&start_at=0"
            "&per_page=500"
        ),
        least={"uuid": UUID, "replica": "aws"},
        least_query="replica=aws",
        answer={
            "bundle": {
                "uuid": UUID,
                "version": VERSION,
                "creator_uid": 0,
                "files": [FILE_VERSION],
            }
        },
        model="GetBundleResponse",
    ),
    Case(
        name="put_bundle",
        method="PUT",
        path=f"/bundles/{UUID}",
        all={
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "files": [BUNDLE_FILE],
            "creator_uid": 1,
        },
        query=f"replica=aws&version={_V}",
        body={"files": [BUNDLE_FILE], "creator_uid": 1},
        least={"uuid": UUID, "replica": "aws", "version": VERSION, "files": (), "creator_uid": 1},
        least_query=f"replica=aws&version={_V}",
        least_body={"files": [], "creator_uid": 1},
        status=201,
        answer={"version": VERSION, "manifest": {"format": "0.0.1", "files": []}},
        model="PutBundleResponse",
        secured=True,
    ),
    Case(
        name="patch_bundle",
        method="PATCH",
        path=f"/bundles/{UUID}",
        all={
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "add_files": [BUNDLE_FILE],
            "remove_files": [],
        },
        query=f"replica=aws&version={_V}",
        body={"add_files": [BUNDLE_FILE], "remove_files": []},
        least={"uuid": UUID, "replica": "aws", "version": VERSION},
        least_query=f"replica=aws&version={_V}",
        least_body={},
        answer={"uuid": UUID, "version": VERSION},
        model="PatchBundleResponse",
        secured=True,
        repeatable=False,
    ),
    Case(
        name="delete_bundle",
        method="DELETE",
        path=f"/bundles/{UUID}",
        all={"uuid": UUID, "replica": "aws", "version": VERSION, "reason": "wrong"},
        query=f"replica=aws&version={_V}",
        body={"reason": "wrong"},
        least={"uuid": UUID, "replica": "aws", "reason": ""},
        least_query="replica=aws",
        least_body={"reason": ""},
        model="dict",
        secured=True,
    ),
    Case(
        name="post_bundles_checkout",
        method="POST",
        path=f"/bundles/{UUID}/checkout",
        all={
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "destination": "bucket",
            "email": "a@b",
        },
        query=f"replica=aws&version={_V}",
        body={"destination": "bucket", "email": "a@b"},
        least={"uuid": UUID, "replica": "aws"},
        least_query="replica=aws",
        least_body={},
        answer={"checkout_job_id": FILE},
        model="PostBundlesCheckoutResponse",
        repeatable=False,
    ),
    Case(
        name="get_bundles_checkout",
        method="GET",
        path=f"/bundles/checkout/{FILE}",
        all={"checkout_job_id": FILE, "replica": "gcp"},
        query="replica=gcp",
        least={"checkout_job_id": FILE, "replica": "gcp"},
        least_query="replica=gcp",
        answer={"status": "SUCCEEDED", "location": "gs://bucket/key"},
        model="GetBundlesCheckoutResponse",
    ),
    Case(
        name="get_subscriptions",
        method="GET",
        path="/subscriptions",
        all={"replica": "aws", "subscription_type": "elasticsearch"},
        query="replica=aws&subscription_type=elasticsearch",
        least={"replica": "aws"},
        least_query="replica=aws",
        answer={"subscriptions": [SUBSCRIPTION]},
        model="GetSubscriptionsResponse",
        secured=True,
    ),
    Case(
        name="put_subscription",
        method="PUT",
        path="/subscriptions",
        all={
            "replica": "aws",
            "callback_url": "https://example.org/hook",
            "method": "PUT",
            "encoding": "multipart/form-data",
            "form_fields": {"a": "b"},
            "payload_form_field": "p",
            "jmespath_query": "a.b",
            "es_query": {},
            "hmac_secret_key": "k",
            "hmac_key_id": "i",
            "attachments": {"a": {"type": "jmespath", "expression": "x"}},
        },
        query="replica=aws",
        body={
            "callback_url": "https://example.org/hook",
            "method": "PUT",
            "encoding": "multipart/form-data",
            "form_fields": {"a": "b"},
            "payload_form_field": "p",
            "jmespath_query": "a.b",
            "es_query": {},
            "hmac_secret_key": "k",
            "hmac_key_id": "i",
            "attachments": {"a": {"type": "jmespath", "expression": "x"}},
        },
        least={"replica": "aws", "callback_url": "https://example.org/hook"},
        least_query="replica=aws",
        least_body={"callback_url": "https://example.org/hook"},
        status=201,
        answer={"uuid": UUID},
        model="PutSubscriptionResponse",
        secured=True,
        repeatable=False,
    ),
    Case(
        name="get_subscription",
        method="GET",
        path=f"/subscriptions/{UUID}",
        all={"uuid": UUID, "replica": "aws", "subscription_type": "jmespath"},
        query="replica=aws&subscription_type=jmespath",
        least={"uuid": UUID, "replica": "aws"},
        least_query="replica=aws",
        answer=SUBSCRIPTION,
        model="Subscription",
        secured=True,
    ),
    Case(
        name="delete_subscription",
        method="DELETE",
        path=f"/subscriptions/{UUID}",
        all={"uuid": UUID, "replica": "aws", "subscription_type": "jmespath"},
        query="replica=aws&subscription_type=jmespath",
        least={"uuid": UUID, "replica": "aws"},
        least_query="replica=aws",
        answer={"timeDeleted": VERSION},
        model="DeleteSubscriptionResponse",
        secured=True,
    ),
    Case(
        name="get_collections",
        method="GET",
        path="/collections",
        all={"start_at": 10, "per_page": 10},
        query="start_at=10&per_page=10",
        least={},
        least_query="",
        answer={"collections": [{"uuid": UUID, "version": VERSION}]},
        model="GetCollectionsResponse",
        secured=True,
    ),
    Case(
        name="put_collection",
        method="PUT",
        path="/collections",
        all={
            "replica": "aws",
            "uuid": UUID,
            "version": VERSION,
            "name": "n",
            "description": "d",
            "details": {"any": [1, None]},
            "contents": [ITEM],
        },
        query=f"replica=aws&uuid={UUID}&version={_V}",
        body={
            "name": "n",
            "description": "d",
            "details": {"any": [1, None]},
            "contents": [ITEM],
        },
        least={
            "replica": "aws",
            "uuid": UUID,
            "version": VERSION,
            "name": "",
            "description": "",
            "details": {},
            "contents": [],
        },
        least_query=f"replica=aws&uuid={UUID}&version={_V}",
        least_body={"name": "", "description": "", "details": {}, "contents": []},
        status=201,
        answer={"uuid": UUID, "version": VERSION},
        model="PutCollectionResponse",
        secured=True,
    ),
    Case(
        name="get_collection",
        method="GET",
        path=f"/collections/{UUID}",
        all={"uuid": UUID, "replica": "aws", "version": VERSION},
        query=f"replica=aws&version={_V}",
        least={"uuid": UUID, "replica": "aws"},
        least_query="replica=aws",
        answer=COLLECTION,
        model="Collection",
        secured=True,
    ),
    Case(
        name="patch_collection",
        method="PATCH",
        path=f"/collections/{UUID}",
        all={
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "name": "n",
            "description": "d",
            "details": {"x": 1},
            "add_contents": [ITEM],
            "remove_contents": [ITEM],
        },
        query=f"replica=aws&version={_V}",
        body={
            "name": "n",
            "description": "d",
            "details": {"x": 1},
            "add_contents": [ITEM],
            "remove_contents": [ITEM],
        },
        least={"uuid": UUID, "replica": "aws", "version": VERSION},
        least_query=f"replica=aws&version={_V}",
        least_body={},
        answer={"uuid": UUID, "version": VERSION},
        model="PatchCollectionResponse",
        secured=True,
        repeatable=False,
    ),
    Case(
        name="delete_collection",
        method="DELETE",
        path=f"/collections/{UUID}",
        all={"uuid": UUID, "replica": "aws"},
        query="replica=aws",
        least={"uuid": UUID, "replica": "aws"},
        least_query="replica=aws",
        model="NoneType",
        secured=True,
    ),
    Case(
        name="get_events",
        method="GET",
        path="/events",
        all={
            "replica": "aws",
            "from_date": VERSION,
            "to_date": VERSION,
            "token": "t",
            "per_page": 1,
        },
        query=f"replica=aws&from_date={_V}&to_date={_V}&token=t&per_page=1",
        least={"replica": "aws"},
        least_query="replica=aws",
        answer={
            "event_streams": [
                {
                    "journal_id": "j",
                    "from_date": VERSION,
                    "to_date": VERSION,
                    "size": 10,
                    "events": [
                        {"event_id": "e", "timestamp": VERSION, "offset": 0, "size": 10},
                    ],
                    "stream_url": STORAGE,
                }
            ]
        },
        model="EventStreams",
    ),
    Case(
        name="get_event",
        method="GET",
        path=f"/events/{UUID}",
        all={"uuid": UUID, "replica": "aws", "version": VERSION},
        query=f"replica=aws&version={_V}",
        least={"uuid": UUID, "replica": "aws", "version": VERSION},
        least_query=f"replica=aws&version={_V}",
        answer={"manifest": {"files": []}, "state": "new", "uuid": UUID},
        model="dict",
    ),
]
BY_NAME = {case.name: case for case in CASES}
