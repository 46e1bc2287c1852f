"""How an embedded service behaves."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen, validators


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
        read_only: Refuse everything but GET, HEAD and search with 503 `read_only` (§3.5, S13).
        admins: Emails of those who may delete bundles.
        audiences: Of whom a token must name one; `LocalDSS.mint_token` names them all.
        trusted_issuers: JSON Web Key Sets by issuer, for tokens that others made. An issuer with
            an `@` is a service account, and must be the token's subject, too.
    """

    checkout_polls: int = field(default=0, validator=validators.ge(0))
    retry_after: int = field(default=10, validator=validators.ge(0))
    url_lifetime: float = field(default=3600.0, validator=validators.gt(0))
    clock: Callable[[], float] = time.time
    email_dir: Path | None = None
    read_only: bool = False
    admins: frozenset[str] = frozenset()
    audiences: tuple[str, ...] = (
        "https://dev.data.humancellatlas.org/",
        "https://data.humancellatlas.org/",
    )
    trusted_issuers: Mapping[str, Mapping[str, Any]] = field(factory=dict[str, Mapping[str, Any]])
