"""The reference client, driven through a process of its own environment."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

_PROGRAM = Path(__file__).with_name("hca_process.py")

PYTHON = os.environ.get("DSS_PEER_PYTHON", "")
"""Interpreter of the environment that the client is installed in; empty without one."""

How = Literal["call", "has", "iterate", "paginate", "parameters", "stream"]


class PeerError(Exception):
    """An error that the reference client raised."""

    def __init__(self, described: dict[str, Any]) -> None:
        super().__init__(described["text"])
        self.type: str = described["type"]
        self.status: int | None = described["status"]
        self.code: str | None = described["code"]


class Peer:
    """The reference client for one service.

    Args:
        url: Base URL of the service's API.
        home: Empty directory for its settings and its cache.
        token: Access token for secured operations.
        **environ: Further environment variables.
    """

    def __init__(self, url: str, home: Path, token: str | None = None, **environ: str) -> None:
        self.home = home
        config = home / "config.json"
        config.write_text(json.dumps(_config(url, token)), encoding="utf-8")
        environ |= {
            "HCA_CONFIG_FILE": str(config),
            "HOME": str(home),
            "NO_PROXY": "*",
            "OAUTHLIB_INSECURE_TRANSPORT": "1",  # its session refuses plain http otherwise
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "ignore",
            "XDG_CONFIG_HOME": str(home),
        }
        self._process = subprocess.Popen(
            [PYTHON, "-I", "-W", "ignore", str(_PROGRAM)],
            cwd=home,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, method: str, **arguments: object) -> Any:
        """Call a method of the client."""
        return self.ask("call", method, self.home, arguments)

    def iterate(self, method: str, **arguments: object) -> Any:
        """Return the items of a paged operation."""
        return self.ask("iterate", method, self.home, arguments)

    def paginate(self, method: str, **arguments: object) -> Any:
        """Return the pages of a paged operation."""
        return self.ask("paginate", method, self.home, arguments)

    def parameters(self, method: str) -> Any:
        """Return name and default of each parameter of a method."""
        return self.ask("parameters", method, self.home, {})

    def has(self, method: str, name: str) -> bool:
        """Tell whether a method has an attribute."""
        found: bool = self.ask("has", method, self.home, {"name": name})
        return found

    def stream(self, method: str, **arguments: object) -> bytes:
        """Return the bytes that an operation streams."""
        content: str = self.ask("stream", method, self.home, arguments)
        return bytes.fromhex(content)

    def inside(self, directory: Path, method: str, **arguments: object) -> None:
        """Call a method that writes to the current directory."""
        self.ask("call", method, directory, arguments)

    def ask(self, how: How, method: str, directory: Path, arguments: dict[str, object]) -> Any:
        """Have a method called.

        Raises:
            PeerError: What the client raised.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {
            "directory": str(directory),
            "how": how,
            "method": method,
            "arguments": arguments,
        }
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer["value"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=20)


def _config(url: str, token: str | None) -> dict[str, Any]:
    config: dict[str, Any] = {
        "log_level": "WARNING",
        "DSSClient": {"swagger_url": f"{url}/swagger.json"},
        "AuthClient": {"swagger_url": f"{url}/swagger.json"},
    }
    if token is not None:
        # What a login stores, but with a number as the time (docs/behaviour.md C12).
        config["oauth2_token"] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_at": 4102444800,
        }
        # It asks for these over https only.
        config["application_secrets"] = {
            "installed": {"client_id": "peer", "client_secret": "peer", "token_uri": "https://x"}
        }
    return config
