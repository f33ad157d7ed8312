"""The cache is shared by processes that may be killed at any moment, and what comes out of it is what went in."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unit.delivery.servers import CHUNK, Asked, Reply, files, serving

from slipway import delivery
from slipway.delivery import Options, digest_of, fetch

BODY = random.Random(11).randbytes(2 * CHUNK)


def a_model(folder: Path, number: int, size: int = 1000) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.bin").write_bytes(random.Random(number).randbytes(size))
    (folder / "config.json").write_text(str(number))
    return folder


def entries(cache: Path) -> list[Path]:
    return sorted((cache / "trees").iterdir())


def test_what_is_in_the_cache_is_not_fetched_again(tmp_path: Path) -> None:
    with serving(files({"/w.bin": BODY})) as server:
        first = fetch(f"{server.url}/w.bin", tmp_path / "one", Options(cache=tmp_path / "cache"))
        asked = len(server.asked)
        again = Options(cache=tmp_path / "cache", digest=first.digest)
        assert fetch(f"{server.url}/w.bin", tmp_path / "two", again) == first
        assert len(server.asked) == asked
    assert digest_of(tmp_path / "two") == first.digest
    assert (tmp_path / "two" / "w.bin").stat().st_mode & 0o777 == 0o444


def test_an_entry_that_was_damaged_is_removed_and_fetched_anew(tmp_path: Path) -> None:
    with serving(files({"/w.bin": BODY})) as server:
        first = fetch(f"{server.url}/w.bin", tmp_path / "one", Options(cache=tmp_path / "cache"))
        kept = entries(tmp_path / "cache")[0] / "files" / "w.bin"
        kept.unlink()
        kept.write_bytes(BODY[:-1] + b"?")
        asked = len(server.asked)
        again = Options(cache=tmp_path / "cache", digest=first.digest)
        assert fetch(f"{server.url}/w.bin", tmp_path / "two", again) == first
        assert len(server.asked) > asked
    assert digest_of(tmp_path / "two") == first.digest
    assert digest_of(entries(tmp_path / "cache")[0] / "files") == first.digest


def test_a_file_too_many_is_damage_too(tmp_path: Path) -> None:
    source = a_model(tmp_path / "source", 1)
    first = fetch(source.as_uri(), tmp_path / "one", Options(cache=tmp_path / "cache"))
    (entries(tmp_path / "cache")[0] / "files" / "link").symlink_to("/etc/passwd")
    fetch(source.as_uri(), tmp_path / "two", Options(cache=tmp_path / "cache", digest=first.digest))
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["config.json", "weights.bin"]


def test_room_is_made_by_removing_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache, digests = tmp_path / "cache", []
    for number in range(3):
        source = a_model(tmp_path / f"source-{number}", number, 1000)
        digests.append(fetch(source.as_uri(), tmp_path / "out" / str(number), Options(cache=cache)).digest)
        _as_if_elsewhere(cache)
        os.utime(cache / "trees" / digests[-1].removeprefix("sha256:") / "bytes", (number, number))
    fetch((tmp_path / "source-0").as_uri(), tmp_path / "again", Options(cache=cache, digest=digests[0]))
    _as_if_elsewhere(cache)
    fourth = a_model(tmp_path / "source-3", 3, 1000)
    digests.append(fetch(fourth.as_uri(), tmp_path / "fourth", Options(cache=cache, cache_size=3100)).digest)
    kept = {f"sha256:{entry.name}" for entry in entries(cache)}
    assert kept == {digests[0], digests[2], digests[3]}


def test_what_is_in_use_is_not_removed(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = fetch(a_model(tmp_path / "a", 1).as_uri(), tmp_path / "one", Options(cache=cache))
    _as_if_elsewhere(cache)
    with (cache / "using" / first.digest.removeprefix("sha256:")).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as somebody does who copies from it
        fetch(a_model(tmp_path / "b", 2).as_uri(), tmp_path / "two", Options(cache=cache, cache_size=1500))
        assert first.digest.removeprefix("sha256:") in {entry.name for entry in entries(cache)}
    _as_if_elsewhere(cache)
    fetch(a_model(tmp_path / "c", 3).as_uri(), tmp_path / "three", Options(cache=cache, cache_size=1500))
    assert first.digest.removeprefix("sha256:") not in {entry.name for entry in entries(cache)}


def test_what_a_pod_shares_is_not_removed(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = fetch(a_model(tmp_path / "a", 1).as_uri(), tmp_path / "one", Options(cache=cache))
    _as_if_elsewhere(cache)
    kept = cache / "trees" / first.digest.removeprefix("sha256:") / "files" / "weights.bin"
    (tmp_path / "of a pod").hardlink_to(kept)
    fetch(a_model(tmp_path / "b", 2).as_uri(), tmp_path / "two", Options(cache=cache, cache_size=1500))
    assert kept.exists()


def test_what_is_larger_than_the_cache_is_fetched_and_not_kept(tmp_path: Path) -> None:
    options = Options(cache=tmp_path / "cache", cache_size=100)
    assert fetch(a_model(tmp_path / "a", 1).as_uri(), tmp_path / "one", options).files == 2
    assert entries(tmp_path / "cache") == []


def test_a_cache_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(delivery.CacheError, match=r"^cache: .*file is no folder: name one"):
        fetch(a_model(tmp_path / "a", 1).as_uri(), tmp_path / "one", Options(cache=tmp_path / "file"))


def test_of_many_that_want_the_same_one_fetches(tmp_path: Path) -> None:
    """The source says how often its bytes were sent: once. It takes its time, so that all of them want it meanwhile."""
    usual = files({"/w.bin": BODY})

    def slowly(asked: Asked) -> Reply:
        time.sleep(0.3)
        return usual(asked)

    with serving(slowly) as server:
        digest = fetch(f"{server.url}/w.bin", tmp_path / "first").digest
        before = server.sent
        running = [
            _fetching(f"{server.url}/w.bin", tmp_path / str(number), tmp_path / "cache", digest) for number in range(4)
        ]
        assert [process.wait(60) for process in running] == [0] * 4
        assert server.sent - before == len(BODY) + 1
    assert {digest_of(tmp_path / str(number)) for number in range(4)} == {digest}


KILLED = """
import os, signal, sys
from pathlib import Path
from slipway.delivery import Options, cache, fetch, place
uri, dest, folder, digest, left = sys.argv[1:]
left = int(left)

