"""What `slipway evaluate` does: load a golden set, replay it against both arms, and count.

It is the replay of the operator in another process: beside the data, with as much memory as it is given, and for as
long as it takes. A part that gave no evidence, because a server was just starting, is asked again before the whole is
given up; what one arm alone fails to answer counts as everywhere.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from slipway.analysis import GroupName
from slipway.cluster.endpoints import Endpoint, http_client
from slipway.controller.evaluation import GoldenResult
from slipway.controller.golden import CONCURRENCY, left_out
from slipway.controller.grouping import counted, group_sizes, without_group
from slipway.outside import Egress, Outside
from slipway.probes import (
    BodySchema,
    Buffer,
    Format,
    GoldenItem,
    GoldenSetError,
    InferenceProtocol,
    LargeSet,
    Match,
    Outcome,
    Pace,
    ProbeError,
    Replay,
    exact,
    load_golden_set,
    map_file,
    read_large_set,
    replay,
)

PART: Final = 256
"""Items that are held at a time."""

LOAD_SECONDS: Final = 900.0
"""Seconds for fetching the file."""

PAUSES: Final = (1.0, 5.0, 15.0)
"""Seconds before a part that gave no evidence is asked again."""

PROGRESS_SECONDS: Final = 10.0
"""How often the log says how far it is."""

EXAMPLES: Final = 3
LONGEST_EXAMPLE: Final = 300


@dataclass(frozen=True, slots=True)
class Target:
    """An arm: addresses, of which the first whose name is known is used, and the model's name there."""

    urls: Sequence[str]
    model: str
    answers: BodySchema | None = None
    """What its answers have to match to be predictions."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is replayed, against whom, and how answers are judged."""

    source: str
    """A path or a URL."""
    candidate: Target
    stable: Target | None
    protocol: InferenceProtocol
    match: Match = exact
    requests: BodySchema | None = None
    """What an item has to become a request of."""
    seed: str = ""
    form: Format | None = None
    tolerance: float = 0.0
    timeout: float = 5.0
    items_per_second: int = 100
    slices: Sequence[str] = ()
    namespace: str = "default"
    egress: Egress = field(default_factory=Egress)


class EvaluationError(Exception):
    """Nothing was found out. The message says why."""


async def evaluate(wanted: Evaluation, say: Callable[[str], None]) -> GoldenResult:
    """The counts over the whole set. Progress goes to `say`. Raises EvaluationError."""
    try:
        arms = [_endpoint(arm.urls, say) for arm in (wanted.candidate, wanted.stable) if arm is not None]
        data, form, version = await _load(wanted)
        golden = await asyncio.to_thread(
            read_large_set,
            data,
            seed=wanted.seed,
            where=wanted.source.partition("?")[0],
            form=form,
            protocol=wanted.protocol,
            requests=wanted.requests,
            tolerance=wanted.tolerance,
        )
        say(f"{golden.size} items, {golden.digest}{f', version {version}' if version else ''}")
        async with http_client() as client:
            sizes = group_sizes(chain.from_iterable(golden.batches(PART)), wanted.slices, where="slices")
            asking = _Asking(client, wanted, arms, say, sizes)
            await asking.all(golden)
    except (GoldenSetError, ProbeError) as error:
        raise EvaluationError(str(error)) from error
    return asking.result(golden, version)


async def _load(wanted: Evaluation) -> tuple[Buffer, Format, str]:
    if "://" not in wanted.source:
        data, form = map_file(Path(wanted.source), form=wanted.form)
        return data, form, ""
    scheme = wanted.source.partition("://")[0].lower()
    # What a store's client connects to is its own matter here: this process has no credentials but the user's.
    egress = wanted.egress if scheme in ("http", "https") else Egress(object_stores=frozenset({scheme}))
    loaded = await load_golden_set(
        wanted.source, Outside(egress), namespace=wanted.namespace, form=wanted.form, timeout=LOAD_SECONDS
    )
    return loaded.data, loaded.form, loaded.version


