"""The story: four releases, what becomes of each, and what clients saw of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from demo.load import Answer, Load
from demo.stage import FRAUD, Stage

RATE: Final = 40.0
"""Requests a second: a few dozen, as the smallest of shops has."""

HOST: Final = "fraud.example"
NAME: Final = "fraud"
VERSIONS: Final = ("v1", "v2", "v3", "v4")

Tell = Callable[[str, str], None]
"""Takes who speaks and what is said."""


@dataclass
class Report:
    """What came of it."""

    answers: list[Answer]
    revisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    first_bad_to_zero: float | None = None
    """Seconds from the first failed answer of v4 that a client saw, to the gateway routing nothing to v4."""

    def of(self, version: str) -> list[Answer]:
        """Answers that a release gave."""
        return [answer for answer in self.answers if answer.version == version]

    @property
    def caused_by_rollouts(self) -> list[Answer]:
        """Failures that no model gave: lost, refused or sent to where nobody was."""
        return [answer for answer in self.answers if not answer.good and not answer.of_the_model]


def load_for(stage: Stage) -> Load:
    """Live payments through the gateway."""
    bodies = [line.encode() for line in (FRAUD / "live.jsonl").read_text().splitlines()]
    return Load(url=f"{stage.sandbox.gateway_url}/v2/models/{NAME}/infer", host=HOST, bodies=bodies, rate=RATE)


def narrate(stage: Stage, tell: Tell) -> None:
    """Tell every decision as it is written down, with its numbers."""
    told: set[tuple[str, str, str]] = set()

    def on_revision(_: str, obj: dict[str, Any], __: dict[str, Any] | None) -> None:
        version = obj["spec"]["release"]["model"]["version"]
        for entry in obj.get("status", {}).get("timeline") or []:
            key = (version, entry["time"], entry["reason"])
            if key not in told:
                told.add(key)
                tell(version, f"{entry['phase']} ({entry['reason']}): {entry['message']}")

    stage.revisions.add_handler(on_revision)


async def play(stage: Stage, load: Load, tell: Tell) -> Report:
    """Apply the four releases one after the other, as a user would, and wait for what becomes of each."""
    narrate(stage, tell)
    await stage.kubectl("apply", "--server-side", "-k", str(FRAUD))
    tell("you", "kubectl apply -f examples/fraud/v1.yaml")
    await stage.kubectl("apply", "-f", str(FRAUD / "v1.yaml"))
    await stage.until("v1 serving", lambda: stage.condition(NAME, "Ready") == "True", seconds=120)
    await load.first_answer(seconds=60)
    load.start()
    tell("load", f"{load.rate:g} requests a second through the gateway, until the end")

    tell("you", "kubectl apply -f examples/fraud/v2.yaml")
    await stage.kubectl("apply", "-f", str(FRAUD / "v2.yaml"))
    await stage.kubectl("wait", "--for=condition=Ready", f"mdep/{NAME}", "--timeout=180s")
    await stage.until("v2 becoming stable", lambda: stage.phase("v2") == "Stable", seconds=60)

    tell("you", "kubectl apply -f examples/fraud/v3.yaml")
    await stage.kubectl("apply", "-f", str(FRAUD / "v3.yaml"))
    await stage.until("v3 being hauled back", lambda: stage.phase("v3") == "RolledBack", seconds=120)

    tell("you", "kubectl apply -f examples/fraud/v4.yaml")
    await stage.kubectl("apply", "-f", str(FRAUD / "v4.yaml"))
    await stage.until("v4 taking traffic", lambda: any(a.version == "v4" for a in load.answers), seconds=120)
    await stage.until("v4 being hauled back", lambda: stage.phase("v4") == "RolledBack", seconds=120)
    zero = time.monotonic()
    tell("gateway", "routes nothing to v4 any more")
    await stage.until(
        "live requests going on after it", lambda: bool(load.answers) and load.answers[-1].at > zero + 2, seconds=60
    )
    await load.stop()
    bad = [answer.at + answer.seconds for answer in load.answers if answer.version == "v4" and not answer.good]
    return Report(
        answers=list(load.answers),
        revisions={version: dict(stage.revision(version) or {}) for version in VERSIONS},
        first_bad_to_zero=zero - min(bad) if bad else None,
    )
