"""From the store into the directory of a bundle."""

import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import Factory, define

from dss_client.download import FileDownloadError, UnsafeName, filestore, layout
from dss_client.download.filestore import FileStore
from dss_client.download.layout import Placer

from .scripted import sha256

CONTENT = b"content"


@define
class Calls:
    """What the file system was asked for; the errors are raised in turn, None is a success."""

    real: Callable[..., None]
    errors: list[int | None] = Factory(list)
    count: int = 0

    def __call__(self, *arguments: object, **named: object) -> None:
        self.count += 1
        code = self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]
        if code is not None:
            raise OSError(code, os.strerror(code))
        self.real(*arguments, **named)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path, durable=False)


@pytest.fixture
def stored(store: FileStore) -> str:
    store.put(sha256(CONTENT), CONTENT)
    return store.place(sha256(CONTENT))


@pytest.fixture
def placer(tmp_path: Path) -> Placer:
    return Placer(tmp_path)


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Return what makes hard links; they work."""
    calls = Calls(os.link, [None])
    monkeypatch.setattr(os, "link", calls)
    return calls


@pytest.fixture(autouse=True)
def clones(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Return what makes reflinks; there are none, whatever the disk of the tests can do."""

    def clone(target: int, request: int, source: int) -> None:
        assert request == 0x40049409
        os.pwrite(target, os.pread(source, 1 << 20, 0), 0)

    calls = Calls(clone, [errno.EOPNOTSUPP])
    monkeypatch.setattr(fcntl, "ioctl", calls)
    monkeypatch.setattr(sys, "platform", "linux")
    return calls


def beside(path: Path) -> list[Path]:
    return sorted(path.parent.iterdir())


class TestHardLinks:
    def test_a_link_is_made(self, stored: str, placer: Placer, tmp_path: Path) -> None:
        target, link = placer.place(stored, "bundle/folder/f")
        assert (target, link) == (tmp_path / "bundle/folder/f", "hardlink")
        assert target.samefile(stored)
        assert beside(target) == [target]

    def test_the_same_link_is_fine(self, stored: str, placer: Placer, tmp_path: Path) -> None:
        placer.place(stored, "b/f")
        assert placer.place(stored, "b/f") == (tmp_path / "b/f", "hardlink")
        assert Placer(tmp_path).place(stored, "b/f") == (tmp_path / "b/f", "hardlink")
        assert Path(stored).stat().st_nlink == 2

    def test_it_leaves_the_seal_as_it_is(
        self, store: FileStore, stored: str, placer: Placer
    ) -> None:
        placer.place(stored, "b/f")
        assert store.look(sha256(CONTENT), len(CONTENT)) == "good"

    def test_many_files_of_many_directories(
        self, stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(layout, "_FOLDERS", 3)
        placer = Placer(tmp_path)
        for number in range(10):
            target, _ = placer.place(stored, f"b{number % 4}/f{number}")
            assert target.samefile(stored)

    def test_other_refusals_are_errors(self, stored: str, placer: Placer, links: Calls) -> None:
        links.errors = [errno.ENOSPC]
        with pytest.raises(OSError, match="No space"):
            placer.place(stored, "b/f")
        links.errors = [None]
        assert placer.place(stored, "b/f")[1] == "hardlink"

    def test_what_is_gone_from_the_store_is_an_error(self, stored: str, placer: Placer) -> None:
        Path(stored).unlink()
        with pytest.raises(FileNotFoundError):
            placer.place(stored, "b/f")


class TestOtherFiles:
    @pytest.fixture(params=["reflink", "hardlink", "copy"], autouse=True)
    def way(self, request: pytest.FixtureRequest, clones: Calls, links: Calls) -> str:
        """Have files get to their places in each way."""
        if request.param == "reflink":
            clones.errors = [None]
        if request.param == "copy":
            links.errors = [errno.EXDEV]
        return str(request.param)

    def test_the_way_is_the_one_that_is_meant(self, stored: str, placer: Placer, way: str) -> None:
        assert placer.place(stored, "b/f")[1] == way

    def test_an_identical_one_is_fine(self, stored: str, placer: Placer, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(CONTENT)
        inode = (tmp_path / "f").stat().st_ino
        assert placer.place(stored, "f") == (tmp_path / "f", "copy")
        assert (tmp_path / "f").stat().st_ino == inode

    @pytest.mark.parametrize("other", [b"", b"CONTENT", b"longer content"])
    def test_another_one_is_left_alone_and_an_error(
        self, stored: str, placer: Placer, tmp_path: Path, other: bytes
    ) -> None:
        (tmp_path / "b").mkdir()
        (tmp_path / "b/f").write_bytes(other)
        with pytest.raises(FileDownloadError, match="move it out of the way"):
            placer.place(stored, "b/f")
        assert (tmp_path / "b/f").read_bytes() == other
        assert beside(tmp_path / "b/f") == [tmp_path / "b/f"]

    def test_so_is_a_directory(self, stored: str, placer: Placer, tmp_path: Path) -> None:
        (tmp_path / "f/g").mkdir(parents=True)
        with pytest.raises(FileDownloadError, match="another file is at"):
            placer.place(stored, "f")
        assert (tmp_path / "f/g").is_dir()

    @pytest.mark.parametrize("dangling", [True, False])
    def test_c5_a_planted_link_is_neither_followed_nor_replaced(
        self, stored: str, placer: Placer, tmp_path: Path, dangling: bool
    ) -> None:
        outside = tmp_path / "outside"
        if not dangling:
            outside.write_bytes(CONTENT)
        (tmp_path / "f").symlink_to(outside)
        with pytest.raises(FileDownloadError, match="another file"):
            placer.place(stored, "f")
        assert (tmp_path / "f").is_symlink()
        assert outside.exists() != dangling

    def test_c5_a_link_to_the_stored_file_itself_is_none(
        self, stored: str, placer: Placer, tmp_path: Path
    ) -> None:
        (tmp_path / "f").symlink_to(stored)
        with pytest.raises(FileDownloadError, match="another file"):
            placer.place(stored, "f")

    def test_c5_the_bundle_directory_itself_may_not_be_a_link(
        self, stored: str, placer: Placer, tmp_path: Path
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "bundle").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UnsafeName, match="symbolic link"):
            placer.place(stored, "bundle/f")
        assert list((tmp_path / "elsewhere").iterdir()) == []

    @pytest.mark.parametrize("name", ["../f", "/f", "b/../../f", ""])
    def test_c5_names_stay_below_the_root(
        self, stored: str, placer: Placer, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(UnsafeName):
            placer.place(stored, name)

    def test_a_file_in_place_of_a_directory_is_an_error(
        self, stored: str, placer: Placer, tmp_path: Path
    ) -> None:
        (tmp_path / "b").write_bytes(b"")
        with pytest.raises(FileDownloadError, match="move it out of the way"):
            placer.place(stored, "b/f")
        assert (tmp_path / "b").read_bytes() == b""


class TestCopies:
    @pytest.mark.parametrize("durable", [True, False])
    def test_they_are_brought_to_the_disk_where_that_is_wanted(
        self,
        stored: str,
        tmp_path: Path,
        links: Calls,
        monkeypatch: pytest.MonkeyPatch,
        durable: bool,
    ) -> None:
        synced: list[int] = []
        monkeypatch.setattr(filestore, "sync", synced.append)
        links.errors = [errno.EPERM]
        assert Placer(tmp_path, durable=durable).place(stored, "b/f")[1] == "copy"
        assert len(synced) == durable

    @pytest.mark.parametrize(
        "code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS]
    )
    def test_they_are_made_where_links_are_refused(
        self, stored: str, placer: Placer, links: Calls, code: int
    ) -> None:
        links.errors = [code]
        target, link = placer.place(stored, "b/f")
        assert link == "copy"
        assert target.read_bytes() == CONTENT
        assert not target.samefile(stored)
        assert beside(target) == [target]
        assert placer.place(stored, "b/f") == (target, "copy")

    @pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.ENOTSUP])
    def test_a_file_system_without_links_is_asked_once(
        self, stored: str, placer: Placer, links: Calls, code: int
    ) -> None:
        links.errors = [code, None]
        assert [placer.place(stored, f"b/{n}")[1] for n in range(3)] == ["copy"] * 3
        assert links.count == 1

    def test_one_file_with_too_many_links_does_not_turn_them_off(
        self, stored: str, placer: Placer, links: Calls
    ) -> None:
        links.errors = [errno.EMLINK, None]
        assert [placer.place(stored, f"b/{n}")[1] for n in range(2)] == ["copy", "hardlink"]
        assert links.count == 2

    def test_a_copy_has_its_name_when_it_is_whole(
        self, stored: str, placer: Placer, links: Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        links.errors = [errno.EXDEV]

        def full(source: object, target: "object", length: int = 0) -> None:
            target.write(b"con")  # type: ignore[attr-defined] # a file
            raise OSError(errno.ENOSPC, "No space")

        (target, _) = placer.place(stored, "b/first")
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "copyfileobj", full)
            with pytest.raises(OSError, match="No space"):
                placer.place(stored, "b/f")
        assert beside(target) == [target]