def at_line(frame, event, arg):
    global left
    left -= event == "line"
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return at_line

sys.settrace(lambda frame, *_: at_line if frame.f_code.co_filename in (cache.__file__, place.__file__) else None)
fetch(uri, Path(dest), Options(cache=Path(folder), digest=digest))
"""
"""A fetch that is killed before so many lines of the cache and of the destination have run."""

STEP = 17


@pytest.mark.parametrize("seed", range(2))
def test_a_process_that_is_killed_at_any_line_leaves_nothing_half(tmp_path: Path, seed: int) -> None:
    """At every 17th line, from a random one on; once while it adds to the cache, and once while it takes from it."""
    source = a_model(tmp_path / "source", seed)
    digest, survived = digest_of(source), False
    line = random.Random(seed).randrange(1, STEP)
    while not survived:
        survived = True
        folder = tmp_path / str(line)
        options = Options(cache=folder / "cache", digest=digest)
        for dest in ("adds", "takes"):
            words = [source.as_uri(), folder / dest, folder / "cache", digest, str(line)]
            code = subprocess.run([sys.executable, "-c", KILLED, *words]).returncode
            assert code in (0, -signal.SIGKILL), (line, dest)
            survived &= code == 0
            _all_whole(folder, {digest}, f"{dest}, killed at line {line}")
            assert fetch(source.as_uri(), folder / dest, options).digest == digest
            _all_whole(folder, {digest}, f"{dest}, after line {line}")
        another = a_model(folder / "another", 99)
        fetch(another.as_uri(), folder / "last", Options(cache=folder / "cache"))
        assert [path.name for path in (folder / "cache" / "new").iterdir() if path.is_dir()] == [], line
        line += STEP
    assert line > 3 * STEP


def _all_whole(folder: Path, digests: set[str], when: str) -> None:
    for dest in (folder / "adds", folder / "takes"):
        assert not dest.exists() or digest_of(dest) in digests, when
    for entry in (folder / "cache" / "trees").glob("*"):
        assert digest_of(entry / "files") == f"sha256:{entry.name}", when


def _fetching(uri: str, dest: Path, cache: Path, digest: str) -> subprocess.Popen[bytes]:
    script = (
        "import sys; from pathlib import Path; from slipway.delivery import Options, fetch; uri, dest, cache, digest = "
        "sys.argv[1:]; fetch(uri, Path(dest), Options(cache=Path(cache), digest=digest))"
    )
    return subprocess.Popen([sys.executable, "-c", script, uri, str(dest), str(cache), digest])


def _as_if_elsewhere(cache: Path) -> None:
    """Files that are no longer those of a destination, as when that is on another volume or gone."""
    for path in cache.glob("trees/*/files/*"):
        if path.stat().st_nlink > 1:
            body = path.read_bytes()
            path.unlink()
            path.write_bytes(body)
