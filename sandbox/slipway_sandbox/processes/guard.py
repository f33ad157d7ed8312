"""Starts the reaper: the small process that cleans up after a sandbox that could not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

REAPER: Final = Path(__file__).with_name("reaper.py")


def start_guard(state: Path) -> "subprocess.Popen[bytes]":
    """Start the guard of a state folder; it acts when its standard input closes, however this process ends."""
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(REAPER), str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
    )
