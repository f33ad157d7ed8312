"""How often the judge is wrong and how soon it is right, beside the rules that people use today.

    python tests/bench/judge.py [--replications 300] [--seed 1] [--jobs 1] [--write docs/benchmarks/judge.md] [--quick]

Prints Markdown, or writes it. Every cell draws the same rollouts for every rule, from its own seed, so that a run is
repeated exactly; standard errors are sqrt(p (1 - p) / replications).
"""

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench._judge_rules import LATE_RULES, LIVE_RULES, PROOF_RULES, TROUBLED_RULES, Rule
from bench._judge_sets import BATCH, CELLS, ITEMS, LATENCY_RULES, SET_RULES, SLOWNESS
from bench._judge_worlds import LATE_HARM, LIVE, PROVABLE, SECONDS, TROUBLED, World

from slipway.analysis import ArmCounts, Dispersion, Gates, PodWindow, RatioEvidence, Verdict

Cell = tuple[str, str, str, int, int]
"""Table, rule, column, replications, seed."""

TABLES: dict[str, tuple[dict[str, Rule], Sequence[World]]] = {
    "live": (LIVE_RULES, LIVE),
    "late": (LATE_RULES, LATE_HARM),
    "proof": (PROOF_RULES, PROVABLE),
    "troubled": (TROUBLED_RULES, TROUBLED),
}
HALVED = {"troubled": 2, "proof": 2, "golden": 1, "latency": 4}
"""What the replications of the slower tables are divided by."""

QUICK = 1
"""Replications of a run that only shows that it runs."""


def generator(cell: Cell) -> np.random.Generator:
    table, _, column, _, seed = cell
    return np.random.default_rng([seed, zlib.crc32(f"{table}/{column}".encode())])


def measured(cell: Cell) -> str:
    """The text of one cell."""
    table = cell[0]
    if table == "golden":
        return golden(cell)
    return latency(cell) if table == "latency" else live(cell)


def live(cell: Cell) -> str:
    table, name, column, replications, _ = cell
    rules, worlds = TABLES[table]
    rule, world = rules[name], next(world for world in worlds if world.name == column)
    rng = generator(cell)
    looks = [rule(world, world.rollout(rng)) for _ in range(replications)]
    found = [look for look in looks if look is not None]
    early = [look for look in found if look < world.begins]
    share = f"{100 * len(found) / replications:.1f} %"
    if table == "proof":
        return f"{100 * (median(found) + 1) * world.requests[0, 0] / 100:.0f} ({share})" if found else share
    if not world.harmful or not found:
        return share
    right = [look - world.begins + 1 for look in found if look >= world.begins]
    if table in ("troubled", "late"):
        return f"{SECONDS * median(right):.0f} s ({100 * (len(found) - len(early)) / replications:.0f} %)"
    return f"{median(np.cumsum(world.requests[:, 0])[look] for look in found):.0f} ({share})"


