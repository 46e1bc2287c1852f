"""Runs functions in processes of their own, where the system can be made to fail.

``python -m tests.download.forked`` imports what a download needs once and then forks for each
function, so that a download in a process of its own takes milliseconds. What it calls of module
`os` goes through `Break`s: that is set up before the client is imported.
"""

import builtins
import errno
import fcntl
import io
import os
import pickle
import platform
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import IO, Any

from attrs import frozen

CALLS = (
    "open", "read", "pread", "readv", "preadv", "write", "pwrite", "writev", "pwritev", "sendfile",
    "copy_file_range", "posix_fallocate", "ftruncate", "truncate", "fsync", "fdatasync",
    "stat", "lstat", "fstat", "scandir", "listdir", "mkdir", "rmdir", "unlink", "remove",
    "rename", "replace", "link", "symlink", "utime", "chmod",
)  # fmt: skip
"""What can fail of module `os`; ``open``, ``read`` and ``write`` are also those of file objects.

To open a file that may be written to counts as ``create``, too.
"""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@frozen
class Break:
    """A call of the system that fails.

    Attributes:
        call: Its name in module `os`.
        error: Name of the error, or of an exception; empty: it only takes its time.
        below: Only for paths that hold this text.
        first: The first use that fails, from 1.
        last: The last one; None: all from the first on.
        seconds: It takes so long.
    """

    call: str
    error: str
    below: str = ""
    first: int = 1
    last: int | None = None
    seconds: float = 0


class Breaks:
    """The breaks in force, and the calls counted."""

    def __init__(self) -> None:
        self.all: list[Break] = []
        self.below: str | None = None
        self.counts: Counter[str] = Counter()
        self.trace: list[tuple[str, str]] = []
        self._hits: Counter[int] = Counter()
        self._lock = threading.Lock()

    def met(self, call: str, arguments: tuple[object, ...], folder: object = None) -> None:
        """Fail a call where it is to fail."""
        if self.below is None:
            return
        paths = [path_of(argument, folder) for argument in arguments[:2]]
        if not any(self.below in path for path in paths):
            return
        hit: Break | None = None
        with self._lock:
            self.counts[call] += 1
            self.trace.append((call, [path for path in paths if path][-1]))
            for number, each in enumerate(self.all):
                if each.call != call or not any(each.below in path for path in paths):
                    continue
                self._hits[number] += 1
                if each.first <= self._hits[number] <= (each.last or sys.maxsize):
                    hit = each
        if hit is not None:
            time.sleep(hit.seconds)
            if hit.error:
                raise error_of(hit.error, paths[0])


BREAKS = Breaks()
ELSEWHERE: dict[str, str] = {}  # what is opened instead of some paths


def error_of(name: str, path: str) -> BaseException:
    """Return an error of the system, or another exception."""
    if hasattr(builtins, name):
        kind: type[BaseException] = getattr(builtins, name)
        return kind("injected")
    code: int = getattr(errno, name)
    return OSError(code, os.strerror(code), path)


def path_of(argument: object, folder: object) -> str:
    """Return the path that an argument stands for; empty where it is not one."""
    if isinstance(argument, int):
        try:
            return os.readlink(f"/proc/self/fd/{argument}")
        except OSError:
            return ""
    if not isinstance(argument, str | bytes | os.PathLike):
        return ""
    path = os.fsdecode(argument)
    return os.path.join(path_of(folder, None) if isinstance(folder, int) else os.getcwd(), path)


