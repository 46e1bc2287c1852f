"""Collections of any size, as methods of the clients."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, cast

from .errors import DSSError
from .versions import create_version

if TYPE_CHECKING:
    from ._request import JSONMapping
    from .client import AsyncDSSClient, DSSClient
    from .collection import CollectionVersion, Item, Step

__all__ = ["AsyncCollections", "Collections"]

Replica = Literal["aws", "gcp"]


class Collections:
    """Collections of a blocking client."""

    __slots__ = ()

    def create_collection(
        self,
        *,
        name: str,
        description: str,
        contents: "Iterable[Item]",
        replica: Replica,
        details: "JSONMapping | None" = None,
        uuid: str | None = None,
        version: str | None = None,
    ) -> "CollectionVersion":
        """Store a collection of any number of items.

        The first 1,000 go with the collection itself, the others are added 1,000 at a time, each
        time as a new version. Items that come twice are sent once; a pointer into a file is sent
        under both of its names (behaviour reference, section 8.12 and S21).

        Args:
            name: Its name.
            description: What it is.
            contents: Its items: models, mappings, or `FQID`s for bundles.
            replica: Which copy.
            details: Anything else, as a JSON object.
            uuid: Its id; a new one when not given.
            version: Its first version; a new one when not given.

        Returns:
            The version that has all of them.

        Raises:
            InvalidArgument: A property of an item is no text.
            Unprocessable: An item leads to nothing.
            CollectionIncomplete: A later request failed; it says where to go on.
        """
        from uuid import uuid4

        from .collection import CollectionVersion, Step, plan

        client = cast("DSSClient", self)
        first, *rest = list(plan(contents, ())) or [Step()]
        stored = client.put_collection(
            uuid=uuid or str(uuid4()),
            replica=replica,
            version=version or create_version(),
            name=name,
            description=description,
            details={} if details is None else details,
            contents=first.add,
        )
        at = CollectionVersion(stored.uuid, stored.version)
        return _change(client, replica, at, rest, done=first.count)

    def update_collection(
        self,
        *,
        uuid: str,
        replica: Replica,
        version: str,
        add: "Iterable[Item]" = (),
        remove: "Iterable[Item]" = (),
        name: str | None = None,
        description: str | None = None,
        details: "JSONMapping | None" = None,
    ) -> "CollectionVersion":
        """Change a collection by any number of items.

        What is removed goes first, 1,000 items at a time; each request makes a new version, and the
        next one starts from that. An item to remove must equal the stored one in every property,
        but for the name of its pointer, of which all spellings are removed.

        Args:
            uuid: Its id.
            replica: Which copy.
            version: The version to start from. Ownership is judged on the latest one, contents are
                taken from this one; `get_collection` does not tell which it answers with.
            add: Items to add at its end.
            remove: Items to remove.
            name: Its new name; as before when not given.
            description: What it is now.
            details: Anything else, as a JSON object.

        Returns:
            The version that has all changes.

        Raises:
            NotFound: There is no such collection.
            InvalidArgument: A property of an item is no text.
            Unprocessable: An item leads to nothing.
            CollectionIncomplete: A later request failed; it says where to go on.
        """
        from .collection import CollectionVersion, Step, plan

        client = cast("DSSClient", self)
        first, *rest = list(plan(add, remove)) or [Step()]
        changed = client.patch_collection(
            uuid=uuid,
            replica=replica,
            version=version,
            name=name,
            description=description,
            details=details,
            add_contents=first.add or None,
            remove_contents=first.remove_sent or None,
        )
        at = CollectionVersion(changed.uuid, changed.version)
        return _change(client, replica, at, rest, done=first.count)


class AsyncCollections:
    """Collections of an asynchronous client."""

    __slots__ = ()

    async def create_collection(
        self,
        *,
        name: str,
        description: str,
        contents: "Iterable[Item]",
        replica: Replica,
        details: "JSONMapping | None" = None,
        uuid: str | None = None,
        version: str | None = None,
    ) -> "CollectionVersion":
        """Store a collection of any number of items.

        The first 1,000 go with the collection itself, the others are added 1,000 at a time, each
        time as a new version. Items that come twice are sent once; a pointer into a file is sent
        under both of its names (behaviour reference, section 8.12 and S21).

        Args:
            name: Its name.
            description: What it is.
            contents: Its items: models, mappings, or `FQID`s for bundles.
            replica: Which copy.
            details: Anything else, as a JSON object.
            uuid: Its id; a new one when not given.
            version: Its first version; a new one when not given.

        Returns:
            The version that has all of them.

        Raises:
            InvalidArgument: A property of an item is no text.
            Unprocessable: An item leads to nothing.
            CollectionIncomplete: A later request failed; it says where to go on.
        """
        from uuid import uuid4

        from .collection import CollectionVersion, Step, plan

        client = cast("AsyncDSSClient", self)
        first, *rest = list(plan(contents, ())) or [Step()]
        stored = await client.put_collection(
            uuid=uuid or str(uuid4()),
            replica=replica,
            version=version or create_version(),
            name=name,
            description=description,
            details={} if details is None else details,
            contents=first.add,
        )
        at = CollectionVersion(stored.uuid, stored.version)
        return await _change_async(client, replica, at, rest, done=first.count)

    async def update_collection(
        self,
        *,
        uuid: str,
        replica: Replica,
        version: str,
        add: "Iterable[Item]" = (),
        remove: "Iterable[Item]" = (),
        name: str | None = None,
        description: str | None = None,
        details: "JSONMapping | None" = None,
    ) -> "CollectionVersion":
        """Change a collection by any number of items.

        What is removed goes first, 1,000 items at a time; each request makes a new version, and the
        next one starts from that. An item to remove must equal the stored one in every property,
        but for the name of its pointer, of which all spellings are removed.

        Args:
            uuid: Its id.
            replica: Which copy.
            version: The version to start from. Ownership is judged on the latest one, contents are
                taken from this one; `get_collection` does not tell which it answers with.
            add: Items to add at its end.
            remove: Items to remove.
            name: Its new name; as before when not given.
            description: What it is now.
            details: Anything else, as a JSON object.

        Returns:
            The version that has all changes.

        Raises:
            NotFound: There is no such collection.
            InvalidArgument: A property of an item is no text.
            Unprocessable: An item leads to nothing.
            CollectionIncomplete: A later request failed; it says where to go on.
        """
        from .collection import CollectionVersion, Step, plan

        client = cast("AsyncDSSClient", self)
        first, *rest = list(plan(add, remove)) or [Step()]
        changed = await client.patch_collection(
            uuid=uuid,
            replica=replica,
            version=version,
            name=name,
            description=description,
            details=details,
            add_contents=first.add or None,
            remove_contents=first.remove_sent or None,
        )
        at = CollectionVersion(changed.uuid, changed.version)
        return await _change_async(client, replica, at, rest, done=first.count)


def _change(
    client: "DSSClient",
    replica: Replica,
    at: "CollectionVersion",
    steps: "Sequence[Step]",
    *,
    done: int,
) -> "CollectionVersion":
    """Do further requests, each on the version that the one before made."""
    from .collection import CollectionIncomplete, CollectionVersion

    total = done + sum(step.count for step in steps)
    for step in steps:
        try:
            changed = client.patch_collection(
                uuid=at.uuid,
                replica=replica,
                version=at.version,
                add_contents=step.add or None,
                remove_contents=step.remove_sent or None,
            )
        except DSSError as error:
            raise CollectionIncomplete(at, done, total) from error
        at, done = CollectionVersion(changed.uuid, changed.version), done + step.count
    return at


async def _change_async(
    client: "AsyncDSSClient",
    replica: Replica,
    at: "CollectionVersion",
    steps: "Sequence[Step]",
    *,
    done: int,
) -> "CollectionVersion":
    """Do further requests, each on the version that the one before made."""
    from .collection import CollectionIncomplete, CollectionVersion

    total = done + sum(step.count for step in steps)
    for step in steps:
        try:
            changed = await client.patch_collection(
                uuid=at.uuid,
                replica=replica,
                version=at.version,
                add_contents=step.add or None,
                remove_contents=step.remove_sent or None,
            )
        except DSSError as error:
            raise CollectionIncomplete(at, done, total) from error
        at, done = CollectionVersion(changed.uuid, changed.version), done + step.count
    return at
