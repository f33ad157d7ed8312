"""The items of a golden set by groups: how large each is, and what came of those that were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from slipway.analysis import MAX_GROUPS, MIN_GROUP_ITEMS, GroupCounts, GroupName, PairedBatch
from slipway.probes import Asked, GoldenItem, GoldenSetError, Outcome


def group_sizes(items: Sequence[GoldenItem], slices: Iterable[str], *, where: str) -> Mapping[GroupName, int]:
    """How many items each group of these kinds has; `where` is the field that names the kinds.

    Raises GoldenSetError for a kind that no item knows, for groups that are all too small to be judged, and for more
    groups than can be.
    """
    sizes: Counter[GroupName] = Counter()
    for name in slices:
        groups = Counter(item.slices[name] for item in items if name in item.slices)
        if not groups:
            known = sorted({known for item in items for known in item.slices})
            has = f"they have {', '.join(known)[:120]}" if known else "no item has slices"
            raise GoldenSetError(f"{where}: no item has the slice {name!r} ({has}): name one that the items have")
        if max(groups.values()) < MIN_GROUP_ITEMS:
            raise GoldenSetError(
                f"{where}: no group of {name!r} has {MIN_GROUP_ITEMS} items, so none can be judged: "
                "label more items, or take larger groups"
            )
        sizes.update({GroupName(name, group): count for group, count in groups.items()})
    if len(sizes) > MAX_GROUPS:
        raise GoldenSetError(
            f"{where}: the items are of {len(sizes)} groups, and at most {MAX_GROUPS} are judged: take larger groups"
        )
    return sizes


def group_counts(sizes: Mapping[GroupName, int], asked: Iterable[Asked]) -> tuple[GroupCounts, ...]:
    """What came of the items that were asked, in every group of the set."""
    found = {name: Counter[Outcome]() for name in sizes}
    for one in asked:
        for name in {GroupName(*kind) for kind in one.item.slices.items()} & found.keys():
            found[name][one.outcome] += 1
    return tuple(GroupCounts(name, size, counted(found[name])) for name, size in sizes.items())


def counted(outcomes: Mapping[Outcome, int]) -> PairedBatch:
    """Outcomes as counts. Without a stable release a right answer is a win and a wrong one a loss."""
    return PairedBatch(
        losses=outcomes.get(Outcome.LOSS, 0) + outcomes.get(Outcome.WRONG, 0),
        wins=outcomes.get(Outcome.WIN, 0) + outcomes.get(Outcome.RIGHT, 0),
        ties_right=outcomes.get(Outcome.TIE_RIGHT, 0),
        ties_wrong=outcomes.get(Outcome.TIE_WRONG, 0),
        excluded=outcomes.get(Outcome.EXCLUDED, 0),
    )


def without_group(items: Sequence[GoldenItem], slices: Iterable[str]) -> str:
    """How many items are of no group of a kind, in words; empty where all are."""
    missing = {name: sum(name not in item.slices for item in items) for name in slices}
    return ", ".join(f"{count} items are of no {name}" for name, count in missing.items() if count)
