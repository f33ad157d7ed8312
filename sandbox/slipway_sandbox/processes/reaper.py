"""What ends the processes of a node agent that did not live to do so itself.

Every process of a sandbox carries a marker in its environment, `SLIPWAY_SANDBOX_STATE=<state folder>`, and children
inherit it wherever they go: into other process groups, other sessions, double forks. So whoever knows the folder can
find them all. Two parties do: the reaper, a small process that holds one end of a pipe and acts when the agent's end
closes, and the next `up` on the same folder, in case the reaper was killed as well.

Run as a plain script by an isolated interpreter: reaper.py STATE_FOLDER, with the pipe as standard input.
"""

import contextlib
import os
import signal
import sys
import time

MARKER = "SLIPWAY_SANDBOX_STATE"
ROUNDS = 50


def marked(state: str) -> list[int]:
    """The processes that carry the marker of this state folder, the caller's own left out."""
    needle = f"\0{MARKER}={state}\0".encode()
    found = []
    try:
        entries = os.listdir("/proc")  # noqa: PTH208 - runs before the package, on nothing but os
    except OSError:
        return []
    for entry in entries:
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as stream:  # noqa: PTH123
            if needle in b"\0" + stream.read() + b"\0":
                found.append(int(entry))
    return found


def kill_marked(state: str) -> int:
    """Kill every marked process, until none is left; the number of those that were found first.

    Looks until two looks in a row find nothing: a process may fork between the look and the kill, and one that is in
    the middle of an `exec` shows no environment for a moment.
    """
    first = left = marked(state)
    calm = 0
    for _ in range(ROUNDS):
        calm = 0 if left else calm + 1
        if calm == 2:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        left = [pid for pid in marked(state) if not _zombie(pid)]
    return len(first)


def _zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123
            return stream.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def main() -> None:
    """Wait for the agent's end of the pipe to close, then kill what it left."""
    state = sys.argv[1]
    with contextlib.suppress(OSError):
        os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the closed pipe counts
    while os.read(0, 1024):
        pass
    kill_marked(state)


if __name__ == "__main__":
    main()
