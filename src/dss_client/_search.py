"""The common parts of the searches of both clients: bundles that were found."""

from typing import TYPE_CHECKING, Literal

from attrs import frozen

from .errors import DSSDecodeError, RequestInfo, ResponseInfo
from .models import BundleVersion, SearchHit
from .versions import FQID, InvalidUUID, InvalidVersion

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AHEAD", "FoundBundle", "OnMissing", "fqid_of", "join_pages"]

OnMissing = Literal["skip", "raise"]
"""What to do about bundles that were deleted after they were indexed."""

AHEAD = 8
"""How many bundles are asked for before they are taken."""


@frozen
class FoundBundle:
    """A bundle that a search found.

    Attributes:
        hit: What the search says of it.
        bundle: The bundle, with the files of all its pages.
    """

    hit: SearchHit
    bundle: BundleVersion

    @property
    def fqid(self) -> FQID:
        """Its id and version."""
        return FQID(self.bundle.uuid, self.bundle.version)

    def to_frame(self) -> "DataFrame":
        """Return the files as a table; see `BundleVersion.to_frame`."""
        return self.bundle.to_frame()


def fqid_of(hit: SearchHit) -> FQID:
    """Return the id and version of the bundle that a search found.

    Raises:
        DSSDecodeError: The service names something else.
    """
    try:
        return FQID.parse(hit.bundle_fqid)
    except (InvalidUUID, InvalidVersion) as error:
        raise DSSDecodeError(
            f"the search found {hit.bundle_fqid!r}, which is not the id of a bundle: {error}",
            request=RequestInfo("POST", "/search"),
            response=ResponseInfo(200),
            field="bundle_fqid",
        ) from error


def join_pages(hit: SearchHit, pages: list[BundleVersion]) -> FoundBundle:
    """Return a bundle that was found, with the files of all its pages."""
    files = [file for page in pages for file in page.files]
    return FoundBundle(hit, pages[0].model_copy(update={"files": files}))
