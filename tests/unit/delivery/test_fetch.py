"""What is fetched is whole, is what it says it is, and appears at once."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import random
import shutil
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from unit.delivery.servers import CHUNK, Asked, Reply, files, ranged, serving

from slipway import delivery
from slipway.delivery import Artifact, Options, Progress, fetch, verify

BIG = random.Random(7).randbytes(3 * CHUNK + 4711)

ALL_OF_A_CLAIM = ("pvc://weights", "pvc://weights/", "pvc://weights/.")


class Killed(BaseException):
    """The process ends here."""


def obey_modes() -> None:
    """Take from this thread, and from those that it starts, root's right to read and write what others have closed."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    sets = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    sets[0] &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, of those in effect
    assert libc.capset(header, sets) == 0


def recipe(folder: Path) -> str:
    """The digest by the commands that the documentation names."""
    command = r"find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    return f"sha256:{done.stdout.split()[0]}"


def a_model(folder: Path) -> Path:
    for name, body in {"config.json": b"{}", "a-b/x": b"1", "a/é.bin": BIG, "a/empty": b"", "a.b": b"2"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_folder_is_fetched_with_the_digest_that_find_sort_and_sha256sum_give(tmp_path: Path) -> None:
    source = a_model(tmp_path / "source")
    found = fetch(source.as_uri(), tmp_path / "out" / "model")
    assert found == delivery.Artifact(source.as_uri(), recipe(source), len(BIG) + 4, 5)
    assert recipe(tmp_path / "out" / "model") == found.digest == delivery.digest_of(source)
    assert left(tmp_path / "out") == ["model"]


def test_files_are_read_only(tmp_path: Path) -> None:
    fetch(a_model(tmp_path / "source").as_uri(), tmp_path / "model")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert modes == {0o444}


def test_a_file_of_a_web_server_is_fetched_in_parts(tmp_path: Path) -> None:
    with serving(files({"/m/weights.bin": BIG})) as server:
        found = fetch(f"{server.url}/m/weights.bin", tmp_path / "model")
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG
    assert found.digest == recipe(tmp_path / "model")
    assert sum("range" in asked.headers for asked in server.asked) == 5  # a look, and four parts
    assert server.sent == len(BIG) + 1


@pytest.mark.parametrize("wrong", ["sha256:" + "0" * 64])
def test_a_digest_that_is_not_that_of_the_bytes_leaves_nothing(tmp_path: Path, wrong: str) -> None:
    source = a_model(tmp_path / "source")
    with pytest.raises(
        delivery.DigestMismatch, match=rf"^digest: the URI holds {recipe(source)}, and {wrong} is wanted"
    ):
        fetch(source.as_uri(), tmp_path / "out" / "model", Options(digest=wrong))
    assert left(tmp_path / "out") == []
    assert not (tmp_path / "out" / ".model.slipway").exists()
    assert fetch(source.as_uri(), tmp_path / "out" / "model", Options(digest=recipe(source))).files == 5


def test_what_is_there_already_is_hashed_again_and_kept(tmp_path: Path) -> None:
    with serving(files({"/weights.bin": BIG})) as server:
        first = fetch(f"{server.url}/weights.bin", tmp_path / "model")
        asked = len(server.asked)
        assert fetch(f"{server.url}/weights.bin", tmp_path / "model") == first
        assert len(server.asked) == asked


def test_what_is_there_and_was_changed_is_fetched_anew(tmp_path: Path) -> None:
    with serving(files({"/weights.bin": BIG})) as server:
        first = fetch(f"{server.url}/weights.bin", tmp_path / "model")
        file = tmp_path / "model" / "weights.bin"
        file.chmod(0o644)
        with file.open("r+b") as out:
            out.seek(1000)
            out.write(b"tampered")
        assert fetch(f"{server.url}/weights.bin", tmp_path / "model") == first
    assert file.read_bytes() == BIG


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("precious")
    with pytest.raises(delivery.DestinationError, match=r"^dest: .*was made or changed by somebody else: name another"):
        fetch(a_model(tmp_path / "source").as_uri(), tmp_path / "model")
    assert (tmp_path / "model" / "mine").read_text() == "precious"


def test_a_folder_that_somebody_put_in_its_place_is_left_alone(tmp_path: Path) -> None:
    fetch(a_model(tmp_path / "source").as_uri(), tmp_path / "model")
    shutil.rmtree(tmp_path / "model")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("precious")
    with pytest.raises(delivery.DestinationError, match=r"somebody else"):
        fetch((tmp_path / "source").as_uri(), tmp_path / "model")
    assert (tmp_path / "model" / "mine").read_text() == "precious"


@pytest.mark.parametrize("folder", ["", "sub"])
def test_a_file_that_somebody_added_is_left_alone(tmp_path: Path, folder: str) -> None:
    """The folder's inode is the one that was put there: what is made anew may get that of what was removed, too."""
    source = a_model(tmp_path / "source")
    (source / "sub").mkdir()
    (source / "sub" / "vocabulary").write_text("a b c")
    fetch(source.as_uri(), tmp_path / "model")
    mine = tmp_path / "model" / folder / "mine"
    mine.write_text("precious")
    with pytest.raises(delivery.DestinationError, match=r"somebody else"):
        fetch(source.as_uri(), tmp_path / "model")
    assert mine.read_text() == "precious"


def test_a_fetch_that_ended_between_its_last_two_steps_is_finished(tmp_path: Path) -> None:
    """Its record is there, and the folder is still under its other name."""
    with serving(files({"/weights.bin": BIG})) as server:
        first = fetch(f"{server.url}/weights.bin", tmp_path / "model")
        record = (tmp_path / ".model.slipway.json").read_text()
        shutil.rmtree(tmp_path / "model")
        assert fetch(f"{server.url}/weights.bin", tmp_path / "model") == first
    assert record.partition("inode")[0] == (tmp_path / ".model.slipway.json").read_text().partition("inode")[0]


def test_a_fetch_that_was_killed_just_before_its_last_step_goes_on_without_being_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its files are read-only already, which stops everybody but root."""
    replaced = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if Path(target).name == "model":
            raise Killed
        return replaced(path, target)

    def twice(url: str) -> Artifact:
        obey_modes()
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", killed)
            with pytest.raises(Killed):
                fetch(url, tmp_path / "model")
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("weights.bin")} == {0o444}
        return fetch(url, tmp_path / "model")

    with serving(files({"/weights.bin": BIG})) as server, ThreadPoolExecutor(1) as pool:
        assert pool.submit(twice, f"{server.url}/weights.bin").result().bytes == len(BIG)
    assert server.sent == len(BIG) + 2, "what is there was fetched again"


def test_a_name_outside_of_ascii_is_asked_for(tmp_path: Path) -> None:
    with serving(files({"/mod\u00e8le.bin": BIG})) as server:
        fetch(f"{server.url}/mod\u00e8le.bin", tmp_path / "one")
        fetch(f"{server.url}/mod%C3%A8le.bin", tmp_path / "two")
    assert (tmp_path / "one" / "mod\u00e8le.bin").read_bytes() == (tmp_path / "two" / "mod\u00e8le.bin").read_bytes()


def test_another_uri_does_not_replace_what_is_there(tmp_path: Path) -> None:
    fetch(a_model(tmp_path / "one").as_uri(), tmp_path / "model")
    with pytest.raises(delivery.DestinationError, match=r"came from another URI"):
        fetch(a_model(tmp_path / "two").as_uri(), tmp_path / "model")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert fetch(a_model(tmp_path / "source").as_uri(), tmp_path / "model").files == 5


def test_a_part_that_breaks_off_is_asked_for_from_there_on(tmp_path: Path) -> None:
    broken: set[str] = set()

    def answer(asked: Asked) -> Reply:
        reply = ranged(asked, BIG)
        wanted = asked.headers.get("range", "")
        if len(reply.body) > 1000 and wanted.endswith(f"-{CHUNK * 2 - 1}") and len(broken) < 3:
            broken.add(wanted)
            return Reply(reply.status, reply.body, reply.headers, cut=1000)
        return reply

    with serving(answer) as server:
        fetch(f"{server.url}/weights.bin", tmp_path / "model")
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG
    assert broken == {f"bytes={CHUNK + begin}-{CHUNK * 2 - 1}" for begin in (0, 1000, 2000)}
    assert server.sent == len(BIG) + 1


def test_an_interrupted_fetch_goes_on_without_fetching_again_what_is_there(tmp_path: Path) -> None:
    tells: list[Progress] = []
    down = [False]

    def answer(asked: Asked) -> Reply:
        begin = asked.headers.get("range", "").removeprefix("bytes=").partition("-")[0]
        return Reply(404) if not down[0] and begin == str(2 * CHUNK) else ranged(asked, BIG)

    with serving(answer) as server:
        with pytest.raises(delivery.NotFound):
            fetch(f"{server.url}/weights.bin", tmp_path / "model", Options(workers=1))
        assert not (tmp_path / "model").exists()
        down[0], before = True, server.sent
        found = fetch(f"{server.url}/weights.bin", tmp_path / "model", progress=tells.append)
        assert server.sent - before == len(BIG) - 2 * CHUNK + 1
    assert found.digest == recipe(tmp_path / "model")
    assert (tells[-1].kept, tells[-1].done, tells[-1].files) == (2 * CHUNK, len(BIG), 1)


def test_what_is_kept_of_a_file_that_changed_meanwhile_is_not_used(tmp_path: Path) -> None:
    content = [BIG, BIG[::-1]]

    def answer(asked: Asked) -> Reply:
        begin = asked.headers.get("range", "").removeprefix("bytes=").partition("-")[0]
        return Reply(404) if len(content) == 2 and begin == str(2 * CHUNK) else ranged(asked, content[0])

    with serving(answer) as server:
        with pytest.raises(delivery.NotFound):
            fetch(f"{server.url}/weights.bin", tmp_path / "model", Options(workers=1))
        del content[0]
        fetch(f"{server.url}/weights.bin", tmp_path / "model")
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG[::-1]


def test_what_another_fetch_wrote_over_is_not_taken_for_what_was_kept(tmp_path: Path) -> None:
    """The file changes and changes back, or another one is fetched to the same folder in between."""
    other = BIG[::-1]
    for number, (second, in_between) in enumerate([("/a/weights.bin", other), ("/b/others.bin", other)]):
        content = {"/a/weights.bin": BIG}
        breaks = [True]

        def answer(asked: Asked, content: dict[str, bytes] = content, breaks: list[bool] = breaks) -> Reply:
            begin = asked.headers.get("range", "").removeprefix("bytes=").partition("-")[0]
            return Reply(404) if breaks and begin == str(2 * CHUNK) else ranged(asked, content[asked.path])

        dest = tmp_path / f"model-{number}"
        with serving(answer) as server:
            for path, body in (("/a/weights.bin", BIG), (second, in_between)):
                content[path] = body
                with pytest.raises(delivery.NotFound):
                    fetch(f"{server.url}{path}", dest, Options(workers=1))
            content["/a/weights.bin"] = BIG
            breaks.clear()
            fetch(f"{server.url}/a/weights.bin", dest)
        assert (dest / "weights.bin").read_bytes() == BIG


def test_a_file_that_changes_during_the_fetch_is_refused(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        begin = asked.headers.get("range", "").removeprefix("bytes=").partition("-")[0]
        return ranged(asked, BIG[::-1] if begin == str(CHUNK) else BIG)

    with (
        serving(answer) as server,
        pytest.raises(delivery.Changed, match=r"changed while it was fetched: fetch it again"),
    ):
        fetch(f"{server.url}/weights.bin", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_server_that_ignores_if_match_is_caught_by_its_etag(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        without = Asked(asked.path, asked.query, {k: v for k, v in asked.headers.items() if k != "if-match"})
        begin = asked.headers.get("range", "").removeprefix("bytes=").partition("-")[0]
        return ranged(without, BIG[::-1] if begin == str(CHUNK) else BIG)

    with serving(answer) as server, pytest.raises(delivery.Changed):
        fetch(f"{server.url}/weights.bin", tmp_path / "model")


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_servers_without_ranges_or_versions_are_read_in_one_piece(tmp_path: Path, tag: str) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(200, BIG, {"etag": tag} if tag else {})

    with serving(answer) as server:
        found = fetch(f"{server.url}/weights.bin", tmp_path / "model")
    assert found.bytes == len(BIG)
    assert found.digest == recipe(tmp_path / "model")


def test_a_half_uploaded_file_is_refused(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(200, BIG, {}, cut=len(BIG) // 2)

    with serving(answer) as server, pytest.raises(delivery.Unreachable, match=rf"{len(BIG) // 2} of {len(BIG)} bytes"):
        fetch(f"{server.url}/weights.bin", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_server_that_is_overloaded_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    answers = [Reply(503), Reply(429, b"", {"retry-after": "0"}), Reply(500)]

    def answer(asked: Asked) -> Reply:
        return answers.pop() if answers else ranged(asked, BIG)

    with serving(answer) as server:
        assert fetch(f"{server.url}/weights.bin", tmp_path / "model").bytes == len(BIG)


def test_a_server_that_nobody_can_reach_is_given_up_after_a_few_times(tmp_path: Path) -> None:
    with serving(files({})) as server:
        pass
    with pytest.raises(delivery.Unreachable, match=r"^uri: .*ConnectionRefusedError 5 times: check the host"):
        fetch(f"{server.url}/weights.bin", tmp_path / "model")


def test_redirects_are_followed_five_times_and_take_no_credentials_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(files({"/weights.bin": BIG})) as last:

        def answer(asked: Asked) -> Reply:
            hop = int(asked.path.rpartition("/")[2])
            where = f"/{hop - 1}" if hop > 1 else f"{last.url}/weights.bin"
            return Reply(302, b"", {"location": where})

        with serving(answer) as first:
            assert fetch(f"{first.url}/5", tmp_path / "model").bytes == len(BIG)
            with pytest.raises(delivery.AddressError, match=r"redirects more than 5 times"):
                fetch(f"{first.url}/6", tmp_path / "other")
    assert all(asked.headers["authorization"].startswith("Basic ") for asked in first.asked)
    assert not any("authorization" in asked.headers for asked in last.asked)


def test_more_bytes_than_allowed_are_not_fetched(tmp_path: Path) -> None:
    with serving(files({"/weights.bin": BIG})) as server:
        with pytest.raises(delivery.TooLarge, match=rf"^maxSize: there are {len(BIG)} bytes, more than 1000"):
            fetch(f"{server.url}/weights.bin", tmp_path / "model", Options(max_size=1000))
        assert len(server.asked) == 1


def test_a_file_of_unknown_size_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(200, BIG, {"content-length": "", "connection": "close"}, cut=len(BIG))

    with serving(answer) as server, pytest.raises(delivery.TooLarge, match=r"more than 1000 bytes"):
        fetch(f"{server.url}/weights.bin", tmp_path / "model", Options(max_size=1000))


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(delivery.AddressError, match=r"it is empty"):
        fetch((tmp_path / "source").as_uri(), tmp_path / "model")


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    for make in (lambda path: path.symlink_to("/etc/hostname"), os.mkfifo):
        source = tmp_path / f"source-{len(list(tmp_path.iterdir()))}"
        source.mkdir()
        make(source / "odd")
        with pytest.raises(delivery.Unsafe, match=r"'odd' is a link or a special file"):
            fetch(source.as_uri(), tmp_path / "model")


def test_names_that_differ_only_by_case_or_unicode_form_are_refused(tmp_path: Path) -> None:
    for number, (one, two) in enumerate((("Model.bin", "model.bin"), ("\u00e9", "e\u0301"), ("A/x", "a/y"))):
        source = tmp_path / str(number)
        for name in (one, two):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(name)
        with pytest.raises(delivery.Unsafe, match=r"differ only by case or Unicode form"):
            fetch(source.as_uri(), tmp_path / "model")


def test_a_claim_is_read_where_it_is_mounted_and_nowhere_else(tmp_path: Path) -> None:
    a_model(tmp_path / "mount" / "v3")
    (tmp_path / "mount" / "out").symlink_to("/etc")
    volumes = Options(volumes={"weights": tmp_path / "mount"})
    assert fetch("pvc://weights/v3", tmp_path / "model", volumes).files == 5
    with pytest.raises(delivery.DeliveryError, match=r"^volumes: nothing says where the claim other is mounted"):
        fetch("pvc://other/v3", tmp_path / "x", volumes)
    for path in ("../source", "out/hostname", "%2e%2e/source"):
        with pytest.raises(delivery.AddressError, match=r"leaves the volume"):
            fetch(f"pvc://weights/{path}", tmp_path / "x", volumes)


def test_the_folder_that_file_systems_have_at_their_top_is_left_out_of_a_claim_by_whoever_may_read_it_or_not(
    tmp_path: Path,
) -> None:
    source = a_model(tmp_path / "mount")
    (source / "deep" / "lost+found").mkdir(parents=True)
    (source / "deep" / "lost+found" / "x").write_text("one of the model's own")
    known, volumes = recipe(source), Options(volumes={"weights": source})
    (source / "lost+found").mkdir()
    (source / "lost+found" / "#12").write_text("what a check of the file system found")

    def found(name: str) -> set[str]:
        obey_modes()
        return {
            *(fetch(uri, tmp_path / f"{name}-{number}", volumes).digest for number, uri in enumerate(ALL_OF_A_CLAIM)),
            *(verify(uri, tmp_path / "unused", volumes).artifact.digest for uri in ALL_OF_A_CLAIM),
        }

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(found, "readable").result() == {known}
        (source / "lost+found").chmod(0)
        try:
            assert pool.submit(found, "closed").result() == {known}
        finally:
            (source / "lost+found").chmod(0o700)
    assert fetch(source.as_uri(), tmp_path / "no-claim").files == 7
    assert fetch("pvc://weights/lost+found", tmp_path / "named", volumes).files == 1


def test_a_file_of_the_name_of_that_folder_is_one_of_the_model(tmp_path: Path) -> None:
    source = a_model(tmp_path / "mount")
    (source / "lost+found").write_text("no folder")
    assert fetch("pvc://weights", tmp_path / "model", Options(volumes={"weights": source})).digest == recipe(source)


def test_a_full_volume_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        size = 2**60
        return Reply(206, b"x", {"etag": '"a"', "content-range": f"bytes 0-0/{size}"})

    with serving(answer) as server, pytest.raises(delivery.DiskFull, match=r"^dest: the volume of .* bytes free"):
        fetch(f"{server.url}/weights.bin", tmp_path / "model")


def test_a_volume_that_fills_up_meanwhile_is_told_and_what_came_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, room = os.pwrite, [2]

    def full(descriptor: int, data: memoryview, begin: int) -> int:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return usual(descriptor, data, begin)

    with serving(files({"/weights.bin": BIG})) as server:
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", full)
            with pytest.raises(
                delivery.DiskFull, match=r"^dest: the volume of .* is full: make it larger, or fetch less"
            ):
                fetch(f"{server.url}/weights.bin", tmp_path / "model", Options(workers=1))
        assert not (tmp_path / "model").exists()
        before = server.sent
        fetch(f"{server.url}/weights.bin", tmp_path / "model")
        assert server.sent - before == len(BIG) - 2 * CHUNK + 1


def test_of_two_that_fetch_to_the_same_folder_the_second_finds_it(tmp_path: Path) -> None:
    usual = files({"/weights.bin": BIG})

    def slowly(asked: Asked) -> Reply:
        time.sleep(0.1)
        return usual(asked)

    with serving(slowly) as server, ThreadPoolExecutor(2) as both:
        one, two = both.map(lambda _: fetch(f"{server.url}/weights.bin", tmp_path / "model"), range(2))
        assert one == two
        assert server.sent == len(BIG) + 1


def test_progress_tells_bytes_rate_and_the_time_that_is_left(tmp_path: Path) -> None:
    tells: list[Progress] = []
    fetch(a_model(tmp_path / "source").as_uri(), tmp_path / "model", progress=tells.append)
    assert (tells[-1].done, tells[-1].total, tells[-1].files, tells[-1].of_files) == (len(BIG) + 4, len(BIG) + 4, 5, 5)
    assert tells[-1].rate > 0
    assert tells[-1].left == 0


def test_the_digest_of_one_file_is_that_of_a_folder_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"abc")
    line = f"{hashlib.sha256(b'abc').hexdigest()}  model.bin\n"
    assert delivery.digest_of(tmp_path / "model.bin") == f"sha256:{hashlib.sha256(line.encode()).hexdigest()}"
