"""The parts of one running service, and one request."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from dss_client.types import Replica as ReplicaName

from .auth import Tokens
from .errors import illegal_arguments
from .gate import Gate
from .notify.delivery import Deliveries
from .notify.notifications import Notifier
from .notify.subscription_store import Subscriptions
from .search.index import SearchIndex
from .settings import LocalSettings
from .storage.bucket import Bucket, Root
from .storage.checkout import Checkouts, Jobs
from .storage.copies import Copies
from .storage.journals import Journals
from .storage.layout import Layout
from .storage.replication import Replication
from .storage.sources import BucketSources, S3Sources, Sources
from .storage.storage_app import Signer
from .storage.store import Replica, Storage
from .validation import Arguments

BASE = "/v1"


class Service:
    """The parts of one service, which know each other only by this wiring.

    Args:
        layout: What holds the main buckets.
        home: Directory for all that is in none of them.
        settings: All settings.
    """

    def __init__(self, layout: Layout, home: Path, settings: LocalSettings) -> None:
        self.settings = settings
        self.gate: Gate = Gate()
        self.stopping: threading.Event = threading.Event()
        self.tokens: Tokens = Tokens(settings)
        self.signer: Signer = Signer(settings.clock)
        self.storage_port = 0  # known once it is served
        root = layout.root
        keeps_copies = root.directory is None and not settings.read_only
        made = root if keeps_copies else Root.of(home)
        self.storage: Storage = Storage(root, made, layout.archive)
        replicas = self.storage.replicas.items()
        self.sources: list[Sources] = [BucketSources(settings.sources, self.storage)]
        if settings.s3_endpoint:
            self.sources.append(S3Sources.at(settings.s3_endpoint))

        # What is told of each new object, in this order.
        strict = settings.compat is not None
        self.indexes: dict[ReplicaName, SearchIndex] = {
            name: SearchIndex(
                replica, home / ".index" / f"{name}.sqlite", stopping=self.stopping, strict=strict
            )
            for name, replica in replicas
        }
        self.journals: dict[ReplicaName, Journals] = {
            name: Journals(replica, settings.journal_events) for name, replica in replicas
        }
        self.subscriptions: Subscriptions = Subscriptions(home / ".subscriptions")
        self.deliveries: Deliveries = Deliveries(
            home / ".deliveries.sqlite3", self.subscriptions, settings
        )
        notifier = Notifier(self.subscriptions, self.deliveries, strict=strict)
        for index in self.indexes.values():
            self.storage.bus.subscribe(index.take)
        for journals in self.journals.values():
            self.storage.bus.subscribe(journals.take)
        self.storage.bus.subscribe(notifier.take)
        self.replication: Replication = Replication(
            settings.replication, settings.replication_delay, self.storage
        )

        self.jobs: Jobs = Jobs(settings.checkout_polls)
        self.copies: Copies = Copies(self.jobs, settings.copy_polls)
        self.checkouts: Checkouts = Checkouts(
            self.storage, self.jobs, settings.clock, settings.email_dir
        )

    def forget_jobs(self) -> None:
        """Wait for jobs that run, and forget all of them."""
        self.jobs.clear()
        self.copies.clear()

    def clear(self) -> None:
        """Delete all that the replicas hold, and what is known of it, but notifications."""
        self.replication.stop()
        self.forget_jobs()
        self.storage.clear()
        for index in self.indexes.values():
            index.clear()
        for journals in self.journals.values():
            journals.clear()
        self.subscriptions.clear()
        self.replication.clear()
        self.replication.start()


@frozen
class Call:
    """One checked request.

    Attributes:
        url: The whole URL as the client sent it.
        base_url: The URL's start, up to and with `/v1`.
        email: The caller's email; empty where the operation requires none (docs/behaviour.md 6).
    """

    service: Service
    arguments: Arguments
    url: str
    base_url: str
    email: str

    @property
    def replica(self) -> Replica:
        """The replica that the request names."""
        name: ReplicaName = self.arguments.query["replica"]
        return self.service.storage.replicas[name]

    @property
    def uuid(self) -> str:
        """The uuid in the path, in lower case (docs/behaviour.md 4.1)."""
        return self.arguments.path["uuid"].lower()

    def query(self, name: str) -> Any:
        """Return a query argument, its default or None when it was not given."""
        return self.arguments.query[name]

    def presigned(
        self,
        bucket: Bucket,
        key: str,
        *,
        content_type: str | None = None,
        content_disposition: str | None = None,
    ) -> str:
        """Return a URL of the storage origin that works for a while, without credentials.

        The type travels in the URL: a bucket copied as files has no other place for it.
        """
        host = urlsplit(self.base_url).hostname or ""
        origin = f"[{host}]" if ":" in host else host
        signed = self.service.signer.sign(
            f"/{bucket.name}/{key}",
            self.service.settings.url_lifetime,
            response_content_type=content_type,
            response_content_disposition=content_disposition,
        )
        return f"http://{origin}:{self.service.storage_port}{signed}"


Handler = Callable[[Call], Response]


def own_url(request: Request, settings: LocalSettings) -> URL:
    """Return the URL of a request, with the scheme that the API gives its own URLs.

    Raises:
        Problem: The `Host` is not valid; a newer Starlette takes another instead.
    """
    try:
        return request.url.replace(scheme=settings.self_scheme)
    except ValueError as error:
        raise illegal_arguments("The Host of the request is not valid.") from error


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON answer, keys sorted as the service sorts them (docs/behaviour.md 1)."""
    body = json.dumps(content, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
    return Response(body, status, headers, media_type="application/json")


def redirect(url: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return a redirect with the small text body that clients ignore."""
    return Response(
        "<!doctype html><title>Redirect</title>",
        status,
        {**(headers or {}), "Location": url},
        media_type="text/html",
    )