class TestReflinks:
    def test_they_are_preferred(
        self, stored: str, placer: Placer, clones: Calls, tmp_path: Path
    ) -> None:
        clones.errors = [None]
        target, link = placer.place(stored, "b/f")
        assert (target, link) == (tmp_path / "b/f", "reflink")
        assert target.read_bytes() == CONTENT
        assert not target.samefile(stored)
        assert Path(stored).stat().st_nlink == target.stat().st_nlink == 1
        assert beside(target) == [target]
        assert placer.place(stored, "b/f") == (target, "copy")
        assert beside(target) == [target]

    @pytest.mark.parametrize(
        "code",
        [errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM],
    )
    def test_a_file_system_without_them_is_asked_once(
        self, stored: str, placer: Placer, clones: Calls, code: int
    ) -> None:
        clones.errors = [code, None]
        assert [placer.place(stored, f"b/{n}")[1] for n in range(3)] == ["hardlink"] * 3
        assert clones.count == 1

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EINTR])
    def test_one_failure_does_not_turn_them_off(
        self, stored: str, placer: Placer, clones: Calls, code: int
    ) -> None:
        clones.errors = [code, None]
        links = [placer.place(stored, f"b/{n}")[1] for n in range(3)]
        assert links == ["hardlink", "reflink", "reflink"]

    def test_a_file_system_may_have_them_and_no_hard_links(
        self, stored: str, placer: Placer, clones: Calls, links: Calls
    ) -> None:
        clones.errors = [None]
        links.errors = [errno.EOPNOTSUPP]
        target, link = placer.place(stored, "b/f")
        assert link == "copy"
        assert target.read_bytes() == CONTENT
        assert beside(target) == [target]

    def test_other_systems_are_not_asked(
        self, stored: str, tmp_path: Path, clones: Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clones.errors = [None]
        monkeypatch.setattr(sys, "platform", "darwin")
        assert Placer(tmp_path).place(stored, "b/f")[1] == "hardlink"
        assert clones.count == 0
