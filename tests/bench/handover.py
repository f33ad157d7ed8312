"""How soon another replica of the operator decides when the one that leads ends.

    PYTHONPATH=examples python tests/bench/handover.py [--repetitions 3]

Two replicas with the default lease of 15 s. At the moment at which the leader is told to end (SIGTERM), or is killed
(SIGKILL), somebody writes a command; the time is that until the status has its answer, which only a leader writes. A
kill comes at any time between two renewals.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import time
from dataclasses import replace

from demo.stage import FRAUD, Operator, Stage, stage
from demo.story import NAME

ELECT = ("--leader-elect", "--lease-namespace=default")
_numbers = itertools.count(1)


async def leader(on: Stage, replicas: list[Operator]) -> Operator | None:
    """The replica that holds the lease."""
    holder = await on.kubectl("get", "lease", "slipway", "--output=jsonpath={.spec.holderIdentity}", check=False)
    return next((one for one in replicas if one.process is not None and f"_{one.process.pid}_" in holder), None)


async def handed_over(on: Stage, replicas: list[Operator], *, kill: bool) -> float:
    """Seconds from the leader's end to the next answer of a leader; another replica takes the place of the first."""
    while (leading := await leader(on, replicas)) is None:  # noqa: ASYNC110 - kubectl is asked
        await asyncio.sleep(0.1)
    await asyncio.sleep(random.uniform(2, 4))
    text = f"promote@00000000/1#{next(_numbers)}"

    def answered() -> bool:
        obj = on.deployments.get("default", NAME) or {}
        return bool(obj.get("status", {}).get("lastCommand", {}).get("command") == text)

    began = time.monotonic()
    ending = asyncio.create_task(leading.stop(kill=kill))
    await on.kubectl("annotate", "mdep", NAME, f"slipway.dev/command={text}", "--overwrite")
    await on.until("the next leader's answer", answered, seconds=60)
    took = time.monotonic() - began
    await ending
    await leading.start()
    return took


async def measure(repetitions: int) -> None:
    """Print the table."""
    async with stage(options=ELECT) as on:
        second = replace(on.operator, process=None)
        await second.start()
        try:
            await on.kubectl("apply", "--server-side", "-k", str(FRAUD))
            await on.kubectl("apply", "-f", str(FRAUD / "v1.yaml"))
            await on.until("v1 serving", lambda: on.condition(NAME, "Ready") == "True", seconds=60)
            print("| the leader | next decision of the other, median | longest |")
            print("|---|---|---|")
            for kill, name in ((False, "is told to end (SIGTERM)"), (True, "is killed (SIGKILL)")):
                took = [await handed_over(on, [on.operator, second], kill=kill) for _ in range(repetitions)]
                print(f"| {name} | {statistics.median(took):.1f} s | {max(took):.1f} s |", flush=True)
        finally:
            await second.stop()


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3)
    asyncio.run(measure(parser.parse_args().repetitions))


if __name__ == "__main__":
    main()