def breakable(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that fails where `BREAKS` says so."""

    @wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        folder = options.get("dir_fd", options.get("dst_dir_fd"))
        if name == "open" and arguments[1] & WRITING:
            BREAKS.met("create", arguments[:1], folder)
        BREAKS.met(name, arguments, folder)
        return function(*arguments, **options)

    for group in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
        if function in group:
            group.add(wrapper)
    return wrapper


class Raw(io.FileIO):
    """A file that `open` has opened."""

    def write(self, data: Any, /) -> int | None:  # type: ignore[override]  # any buffer
        """Write."""
        BREAKS.met("write", (self.fileno(),))
        return super().write(data)

    def readinto(self, buffer: Any, /) -> int | None:
        """Read."""
        BREAKS.met("read", (self.fileno(),))
        return super().readinto(buffer)


def set_up_full_sync() -> None:
    """Have the system know `fcntl.F_FULLFSYNC`, as macOS does; its use is counted by that name."""
    number = 51
    plain = fcntl.fcntl

    def wrapper(descriptor: Any, command: int, argument: Any = 0) -> Any:
        if command == number:
            file = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            BREAKS.met("F_FULLFSYNC", (file,))
            return 0
        return plain(descriptor, command, argument)

    fcntl.F_FULLFSYNC = number  # type: ignore[attr-defined]  # of macOS
    fcntl.fcntl = wrapper


def set_up() -> None:
    """Have calls of the system fail where `BREAKS` says so, also those of ``open``."""
    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, breakable(name, getattr(os, name)))
    if "F_FULLFSYNC" in os.environ:
        set_up_full_sync()
    plain = io.open

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any
    ) -> IO[Any]:
        if isinstance(file, int) or "opener" in named or len(rest) > 4:
            return plain(file, mode, buffering, *rest, **named)
        file = ELSEWHERE.get(str(file), file)
        if set(mode) & set("wax+"):
            BREAKS.met("create", (file,))
        BREAKS.met("open", (file,))
        if "b" not in mode:
            return plain(file, mode, buffering, *rest, **named)
        raw = Raw(file, mode.replace("b", ""))
        if not buffering:
            return raw
        if "+" in mode:
            return io.BufferedRandom(raw)
        return io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)

    io.open = builtins.open = opened  # type: ignore[assignment]


def break_calls(below: Path, *breaks: Break) -> None:
    """Have calls fail, of those for paths below a directory."""
    BREAKS.below, BREAKS.all = str(below), list(breaks)


def on_host(name: str) -> None:
    """Let this process be on another host, of another boot."""
    plain = os.uname()
    boot = Path(tempfile.mkdtemp(), "boot")
    boot.write_text(name)
    ELSEWHERE["/proc/sys/kernel/random/boot_id"] = str(boot)
    socket.gethostname = lambda: name
    os.uname = lambda: os.uname_result((plain[0], name, *plain[2:]))
    vars(platform)["_uname_cache"] = None


def limit_threads(most: int) -> None:
    """Let no more threads run than so many, as ``ulimit -u`` does."""
    start = threading.Thread.start

    def limited(self: threading.Thread) -> None:
        if threading.active_count() >= most:
            raise RuntimeError("can't start new thread")
        start(self)

    threading.Thread.start = limited  # type: ignore[method-assign]


def limit_databases(below: Path, pages: int) -> None:
    """Let databases outside a directory have no more pages: the temporary directory is full."""
    connect = sqlite3.connect

    def limited(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(database, *arguments, **options)
        if not os.path.abspath(os.fsdecode(database) or "/").startswith(str(below)):
            connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    sqlite3.connect = limited  # type: ignore[assignment]  # an overloaded function


def limit_room(folder: Path, free: int) -> None:
    """Let the disk have only so many free bytes, less what the files of a directory take."""
    plain = os.statvfs

    def limited(path: Any) -> Any:
        found = list(plain(path))
        inodes: dict[int, int] = {}
        for each in folder.rglob("*"):
            with suppress(FileNotFoundError):
                inodes[each.lstat().st_ino] = each.lstat().st_size
        found[1] = 1
        found[3] = found[4] = max(0, free - sum(inodes.values()))
        return os.statvfs_result(found)

    os.statvfs = limited


def take_parts_of(size: int) -> None:
    """Fetch a large content by parts of so many bytes."""
    vars(import_module("dss_client.download.engine"))["PART_SIZE"] = size


def serve() -> None:
    """Fork for each function that comes, until there are no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to wait for them
    commands, answers = sys.stdin.buffer, sys.stdout.buffer
    while length := commands.read(8):
        job = commands.read(int.from_bytes(length))
        pid = os.fork()
        if not pid:
            work(job)
        answers.write(pid.to_bytes(8))
        answers.flush()


def work(job: bytes) -> None:
    """Call a function, leave its result in a file, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    out, function, arguments, options = pickle.loads(job)
    for number, suffix in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{out}.{suffix}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), number)
    try:
        result = pickle.dumps((True, function(*arguments, **options)))
    except BaseException as error:  # noqa: BLE001 - the test is told of it
        traceback.print_exc()
        try:
            result = pickle.dumps((False, error))
            pickle.loads(result)
        except Exception:  # noqa: BLE001 - so that there is a result
            result = pickle.dumps((False, RuntimeError(repr(error))))
    BREAKS.below = None
    with open(f"{out}.new", "wb") as file:
        file.write(result)
    os.rename(f"{out}.new", out)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def import_all() -> None:
    """Import what a download needs, so that no fork has to: the package itself is lazy."""
    names = ("pytest", "rich.progress", "dss_client.cli._app", "tests.download.apart")
    for name in (*names, "httpcore", "encodings.idna"):
        import_module(name)
    with suppress(ImportError):
        import_module("uvloop")
    for package in ("download", "_sync", "_async", "transfer"):
        path = import_module(f"dss_client.{package}").__path__
        for module in iter_modules(path, f"dss_client.{package}."):
            import_module(module.name)
    commands = import_module("dss_client.cli.commands")
    commands.load_commands()


if __name__ == "__main__":
    sys.modules["tests.download.forked"] = sys.modules["__main__"]  # what tests refer to is this
    set_up()
    import_all()
    serve()
