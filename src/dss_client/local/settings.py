"""How an embedded service behaves."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen, validators

from .faults.scenario import ScenarioLike


@frozen
class LocalSettings:
    """Settings of `LocalDSS`, every one with a default.

    Attributes:
        checkout_polls: How many times a checkout job answers RUNNING, and a file or bundle that is
            not checked out answers 301, before it is done. 0: at once.
        retry_after: Seconds sent in the `Retry-After` of those 301 answers.
        url_lifetime: Seconds that a storage URL works.
        clock: Gives the time, in seconds since 1970, that URLs and checkouts age by.
        email_dir: Directory for the mails that end a checkout job; None: no mail is written.
        read_only: Refuse everything but GET, HEAD and search with 503 `read_only`.
        admins: Emails of those who may delete bundles.
        audiences: A token must name one of these; `LocalDSS.mint_token` names them all.
        trusted_issuers: JSON Web Key Sets by issuer, for tokens that others made. An issuer with
            an `@` is a service account, and must also be the token's subject.
        application_secrets: What `/internal/application_secrets` tells clients to log in with. The
            default does not work anywhere.
        sources: Directories that PUT /files copies from, by the bucket name that each has; see
            `dss_client.local.storage.sources`.
        s3_endpoint: URL of an S3-compatible service that PUT /files also copies from; needs the
            extra `s3`. Credentials are those of S3's own tools.
        copy_threshold: Largest file in bytes that is copied while the client waits; a larger one
            is answered with 202.
        copy_polls: How many times HEAD and GET answer 404 for such a file, before it is copied.
        missing_files_wait: Seconds that PUT and PATCH of a bundle wait for files that are missing;
            the original took about 15.
        replication: When an object that is stored in one replica is copied to the other: never,
            before the request that stored it is answered, or `replication_delay` seconds later.
        replication_delay: Those seconds.
        compat: ``"original"`` brings back answers of the deployed service that a client has to
            survive; `dss_client.local.faults.compat` lists them.
        url_scheme: Scheme of the API's own URLs in answers and notifications: ``"https"`` for a
            service behind a proxy, ``"http"`` so that clients can follow them in spite of `compat`.
            None: https with `compat`, as the deployed service had it, else http.
        deadline: Seconds until `GET /internal/slow_request` answers 504.
        faults: The scenario to begin with, as for `LocalDSS.faults`.
        fault_header: Whether a request may ask for a 504 by the header
            ``DSS_FAKE_504_PROBABILITY``, as the original allowed outside production.
        max_body: Bytes that a request to the API may have in its body.
        max_head: Bytes that a request's line and headers may have before they are complete.
        subscription_limit: How many subscriptions of one kind an owner may have in a replica.
            The original allowed 101, not the 100 that it documents.
        retry_delays: Seconds before each further attempt to deliver a notification. None: those of
            the original, `dss_client.local.notify.delivery.RETRY_DELAYS`.
        delivery_timeout: Seconds that a receiver of a notification has to answer.
        journal_events: Events in one journal: as many journals of one event become one.
    """

    checkout_polls: int = field(default=0, validator=validators.ge(0))
    retry_after: int = field(default=10, validator=validators.ge(0))
    url_lifetime: float = field(default=3600.0, validator=validators.gt(0))
    clock: Callable[[], float] = time.time
    email_dir: Path | None = None
    read_only: bool = False
    subscription_limit: int = field(default=101, validator=validators.ge(0))
    retry_delays: tuple[float, ...] | None = None
    delivery_timeout: float = field(default=60.0, validator=validators.gt(0))
    journal_events: int = field(default=1000, validator=validators.ge(1))
    admins: frozenset[str] = frozenset()
    audiences: tuple[str, ...] = (
        "https://dev.data.humancellatlas.org/",
        "https://data.humancellatlas.org/",
    )
    trusted_issuers: Mapping[str, Mapping[str, Any]] = field(factory=dict[str, Mapping[str, Any]])
    application_secrets: Mapping[str, Any] | None = None
    sources: Mapping[str, Path] = field(factory=dict[str, Path])
    s3_endpoint: str | None = None
    copy_threshold: int = field(default=64 * 1024 * 1024, validator=validators.ge(0))
    copy_polls: int = field(default=0, validator=validators.ge(0))
    missing_files_wait: float = field(default=0.0, validator=validators.ge(0))
    replication: Literal["none", "at once", "delayed"] = field(
        default="none", validator=validators.in_(["none", "at once", "delayed"])
    )
    replication_delay: float = field(default=1.0, validator=validators.ge(0))
    compat: Literal["original"] | None = field(
        default=None, validator=validators.optional(validators.in_(["original"]))
    )
    url_scheme: Literal["http", "https"] | None = field(
        default=None, validator=validators.optional(validators.in_(["http", "https"]))
    )
    deadline: float = field(default=25.0, validator=validators.ge(0))
    faults: ScenarioLike = None
    fault_header: bool = True
    max_body: int = field(default=16 * 1024 * 1024, validator=validators.ge(0))
    max_head: int = field(default=64 * 1024, validator=validators.gt(0))

    @property
    def self_scheme(self) -> Literal["http", "https"]:
        """Scheme of the API's own URLs; see `url_scheme`."""
        return self.url_scheme or ("https" if self.compat else "http")
