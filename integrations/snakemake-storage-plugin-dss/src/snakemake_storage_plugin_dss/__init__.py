"""Files of a DSS as inputs of Snakemake workflows: ``storage.dss("dss://UUID.VERSION/name")``.

Snakemake finds the classes by their names.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import fsspec
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import IOCacheStorageInterface
from snakemake_interface_storage_plugins.settings import StorageProviderSettingsBase
from snakemake_interface_storage_plugins.storage_object import StorageObjectGlob, StorageObjectRead
from snakemake_interface_storage_plugins.storage_provider import (
    ExampleQuery,
    Operation,
    QueryType,
    StorageProviderBase,
    StorageQueryValidationResult,
)

from dss_client import DSSClient, Replica
from dss_client.transfer.names import safe_relative_path
from dss_client.versions import normal_uuid, parse_version

__all__ = ["StorageObject", "StorageProvider", "StorageProviderSettings"]

_PROTOCOL = "dss://"
_READ_ONLY = (
    "files of a DSS are inputs only: write to a local file, and make a bundle by dss upload"
)


@dataclass
class StorageProviderSettings(StorageProviderSettingsBase):
    """Which deployment to read from; without settings, that of the environment."""

    endpoint_url: str | None = field(
        default=None,
        metadata={
            "help": "Base URL of the deployment, such as http://127.0.0.1:8010/v1. When not"
            " given: DSS_URL, then the config file of dss-client."
        },
    )
    replica: str = field(
        default="aws",
        metadata={"help": "Replica to read from.", "choices": ["aws", "gcp"]},
    )


class StorageProvider(StorageProviderBase):
    """Reads from one deployment."""

    def __post_init__(self) -> None:
        settings = self.settings or StorageProviderSettings()
        self.replica: Replica = "gcp" if settings.replica == "gcp" else "aws"
        self.client = DSSClient(settings.endpoint_url)
        self.filesystem = fsspec.filesystem(
            "dss", endpoint_url=settings.endpoint_url, replica=self.replica
        )

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        """Return a query as an example."""
        bundle = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7.2019-05-16T211813.059197Z"
        query = f"{_PROTOCOL}{bundle}/links.json"
        return [ExampleQuery(query, "A file of one version of a bundle", QueryType.INPUT)]

    def use_rate_limiter(self) -> bool:
        """Tell that requests need no limit: the client waits where a service asks it to."""
        return False

    def default_max_requests_per_second(self) -> float:
        """Return a limit that is not used."""
        return 100.0

    def rate_limiter_key(self, query: str, operation: Operation) -> Any:
        """Return what limits would be for."""
        return self.filesystem

    @classmethod
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        """Tell whether a query names a file that can have a path on this machine."""
        bundle, _, name = query.removeprefix(_PROTOCOL).partition("/")
        reason = None
        if not query.startswith(_PROTOCOL) or not bundle or not name:
            reason = "expected dss://UUID.VERSION/name"
        else:
            try:
                safe_relative_path(name)
                if "{" not in bundle:  # else the wildcard's value is looked at
                    normal_uuid(bundle.partition(".")[0])
            except ValueError as error:
                reason = str(error)
        return StorageQueryValidationResult(query, reason is None, reason)


class StorageObject(StorageObjectRead, StorageObjectGlob):
    """A file of a bundle."""

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = self.provider.filesystem.info(self.query)
        return info

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        """Do nothing: a bundle is listed once, for all of its files."""

    def get_inventory_parent(self) -> str | None:
        """Return None: there are no inventories."""
        return None

    def local_suffix(self) -> str:
        """Return where the file goes below the local prefix."""
        return str(self.query).removeprefix(_PROTOCOL)

    def cleanup(self) -> None:
        """Do nothing: nothing is left."""

    def exists(self) -> bool:
        """Tell whether the bundle has the file."""
        return bool(self.provider.filesystem.isfile(self.query))

    def mtime(self) -> float:
        """Return when this version of the file was made, in seconds since 1970."""
        return parse_version(self._info()["version"]).timestamp()

    def size(self) -> int:
        """Return the size, in bytes."""
        return int(self._info()["size"])

    def checksum(self) -> str:
        """Return the checksum that the service has."""
        return f"sha256:{self._info()['sha256']}"

    def retrieve_object(self) -> None:
        """Download the file, verified by its checksum; it gets its name when it is whole."""
        info = self._info()
        self.provider.client.download_file(
            uuid=info["uuid"],
            version=info["version"],
            replica=self.provider.replica,
            path=self.local_path(),
            overwrite=True,
        )

    async def managed_store(self) -> None:
        """Refuse an output, which Snakemake offers to read-only storage, too.

        Raises:
            WorkflowError: Always.
        """
        raise WorkflowError(
            f"{self.query} cannot be an output: write to a local file, and make a bundle of it by"
            " dss upload"
        )

    def list_candidate_matches(self) -> Iterable[str]:
        """Return the files of the bundle, for ``glob_wildcards``."""
        bundle = self.query.removeprefix(_PROTOCOL).partition("/")[0]
        return [f"{_PROTOCOL}{path}" for path in self.provider.filesystem.find(bundle)]
