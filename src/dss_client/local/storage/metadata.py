"""The metadata document of a bundle, which events and subscriptions see.

See docs/behaviour.md 12.1.
"""

import json
from typing import Any

from dss_client.types import JSONObject

from .documents import blob_key
from .names import file_key
from .store import Replica


def metadata_document(replica: Replica, uuid: str, version: str) -> JSONObject | None:
    """Return the document of a stored bundle version, dead or not; None if it does not exist.

    Unlike the search document it has every JSON file, indexed or not.
    """
    manifest = replica.manifest(uuid, version)
    if manifest is None:
        return None
    files: dict[str, list[Any]] = {}
    for file in manifest["files"]:
        if file["content-type"].startswith("application/json"):
            content = replica.main.get(blob_key(file))
            try:
                parsed = json.loads(content or b"")
            except (ValueError, RecursionError):
                continue
            files.setdefault(file_key(file["name"]), []).append(parsed)
    return {
        "event_type": "CREATE",
        "bundle_info": {"uuid": uuid, "version": version},
        "manifest": manifest,
        "files": files,
    }
