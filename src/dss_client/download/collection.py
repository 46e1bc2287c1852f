"""Downloads of collections and of search results."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dss_client.errors import DSSError
from dss_client.types import JSONMapping
from dss_client.versions import FQID, normal_uuid

from .errors import FileDownloadError
from .options import DownloadOptions
from .plan import filters
from .pool import wait_for
from .report import DownloadReport
from .requests import BundleRequest, DownloadRequest, FailedRequest, FileRequest
from .run import ALL, run_requests
from .source import HasSource, Source, as_source

if TYPE_CHECKING:
    from dss_client.models import CollectionItem

__all__ = ["download_collection", "download_search"]

_GONE = "the search found it, but it was deleted"
_Item = tuple[str, str, str]
_LINKS = frozenset({"file", "bundle", "collection"})


def download_collection(
    source: Source | HasSource,
    options: DownloadOptions,
    *,
    uuid: str,
    version: str | None = None,
) -> DownloadReport:
    """Download what a collection lists, nested collections included; see `DSSClient`.

    Args:
        source: A client, or anything that can list collections and open contents.
        options: How to download.
        uuid: Id of the collection.
        version: Its version; the latest when not given.

    Raises:
        DSSError: The collection itself cannot be read.
        DownloadError: Some files failed; the others are in place. It carries the report.
    """
    asked = as_source(source)
    collection = normal_uuid(uuid)
    items = wait_for(
        lambda: asked.collection_items(uuid=collection, version=version, replica=options.replica),
        options.stop,
    )
    return run_requests(source, _requests(asked, uuid, items, options), options)


def _requests(
    source: Source, uuid: str, items: "list[CollectionItem]", options: DownloadOptions
) -> Iterator[DownloadRequest]:
    """Yield one request for each listed item, even if it is listed several times."""
    seen: set[_Item] = set()
    folder = f"collection-{uuid}"
    todo = deque(items)
    number = 0
    while todo:
        item = todo.popleft()
        pointer = None
        if item.type not in _LINKS:  # its pointer has two names (docs/behaviour.md S21)
            pointer = item.fragment if item.fragment is not None else item.path
        kind = item.type if item.type in _LINKS else "file"  # a part of one
        key = (kind, item.uuid.lower(), item.version)
        if key in seen:
            continue
        seen.add(key)
        _, item_uuid, version = key
        try:
            if kind == "collection":
                todo += source.collection_items(
                    uuid=item_uuid, version=version, replica=options.replica
                )
                continue
            bundle = FQID(item_uuid, version) if kind == "bundle" else None
        except DSSError as error:
            request: DownloadRequest = _failed(number, f"{kind} {item_uuid}.{version}", error)
        else:
            if bundle is not None:
                request = BundleRequest(number=number, bundle=bundle)
            else:
                request = FileRequest(
                    number=number,
                    uuid=item_uuid,
                    version=version,
                    folder=folder,
                    pointer=pointer,
                )
        if options.parsed_shard.takes(f"{item_uuid}.{version}"):
            yield request
        number += 1


def download_search(
    source: Source | HasSource,
    options: DownloadOptions,
    *,
    es_query: JSONMapping,
    metadata_filter: Sequence[str] = ALL,
    data_filter: Sequence[str] = ALL,
    no_metadata: bool = False,
    no_data: bool = False,
) -> DownloadReport:
    """Download the bundles that a search finds, each to its directory; see `DSSClient`.

    Args:
        source: A client, or anything that can search and open contents.
        options: How to download.
        es_query: The query.
        metadata_filter: Shell patterns of the names of indexed files to take; ``*`` crosses ``/``.
        data_filter: The same for all other files.
        no_metadata: Take no indexed file.
        no_data: Take indexed files only.

    Raises:
        DSSError: The search failed.
        DownloadError: Some files failed; the others are in place. It carries the report.
    """
    wanted = filters(metadata_filter, data_filter, no_metadata=no_metadata, no_data=no_data)
    found = as_source(source).bundles_found(es_query=es_query, replica=options.replica)

    def requests() -> Iterator[DownloadRequest]:
        for number, fqid in enumerate(found):
            if not options.parsed_shard.takes(fqid):
                continue
            try:
                bundle = FQID.parse(fqid)
            except DSSError as error:
                yield _failed(number, f"bundle {fqid}", error)
            else:
                yield BundleRequest(number=number, bundle=bundle, wanted=wanted, gone=_GONE)

    return run_requests(source, requests(), options)


def _failed(number: int, name: str, error: DSSError) -> FailedRequest:
    lost = FileDownloadError(name, f"it cannot be read: {error}", cause=error)
    return FailedRequest(number=number, name=name, error=lost)
