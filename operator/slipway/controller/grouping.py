"""The items of a golden set by groups: how large each is, and what came of those that were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from slipway.analysis import MAX_GROUPS, MIN_GROUP_ITEMS, GroupCounts, GroupName, GroupOutcomes, PairedBatch
from slipway.api import FairnessSpec
from slipway.probes import (
    Asked,
    GoldenItem,
    GoldenSetError,
    Outcome,
    Scalar,
    groups_of,
    hit_shares,
    label_of,
    positive_shares,
)


def group_sizes(items: Iterable[GoldenItem], slices: Iterable[str], *, where: str) -> Mapping[GroupName, int]:
    """How many items each group of these kinds has; `where` is the field that names the kinds.

    Raises GoldenSetError for a kind that no item knows, for groups that are all too small to be judged, and for more
    groups than can be.
    """
    kinds = {name: Counter[str]() for name in slices}
    if not kinds:
        return {}
    known: set[str] = set()
    for item in items:
        known.update(item.slices)
        for name in kinds.keys() & item.slices.keys():
            kinds[name][item.slices[name]] += 1
    sizes: Counter[GroupName] = Counter()
    for name, groups in kinds.items():
        if not groups:
            has = f"they have {', '.join(sorted(known))[:120]}" if known else "no item has slices"
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


def without_group(items: int, sizes: Mapping[GroupName, int], slices: Iterable[str]) -> str:
    """How many of so many items are of no group of a kind, in words; empty where all are."""
    missing = {name: items - sum(size for group, size in sizes.items() if group.slice == name) for name in slices}
    return ", ".join(f"{count} items are of no {name}" for name, count in missing.items() if count)


def positive_label(items: Sequence[GoldenItem], spec: FairnessSpec, *, where: str) -> Scalar:
    """The label that a specification means, as the items have it: 1 and 1.0 are written alike there.

    Raises GoldenSetError, naming the field, for a label that no item has, and for items that cannot be judged for
    fairness: fewer than two groups with enough of them.
    """
    group_sizes(items, [spec.slice], where=f"{where}.slice")
    found = label_named(items, spec.positive, where=f"{where}.positive")
    sizes = Counter(item.slices.get(spec.slice) for item in items)
    labelled = Counter(item.slices.get(spec.slice) for item in items if item.expected == (found,))
    for field, limit, counts in (
        ("demographicParity", spec.demographic_parity, sizes),
        ("equalOpportunity", spec.equal_opportunity, labelled),
    ):
        large = sum(count >= MIN_GROUP_ITEMS for group, count in counts.items() if group is not None)
        if limit is not None and large < 2:
            about = "items" if counts is sizes else f"items labelled {spec.positive!r}"
            raise GoldenSetError(
                f"{where}.{field}: no two groups of {spec.slice!r} have {MIN_GROUP_ITEMS} {about}: label more items"
            )
    return found


def label_named(items: Sequence[GoldenItem], text: str, *, where: str) -> Scalar:
    """The label that is written so, as the items have it. Raises GoldenSetError for one that no item has."""
    labels = {item.expected[0] for item in items if len(item.expected) == 1}
    found = [label for label in labels if _written(label) == text]
    if not found:
        known = ", ".join(sorted(map(_written, labels)))[:120] or "none of a single value"
        raise GoldenSetError(f"{where}: no item is labelled {text!r} (the labels are {known})")
    return found[0]


def group_outcomes(
    items: Sequence[GoldenItem], asked: Iterable[Asked], spec: FairnessSpec, positive: Scalar
) -> tuple[GroupOutcomes, ...]:
    """What the candidate predicts for each group of the whole set, of the items that were asked and can be judged."""
    answered = []
    for one in asked:
        values = one.candidate.values
        if one.outcome is not Outcome.EXCLUDED:
            answered.append((one.item, label_of(one.item.expected, values) if values is not None else None))
    everywhere = dict.fromkeys(groups_of([(item, None) for item in items], spec.slice), ())
    groups = {**everywhere, **groups_of(answered, spec.slice)}
    predicted, hits = positive_shares(groups, positive), hit_shares(groups, positive)
    return tuple(
        GroupOutcomes(group, predicted[group].of, predicted[group].count, hits[group].of, hits[group].count)
        for group in groups
    )


def _written(label: Scalar) -> str:
    """A label as a manifest has it."""
    if isinstance(label, bool):
        return str(label).lower()
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
