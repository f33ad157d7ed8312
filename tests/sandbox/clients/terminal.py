"""A person at a terminal who types the sandbox's verbs, all for the sandbox of one folder."""

import os
import subprocess
import sys
from pathlib import Path

from sandbox.clients.kit import Tool

SLIPWAY = Path(sys.executable).with_name("slipway")
KUBECTL = Path(sys.executable).with_name("kubectl")


class Terminal:
    """Types commands for the sandbox named `mine` of somebody with this home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "slipway-sandbox" / "mine"
        self.environment = {**os.environ, "XDG_STATE_HOME": str(home)}
        self.kubectl = Tool(KUBECTL, self.folder / "kubeconfig", home, "default")

    def __call__(self, verb: str, *words: str, code: int = 0) -> str:
        """What it said; fails unless it ends with `code`."""
        command = self.command(verb, *words)
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=self.environment)
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def typed(self, verb: str, *words: str) -> "subprocess.Popen[str]":
        """The command while it runs."""
        return subprocess.Popen(
            self.command(verb, *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )

    def command(self, verb: str, *words: str) -> list[str]:
        return [str(SLIPWAY), "sandbox", verb, "--name=mine", *words]

    def pid(self) -> int:
        """The process that serves."""
        return int(self("status").split()[2])
