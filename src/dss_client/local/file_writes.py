"""PUT /files/{uuid} (behaviour reference §8.3, with S4 and S18)."""

from starlette.responses import Response

from .errors import Problem
from .service import Call


def put_file(call: Call) -> Response:
    """Copy an object into the service."""
    url: str = call.arguments.body["source_url"]
    if url.startswith("wasb://"):
        title = "Sources of the scheme 'wasb' cannot be read; use s3:// or gs://."
        raise Problem(400, "unknown_source_schema", title)
    raise Problem(501, "not_implemented", "Sources cannot be read yet.")
