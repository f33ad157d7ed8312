"""A cache on a volume of many pods: of other users, over NFS, broken, or written to by somebody hostile."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from unit.delivery.servers import CHUNK, files, serving

from slipway.delivery import Options, digest_of, fetch

BODY = random.Random(12).randbytes(CHUNK + 5)
ONE, OTHER = 41001, 41002

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users, which root alone may")


@pytest.fixture
def volume() -> Iterator[Path]:
    """A folder that any user gets to, unlike those of pytest, with a model and an empty volume."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "source").mkdir()
        (folder / "source" / "w.bin").write_bytes(BODY)
        for path in (folder / "source", folder / "claim"):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)
        (folder / "source" / "w.bin").chmod(0o644)
        yield folder


AS = """
import logging, os, sys
from pathlib import Path
from slipway.delivery import Options, fetch, local  # before it may not read them any more
user, uri, dest, cache, digest, umask, limit = sys.argv[1:]
logging.basicConfig(format="%(message)s")
os.chdir("/")
os.umask(int(umask, 8))
os.setgroups([])
os.setresgid(int(user), int(user), int(user))
os.setresuid(int(user), int(user), int(user))
os.mkdir(Path(dest).parent)
fetch(uri, Path(dest), Options(cache=Path(cache), digest=digest or None, cache_size=int(limit) if limit else None))
"""
"""A fetch by another user than the one who runs the tests."""


