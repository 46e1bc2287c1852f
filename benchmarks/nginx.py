"""Storage and API, served by nginx from files alone, so that neither is what a row measures."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import field, frozen

from .certificates import Certificates
from .corpus import Corpus
from .nginx_config import HOST, Serving, configuration_text

_FLUSH = 0.1  # seconds until nginx writes its log out
_START = 10.0  # seconds it may take to start or stop
_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")


class Unusable(Exception):
    """Something the benchmark needs is not there; the message names the remedy."""


def check_nginx(*, delayed: bool) -> str:
    """Return the version of nginx.

    Raises:
        Unusable: It is missing, or the module that makes it wait.
    """
    said = _built()
    if delayed:
        for path in _module_paths(said):
            if not path.exists():
                raise Unusable("nginx cannot wait: apt-get install libnginx-mod-http-lua")
    return said.partition("nginx/")[2].split()[0]


def check_ports(*ports: int) -> None:
    """Raise an error when one of the ports is in use.

    Raises:
        Unusable: It is.
    """
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise Unusable(
                    f"port {port} cannot be had ({error.strerror}): name another with --port"
                ) from error


@frozen
class Nginx:
    """A running nginx; use it in a ``with`` statement.

    Attributes:
        folder: Where its configuration and its logs are.
        corpus: What it serves.
        serving: How.
        port: The API's port; the storage has the next one.
        certificates: Its certificate, for https.
    """

    folder: Path
    corpus: Corpus
    serving: Serving
    port: int
    certificates: Certificates | None = None
    _running: "list[subprocess.Popen[bytes]]" = field(factory=list, init=False)

    def __enter__(self) -> Self:
        check_ports(self.port, self.port + 1)
        self.folder.mkdir()
        configuration = self.folder / "nginx.conf"
        modules = _module_paths(_built()) if self.serving.delayed else []
        configuration.write_text(
            configuration_text(
                self.corpus.folder, self.serving, self.port, self.certificates, modules, _FLUSH
            )
        )
        program = shutil.which("nginx", path=_search_path())
        assert program is not None
        process = subprocess.Popen(
            [program, "-p", self.folder, "-c", configuration, "-e", self.folder / "error.log"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the benchmark, which stops it in its turn
        )
        self._running.append(process)
        try:
            self._wait(process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
            try:
                process.wait(_START)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def calls(self) -> int:
        """Return how many calls the API has answered since the last look."""
        time.sleep(3 * _FLUSH)
        log = self.folder / "calls.log"
        count = log.read_bytes().count(b"\n")
        os.truncate(log, 0)  # nginx appends
        return count

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + _START
        while time.monotonic() < end and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port + 1)) == 0:
                    return
            time.sleep(0.02)
        log = self.folder / "error.log"
        lines = log.read_text().splitlines() if log.exists() else []
        raise Unusable(f"nginx does not start: {lines[-1] if lines else 'it says nothing'}")


def _built() -> str:
    program = shutil.which("nginx", path=_search_path())
    if program is None:
        raise Unusable("nginx is not installed: apt-get install nginx")
    return subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stderr


def _search_path() -> str:
    """Return PATH with the directory that Debian puts nginx into: users often lack it."""
    return os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"


def _module_paths(built: str) -> list[Path]:
    match = re.search(r"--modules-path=(\S+)", built)
    return [Path(match[1] if match else "modules", name) for name in _MODULES]
