"""The login of an installed application: OAuth 2.0 with PKCE (RFC 7636, RFC 8252).

A browser asks the user, and redirects to a listener on this machine; on a machine without a
browser, the user enters the code.
"""

import base64
import hashlib
import secrets
import threading
import webbrowser
from collections.abc import Callable
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import field, frozen
from pydantic import BaseModel, Field, ValidationError

from .errors import LoginError
from .plain_http import get_object, need_protection, post_form
from .sources import token_fields
from .stored import StoredLogin

__all__ = ["LOGIN_TIMEOUT", "Application", "UserPrompt", "log_in"]

LOGIN_TIMEOUT = 300.0
"""Seconds that the user has for the browser."""
_SCOPES = "openid email offline_access"
_TICK = 0.1


class _StrayError(LoginError):
    """An answer that belongs to another login."""


@frozen
class UserPrompt:
    """How to talk to the user.

    Attributes:
        show: Shows a line.
        ask: Asks for a line.
        browse: Opens a URL in a browser; tells whether there is one.
    """

    show: Callable[[str], object]
    ask: Callable[[str], str]
    browse: Callable[[str], bool] = webbrowser.open


class _Installed(BaseModel):
    client_id: str = Field(min_length=1)
    client_secret: str = Field(default="", repr=False)
    auth_uri: str = Field(min_length=1)
    token_uri: str = Field(min_length=1)


class _Secrets(BaseModel):
    installed: _Installed


@frozen
class Application:
    """The application to log in with; a deployment names it (docs/behaviour.md 6)."""

    client_id: str
    client_secret: str = field(repr=False)
    auth_uri: str
    token_uri: str

    @classmethod
    def of(cls, deployment: str) -> "Application":
        """Ask a deployment for it.

        Raises:
            LoginError: The deployment names no application.
        """
        parts = urlsplit(deployment)
        url = f"{parts.scheme}://{parts.netloc}/internal/application_secrets"
        document = get_object(url)
        try:
            told = _Secrets.model_validate(document).installed
        except ValidationError:
            raise LoginError(f"{url} names no installed application to log in with") from None
        if str(urlsplit(told.auth_uri).hostname).endswith(".invalid"):
            raise LoginError(
                f"{deployment} is an embedded DSS, which has no accounts: start it with dss serve"
                " --token-file FILE, and set DSS_TOKEN to what is in FILE"
            )
        for uri in (told.auth_uri, told.token_uri):
            need_protection(uri)
        return cls(told.client_id, told.client_secret, told.auth_uri, told.token_uri)


def log_in(
    application: Application,
    prompt: UserPrompt,
    *,
    remote: bool = False,
    timeout: float = LOGIN_TIMEOUT,
) -> StoredLogin:
    """Let the user log in, and return the login.

    Args:
        application: The application to log in with.
        prompt: How to ask the user.
        remote: Show the URL and ask for the code, on a machine without a browser.
        timeout: Seconds to wait for the browser.

    Raises:
        LoginError: The login was refused or took too long, or the answer belongs to another login.
    """
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    if remote:
        parts = urlsplit(application.auth_uri)
        redirect = f"{parts.scheme}://{parts.netloc}/echo"
        prompt.show(f"Open this URL: {_authorization_url(application, redirect, verifier, state)}")
        code = _entered_code(prompt.ask("Code, or the URL that you were led to: ").strip(), state)
    else:
        with _Listener(state) as listener:
            redirect = listener.url
            url = _authorization_url(application, redirect, verifier, state)
            if not prompt.browse(url):
                prompt.show(f"No browser could be opened. Open this URL yourself: {url}")
            code = listener.wait(timeout)
    answer = post_form(
        application.token_uri,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": application.client_id,
            "client_secret": application.client_secret,
            "code_verifier": verifier,
        },
    )
    return StoredLogin.model_validate(
        {
            "token_uri": application.token_uri,
            "client_id": application.client_id,
            "client_secret": application.client_secret or None,
            **token_fields(answer),
        }
    )


def _authorization_url(application: Application, redirect: str, verifier: str, state: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": application.client_id,
        "redirect_uri": redirect,
        "scope": _SCOPES,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    separator = "&" if urlsplit(application.auth_uri).query else "?"
    return f"{application.auth_uri}{separator}{urlencode(query)}"


def _entered_code(text: str, state: str) -> str:
    """Return the code that the user entered, alone or as part of the URL."""
    if "://" in text:
        return _redirect_code(urlsplit(text).query, state)
    if not text:
        raise LoginError("no code was given: log in again")
    return text


def _redirect_code(query: str, state: str) -> str:
    """Return the code in an answer.

    Raises:
        LoginError: The login was refused, or the answer belongs to another login.
    """
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    if not secrets.compare_digest(fields.get("state", "").encode(), state.encode()):
        raise _StrayError("the answer belongs to another login: log in again")
    if "error" in fields:
        reason = ": ".join(
            fields[name] for name in ("error", "error_description") if name in fields
        )
        raise LoginError(f"the login was refused: {reason}")
    if not fields.get("code"):
        raise LoginError("the answer holds no code: log in again")
    return fields["code"]


class _Listener:
    """Waits on this machine for the browser's redirect."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._answered = threading.Event()
        self._code = ""
        self._error: LoginError | None = None
        self._server = HTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_TICK,), name="dss-login", daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def take(self, query: str) -> str:
        """Take an answer, and return the text to show the user."""
        try:
            self._code = _redirect_code(query, self._state)
            said = "You are logged in. This page can be closed."
        except _StrayError as error:  # maybe not from our browser at all: go on waiting
            return str(error)
        except LoginError as error:
            self._error = error
            said = str(error)
        self._answered.set()
        return said

    def wait(self, timeout: float) -> str:
        """Return the code.

        Raises:
            LoginError: The login was refused or took too long.
        """
        deadline = timeout
        while not self._answered.wait(min(_TICK, deadline)):  # so that Ctrl-C is noticed
            deadline -= _TICK
            if deadline <= 0:
                raise LoginError(f"nobody logged in within {timeout:g} s: log in again")
        if self._error is not None:
            raise self._error
        return self._code

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(listener: _Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            found = path == "/"
            said = listener.take(query) if found else "There is nothing here."
            body = (
                f"<!doctype html><meta charset=utf-8><title>dss</title><p>{escape(said)}".encode()
            )
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Log nothing: the line would hold the code."""

    return Handler
