"""What is asked for: the arguments of `dss_client.DSSClient.upload`, checked."""

from pathlib import Path
from typing import get_args

from attrs import converters, field, frozen

from dss_client.errors import InvalidArgument
from dss_client.transfer.progress import ProgressCallback
from dss_client.types import Replica
from dss_client.versions import normal_uuid, parse_version

from .staging import Staging
from .walk import Indexed

__all__ = ["UploadRequest"]


@frozen(kw_only=True)
class UploadRequest:
    """An upload; `dss_client.DSSClient.upload` describes its arguments.

    Raises:
        InvalidArgument, InvalidUUID, InvalidVersion: One of them makes no sense.
    """

    src_dir: Path
    replica: Replica
    staging_bucket: str
    timeout_seconds: float
    bundle_uuid: str | None = field(converter=converters.optional(normal_uuid))
    version: str | None
    creator_uid: int
    indexed: Indexed
    threads: int
    progress: ProgressCallback | None
    staging: Staging | None
    fresh: bool

    def __attrs_post_init__(self) -> None:
        replicas = get_args(Replica)
        if self.replica not in replicas:
            expected = " or ".join(replicas)
            raise InvalidArgument(f"{self.replica!r} is not a valid replica: expected {expected}")
        if not self.staging_bucket or {"/", ":"} & set(self.staging_bucket):
            raise InvalidArgument(
                f"{self.staging_bucket!r} is not a valid staging_bucket: expected the name of a"
                " bucket alone"
            )
        if self.threads < 1:
            raise InvalidArgument(f"{self.threads} is not a valid threads: expected 1 or more")
        if self.timeout_seconds < 0:
            raise InvalidArgument(
                f"{self.timeout_seconds} is not a valid timeout_seconds: expected 0 or more"
            )
        if self.version is not None:
            parse_version(self.version)
