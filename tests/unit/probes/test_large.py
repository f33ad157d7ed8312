"""Golden sets that are not held: the same items in the same order as those that are, and the same refusals."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.probes import (
    Format,
    GoldenItem,
    GoldenSetError,
    LargeSet,
    OpenInferenceV2,
    Reason,
    read_golden_set,
    read_large_set,
    shuffled,
)


def line(id_: str, expected: Any = 1) -> str:
    tensor = {"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}
    return json.dumps({"id": id_, "inputs": [tensor], "expected": [expected]})


def read(data: bytes, form: Format = Format.JSON_LINES, **options: Any) -> LargeSet:
    return read_large_set(data, seed="s", where="set", form=form, protocol=OpenInferenceV2(), **options)


def items(golden: LargeSet, part: int = 3) -> list[GoldenItem]:
    return [item for batch in golden.batches(part) for item in batch]


LINES = st.lists(
    st.sampled_from([line("a"), line("b"), line("é"), line("c", 2), line("t", "text"), "", " \r", "{", "[1]", "ÿ"])
    | st.text("xyz", min_size=1, max_size=3).map(line),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(LINES, st.sampled_from([0.0, 0.2, 0.5]), st.booleans(), st.booleans())
def test_it_gives_what_a_set_that_is_held_gives(lines: list[str], tolerance: float, ends: bool, marked: bool) -> None:
    data = ("\ufeff" * marked + "\n".join(lines) + "\n" * ends).encode()
    try:
        held = read_golden_set(data.decode(), schema=None, where="set", tolerance=tolerance)
    except GoldenSetError:
        with pytest.raises(GoldenSetError):
            read(data, tolerance=tolerance)
        return
    large = read(data, tolerance=tolerance)
    assert items(large) == list(shuffled(held, "s"))
    assert (large.size, large.digest, large.rejected) == (len(held.items), held.digest, held.rejected)


def test_a_file_that_is_mapped_is_read_as_its_bytes(tmp_path: Path) -> None:
    text = "\n".join(line(f"g{number}") for number in range(50))
    (tmp_path / "set.jsonl").write_text(text)
    with (tmp_path / "set.jsonl").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        mapped = read_large_set(data, seed="s", where="set", form=Format.JSON_LINES, protocol=OpenInferenceV2())
        assert items(mapped, 7) == items(read(text.encode()))


def test_a_table_is_held_and_comes_in_the_same_order() -> None:
    table = b"id,expected,x\n" + b"".join(b"g%d,1,2\n" % number for number in range(20))
    held = read_golden_set(table, schema=None, where="set", form=Format.CSV)
    assert items(read(table, Format.CSV)) == list(shuffled(held, "s"))


def test_a_bad_line_is_named() -> None:
    with pytest.raises(GoldenSetError, match="set, line 2: id 'a' is that of an earlier item too"):
        read(f"{line('a')}\n{line('a')}".encode())
    with pytest.raises(GoldenSetError, match="set, line 1: not UTF-8 at byte 0"):
        read(b"\xff\n")
    with pytest.raises(
        GoldenSetError, match=r"the item at byte \d+: expected holds text where most items hold numbers"
    ):
        read("\n".join([line("a"), line("b"), line("c", "x")]).encode())


def test_what_is_left_out_is_counted_by_reason() -> None:
    lines = [line(str(number)) for number in range(8)]
    golden = read("\n".join([*lines, line("1"), "{"]).encode(), tolerance=0.2)
    assert (golden.size, golden.rejected) == (8, {Reason.DUPLICATE_ID: 1, Reason.UNREADABLE: 1})


def test_a_table_that_is_too_long_to_be_held_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.probes.large.MAX_TABLE", 3)
    with pytest.raises(GoldenSetError, match="more than 3 items"):
        read(b"id,expected,x\n" + b"a,1,1\n" * 4, Format.CSV)
    monkeypatch.setattr("slipway.probes.large.MAX_LINES", 3)
    with pytest.raises(GoldenSetError, match="more than 3 items"):
        read("\n".join(line(name) for name in "abcd").encode())
