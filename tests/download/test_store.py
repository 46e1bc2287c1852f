"""The store of contents: its layout, and when a file is trusted (docs/behaviour.md 14.10, C1)."""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dss_client.download import InvalidChecksum
from dss_client.download import store as store_module
from dss_client.download.store import (
    FileStore,
    close_synced,
    is_regular,
    sha256_of,
    temporary_beside,
    write_all,
)

from .scripted import sha256

CONTENT = b"content"
SIZE = len(CONTENT)
SHA = sha256(CONTENT)
SECOND = 10**9


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path, durable=False)


def plant(store: FileStore, content: bytes) -> Path:
    path = store.path(SHA)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def put(store: FileStore, content: bytes = CONTENT) -> Path:
    store.put(sha256(content), content)
    return store.path(sha256(content))


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if not path.is_dir())


def refuse(code: int) -> Callable[..., None]:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refused


class TestPlaces:
    def test_they_are_those_of_the_reference_client(self, store: FileStore, tmp_path: Path) -> None:
        sha = "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824"
        relative = f".hca/v2/files_2_4/2c/f24d/{sha.lower()}"
        assert store.path(sha) == tmp_path / relative
        assert store.place(sha.lower()) == str(tmp_path / relative)

    @pytest.mark.parametrize("text", ["", "x", "../" + "0" * 61, "g" * 64, "0" * 63, "0" * 65])
    def test_only_checksums_have_them(self, store: FileStore, text: str) -> None:
        with pytest.raises(InvalidChecksum, match="64 hexadecimal digits"):
            store.path(text)
        with pytest.raises(InvalidChecksum):
            store.look(text, 0)

    def test_a_key_is_in_lower_case(self, store: FileStore) -> None:
        with pytest.raises(InvalidChecksum):
            store.place("A" * 64)

    def test_partial_files_are_on_the_file_system_of_the_store(self, tmp_path: Path) -> None:
        (tmp_path / "big" / "files").mkdir(parents=True)
        (tmp_path / "d/.hca/v2").mkdir(parents=True)
        (tmp_path / "d/.hca/v2/files_2_4").symlink_to(tmp_path / "big/files")
        store = FileStore(tmp_path / "d", durable=False)
        assert store.partials == tmp_path / "big" / "partials"
        assert put(store).resolve().is_relative_to(tmp_path / "big/files")


