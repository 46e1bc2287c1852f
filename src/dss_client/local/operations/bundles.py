"""GET /bundles/{uuid}, GET /bundles/all and the two checkout operations.

See docs/behaviour.md 8.4, 8.8, 8.9.
"""

import base64
from datetime import UTC, datetime
from itertools import islice

from attrs import frozen
from starlette.responses import Response

from dss_client.types import JSONObject
from dss_client.versions import format_version

from ..errors import Problem, illegal_arguments, not_found
from ..service import Call, json_response
from ..storage.documents import Manifest, ManifestFile
from .paging import page_headers, page_status, with_query
from .waiting import Token, not_ready, parse_token


@frozen
class _Bundle:
    uuid: str
    version: str
    manifest: Manifest

    @property
    def fqid(self) -> str:
        return f"{self.uuid}.{self.version}"


def get_bundle(call: Call) -> Response:
    """Answer with one page of a bundle's files, with URLs where they are asked for."""
    if call.query("directurls") and call.query("presignedurls"):
        raise Problem(400, "only_one_urltype", "Ask for directurls or presignedurls, not both.")
    start_at: int = call.query("start_at") or 0
    if start_at < 0:
        raise illegal_arguments("Query parameter 'start_at' must be at least 0.")
    bundle = _find(call)
    if call.query("directurls") or call.query("presignedurls"):
        waiting = _check_out(call, bundle)
        if waiting is not None:
            return waiting
    end = start_at + call.query("per_page")
    files = bundle.manifest["files"]
    changes = {"start_at": end, "version": bundle.version, "token": None}
    next_url = with_query(call.url, changes) if end < len(files) else None
    content = {
        "bundle": {
            "uuid": bundle.uuid,
            "version": bundle.version,
            "creator_uid": bundle.manifest.get("creator_uid", 0),
            "files": [_file(call, bundle, file) for file in files[start_at:end]],
        }
    }
    return json_response(content, page_status(next_url), page_headers("bundle.files", next_url))


def get_bundles_all(call: Call) -> Response:
    """Answer with one page of all living bundle versions, in key order."""
    prefix = f"bundles/{(call.query('prefix') or '').lower()}"
    per_page: int = call.query("per_page")
    page = list(islice(call.replica.living_bundles(prefix, _after(call)), per_page))
    content: JSONObject = {
        "object": "list",
        "dss_api": call.base_url.removesuffix("/v1"),
        "bundles": [{"uuid": key.uuid, "version": key.version} for key in page],
        "per_page": per_page,
        "page_count": len(page),
        "search_prefix": prefix,
        "event_timestamp": format_version(datetime.now(UTC)),
        "has_more": len(page) == per_page,
    }
    next_url = None
    if content["has_more"]:
        last = f"bundles/{page[-1].name}"
        token = base64.urlsafe_b64encode(last.encode()).decode()
        next_url = with_query(call.url, {"search_after": last, "token": token})
        content |= {"search_after": last, "token": token, "link": next_url}
    return json_response(content, page_status(next_url), page_headers("bundles", next_url))


def post_bundles_checkout(call: Call) -> Response:
    """Start the job that copies a bundle."""
    destination: str | None = call.arguments.body.get("destination")
    if destination is not None and "/" in destination:
        raise illegal_arguments("The destination is the name of a bucket, without '/'.")
    bundle = _find(call)
    job_id = call.service.checkouts.start_bundle(
        call.replica, bundle.fqid, bundle.manifest, destination, call.arguments.body.get("email")
    )
    return json_response({"checkout_job_id": job_id})


def get_bundles_checkout(call: Call) -> Response:
    """Answer with the state of a job."""
    job_id = call.arguments.path["checkout_job_id"].lower()
    status = call.service.checkouts.bundle_status(call.replica, job_id)
    if status is None:
        raise not_found("There is no such checkout job in this replica.")
    return json_response(status)


def _find(call: Call) -> _Bundle:
    version: str | None = call.query("version")
    if version is None:
        version = call.replica.latest_bundle(call.uuid)
    manifest = call.replica.bundle(call.uuid, version) if version else None
    if version is None or manifest is None:
        raise not_found("There is no such bundle, or not in this version, or it was deleted.")
    return _Bundle(uuid=call.uuid, version=version, manifest=manifest)


def _check_out(call: Call, bundle: _Bundle) -> Response | None:
    """Return the answer to send instead while the bundle is not checked out."""
    checkouts = call.service.checkouts
    if checkouts.bundle_is_ready(call.replica, bundle.fqid, bundle.manifest):
        return None
    token = parse_token(call.query("token"), ("execution_id", "attempts"))
    if token is None:
        job_id = checkouts.start_bundle(call.replica, bundle.fqid, bundle.manifest)
        token = Token(job_id, call.service.settings.clock(), 0)
    status = checkouts.bundle_status(call.replica, token.job_id)
    if status is None:
        title = "The token names an unknown checkout job; leave it out to start again."
        raise Problem(500, "unhandled_exception", title)
    match status["status"]:
        case "RUNNING":
            return not_ready(call, token.again())
        case "FAILED":
            raise Problem(500, "checkout_error", f"The checkout failed: {status['cause']}.")
        case _:
            return None


def _file(call: Call, bundle: _Bundle, file: ManifestFile) -> JSONObject:
    """Return a file as GET spells it: `s3_etag`, and its URL where one is asked for."""
    entry: JSONObject = {**file}
    entry["s3_etag"] = entry.pop("s3-etag")
    bucket, key = call.replica.checkout, f"bundles/{bundle.fqid}/{file['name']}"
    if call.query("directurls"):
        entry["url"] = f"{call.replica.scheme}://{bucket.name}/{key}"
    if call.query("presignedurls"):
        entry["url"] = call.presigned(bucket, key, content_type=file["content-type"])
    return entry


def _after(call: Call) -> str:
    after: str = call.query("search_after") or ""
    if after and not after.startswith("bundles/"):
        raise illegal_arguments("Query parameter 'search_after' is not from a page of this list.")
    return after