def _endpoint(urls: Sequence[str], say: Callable[[str], None]) -> Endpoint:
    """The first address whose name is known: outside of a cluster's DNS that of a Service is not."""
    for url in urls:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname or "", parts.port or 80
            if parts.scheme != "http" or not host:
                raise EvaluationError(f"{url!r} is no address of a model: write it like http://HOST:PORT")
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except ValueError:
            raise EvaluationError(f"{url!r} is no address of a model: write it like http://HOST:PORT") from None
        except OSError:
            say(f"the name {host} is not known here")
            continue
        return Endpoint(host, host, {"": port}, ready=True, terminating=False)
    raise EvaluationError(f"none of {', '.join(urls)} can be resolved: check the cluster's DNS")


@dataclass(slots=True)
class _Asking:
    """The replay, part by part."""

    client: httpx.AsyncClient
    wanted: Evaluation
    arms: Sequence[Endpoint]
    say: Callable[[str], None]
    sizes: Mapping[GroupName, int]
    groups: dict[GroupName, Counter[Outcome]] = field(init=False)
    counts: Counter[Outcome] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self.groups = {name: Counter() for name in self.sizes}
        self.pace = Pace(self.wanted.items_per_second * len(self.arms))

    async def all(self, golden: LargeSet) -> None:
        """Ask everything."""
        told = begun = time.monotonic()
        done = 0
        for part in golden.batches(PART):
            answer = await self._part(part)
            self.counts.update(one.outcome for one in answer.items)
            for one in answer.items:
                for name in {GroupName(*kind) for kind in one.item.slices.items()} & self.groups.keys():
                    self.groups[name][one.outcome] += 1
            self.examples += answer.examples[: EXAMPLES - len(self.examples)]
            done += len(part)
            if time.monotonic() >= told + PROGRESS_SECONDS or done == golden.size:
                told = time.monotonic()
                self.say(f"{done} of {golden.size} items after {told - begun:.0f}s")

    async def _part(self, part: tuple[GoldenItem, ...]) -> Replay:
        for pause in PAUSES:
            try:
                return await self._ask(part)
            except ProbeError as error:
                self.say(f"{error}; asking again in {pause:g}s")
                await asyncio.sleep(pause)
        return await self._ask(part)

    async def _ask(self, part: tuple[GoldenItem, ...]) -> Replay:
        wanted = self.wanted
        return await replay(
            self.client,
            part,
            candidate=self.arms[:1],
            stable=self.arms[1:] if wanted.stable is not None else None,
            port=None,
            candidate_model=wanted.candidate.model,
            stable_model=wanted.stable.model if wanted.stable is not None else None,
            timeout=wanted.timeout,
            concurrency=CONCURRENCY,
            protocol=wanted.protocol,
            match=wanted.match,
            pace=self.pace,
            answers=wanted.candidate.answers,
            stable_answers=wanted.stable.answers if wanted.stable is not None else None,
        )

    def result(self, golden: LargeSet, version: str) -> GoldenResult:
        """What came of all of it."""
        counts = self.counts
        examples = [text[:LONGEST_EXAMPLE] for text in self.examples]
        groups: dict[str, dict[str, list[int]]] = {}
        for name, outcomes in self.groups.items():
            groups.setdefault(name.slice, {})[name.group] = list(counted(outcomes).counts)
        common: dict[str, Any] = {
            "dataset": golden.digest,
            "version": version,
            "excluded": counts[Outcome.EXCLUDED],
            "examples": examples,
            "left_out": "; ".join(
                filter(
                    None,
                    (
                        left_out(golden.rejected, golden.size),
                        without_group(golden.size, self.sizes, self.wanted.slices),
                    ),
                )
            )[:512],
            "groups": groups,
        }
        if self.wanted.stable is None:
            return GoldenResult(right=counts[Outcome.RIGHT], wrong=counts[Outcome.WRONG], **common)
        return GoldenResult(
            losses=counts[Outcome.LOSS],
            wins=counts[Outcome.WIN],
            ties_right=counts[Outcome.TIE_RIGHT],
            ties_wrong=counts[Outcome.TIE_WRONG],
            **common,
        )