class TestPut:
    @pytest.mark.parametrize("durable", [True, False])
    @pytest.mark.parametrize("content", [b"", CONTENT, bytes(3 << 20)])
    def test_what_was_put_is_there_and_marked(
        self, tmp_path: Path, content: bytes, durable: bool
    ) -> None:
        store = FileStore(tmp_path, durable=durable)
        sha = sha256(content)
        assert store.look(sha, len(content)) == "missing"
        assert not store.find(sha, len(content))
        store.put(sha, memoryview(content))
        path = store.path(sha)
        assert path.read_bytes() == content
        assert store.look(sha, len(content)) == "verified"
        assert store.find(sha, len(content))
        assert files_of(tmp_path) == [path]

    def test_it_has_the_usual_permissions(self, store: FileStore, tmp_path: Path) -> None:
        (tmp_path / "usual").touch()
        usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
        assert stat.S_IMODE(put(store).stat().st_mode) == usual

    def test_the_time_is_that_of_now(self, store: FileStore, tmp_path: Path) -> None:
        (tmp_path / "now").touch()
        now = (tmp_path / "now").stat().st_mtime
        assert abs(put(store).stat().st_mtime - now) < 60

    def test_all_directories_may_be_there_or_none(self, store: FileStore) -> None:
        near = next(
            each
            for number in range(100_000)
            if (each := b"%d" % number) and sha256(each)[:2] == SHA[:2] and sha256(each) != SHA
        )
        assert put(store).exists()
        assert put(store).exists()
        assert put(store, near).exists()

    def test_a_directory_in_its_place_stays(self, store: FileStore, tmp_path: Path) -> None:
        store.path(SHA).mkdir(parents=True)
        assert store.look(SHA, SIZE) == "missing"
        with pytest.raises(OSError, match="directory"):
            put(store)
        assert files_of(tmp_path) == []

    @pytest.mark.parametrize("call", ["write", "fstat", "mkdir", "link", "sync"])
    def test_nothing_is_left_of_a_failure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        store = FileStore(tmp_path)
        put(store, b"another")
        before = files_of(tmp_path)
        where = store_module if call == "sync" else os
        with monkeypatch.context() as patch:
            patch.setattr(where, call, refuse(errno.ENOSPC))
            with pytest.raises(OSError, match="No space"):
                put(store)
        assert files_of(tmp_path) == before
        assert store.look(SHA, SIZE) == "missing"

    def test_nothing_is_left_of_a_disk_that_runs_full(
        self, store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = [3, 2]
        write = os.write

        def full(descriptor: int, data: bytes) -> int:
            if not room:
                raise OSError(errno.ENOSPC, "No space")
            return write(descriptor, data[: room.pop()])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            put(store)
        assert files_of(tmp_path) == []

    def test_short_writes_are_gone_on_with(
        self, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:3]))
        assert put(store).read_bytes() == CONTENT

    def test_on_windows_a_file_in_use_of_another_size_is_an_error(
        self, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plant(store, b"longer than that")
        monkeypatch.setattr(os, "replace", refuse(errno.EACCES))
        temporary = store.new_temporary()
        store.partials.mkdir()
        Path(temporary).write_bytes(CONTENT)
        with monkeypatch.context() as patch:
            patch.setattr(os, "name", "nt")
            with pytest.raises(PermissionError):
                store.publish(temporary, SHA)
        assert Path(temporary).exists()


def _append(path: Path, _: Path) -> None:
    with path.open("ab") as file:
        file.write(b"!")


def _cut(path: Path, _: Path) -> None:
    os.truncate(path, 3)


def _overwrite(path: Path, _: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"C")


def _overwrite_with_the_same(path: Path, _: Path) -> None:
    with path.open("r+b") as file:
        file.write(CONTENT)


def _overwrite_by_a_link(path: Path, folder: Path) -> None:
    os.link(path, folder / "link")
    _overwrite(folder / "link", folder)


def _rename_over(path: Path, folder: Path) -> None:
    (folder / "new").write_bytes(b"CONTENT")
    shutil.copystat(path, folder / "new")
    (folder / "new").replace(path)


def _copy_and_move_back(path: Path, folder: Path) -> None:
    shutil.copy2(path, folder / "copy")
    (folder / "copy").replace(path)


def _touch(path: Path, _: Path) -> None:
    path.touch()


def _shift(path: Path, _: Path) -> None:
    stamp = path.stat().st_mtime_ns
    os.utime(path, ns=(stamp, stamp + SECOND))


def _forge(path: Path, _: Path) -> None:
    """Write, and put back the whole seconds of the time only, as a tar file holds them."""
    seconds = path.stat().st_mtime_ns // SECOND
    _overwrite(path, path)
    os.utime(path, ns=(seconds * SECOND, seconds * SECOND))


class TestMarks:
    @pytest.mark.parametrize(
        ("harm", "left"),
        [
            (_append, "missing"),
            (_cut, "missing"),
            (_overwrite, "unverified"),
            (_overwrite_with_the_same, "unverified"),
            (_overwrite_by_a_link, "unverified"),
            (_rename_over, "unverified"),
            (_copy_and_move_back, "unverified"),
            (_touch, "unverified"),
            (_shift, "unverified"),
            (_forge, "unverified"),
        ],
    )
    def test_any_change_breaks_it(
        self,
        store: FileStore,
        tmp_path: Path,
        harm: Callable[[Path, Path], None],
        left: str,
    ) -> None:
        path = put(store)
        harm(path, tmp_path)
        assert store.look(SHA, SIZE) == left
        assert not store.all_verified([str(path)], [SHA], [SIZE])
        good = path.read_bytes() == CONTENT
        assert store.find(SHA, SIZE) == good
        assert store.look(SHA, SIZE) == ("verified" if good else left)

    def test_it_is_for_one_content_only(self, store: FileStore) -> None:
        path = put(store)
        other = store.path(sha256(b"CONTENT"))
        other.parent.mkdir(parents=True)
        path.rename(other)
        assert store.look(sha256(b"CONTENT"), SIZE) == "unverified"
        assert not store.find(sha256(b"CONTENT"), SIZE)

    def test_it_survives_what_changes_nothing(self, store: FileStore, tmp_path: Path) -> None:
        path = put(store)
        path.chmod(0o400)
        (tmp_path / "link").hardlink_to(path)
        assert path.read_bytes() == CONTENT
        assert store.look(SHA, SIZE) == "verified"

    def test_they_spread_over_the_second(self, store: FileStore) -> None:
        fractions = set()
        for number in range(50):
            content = b"%d" % number
            fractions.add(put(store, content).stat().st_mtime_ns % SECOND)
        assert len(fractions) == 50

    def test_mark_and_unmark(self, store: FileStore) -> None:
        path = plant(store, CONTENT)
        assert store.mark(SHA, path.stat())
        assert store.look(SHA, SIZE) == "verified"
        stamp = path.stat().st_mtime_ns
        assert store.mark(SHA, path.stat())
        assert path.stat().st_mtime_ns == stamp
        assert store.unmark(SHA, path.stat())
        assert store.look(SHA, SIZE) == "unverified"
        assert store.unmark(SHA, path.stat())

    def test_what_changed_since_is_not_marked(self, store: FileStore) -> None:
        path = plant(store, CONTENT)
        before = path.stat()
        os.utime(path, ns=(0, before.st_mtime_ns - SECOND))
        assert not store.mark(SHA, before)
        assert store.look(SHA, SIZE) == "unverified"

    def test_what_is_gone_is_not_marked(self, store: FileStore) -> None:
        path = plant(store, CONTENT)
        unmarked = path.stat()
        assert store.mark(SHA, unmarked)
        marked = path.stat()
        path.unlink()
        assert not store.mark(SHA, unmarked)
        assert not store.unmark(SHA, marked)

    @pytest.mark.parametrize("code", [errno.EPERM, errno.EROFS, errno.ENOTSUP])
    def test_files_whose_times_cannot_be_set_are_used_all_the_same(
        self, store: FileStore, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        marked = put(store, b"marked").stat()
        monkeypatch.setattr(os, "utime", refuse(code))
        path = put(store)
        assert store.look(SHA, SIZE) == "unverified"
        assert store.find(SHA, SIZE)
        assert store.find(SHA, SIZE)
        assert not store.mark(SHA, path.stat())
        assert not store.unmark(sha256(b"marked"), marked)


class TestFind:
    def test_c1_the_size_is_that_of_the_caller(self, store: FileStore) -> None:
        put(store)
        assert store.look(SHA, SIZE + 1) == "missing"
        assert not store.find(SHA, SIZE + 1)

    def test_c1_a_link_is_no_stored_file(self, store: FileStore, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_bytes(CONTENT)
        path = plant(store, b"")
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")
        for verify in ("size", "sha256"):
            store.verify = verify
            size = path.lstat().st_size
            assert store.look(SHA, size) == "missing"
            assert not store.find(SHA, size)
            assert not store.all_verified([str(path)], [SHA], [size])
        put(store)
        assert is_regular(path)
        assert (tmp_path / "elsewhere").read_bytes() == CONTENT

    def test_what_is_gone_meanwhile_is_absent(
        self, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "look", lambda *_: "unverified")
        assert not store.find(SHA, SIZE)

    def test_the_size_is_enough_where_it_is_said_to_be(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path, verify="size")
        path = plant(store, b"CONTENT")
        assert store.look(SHA, SIZE) == "verified"
        assert store.find(SHA, SIZE)
        assert store.all_verified([str(path)], [SHA], [SIZE])
        assert store.look(SHA, SIZE - 1) == "missing"
        assert not store.find(SHA, SIZE - 1)
        assert not store.all_verified([str(path)], [SHA], [SIZE - 1])
        assert FileStore(tmp_path).look(SHA, SIZE) == "unverified"


class TestAllGood:
    def test_it_agrees_with_looks_at_each(self, store: FileStore) -> None:
        contents = [b"a", b"bc", b"def"]
        places = [str(put(store, content)) for content in contents]
        keys, sizes = [*map(sha256, contents)], [*map(len, contents)]
        assert store.all_verified(places, keys, sizes)
        assert store.all_verified([], [], [])
        for index in range(3):
            path = Path(places[index])
            content = path.read_bytes()
            stamp = path.stat().st_mtime_ns
            os.utime(path, ns=(stamp, stamp + 100))
            assert not store.all_verified(places, keys, sizes)
            path.write_bytes(content + b"!")
            assert not store.all_verified(places, keys, sizes)
            path.unlink()
            assert not store.all_verified(places, keys, sizes)
            store.put(keys[index], content)
            assert store.all_verified(places, keys, sizes)

    def test_keys_that_are_mixed_up_are_noticed(self, store: FileStore) -> None:
        places = [str(put(store, content)) for content in (b"a", b"b")]
        assert not store.all_verified(places, [sha256(b"b"), sha256(b"a")], [1, 1])


class TestTwoStores:
    def test_their_temporary_files_are_apart(self, tmp_path: Path) -> None:
        stores = [FileStore(tmp_path, durable=False) for _ in range(2)]
        names = {store.new_temporary() for store in stores for _ in range(3)}
        assert len(names) == 6
        assert all(Path(name).parent == stores[0].partials for name in names)

    def test_a_temporary_file_is_never_one_that_is_there(self, store: FileStore) -> None:
        name = store.new_temporary()
        os.close(store.create(name))
        with pytest.raises(FileExistsError):
            store.create(name)

    def test_many_put_the_same_and_others_at_once(self, tmp_path: Path) -> None:
        stores = [FileStore(tmp_path, durable=False) for _ in range(2)]
        contents = [b"%d" % (number % 40) for number in range(400)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, stores * 200, contents))
        assert [path.read_bytes() for path in files_of(tmp_path)] == [
            path.read_bytes() for path in sorted({stores[0].path(sha256(c)) for c in contents})
        ]
        assert all(stores[1].look(sha256(c), len(c)) == "verified" for c in contents)
        assert len(files_of(tmp_path)) == 40


class TestSlowDisks:
    def test_nobody_waits_for_a_disk_that_is_not_waited_for(
        self, store: FileStore, tmp_path: Path
    ) -> None:
        assert not store.syncs_slowly
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("limit", "slow"), [(-1.0, True), (float("inf"), False)])
    def test_it_is_found_out_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, slow: bool
    ) -> None:
        store = FileStore(tmp_path)
        monkeypatch.setattr(store_module, "_SLOW", limit)
        assert store.syncs_slowly is slow
        assert files_of(tmp_path) == []
        monkeypatch.setattr(store_module, "sync", refuse(errno.EIO))
        assert store.syncs_slowly is slow


