"""The base of the generated models: pydantic, frozen, and open to what the spec does not know."""

from abc import ABCMeta
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict

from ._redact import REDACTED, redact_url

__all__ = ["HeaderModel", "Model"]

_SECRETS = frozenset({"hmac_secret_key"})  # some services send it back (docs/behaviour.md S20)


class Model(BaseModel, frozen=True):  # said here and in each subclass: type checkers read it
    """A part of an answer.

    Fields the specification does not know are kept (``model_extra``), missing optional ones are
    None, and an unknown value of an enum is just a string. A frozen model can be shared between
    threads, pickled and copied; ``model_dump(mode="json", by_alias=True, exclude_unset=True)``
    gives back what was on the wire. A list of models is a table for pandas and polars.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="allow",
        hide_input_in_errors=True,  # an answer may hold secrets and presigned URLs
        populate_by_name=True,
        protected_namespaces=(),
        serialize_by_alias=True,
    )

    if not TYPE_CHECKING:  # for pandas, which makes columns of mappings; a field is an attribute

        def keys(self) -> Iterable[str]:
            return type(self).model_fields.keys()

        def __getitem__(self, name: str) -> object:
            if name not in type(self).model_fields:
                raise KeyError(name)
            return getattr(self, name)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show no secret, and URLs without what gives access to whoever reads them."""
        for name, value in super().__repr_args__():
            if name in _SECRETS:
                yield name, REDACTED
                continue
            is_url = isinstance(value, str) and value.startswith(("http://", "https://"))
            yield name, redact_url(value) if is_url else value


cast("ABCMeta", Mapping).register(Model)


class HeaderModel(Model, frozen=True):
    """Metadata that the service sends as headers."""

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """Read the headers of the fields' names; all others are left out.

        Raises:
            pydantic.ValidationError: One that must be there is missing or ill-formed.
        """
        values: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            header = field.validation_alias if isinstance(field.validation_alias, str) else name
            if header in headers:
                values[header] = headers[header]
        return cls.model_validate(values)
