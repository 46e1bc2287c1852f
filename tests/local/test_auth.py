"""Tokens and what they allow, and the order in which a secured request is checked.

See docs/behaviour.md 2, 6.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.auth import EMAIL_CLAIM, GROUP_CLAIM
from dss_client.local.validation import operations
from tests.local.calls import problem

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
UNKNOWN = "11111111-2222-4333-8444-555555555555"
VERSION = "2019-01-01T000000.000000Z"
ADMIN = "admin@example.org"
ISSUER = "https://issuer.example.org/"
ROBOT = "robot@project.example.org"
AUDIENCE = "https://dev.data.humancellatlas.org/"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

Mint = Callable[..., str]


def jwks(**keys: rsa.RSAPrivateKey) -> dict[str, Any]:
    elliptic = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), True)
    return {
        "keys": [
            {**elliptic, "kid": "elliptic"},
            *({**RSAAlgorithm.to_jwk(keys[k].public_key(), True), "kid": k} for k in keys),
        ]
    }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    settings = LocalSettings(
        admins=frozenset({ADMIN}),
        trusted_issuers={ISSUER: jwks(first=KEY), ROBOT: jwks(first=KEY)},
    )
    with LocalDSS(tmp_path_factory.mktemp("secured"), settings=settings) as dss:
        yield dss


@pytest.fixture(scope="module")
def reading() -> Iterator[LocalDSS]:
    with LocalDSS(settings=LocalSettings(read_only=True)) as dss:
        yield dss


def put_file(dss: LocalDSS, authorization: str | None, **changes: Any) -> httpx.Response:
    """Send a PUT /files that only fails at its own first check, with 400."""
    headers = {} if authorization is None else {"Authorization": authorization}
    request: dict[str, Any] = {
        "params": {"version": VERSION},
        "json": {"source_url": "wasb://x", "creator_uid": 1},
        "headers": headers,
    }
    return httpx.put(f"{dss.url}/files/{UUID}", **{**request, **changes})


def signed(changes: dict[str, object], key: Any = KEY, kid: str | None = "first") -> str:
    claims = {
        "iss": ISSUER,
        "sub": "x",
        "aud": AUDIENCE,
        "scope": ["openid"],
        GROUP_CLAIM: "hca",
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid} if kid else None)


PASSED = (400, "unknown_source_schema")


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, (401, "OAuthProblem")),
        ("", (401, "OAuthProblem")),
        ("Bearer", (401, "OAuthProblem")),
        ("Bearer a b", (401, "OAuthProblem")),
        ("Basic a.b.c", (401, "OAuthProblem")),
        ("Bearer a.b.c", (401, "Unauthorized")),
        ("Bearer nonsense", (401, "Unauthorized")),
    ],
)
def test_the_header(
    secured: LocalDSS, authorization: str | None, expected: tuple[int, str]
) -> None:
    assert problem(put_file(secured, authorization)) == expected


def test_the_scheme_is_bearer_in_any_case(secured: LocalDSS) -> None:
    token = secured.mint_token()
    assert problem(put_file(secured, f"bEARER {token}")) == PASSED
    assert problem(put_file(secured, f"Basic {token}")) == (401, "OAuthProblem")


def test_the_titles_begin_as_the_originals_do(secured: LocalDSS) -> None:
    titles = {
        None: "No authorization token provided",
        "Bearer a.b.c": "Failed to decode token",
        f"Bearer {secured.mint_token(expires_in=-60)}": "Authorization token is invalid",
        f"Bearer {secured.mint_token(group='x')}": "User is not authorized to access this resource",
    }
    for authorization, title in titles.items():
        assert put_file(secured, authorization).json()["title"].startswith(title)
    token = secured.mint_token(email=None)
    headers = {"Authorization": f"Bearer {token}"}
    response = httpx.get(f"{secured.url}/collections", params={"replica": "aws"}, headers=headers)
    assert response.json()["title"] == "Authorization token is missing email claims."


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, PASSED),
        ({"iss": "https://else.example.org/"}, (403, "Forbidden")),
        ({"iss": None}, (403, "Forbidden")),
        ({"expires_in": -10}, (401, "Unauthorized")),
        ({"exp": "soon"}, (401, "Unauthorized")),
        ({"exp": 1e400}, (401, "Unauthorized")),
        ({"iat": 99999999999}, (401, "Unauthorized")),
        ({"aud": "https://else.example.org/"}, (401, "Unauthorized")),
        ({"aud": None}, (401, "Unauthorized")),
        ({"aud": ["x", AUDIENCE]}, PASSED),
        ({"scope": None}, (401, "Unauthorized")),
        ({"scope": None, "scopes": ["any"]}, PASSED),
        ({"scope": []}, PASSED),
        ({"group": None}, (403, "Forbidden")),
        ({"group": "public"}, (403, "Forbidden")),
        ({"email": None}, PASSED),
    ],
)
def test_the_claims(secured: LocalDSS, claims: dict[str, Any], expected: tuple[int, str]) -> None:
    assert problem(put_file(secured, f"Bearer {secured.mint_token(**claims)}")) == expected


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (signed({}), PASSED),
        (signed({}, kid="unknown"), (401, "Unauthorized")),
        (signed({}, kid="elliptic"), (401, "Unauthorized")),
        (signed({}, kid=None), (401, "Unauthorized")),
        (signed({}, key=OTHER_KEY), (401, "Unauthorized")),
        (signed({"iss": ROBOT, "sub": ROBOT}), PASSED),
        (signed({"iss": ROBOT, "sub": "someone"}), (403, "Forbidden")),
        (signed({"iss": "else@project.example.org", "sub": "x"}), (403, "Forbidden")),
        (signed({GROUP_CLAIM: 7}), (403, "Forbidden")),
    ],
)
def test_other_issuers(secured: LocalDSS, token: str, expected: tuple[int, str]) -> None:
    assert problem(put_file(secured, f"Bearer {token}")) == expected


def test_only_rs256(secured: LocalDSS) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "scope": "x", GROUP_CLAIM: "hca"}
    forged = [
        jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": "first"}),
        jwt.encode(claims, KEY, algorithm="RS512", headers={"kid": "first"}),
        jwt.encode(claims, "", algorithm="none", headers={"kid": "first"}),
    ]
    for token in forged:
        assert problem(put_file(secured, f"Bearer {token}")) == (401, "Unauthorized")


def test_a_token_is_good_for_its_server_only(secured: LocalDSS, dss: LocalDSS) -> None:
    assert problem(put_file(dss, f"Bearer {secured.mint_token()}")) == (401, "Unauthorized")


def test_a_token_outlives_a_restart(tmp_path: Path) -> None:
    dss = LocalDSS(tmp_path)
    token = dss.mint_token()
    for _ in range(2):
        with dss:
            assert problem(put_file(dss, f"Bearer {token}")) == PASSED


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": 1}, {"keys": [{}]}, jwks()])
def test_a_bad_key_set_is_told_at_once(tmp_path: Path, keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=ISSUER):
        LocalDSS(tmp_path, settings=LocalSettings(trusted_issuers={ISSUER: keys}))


@pytest.mark.parametrize("text", ["ünsigned.tökens.x", "." * 30_000])
def test_no_token_breaks_the_service(secured: LocalDSS, text: str) -> None:
    headers = {b"Authorization": b"Bearer " + text.encode()}
    response = put_file(secured, None, headers=headers)
    assert problem(response) == (401, "Unauthorized")


def test_order_of_checks(secured: LocalDSS, reading: LocalDSS) -> None:
    """Each request is bad in all that is left, and better in one thing than the one before."""
    good = f"Bearer {secured.mint_token(group='public')}"
    url, body = f"{secured.url}/files/no-uuid", {"source_url": "s3://b/k", "creator_uid": 1}
    authorized = {"Authorization": good}
    response = httpx.put(url, content=b"{}")
    assert problem(response) == (401, "OAuthProblem")
    response = httpx.put(url, content=b"{}", headers=authorized)
    assert problem(response) == (415, "unsupported_media_type")
    response = httpx.put(url, json={}, headers=authorized)
    assert "source_url" in response.json()["title"]
    response = httpx.put(url, json=body, headers=authorized)
    assert "'version'" in response.json()["title"]
    query = {"version": VERSION}
    response = httpx.put(url, params=query, json=body, headers=authorized)
    assert "'uuid'" in response.json()["title"]

    headers = {"Authorization": f"Bearer {reading.mint_token(group='public')}"}
    url = f"{reading.url}/files/{UUID}"
    response = httpx.put(url, params=query, json=body, headers=headers)
    assert problem(response) == (503, "read_only")
    url = f"{secured.url}/files/{UUID}"
    response = httpx.put(url, params=query, json=body, headers=authorized)
    assert problem(response) == (403, "Forbidden")


ALIVE = f"replica=aws&version={VERSION}"
CALLS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "put_file": (
        "PUT",
        f"/files/{UUID}?version={VERSION}",
        {"source_url": "s3://b/k", "creator_uid": 1},
    ),
    "put_bundle": ("PUT", f"/bundles/{UUID}?{ALIVE}", {"files": [], "creator_uid": 1}),
    "patch_bundle": ("PATCH", f"/bundles/{UUID}?{ALIVE}", {}),
    "delete_bundle": ("DELETE", f"/bundles/{UNKNOWN}?replica=aws", {"reason": "x"}),
    "get_collections": ("GET", "/collections", None),
    "put_collection": (
        "PUT",
        f"/collections?uuid={UUID}&{ALIVE}",
        {"name": "n", "description": "d", "details": {}, "contents": []},
    ),
    "get_collection": ("GET", f"/collections/{UUID}?replica=aws", None),
    "patch_collection": ("PATCH", f"/collections/{UUID}?{ALIVE}", {}),
    "delete_collection": ("DELETE", f"/collections/{UUID}?replica=aws", None),
    "get_subscriptions": ("GET", "/subscriptions?replica=aws", None),
    "put_subscription": (
        "PUT",
        "/subscriptions?replica=aws",
        {"callback_url": "https://example.org/"},
    ),
    "get_subscription": ("GET", f"/subscriptions/{UUID}?replica=aws", None),
    "delete_subscription": ("DELETE", f"/subscriptions/{UUID}?replica=aws", None),
}
FORBIDDEN, UNAUTHORIZED = (403, "Forbidden"), (401, "Unauthorized")
RULES: dict[str, list[tuple[dict[str, Any], tuple[int, str] | None]]] = {
    "collection": [
        ({"group": "public"}, FORBIDDEN),
        ({"email": None}, UNAUTHORIZED),
        ({"email": None, "group": None}, FORBIDDEN),
        ({}, None),
    ],
    "subscription": [
        ({"group": "other"}, FORBIDDEN),
        ({"email": None}, UNAUTHORIZED),
        ({"group": "hca"}, None),
        ({"group": "public"}, None),
    ],
    "delete_bundle": [
        ({"email": None}, UNAUTHORIZED),
        ({}, FORBIDDEN),
        ({"email": ADMIN, "group": None}, None),
    ],
    "": [({"group": "public"}, FORBIDDEN), ({"group": None}, FORBIDDEN), ({"email": None}, None)],
}
"""What tokens with these claims get of the operations whose name holds the key; None: all."""


def send(dss: LocalDSS, name: str, token: str | None) -> httpx.Response:
    method, path, body = CALLS[name]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(method, dss.url + path, json=body, headers=headers)


def test_the_calls_are_those_of_the_secured_operations() -> None:
    assert set(CALLS) == {operation.id for operation in operations() if operation.secured}


@pytest.mark.parametrize("name", CALLS)
def test_what_each_secured_operation_asks_for(secured: LocalDSS, name: str) -> None:
    assert problem(send(secured, name, None)) == (401, "OAuthProblem")
    rules = next(rules for words, rules in RULES.items() if words in name)
    for claims, expected in rules:
        response = send(secured, name, secured.mint_token(**claims))
        if expected is None:
            assert response.status_code not in {401, 403}, claims
        else:
            assert problem(response) == expected, claims


def test_the_plain_email_claim_is_the_second_choice(secured: LocalDSS) -> None:
    plain = signed({"email": ADMIN})
    assert problem(send(secured, "delete_bundle", plain)) == (404, "not_found")
    first = signed({"email": ADMIN, EMAIL_CLAIM: "else@example.org"})
    assert problem(send(secured, "delete_bundle", first)) == FORBIDDEN


def test_open_operations_ignore_a_token(secured: LocalDSS) -> None:
    headers = {"Authorization": "Bearer nonsense and more"}
    response = httpx.get(f"{secured.url}/bundles/all?replica=aws", headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", f"/files/{UUID}", 404),
        ("GET", f"/files/{UUID}", 404),
        ("GET", "/bundles/all", 200),
        ("POST", "/search", 200),
        ("POST", f"/bundles/{UUID}/checkout", 503),
    ],
)
def test_read_only(reading: LocalDSS, method: str, path: str, status: int) -> None:
    body: Any = {"es_query": {}} if method == "POST" else None
    response = httpx.request(method, f"{reading.url}{path}?replica=aws", json=body)
    assert response.status_code == status
    if status == 503:
        assert problem(response) == (503, "read_only")
        assert response.headers["retry-after"] == "600"


@pytest.mark.parametrize("name", [name for name in CALLS if CALLS[name][0] != "GET"])
def test_read_only_refuses_all_writes(reading: LocalDSS, name: str) -> None:
    response = send(reading, name, reading.mint_token())
    assert problem(response) == (503, "read_only")
    assert response.headers["retry-after"] == "600"
