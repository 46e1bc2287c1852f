"""What a download needs of the service's answers, and no more.

A deployment that blanks or leaves out what no download uses still serves its files. The typed
operations hold it to the whole specification.
"""

from pydantic import Field

from dss_client._decode import Decoder, decode_headers, decode_json
from dss_client._model import HeaderModel, Model
from dss_client.models import CollectionItem

__all__ = [
    "BundleFile",
    "BundlePage",
    "decode_contents",
    "decode_facts",
    "decode_hits",
    "decode_page",
]


class BundleFile(Model, frozen=True):
    """A file of a bundle; what else is said of it is kept for the bundle's description.

    Attributes:
        name: Its name.
        uuid: Its id.
        version: Its version.
        size: Its size, in bytes.
        sha256: Its checksum.
        indexed: Whether it is metadata; a file of which nothing is said is data.
        url: A presigned URL, where that was asked for.
    """

    name: str
    uuid: str
    version: str
    size: int
    sha256: str
    indexed: bool | None = None
    url: str | None = None


class Bundle(Model, frozen=True):
    """A bundle, with the files of one page."""

    uuid: str
    version: str
    files: list[BundleFile]


class BundlePage(Model, frozen=True):
    """One page of a bundle."""

    bundle: Bundle


class Hit(Model, frozen=True):
    """What a search found."""

    bundle_fqid: str


class Hits(Model, frozen=True):
    """One page of what a search found."""

    results: list[Hit]


class Contents(Model, frozen=True):
    """What a collection lists."""

    contents: list[CollectionItem]


class ContentHeaders(HeaderModel, frozen=True):
    """Headers of a file."""

    size: int = Field(validation_alias="X-DSS-SIZE")
    sha256: str = Field(validation_alias="X-DSS-SHA256")
    version: str = Field(default="", validation_alias="X-DSS-VERSION")


decode_page: Decoder[BundlePage] = decode_json(BundlePage)
decode_hits: Decoder[Hits] = decode_json(Hits)
decode_contents: Decoder[Contents] = decode_json(Contents, unwrap="collection")
decode_facts: Decoder[ContentHeaders] = decode_headers(ContentHeaders)
