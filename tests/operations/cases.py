"""Values for every argument of each operation, and an answer to it."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from attrs import field, frozen
from pytest_httpx import HTTPXMock

from dss_client._endpoints import ENDPOINTS
from dss_client._request import Endpoint

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


@frozen
class Case:
    """One operation.

    Attributes:
        name: Its name.
        all: Every argument there is.
        answer: JSON of the answer.
        status: Status of the answer.
    """

    name: str
    all: Mapping[str, Any]
    answer: Any = field(factory=dict)
    status: int = 200

    def __str__(self) -> str:
        return self.name

    @property
    def endpoint(self) -> Endpoint:
        return ENDPOINTS[self.name]

    @property
    def model(self) -> str:
        """Name of the result's type."""
        return {"JSONObject": "dict", "None": "NoneType"}.get(name := self.endpoint.result, name)

    @property
    def least(self) -> dict[str, Any]:
        """The arguments that must be given."""
        return {
            each.name: self.all[each.name] for each in self.endpoint.parameters if each.required
        }

    def target(self, arguments: Mapping[str, Any]) -> str:
        """Return path and query below the base URL."""
        placed = self._placed(arguments)
        texts = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in placed["query"].items()
        }
        query = urlencode(texts, quote_via=quote, safe="")
        return self.endpoint.path.format_map(placed["path"]) + f"?{query}" * bool(query)

    def body(self, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the JSON body; None where the operation has none."""
        has_body = any(each.place == "body" for each in self.endpoint.parameters)
        return self._placed(arguments)["body"] if has_body else None

    def _placed(self, arguments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        return {
            place: {
                each.wire_name: arguments[each.name]
                for each in self.endpoint.parameters
                if each.place == place and each.name in arguments
            }
            for place in ("path", "query", "body")
        }


def answer(mock: HTTPXMock, case: Case) -> None:
    """Have the next request of a case answered, and storage's part of it too."""
    sent = {"X-AWS-REQUEST-ID": "req-1"}
    if case.name == "head_file":
        mock.add_response(method="HEAD", headers={**sent, **FILE_HEADERS})
    elif case.name == "get_file":
        mock.add_response(status_code=302, headers={**sent, **FILE_HEADERS, "Location": STORAGE})
        mock.add_response(url=STORAGE, content=CONTENT)
    else:
        mock.add_response(status_code=case.status, headers=sent, json=case.answer)


CASES = [
    Case(
        "post_search",
        {
            "replica": "gcp",
            "es_query": {"query": {"match": {"x": None}}},
            "output_format": "raw",
            "per_page": 10,
            "search_after": "a,b",
        },
        {
            "es_query": {},
            "results": [
                {"bundle_fqid": f"{UUID}.{VERSION}", "bundle_url": BASE, "search_score": None}
            ],
            "total_hits": 1,
        },
    ),
    Case("head_file", {"uuid": FILE, "replica": "aws", "version": VERSION}),
    Case(
        "get_file",
        {
            "uuid": FILE,
            "replica": "aws",
            "version": VERSION,
            "token": '{"attempts": 1}',
            "directurl": False,
            "content_disposition": "attachment; filename=å.json",
        },
    ),
    Case(
        "put_file",
        {"uuid": FILE, "version": VERSION, "source_url": "s3://bucket/key", "creator_uid": 0},
        {"version": VERSION, "task_id": UUID},
        202,
    ),
    Case(
        "get_bundles_all",
        {
            "replica": "aws",
            "prefix": "0a",
            "token": "t/+=",
            "search_after": f"bundles/{UUID}.{VERSION}",
            "per_page": 10,
        },
        {
            "object": "list",
            "bundles": [{"uuid": UUID, "version": VERSION}],
            "page_count": 1,
            "per_page": 100,
            "has_more": False,
            "event_timestamp": VERSION,
        },
    ),
    Case(
        "get_bundle",
        {
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "directurls": True,
            "presignedurls": False,
            "token": "t",
            "start_at": 0,
            "per_page": 500,
        },
        {"bundle": {"uuid": UUID, "version": VERSION, "creator_uid": 0, "files": [FILE_VERSION]}},
    ),
    Case(
        "put_bundle",
        {
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "files": [BUNDLE_FILE],
            "creator_uid": 1,
        },
        {"version": VERSION, "manifest": {"format": "0.0.1", "files": []}},
        201,
    ),
    Case(
        "patch_bundle",
        {
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "add_files": [BUNDLE_FILE],
            "remove_files": [],
        },
        {"uuid": UUID, "version": VERSION},
    ),
    Case("delete_bundle", {"uuid": UUID, "replica": "aws", "version": VERSION, "reason": "wrong"}),
    Case(
        "post_bundles_checkout",
        {
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "destination": "bucket",
            "email": "a@b",
        },
        {"checkout_job_id": FILE},
    ),
    Case(
        "get_bundles_checkout",
        {"checkout_job_id": FILE, "replica": "gcp"},
        {"status": "SUCCEEDED", "location": "gs://bucket/key"},
    ),
    Case(
        "get_subscriptions",
        {"replica": "aws", "subscription_type": "elasticsearch"},
        {"subscriptions": [SUBSCRIPTION]},
    ),
    Case(
        "put_subscription",
        {
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
        {"uuid": UUID},
        201,
    ),
    Case(
        "get_subscription",
        {"uuid": UUID, "replica": "aws", "subscription_type": "jmespath"},
        SUBSCRIPTION,
    ),
    Case(
        "delete_subscription",
        {"uuid": UUID, "replica": "aws", "subscription_type": "jmespath"},
        {"timeDeleted": VERSION},
    ),
    Case(
        "get_collections",
        {"start_at": 10, "per_page": 10},
        {"collections": [{"uuid": UUID, "version": VERSION}]},
    ),
    Case(
        "put_collection",
        {
            "replica": "aws",
            "uuid": UUID,
            "version": VERSION,
            "name": "n",
            "description": "d",
            "details": {"any": [1, None]},
            "contents": [ITEM],
        },
        {"uuid": UUID, "version": VERSION},
        201,
    ),
    Case("get_collection", {"uuid": UUID, "replica": "aws", "version": VERSION}, COLLECTION),
    Case(
        "patch_collection",
        {
            "uuid": UUID,
            "replica": "aws",
            "version": VERSION,
            "name": "n",
            "description": "d",
            "details": {"x": 1},
            "add_contents": [ITEM],
            "remove_contents": [ITEM],
        },
        {"uuid": UUID, "version": VERSION},
    ),
    Case("delete_collection", {"uuid": UUID, "replica": "aws"}),
    Case(
        "get_events",
        {"replica": "aws", "from_date": VERSION, "to_date": VERSION, "token": "t", "per_page": 1},
        {
            "event_streams": [
                {
                    "journal_id": "j",
                    "from_date": VERSION,
                    "to_date": VERSION,
                    "size": 10,
                    "events": [{"event_id": "e", "timestamp": VERSION, "offset": 0, "size": 10}],
                    "stream_url": STORAGE,
                }
            ]
        },
    ),
    Case(
        "get_event",
        {"uuid": UUID, "replica": "aws", "version": VERSION},
        {"manifest": {"files": []}, "state": "new", "uuid": UUID},
    ),
]
BY_NAME = {case.name: case for case in CASES}
KINDS = [
    BY_NAME[name]
    for name in ("get_event", "get_bundle", "post_search", "patch_bundle", "get_file", "head_file")
]
"""One of each kind: plain, paged, paged by POST, with a body, a content, without one."""