def as_user(user: int, uri: str, volume: Path, digest: str, *, umask: str = "077", limit: str = "") -> str:
    """What a fetch says that somebody makes into a folder of their own, which is removed if it is there."""
    own = volume / f"of-{user}"
    shutil.rmtree(own, ignore_errors=True)
    words = [str(user), uri, str(own / "model"), str(volume / "claim"), digest, umask, limit]
    done = subprocess.run([sys.executable, "-c", AS, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def nfs4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks as a client of NFSv4 has them: shared for descriptors that read, alone for those that write."""
    usual = fcntl.flock

    def flock(file: int | IO[bytes], operation: int) -> None:
        mode = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE
        refused = os.O_WRONLY if operation & fcntl.LOCK_SH else os.O_RDONLY
        if mode == refused and not operation & fcntl.LOCK_UN:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        usual(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


def refusing(code: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_cache_on_nfs_keeps_and_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nfs4(monkeypatch)
    with serving(files({"/w.bin": BODY})) as server:
        digest = fetch(f"{server.url}/w.bin", tmp_path / "one", Options(cache=tmp_path / "cache")).digest
        asked = len(server.asked)
        again = Options(cache=tmp_path / "cache", digest=digest, cache_size=10 * len(BODY))
        assert fetch(f"{server.url}/w.bin", tmp_path / "two", again).digest == digest
        assert len(server.asked) == asked
        another = Options(cache=tmp_path / "cache", cache_size=len(BODY) + 5)  # one has to go for it
        shutil.rmtree(tmp_path / "one")
        shutil.rmtree(tmp_path / "two")
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "other.bin").write_bytes(BODY[::-1])
        other = fetch((tmp_path / "source").as_uri(), tmp_path / "three", another).digest
    assert [f"sha256:{entry.name}" for entry in (tmp_path / "cache" / "trees").iterdir()] == [other]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP, errno.EIO])
def test_where_locks_do_not_work_the_model_is_fetched_without_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    digest = fetched_before(tmp_path)
    usual = fcntl.flock
    monkeypatch.setattr(
        fcntl, "flock", lambda file, how: refusing(code)() if "cache" in named(file) else usual(file, how)
    )
    found = fetch((tmp_path / "source").as_uri(), tmp_path / "two", Options(cache=tmp_path / "cache", digest=digest))
    assert found.digest == digest_of(tmp_path / "two") == digest
    assert f"fetching without the cache: {tmp_path}/cache cannot be used ({errno.errorcode[code]})" in caplog.text


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.ESTALE])
def test_where_the_cache_cannot_be_written_to_the_model_is_fetched_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    digest = fetched_before(tmp_path)
    usual = os.open

    def opening(path: str | Path, flags: int, *rest: int, **named: int) -> int:
        if str(path).startswith(f"{tmp_path}/cache") and flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            refusing(code)()
        return usual(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", opening)
    found = fetch((tmp_path / "source").as_uri(), tmp_path / "two", Options(cache=tmp_path / "cache", digest=digest))
    assert found.digest == digest_of(tmp_path / "two") == digest
    assert f"fetching without the cache: the volume of {tmp_path}/cache is full" in caplog.text or (
        f"fetching without the cache: {tmp_path}/cache cannot be used ({errno.errorcode[code]})" in caplog.text
    )


def test_an_entry_that_cannot_be_read_is_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    digest = fetched_before(tmp_path)
    usual = os.open

    def opening(path: str | Path, flags: int, *rest: int, **named: int) -> int:
        if str(path).startswith(f"{tmp_path}/cache/trees/") and str(path).endswith("w.bin"):
            refusing(errno.EIO)()
        return usual(path, flags, *rest, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", opening)
        options = Options(cache=tmp_path / "cache", digest=digest)
        assert fetch((tmp_path / "source").as_uri(), tmp_path / "two", options).digest == digest
    assert "w.bin cannot be read (EIO): remove it" in caplog.text
    assert "cannot be written" not in caplog.text


@needs_root
def test_pods_of_different_users_share_one_cache(volume: Path) -> None:
    """Whatever their umask, whoever came first, and with the times of last use of both."""
    digest = digest_of(volume / "source")
    assert as_user(ONE, (volume / "source").as_uri(), volume, digest) == ""
    entry = volume / "claim" / "trees" / digest.removeprefix("sha256:")
    os.utime(entry / "bytes", (1, 1))
    assert as_user(OTHER, (volume / "nowhere").as_uri(), volume, digest) == ""  # it comes from the cache alone
    assert digest_of(volume / f"of-{OTHER}" / "model") == digest
    assert (entry / "bytes").stat().st_mtime > 1
    (volume / "source" / "more").write_bytes(b"1")
    another = digest_of(volume / "source")
    assert as_user(OTHER, (volume / "source").as_uri(), volume, "", umask="022") == ""
    assert as_user(ONE, (volume / "nowhere").as_uri(), volume, another) == ""
    assert {stat.S_IMODE(path.stat().st_mode) for path in (volume / "claim").iterdir()} == {0o1777}


@needs_root
def test_what_another_user_has_added_is_left_alone_where_room_is_wanted(volume: Path) -> None:
    digest = digest_of(volume / "source")
    as_user(ONE, (volume / "source").as_uri(), volume, digest)
    (volume / "source" / "more").write_bytes(b"1")
    assert as_user(OTHER, (volume / "source").as_uri(), volume, "", limit=str(len(BODY) + 5)) == ""
    assert as_user(ONE, (volume / "nowhere").as_uri(), volume, digest) == ""


@needs_root
def test_a_folder_of_an_earlier_version_is_opened_by_its_owner(volume: Path) -> None:
    digest = digest_of(volume / "source")
    as_user(ONE, (volume / "source").as_uri(), volume, digest)
    for path in (volume / "claim").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    said = as_user(OTHER, (volume / "source").as_uri(), volume, digest)
    assert "fetching without the cache" in said
    as_user(ONE, (volume / "source").as_uri(), volume, digest)
    assert as_user(OTHER, (volume / "source").as_uri(), volume, digest) == ""


@needs_root
def test_a_hostile_neighbour_gets_no_other_bytes_served(volume: Path) -> None:
    """An entry that lies, which its owner alone may remove; links; and one that is true until it was taken."""
    digest = digest_of(volume / "source")
    as_user(ONE, (volume / "source").as_uri(), volume, digest)
    entry = volume / "claim" / "trees" / digest.removeprefix("sha256:")
    kept = entry / "files" / "w.bin"

    def lies() -> None:
        kept.chmod(0o644)
        kept.write_bytes(BODY[:-1] + b"?")

    def is_a_link() -> None:
        kept.unlink()
        kept.symlink_to("/etc/hostname")

    def is_a_pipe() -> None:
        kept.unlink()
        os.mkfifo(kept)

    for do in (lies, is_a_link, is_a_pipe):
        do()
        assert as_user(OTHER, (volume / "source").as_uri(), volume, digest) == ""
        assert digest_of(volume / f"of-{OTHER}" / "model") == digest
        assert (entry / "bytes").exists()


@needs_root
def test_what_was_taken_is_no_file_of_another_user(volume: Path) -> None:
    """It could be changed after it was verified, where the destination is on the same volume."""
    digest = digest_of(volume / "source")
    as_user(ONE, (volume / "source").as_uri(), volume, digest)
    fetch((volume / "source").as_uri(), volume / "claim" / "mine", Options(cache=volume / "claim", digest=digest))
    kept = volume / "claim" / "trees" / digest.removeprefix("sha256:") / "files" / "w.bin"
    kept.chmod(0o644)
    kept.write_bytes(b"other bytes")
    assert digest_of(volume / "claim" / "mine") == digest


@needs_root
def test_a_lock_that_is_a_link_is_not_followed(volume: Path, caplog: pytest.LogCaptureFixture) -> None:
    digest = digest_of(volume / "source")
    as_user(ONE, (volume / "source").as_uri(), volume, digest)
    secret = volume / "secret"
    secret.touch(mode=0o600)
    lock = volume / "claim" / "making" / digest.removeprefix("sha256:")
    lock.unlink()
    lock.symlink_to(secret)
    fetch((volume / "source").as_uri(), volume / "mine", Options(cache=volume / "claim", digest=digest))
    assert digest_of(volume / "mine") == digest
    assert "fetching without the cache" in caplog.text
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@needs_root
def test_what_a_neighbour_leaves_behind_stops_nobody(volume: Path) -> None:
    """Rubbish where trees are made, an entry with no number of bytes, and one that nobody else may look into."""
    digest = digest_of(volume / "source")
    as_user(ONE, (volume / "source").as_uri(), volume, digest)
    for number, (name, mode) in enumerate({"new/left": 0o700, "trees/no-digest": 0o700}.items()):
        (volume / "claim" / name).mkdir(mode=mode)
        os.chown(volume / "claim" / name, ONE, ONE)
        other = volume / "claim" / "trees" / f"{number:064}"
        other.mkdir(mode=mode)
        (other / "bytes").write_text("-1" if number else "9" * 5000)
        os.chown(other, ONE, ONE)
        other.chmod(0o755 if number else 0o700)
    (volume / "claim" / "new" / "link").symlink_to("/etc")
    (volume / "source" / "more").write_bytes(b"1")
    another = digest_of(volume / "source")
    assert as_user(OTHER, (volume / "source").as_uri(), volume, another, limit=str(10 * len(BODY))) == ""
    assert (volume / "claim" / "trees" / another.removeprefix("sha256:")).exists()


def fetched_before(folder: Path) -> str:
    """The digest of a model that is in the cache of a folder."""
    (folder / "source").mkdir()
    (folder / "source" / "w.bin").write_bytes(BODY)
    return fetch((folder / "source").as_uri(), folder / "one", Options(cache=folder / "cache")).digest


def named(file: int | IO[bytes]) -> str:
    """The path of what is open."""
    descriptor = file if isinstance(file, int) else file.fileno()
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())
