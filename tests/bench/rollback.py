"""How soon clients are safe from a bad release, and what an idle ModelDeployment asks of the API server.

    PYTHONPATH=examples python tests/bench/rollback.py [--repetitions 3] [--idle-seconds 60]

The releases and the load are those of the demo, with a look every second and 10 % of the traffic at the first step. Two
numbers a repetition: from the first bad answer that a client saw to the last one, and to the gateway routing nothing to
the release. Then the API requests of the operator's own account while nothing happens.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from demo.stage import FRAUD, Stage, stage
from demo.story import NAME, load_for


async def hauled_back(on: Stage) -> tuple[float, float]:
    """Seconds from v4's first bad answer to its last one, and to weight 0 as the route's parents accepted it."""
    load = load_for(on)
    await load.first_answer(seconds=10)
    load.start()
    try:
        await on.kubectl("apply", "-f", str(FRAUD / "v4.yaml"))
        await on.until("v4 being hauled back", lambda: on.phase("v4") == "RolledBack", seconds=120)
        zero = time.monotonic()
        await on.until("requests after it", lambda: load.answers[-1].at > zero + 1, seconds=10)
    finally:
        await load.stop()
    bad = [answer.at + answer.seconds for answer in load.answers if answer.version == "v4" and not answer.good]
    lost = [answer for answer in load.answers if not answer.good and not answer.of_the_model]
    if lost:
        print(f"{len(lost)} requests were lost, the first one: {lost[0].problem}")
    return max(bad) - min(bad), zero - min(bad)


async def operator_requests(on: Stage) -> int:
    """All requests that the operator has made so far, watches included."""
    answer = await on.sandbox.client.request("GET", "/debug/requests")
    made = sum(row["count"] for row in answer["requests"] if row["userAgent"].startswith(("slipway/", "kopf")))
    if made == 0:
        raise RuntimeError(
            f"no request of the operator among {sorted({row['userAgent'] for row in answer['requests']})}"
        )
    return made


async def measure(repetitions: int, idle_seconds: float) -> None:
    """Print the table."""
    last, zero = [], []
    for _ in range(repetitions):
        async with stage() as on:
            await on.kubectl("apply", "--server-side", "-k", str(FRAUD))
            await on.kubectl("apply", "-f", str(FRAUD / "v1.yaml"))
            await on.until("v1 serving", lambda: on.condition(NAME, "Ready") == "True", seconds=60)
            seconds = await hauled_back(on)
            last.append(seconds[0])
            zero.append(seconds[1])
    print("| from the first bad answer that a client saw | median | worst |")
    print("|---|---|---|")
    print(f"| to the last one | {statistics.median(last):.1f} s | {max(last):.1f} s |")
    print(f"| to weight 0 observed at the gateway | {statistics.median(zero):.1f} s | {max(zero):.1f} s |")
    async with stage() as on:
        await on.kubectl("apply", "--server-side", "-k", str(FRAUD))
        await on.kubectl("apply", "-f", str(FRAUD / "v1.yaml"))
        await on.until("v1 serving", lambda: on.condition(NAME, "Ready") == "True", seconds=60)
        await asyncio.sleep(5)  # the last events of the rollout arrive
        before = await operator_requests(on)
        await asyncio.sleep(idle_seconds)
        after = await operator_requests(on)
    print(f"\nAPI requests for one idle ModelDeployment in {idle_seconds:g} s: {after - before}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--idle-seconds", type=float, default=60)
    options = parser.parse_args()
    asyncio.run(measure(options.repetitions, options.idle_seconds))


if __name__ == "__main__":
    main()
