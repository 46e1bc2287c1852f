"""The facade has the methods and arguments that the reference client itself shows."""

import inspect

import pytest

from dss_client.hca.dss import DSSClient
from dss_client.local import LocalDSS
from tests.hca.test_signatures import GENERATED, HAND_WRITTEN
from tests.peer.peer_client import Peer


@pytest.mark.parametrize("name", [*GENERATED, *sorted(HAND_WRITTEN.keys() - {"__init__"})])
def test_a_method_takes_what_the_reference_client_takes(
    peer: Peer, service: LocalDSS, name: str
) -> None:
    theirs = [each for each in peer.parameters(name) if each[0] not in {"self", "client"}]
    dss = DSSClient(swagger_url=f"{service.url}/swagger.json")
    method = getattr(dss, name)
    ours = inspect.signature(method).parameters
    if name in GENERATED:
        assert set(ours) - set(method.earlier) == {parameter for parameter, _ in theirs}
    else:
        shown = [[parameter.name, repr(parameter.default)] for parameter in ours.values()]
        assert shown == theirs


@pytest.mark.parametrize("name", GENERATED)
def test_a_method_pages_where_the_reference_client_pages(
    peer: Peer, service: LocalDSS, name: str
) -> None:
    dss = DSSClient(swagger_url=f"{service.url}/swagger.json")
    for what in ("iterate", "paginate", "stream"):
        assert hasattr(getattr(dss, name), what) == peer.has(name, what)
