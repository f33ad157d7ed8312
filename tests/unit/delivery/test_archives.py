"""Archives are taken apart only where that is asked for, and only into plain files within limits."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway import delivery
from slipway.delivery import Options, fetch

EXTRACT = Options(extract=True)


def a_tar(path: Path, *members: tarfile.TarInfo | tuple[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                packed.addfile(member)
                continue
            about = tarfile.TarInfo(member[0])
            about.size = len(member[1])
            packed.addfile(about, io.BytesIO(member[1]))
    return path


def a_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in members:
            packed.writestr(name, body)
    return path


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.type, about.linkname = kind, link
    return about


def folder(name: str) -> tarfile.TarInfo:
    return special(name, tarfile.DIRTYPE)


MEMBERS = (("model/weights.bin", b"w" * 1000), ("./model/config.json", b"{}"))


@pytest.mark.parametrize(
    "pack",
    [
        lambda path: a_tar(path / "m.tar", folder("."), folder("model"), *MEMBERS, mode="w"),
        lambda path: a_tar(path / "m.tar.gz", folder("model"), *MEMBERS),
        lambda path: a_tar(path / "m.tgz", *MEMBERS),
        lambda path: a_tar(path / "m.tar.xz", *MEMBERS, mode="w:xz"),
        lambda path: a_tar(path / "m.tar.bz2", *MEMBERS, mode="w:bz2"),
        lambda path: a_zip(path / "m.zip", ("model/", b""), *MEMBERS),
    ],
)
def test_the_digest_is_that_of_what_came_out(tmp_path: Path, pack: Callable[[Path], Path]) -> None:
    found = fetch(pack(tmp_path).as_uri(), tmp_path / "out", EXTRACT)
    assert (found.bytes, found.files) == (1002, 2)
    assert (tmp_path / "out" / "model" / "weights.bin").read_bytes() == b"w" * 1000
    assert found.digest == delivery.digest_of(tmp_path / "out")
    assert not [path for path in tmp_path.rglob("*") if path.name == "parts"]


def test_without_being_asked_for_an_archive_is_a_file(tmp_path: Path) -> None:
    fetch(a_tar(tmp_path / "m.tgz", *MEMBERS).as_uri(), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["m.tgz"]


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (("../evil", b"x"), "no plain relative path"),
        (("/etc/evil", b"x"), "no plain relative path"),
        (("a/../../evil", b"x"), "no plain relative path"),
        (("a\\..\\evil", b"x"), "backslash"),
        (("a\nb", b"x"), "control characters"),
        (("model/weights.bin", b"x"), "two entries"),
        (("model/Weights.bin", b"x"), "differ only by case"),
        (("model", b"x"), "two entries"),
        (special("link", tarfile.SYMTYPE, "/etc/passwd"), "a link, a device"),
        (special("link", tarfile.LNKTYPE, "model/weights.bin"), "a link, a device"),
        (special("null", tarfile.CHRTYPE), "a link, a device"),
        (special("disk", tarfile.BLKTYPE), "a link, a device"),
        (special("pipe", tarfile.FIFOTYPE), "a link, a device"),
    ],
)
def test_entries_that_could_reach_outside_are_refused(
    tmp_path: Path, member: tarfile.TarInfo | tuple[str, bytes], why: str
) -> None:
    packed = a_tar(tmp_path / "m.tgz", *MEMBERS, member)
    with pytest.raises(delivery.Unsafe, match=why):
        fetch(packed.as_uri(), tmp_path / "deep" / "out", EXTRACT)
    assert not (tmp_path / "deep" / "out").exists()
    assert not (tmp_path / "deep" / ".out.slipway").exists()
    assert not list(tmp_path.rglob("evil"))


def test_the_same_holds_for_zip(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for number, (name, body) in enumerate([("../evil", b"x"), ("/evil", b"x"), (link, b"/etc/passwd")]):
        packed = a_zip(tmp_path / f"{number}.zip", (name, body))
        with pytest.raises(delivery.Unsafe):
            fetch(packed.as_uri(), tmp_path / "out", EXTRACT)
    assert not list(tmp_path.rglob("evil"))


def test_a_bomb_is_stopped_at_a_hundred_times_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.delivery.archives.SLACK", 1024 * 1024)
    zeros = bytes(4 * 1024 * 1024)
    for packed in (a_zip(tmp_path / "b.zip", ("zeros", zeros)), a_tar(tmp_path / "b.tgz", ("zeros", zeros))):
        with pytest.raises(delivery.Unsafe, match=r"unpacks to more than 100 times its size"):
            fetch(packed.as_uri(), tmp_path / "out", EXTRACT)


def test_a_bomb_in_a_header_is_stopped_too(tmp_path: Path) -> None:
    about = tarfile.TarInfo("x" * 3_000_000)
    (tmp_path / "b.tgz").write_bytes(gzip.compress(about.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
    with pytest.raises(delivery.Unsafe, match=r"a header of more than"):
        fetch((tmp_path / "b.tgz").as_uri(), tmp_path / "out", EXTRACT)


def test_a_bomb_of_many_headers_of_one_file_is_stopped_too(tmp_path: Path) -> None:
    """Each is one that a reader takes, and they are read one after the other before the file's own."""
    about = tarfile.TarInfo("x" * 40_000).tobuf(tarfile.GNU_FORMAT)[:-512]
    (tmp_path / "b.tgz").write_bytes(gzip.compress(about * 2 + tarfile.TarInfo("x").tobuf() + bytes(1024)))
    with pytest.raises(delivery.Unsafe, match=r"a header of more than"):
        fetch((tmp_path / "b.tgz").as_uri(), tmp_path / "out", EXTRACT)