def golden(cell: Cell) -> str:
    _, name, column, replications, _ = cell
    rng = generator(cell)
    results = [SET_RULES[name](rng.multinomial(BATCH, CELLS[column], ITEMS // BATCH)) for _ in range(replications)]
    failed = [items for verdict, items in results if verdict is Verdict.FAIL]
    passed = sum(verdict is Verdict.PASS for verdict, _ in results)
    fail = f"Fail {100 * len(failed) / replications:.1f} %"
    if failed and column != next(iter(CELLS)):
        fail += f" at {median(failed):.0f}"
    return f"{fail}, Pass {100 * passed / replications:.1f} %" if "Slipway" in name else fail


def latency(cell: Cell) -> str:
    _, name, column, replications, _ = cell
    slow = next(slow for slow in SLOWNESS if slow.name == column)
    rng = generator(cell)
    looks = [LATENCY_RULES[name](rng, slow) for _ in range(replications)]
    found = [look for look in looks if look is not None]
    share = f"{100 * len(found) / replications:.1f} %"
    return f"{100 * (median(found) + 1):.0f} ({share})" if found and slow is not SLOWNESS[0] else share


def cells(replications: int, seed: int) -> list[Cell]:
    shapes: list[tuple[str, Iterable[str], Iterable[str]]] = [
        (table, rules, [world.name for world in worlds]) for table, (rules, worlds) in TABLES.items()
    ]
    shapes += [("golden", SET_RULES, CELLS), ("latency", LATENCY_RULES, [slow.name for slow in SLOWNESS])]
    return [
        (table, rule, column, max(1, replications // HALVED.get(table, 1)), seed)
        for table, rules, columns in shapes
        for rule in rules
        for column in columns
    ]


def table(name: str, texts: dict[Cell, str], *, columns_are_rows: bool = False) -> str:
    """One table in Markdown, with rules as rows unless there are more columns than fit."""
    mine = {(cell[1], cell[2]): text for cell, text in texts.items() if cell[0] == name}
    rules, columns = (list(dict.fromkeys(part)) for part in zip(*mine, strict=True))
    heads, rows = (rules, columns) if columns_are_rows else (columns, rules)
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for row in rows:
        values = [mine[(head, row) if columns_are_rows else (row, head)] for head in heads]
        lines.append(f"| {row} | {' | '.join(values)} |")
    return "\n".join(lines)


def cost(seed: int, windows: int) -> dict[str, float]:
    """Median microseconds to fold one window with every gate in use, with and without pods, and to judge it."""
    rng = np.random.default_rng(seed)
    gates = Gates(threshold_max=0.05, comparison_margin=0.005, non_inferiority_margin=1e-6)
    times: dict[str, float] = {}

    def timed(work: Callable[[RatioEvidence], RatioEvidence], durations: list[float], evidence: RatioEvidence):
        start = time.perf_counter()
        after = work(evidence)
        durations.append(time.perf_counter() - start)
        return after

    for name, by_pod in (("folding one window", False), ("folding one window of ten pods", True)):
        evidence, folds, judgements = RatioEvidence.begin(gates, steps=3, dispersion=Dispersion()), [], []
        for _ in range(windows):
            counts = [ArmCounts(int(bad), 100) for bad in rng.binomial(100, 0.01, 10)]
            stable = ArmCounts(sum(count.bad for count in counts[1:]), 900)
            named = {f"stable-{i}": count for i, count in enumerate(counts[1:])}
            pods = PodWindow({"candidate-0": counts[0]}, named) if by_pod else None
            evidence = timed(
                lambda e, c=counts[0], s=stable, p=pods: e.fold(c, s, seconds=SECONDS, pods=p), folds, evidence
            )
            timed(lambda e: e.judge() and e, judgements, evidence)
        times[name] = 1e6 * median(folds)
        times["judging"] = 1e6 * median(judgements)
    return times


def document(texts: dict[Cell, str], replications: int, seed: int, times: dict[str, float]) -> str:
    """The whole page."""
    costs = "\n".join(f"| {name} | {value:.0f} µs |" for name, value in times.items())
    return PAGE.format(
        replications=replications,
        error=9.95 * replications**-0.5,
        half_error=50 * replications**-0.5,
        half=max(1, replications // 2),
        quarter=max(1, replications // 4),
        seed=seed,
        live=table("live", texts),
        late=table("late", texts),
        proof=table("proof", texts),
        troubled=table("troubled", texts, columns_are_rows=True),
        golden=table("golden", texts),
        latency=table("latency", texts),
        costs=costs,
    )


PAGE = """<!-- Written by `make bench-judge`: run it again instead of editing. -->

# How often the judge is wrong, and how soon it is right

Simulated rollouts: a look every 10 s for 30 minutes, 90 % of the requests to stable, which fails 1 % of them. Every
cell is {replications} rollouts unless it says otherwise, drawn with seed {seed}: the standard error of a share of 1 %
is {error:.1f} points, of one of 50 % {half_error:.1f}. Rules that look at a dashboard see the last minute.
`python tests/bench/judge.py` repeats all of it.

## Live error rates

The first three columns are releases that do no harm: the share is that of false rollbacks. In the third, both arms go
from 0.5 % to 3 % errors at minute 15, while the weight rises from 5 to 50 %. The others are harmful: the median number
of the candidate's requests until it is hauled back, and how often it is.

{live}

A limit is either below what the harm does, and hauls good releases back, or above it, and never sees it.

### Harm that begins with a step

Twelve good minutes, then the weight rises and the candidate fails: seconds of harm until it is hauled back. Part of the
capital is kept for each step, so that the good time before does not have to be lost first.

{late}

### Proof of safety

Requests until a Pass at 95 %, and how often it comes within the half hour ({half} rollouts a cell). Where the candidate
is worse by the margin a Pass is wrong, and 5 % of them are allowed.

{proof}

## Requests that fail together

Independence is what every test of counts assumes and what services break. Here errors come five at a time, or each pod
has bad times of its own (ten times the errors for 40 s, once in an hour), or all pods share a shock on top: shares
are false rollbacks ({half} rollouts a cell). Where the candidate is worse: seconds until it is hauled back.

{troubled}

Counting requests alone is not enough. The discount for bursts cures bursts; it is five until forty degrees of freedom
have been measured, which is what makes it slow in the first minutes. Bad times of a pod need the ranks of pods. They
outlast a block of 30 s here, so that blocks are not independent, and a few more than 1 % are hauled back for nothing:
the guarantee is not claimed for these rows.

## Golden sets

{golden}

{items} items in batches of {batch}; where a candidate is worse, the median number of items until a Fail. A rule
without a Pass passes whatever it does not fail.

## Latency

Log-normal latencies, the candidate's requests until it is hauled back ({quarter} rollouts a cell).

{latency}

## What it costs

| what | median |
|---|---|
{costs}

The budget of a fold is 150 µs.
""".replace("{items}", str(ITEMS)).replace("{batch}", str(BATCH))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--quick", action="store_true", help="a few replications, to see that it runs")
    options = parser.parse_args(arguments)
    replications = QUICK if options.quick else options.replications
    work = cells(replications, options.seed)
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs) as pool:
            texts = dict(zip(work, pool.map(measured, work), strict=True))
    else:
        texts = {cell: measured(cell) for cell in work}
    times = cost(options.seed, windows=100 if options.quick else 2000)
    page = document(texts, replications, options.seed, times)
    if options.write is None:
        print(page)
        return
    options.write.parent.mkdir(parents=True, exist_ok=True)
    options.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
