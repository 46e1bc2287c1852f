"""Who calls: tokens and what they allow (behaviour reference §6)."""

from attrs import frozen


@frozen
class Caller:
    """The holder of a good token.

    Attributes:
        email: The email claim; None where the token has none.
        group: The group claim; None where the token has none.
    """

    email: str | None
    group: str | None