class TestFiles:
    def test_temporary_files_have_their_directories_and_are_removed(self, tmp_path: Path) -> None:
        with temporary_beside(tmp_path / "a" / "b") as file:
            file.write(CONTENT)
            file.flush()
            assert Path(file.name).parent == tmp_path / "a"
            assert sha256_of(file.name) == SHA
        assert files_of(tmp_path) == []

    def test_a_temporary_file_may_get_a_name(self, tmp_path: Path) -> None:
        with temporary_beside(tmp_path / "b") as file:
            file.write(CONTENT)
            close_synced(file).replace(tmp_path / "b")
        assert files_of(tmp_path) == [tmp_path / "b"]
        assert (tmp_path / "b").read_bytes() == CONTENT

    def test_only_files_themselves_are_regular(self, tmp_path: Path) -> None:
        (tmp_path / "f").touch()
        (tmp_path / "link").symlink_to(tmp_path / "f")
        assert is_regular(tmp_path / "f")
        assert not is_regular(tmp_path / "link")
        assert not is_regular(tmp_path)
        assert not is_regular(tmp_path / "nowhere")

    @pytest.mark.parametrize("kind", [bytes, memoryview])
    def test_everything_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[bytes], bytes]
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:2]))
        with (tmp_path / "f").open("wb", buffering=0) as file:
            write_all(file.fileno(), kind(CONTENT))
        assert (tmp_path / "f").read_bytes() == CONTENT
