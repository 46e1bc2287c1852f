"""Collections of any number of items, in requests of the size that the service takes."""

from typing import TYPE_CHECKING

from ..errors import DSSError
from ..types import JSONMapping, Replica
from ..versions import create_version
from .operations import AsyncOperations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..collection import CollectionChange, CollectionVersion, Item

__all__ = ["AsyncCollections"]


class AsyncCollections(AsyncOperations):
    """Collections of any number of items, as methods of the client."""

    async def create_collection(
        self,
        *,
        name: str,
        description: str,
        contents: "Iterable[Item]",
        replica: Replica,
        details: JSONMapping | None = None,
        uuid: str | None = None,
        version: str | None = None,
    ) -> "CollectionVersion":
        """Store a collection of any number of items.

        The first 1,000 go with the collection itself, the others are added 1,000 at a time, each
        time as a new version. Items that come twice are sent once; a pointer into a file is sent
        under both of its names.

        Args:
            name: Its name.
            description: What it is.
            contents: Its items: models, mappings, or an `FQID` for a bundle.
            replica: Which copy.
            details: Anything else, as a JSON object.
            uuid: Its id; a new one when not given.
            version: Its first version; a new one when not given.

        Returns:
            The version that has all of them.

        Raises:
            InvalidArgument: A property of an item is not a text.
            Unprocessable: An item refers to something that does not exist.
            CollectionIncomplete: A later request failed; it says where to go on.
        """
        from uuid import uuid4

        from ..collection import CollectionChange, CollectionVersion, split_changes

        first, *rest = list(split_changes(contents, ())) or [CollectionChange()]
        stored = await self.put_collection(
            uuid=uuid or str(uuid4()),
            replica=replica,
            version=version or create_version(),
            name=name,
            description=description,
            details={} if details is None else details,
            contents=first.add,
        )
        at = CollectionVersion(stored.uuid, stored.version)
        return await self._change(replica, at, rest, done=first.count)

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
        details: JSONMapping | None = None,
    ) -> "CollectionVersion":
        """Change a collection by any number of items.

        What is removed goes first, 1,000 items at a time; each request makes a new version, and the
        next one starts from that. An item to remove must equal the stored one in every property,
        except for the name of its pointer, of which all forms are removed.

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
            InvalidArgument: A property of an item is not a text.
            Unprocessable: An item refers to something that does not exist.
            CollectionIncomplete: A later request failed; it says where to go on.
        """
        from ..collection import CollectionChange, CollectionVersion, split_changes

        first, *rest = list(split_changes(add, remove)) or [CollectionChange()]
        changed = await self.patch_collection(
            uuid=uuid,
            replica=replica,
            version=version,
            name=name,
            description=description,
            details=details,
            add_contents=first.add or None,
            remove_contents=first.remove_forms or None,
        )
        at = CollectionVersion(changed.uuid, changed.version)
        return await self._change(replica, at, rest, done=first.count)

    async def _change(
        self,
        replica: Replica,
        at: "CollectionVersion",
        changes: "Sequence[CollectionChange]",
        *,
        done: int,
    ) -> "CollectionVersion":
        """Do further requests, each on the version that the one before made."""
        from ..collection import CollectionIncomplete, CollectionVersion

        total = done + sum(change.count for change in changes)
        for change in changes:
            try:
                changed = await self.patch_collection(
                    uuid=at.uuid,
                    replica=replica,
                    version=at.version,
                    add_contents=change.add or None,
                    remove_contents=change.remove_forms or None,
                )
            except DSSError as error:
                raise CollectionIncomplete(at, done, total) from error
            at, done = CollectionVersion(changed.uuid, changed.version), done + change.count
        return at
