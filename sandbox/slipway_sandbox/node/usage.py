"""What pods use of the machine, as the kernel counts it, in the words of a kubelet's `/stats/summary`."""

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PROCESSES: Final = Path("/proc")


@dataclass
class Usage:
    """CPU time so far and resident memory of one session of processes; shared pages count for each that has them."""

    cpu_nanoseconds: int = 0
    memory_bytes: int = 0


def sessions() -> dict[int, Usage]:
    """The use of every session on the machine by its leader: a container's processes are one session."""
    found: dict[int, Usage] = {}
    for entry in _PROCESSES.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended between the look and the reading
            # The name in parentheses may hold anything; what follows is state, ppid, pgrp, session, …
            fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            usage = found.setdefault(int(fields[3]), Usage())
            # Own time in user and kernel mode, and that of children that have ended and were waited for.
            usage.cpu_nanoseconds += sum(map(int, fields[11:15])) * (1_000_000_000 // _TICKS)
            usage.memory_bytes += int(fields[21]) * _PAGE
    return found


def summary(pods: Iterable[tuple[Mapping[str, Any], Mapping[str, int]]]) -> dict[str, Any]:
    """The document for these pods, each a manifest and the leaders of its running containers by name."""
    used = sessions()
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    entries = []
    for pod, leaders in pods:
        reference = {name: pod["metadata"][name] for name in ("name", "namespace", "uid")}
        containers = [_container(name, used.get(leader, Usage()), time) for name, leader in leaders.items()]
        entries.append({"podRef": reference, "containers": containers})
    return {"pods": entries}


def _container(name: str, usage: Usage, time: str) -> dict[str, Any]:
    return {
        "name": name,
        "cpu": {"time": time, "usageCoreNanoSeconds": usage.cpu_nanoseconds},
        "memory": {"time": time, "workingSetBytes": usage.memory_bytes},
    }
