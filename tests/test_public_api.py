"""The public face: its names, and what it does not load."""

import subprocess
import sys
import types

import pytest

import dss_client
from dss_client import _LAZY

# What `import dss_client` must not pay for; httpx and pydantic come with the first client and call.
LATER = [
    "asyncio",
    "click",
    "dss_client._checkout",
    "dss_client.cli",
    "dss_client.download",
    "dss_client.events",
    "dss_client.hca",
    "dss_client.local",
    "dss_client.manifest",
    "dss_client.models",
    "dss_client.settings",
    "dss_client.upload",
    "dss_client.webhooks",
    "httpx",
    "pydantic",
    "rich",
    "starlette",
]


def loaded_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return the names of the modules that it loaded."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", dss_client.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(dss_client, name) is not None


def test_no_public_name_is_missing() -> None:
    eager = {
        name
        for name, value in vars(dss_client).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and name not in {"TYPE_CHECKING", "Any"}
    }
    assert eager | set(_LAZY) | {"__version__"} == set(dss_client.__all__)


def test_public_names_are_sorted_and_unique() -> None:
    def key(name: str) -> tuple[int, str]:
        kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
        return kind, name

    assert dss_client.__all__ == sorted(set(dss_client.__all__), key=key)


def test_an_unknown_name_is_an_attribute_error() -> None:
    name = "nothing"
    with pytest.raises(AttributeError, match="'dss_client' has no attribute 'nothing'"):
        getattr(dss_client, name)


def test_the_import_loads_no_more_than_it_must() -> None:
    modules = loaded_after("import dss_client")
    assert "dss_client._sync.client" in modules
    assert not modules & set(LATER)
    assert not {name for name in modules if name.startswith("dss_client._sync.operations.")}


def test_a_client_loads_no_operation_before_it_is_used() -> None:
    modules = loaded_after("from dss_client import DSSClient\nDSSClient('http://h').close()")
    assert "httpx" in modules
    assert not {name for name in modules if name.startswith("dss_client._sync.operations.")}
    assert not modules & {"asyncio", "pydantic", "dss_client.local", "dss_client.download"}


def test_an_operation_loads_only_itself() -> None:
    modules = loaded_after("from dss_client import DSSClient\nDSSClient('http://h').get_bundle")
    operations = {name for name in modules if name.startswith("dss_client._sync.operations.")}
    assert operations == {"dss_client._sync.operations.get_bundle"}


def test_the_modules_that_programs_import_stay() -> None:
    from dss_client import checkout, client, search

    assert checkout.CheckoutJob is dss_client.CheckoutJob
    assert checkout.AsyncCheckoutJob is dss_client.AsyncCheckoutJob
    assert client.DSSClient is dss_client.DSSClient
    assert client.AsyncDSSClient is dss_client.AsyncDSSClient
    assert {"AsyncFoundBundles", "FoundBundle", "FoundBundles"} <= set(search.__all__)