def test_headers_are_not_kept(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "m.tgz", "w:gz") as out:
        for number in range(200):
            about = tarfile.TarInfo(f"{number}")
            about.pax_headers = {"comment": "x" * 60_000}
            out.addfile(about)
    tracemalloc.start()
    try:
        fetch((tmp_path / "m.tgz").as_uri(), tmp_path / "out", EXTRACT)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(list((tmp_path / "out").iterdir())) == 200
    assert most < 4_000_000


def test_the_size_limit_is_that_of_what_comes_out(tmp_path: Path) -> None:
    packed = a_tar(tmp_path / "m.tgz", ("zeros", bytes(100_000)))
    with pytest.raises(delivery.TooLarge, match="holds more than 50000 bytes"):
        fetch(packed.as_uri(), tmp_path / "out", Options(extract=True, max_size=50_000))


@pytest.mark.parametrize(
    "body",
    [b"", b"no archive at all", gzip.compress(b"x" * 10_000)[:30], b"PK\x03\x04half"],
    ids=["empty", "text", "half of a gzip", "half of a zip"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "m.tgz").write_bytes(body)
    with pytest.raises(delivery.Unsafe, match="is no archive that can be read"):
        fetch((tmp_path / "m.tgz").as_uri(), tmp_path / "out", EXTRACT)


def test_half_of_an_archive_is_refused(tmp_path: Path) -> None:
    whole = a_tar(tmp_path / "m.tar", ("weights", bytes(100_000)), mode="w").read_bytes()
    (tmp_path / "half.tar").write_bytes(whole[:60_000])
    with pytest.raises(delivery.Unsafe, match="check that the upload was complete"):
        fetch((tmp_path / "half.tar").as_uri(), tmp_path / "out", EXTRACT)


def test_a_folder_cannot_be_extracted(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for name in "ab":
        (tmp_path / "source" / name).write_text(name)
    with pytest.raises(delivery.AddressError, match="there are 2 files, and one archive can be extracted"):
        fetch((tmp_path / "source").as_uri(), tmp_path / "out", EXTRACT)
