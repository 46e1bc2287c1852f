"""A statically generated, fully typed client for the Data Storage System of the Human Cell Atlas.

Example:
    ::

        from dss_client import DSSClient

        with DSSClient("http://127.0.0.1:8010/v1") as dss:
            for hit in dss.post_search.iterate(replica="aws", es_query={}):
                print(hit.bundle_fqid)
"""

from typing import TYPE_CHECKING, Any

from ._options import Timeout
from ._retry import RetryPolicy
from ._sync.client import DSSClient
from ._version import __version__
from .errors import (
    BadRequest,
    Conflict,
    DSSConnectionError,
    DSSDecodeError,
    DSSError,
    DSSRequestError,
    DSSResponseError,
    DSSTimeout,
    Forbidden,
    InvalidArgument,
    MissingExtra,
    NotAcceptable,
    NotFound,
    RangeNotSatisfiable,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unprocessable,
)
from .types import Replica
from .versions import (
    FQID,
    InvalidVersion,
    compare_versions,
    create_version,
    format_version,
    is_version,
    parse_version,
)

if TYPE_CHECKING:
    from ._async.checkout import AsyncCheckoutJob
    from ._async.client import AsyncDSSClient
    from ._async.operation import AsyncContentStream
    from ._checkout import CheckoutFailed, CheckoutState, CheckoutStatus, CheckoutTimeout
    from ._response import ContentLocation, RawResponse
    from ._sync.checkout import CheckoutJob
    from ._sync.operation import ContentStream
    from .auth import Credential, LoginError
    from .deployment import SpecificationReport
    from .download import DownloadError, DownloadReport, FileReport, ProgressEvent
    from .events import BundleEvent
    from .manifest import ManifestError
    from .settings import ConfigError
    from .upload import UploadError, UploadReport

__all__ = [
    "FQID",
    "AsyncCheckoutJob",
    "AsyncContentStream",
    "AsyncDSSClient",
    "BadRequest",
    "BundleEvent",
    "CheckoutFailed",
    "CheckoutJob",
    "CheckoutState",
    "CheckoutStatus",
    "CheckoutTimeout",
    "ConfigError",
    "Conflict",
    "ContentLocation",
    "ContentStream",
    "Credential",
    "DSSClient",
    "DSSConnectionError",
    "DSSDecodeError",
    "DSSError",
    "DSSRequestError",
    "DSSResponseError",
    "DSSTimeout",
    "DownloadError",
    "DownloadReport",
    "FileReport",
    "Forbidden",
    "InvalidArgument",
    "InvalidVersion",
    "LoginError",
    "ManifestError",
    "MissingExtra",
    "NotAcceptable",
    "NotFound",
    "ProgressEvent",
    "RangeNotSatisfiable",
    "RawResponse",
    "Replica",
    "RetryPolicy",
    "ServerError",
    "SpecificationReport",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "Unprocessable",
    "UploadError",
    "UploadReport",
    "__version__",
    "compare_versions",
    "create_version",
    "format_version",
    "is_version",
    "parse_version",
]

# Names whose modules are loaded when they are first asked for: they would more than double the time
# that `import dss_client` takes.
_LAZY = {
    "AsyncCheckoutJob": "_async.checkout",
    "AsyncContentStream": "_async.operation",
    "AsyncDSSClient": "_async.client",
    "BundleEvent": "events",
    "CheckoutFailed": "_checkout",
    "CheckoutJob": "_sync.checkout",
    "CheckoutState": "_checkout",
    "CheckoutStatus": "_checkout",
    "CheckoutTimeout": "_checkout",
    "ConfigError": "settings",
    "ContentLocation": "_response",
    "ContentStream": "_sync.operation",
    "Credential": "auth",
    "DownloadError": "download",
    "DownloadReport": "download",
    "FileReport": "download",
    "LoginError": "auth",
    "ManifestError": "manifest",
    "ProgressEvent": "download",
    "RawResponse": "_response",
    "SpecificationReport": "deployment",
    "UploadError": "upload",
    "UploadReport": "upload",
}


# Hidden from type checkers, which would take any name for one of the module.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        module = _LAZY.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{module}"), name)
