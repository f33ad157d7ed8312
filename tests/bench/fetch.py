"""How fast `slipway fetch` is beside curl, how much memory it takes, and what it fetches again after being killed.

    python tests/bench/fetch.py [--size 2000000000] [--repetitions 3] [--folder /tmp]

One file of random bytes by a server of this machine, which costs little itself. curl writes the same bytes to the same
disk and computes no digest. Both are whole commands, from start to end; they take turns, as the machine is not always
equally fast. Then a fetch is killed when half is there, and begun again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


@contextmanager
def served(file: Path) -> Iterator[str]:
    """The address of a server that has the file."""
    server = subprocess.Popen([sys.executable, str(HERE / "_file_server.py"), str(file)], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().decode().strip()}"
    finally:
        server.kill()
        server.wait()


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds that a command takes, and the most MiB that it had resident."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def fetching(url: str, dest: Path) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "slipway", "fetch", f"{url}/weights.bin", str(dest)]


def sent(url: str) -> int:
    """Bytes of the file that the server has sent so far."""
    with urllib.request.urlopen(f"{url}/sent") as answer:
        return int(answer.read())


def interrupted(url: str, folder: Path, size: int) -> tuple[int, int]:
    """Bytes that were sent until a fetch was killed, and from then on."""
    begin = sent(url)
    process = subprocess.Popen(fetching(url, folder / "model"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while sent(url) - begin < size // 2 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    middle = sent(url)
    subprocess.run(fetching(url, folder / "model"), check=True, capture_output=True)
    return middle - begin, sent(url) - middle


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2_000_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder, source = Path(scratch), Path(scratch) / "weights.bin"
        with source.open("wb") as out:
            for _ in range(options.size // 1_000_000):
                out.write(os.urandom(1_000_000))
        seconds: dict[str, list[float]] = {"curl": [], "slipway fetch": []}
        memory = {"curl": 0.0, "slipway fetch": 0.0}
        with served(source) as url:
            for _ in range(options.repetitions):
                for name, command in {
                    "curl": ["curl", "-sf", "-o", str(folder / "curl"), f"{url}/weights.bin"],
                    "slipway fetch": fetching(url, folder / "model"),
                }.items():
                    took, most = timed(command)
                    seconds[name].append(took)
                    memory[name] = max(memory[name], most)
                    (folder / "curl").unlink(missing_ok=True)
                    shutil.rmtree(folder / "model", ignore_errors=True)
            before, after = interrupted(url, folder, options.size)
        print(f"{options.size / 1e6:.0f} MB, {options.repetitions} times, load {os.getloadavg()[0]:.1f}\n")
        print("| | MB/s, median | MB/s, each | most memory |")
        print("|---|---|---|---|")
        for name, took_each in seconds.items():
            rates = [options.size / 1e6 / took for took in took_each]
            each = ", ".join(f"{rate:.0f}" for rate in rates)
            print(f"| {name} | {statistics.median(rates):.0f} | {each} | {memory[name]:.0f} MiB |")
        ratio = statistics.median(a / b for a, b in zip(seconds["curl"], seconds["slipway fetch"], strict=True))
        print(f"\nslipway fetch reaches {ratio:.0%} of curl's rate.")
        again = max(0, before + after - options.size)
        print(f"Killed after {before / 1e6:.0f} MB and then {after / 1e6:.0f} MB more, {again / 1e6:.0f} MB twice.")
        print(json.dumps({"ratio": round(ratio, 3), "mebibytes": round(memory["slipway fetch"]), "twice": again}))


if __name__ == "__main__":
    main()
