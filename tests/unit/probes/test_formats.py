"""Golden sets in every format: what becomes of rows, what is rejected and counted, and what refuses the whole."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.probes.builders import a_line

from slipway.probes import (
    BodySchema,
    Format,
    GoldenSet,
    GoldenSetError,
    KServeV1,
    MLflow,
    OpenAIChat,
    OpenInferenceV2,
    Reason,
    read_golden_set,
)
from slipway.probes.rows import Row, read_rows

WHERE = "s3://ml/golden"


def read(data: str | bytes, form: Format = Format.CSV, **options: Any) -> GoldenSet:
    given_ = {"schema": None, "where": WHERE, "form": form, "protocol": KServeV1()} | options
    return read_golden_set(data, **given_)


# --- CSV -------------------------------------------------------------------------------------------------------------


def test_columns_become_features_typed_by_what_the_whole_column_holds() -> None:
    golden = read(
        "id,expected,amount,count,country,zip,vip,slice.region\r\n"
        'a,1,0.5,3,"de, north",01067,true,eu\r\n'
        "b,0,2,4,7,10115,FALSE,us\r\n"
    )
    assert [(item.id, item.inputs, item.expected, item.slices) for item in golden.items] == [
        (
            "a",
            [{"amount": 0.5, "count": 3, "country": "de, north", "zip": "01067", "vip": True}],
            (1,),
            {"region": "eu"},
        ),
        ("b", [{"amount": 2.0, "count": 4, "country": "7", "zip": "10115", "vip": False}], (0,), {"region": "us"}),
    ]
    assert golden.rejected == {}


def test_a_row_becomes_what_its_protocol_takes() -> None:
    table = "expected,a,b\n1,0.5,x\n"
    (item,) = read(table, protocol=OpenInferenceV2()).items
    assert item.id == "1", "without ids the rows are numbered"
    assert item.inputs == [
        {"name": "a", "shape": [1, 1], "datatype": "FP64", "data": [0.5]},
        {"name": "b", "shape": [1, 1], "datatype": "BYTES", "data": ["x"]},
    ]
    (item,) = read("expected,a,b\n1,0.5,2\n", protocol=OpenInferenceV2(tensor="x")).items
    assert item.inputs == [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 2.0]}]
    (item,) = read(table, protocol=MLflow()).items
    assert item.inputs == {"dataframe_split": {"columns": ["a", "b"], "data": [[0.5, "x"]]}}
    (item,) = read("expected,question\nParis,Capital of France?\n", protocol=OpenAIChat()).items
    assert (item.inputs, item.expected) == ("Capital of France?", ("Paris",))


def test_whole_inputs_and_lists_of_labels_stand_in_cells_as_json() -> None:
    (item,) = read('id,expected,inputs\ng1,"[0.5, 1]","[[1, 2]]"\n').items
    assert (item.inputs, item.expected) == ([[1, 2]], (0.5, 1))


REJECTED = {
    "id,expected,x\na,1,1\na,1,2\nb,1,3\n": ({Reason.DUPLICATE_ID: 1}, "line 3: id 'a' is that of line 2 too"),
    "id,expected,x\na,1,1\nb,,2\nc,1,3\n": ({Reason.MISSING_LABEL: 1}, "line 3: the item: 'expected' is a required"),
    "id,expected,x\na,1,1\nb,1,\nc,1,3\n": ({Reason.UNREADABLE: 1}, "line 3: column 'x' has no value"),
    "id,expected,x\na,1,1\nb,1,high\nc,1,3\n": ({Reason.UNREADABLE: 1}, "'high' where the column holds integers"),
    "id,expected,x\na,1,1.5\nb,1,NaN\nc,1,3\n": ({Reason.UNREADABLE: 1}, "NaN is not a finite number"),
    "id,expected,x\na,1,1.5\nb,1,-inf\nc,1,3\n": ({Reason.UNREADABLE: 1}, "-inf is not a finite number"),
    "id,expected,x\na,1,1\nb,1\nc,1,3\n": ({Reason.UNREADABLE: 1}, "it has 2 fields where the header has 3"),
    "id,expected,x\na,1,1\nb,1,2,3\nc,1,3\n": ({Reason.UNREADABLE: 1}, "it has 4 fields"),
    "id,expected,x\na,1,1\n,1,2\nc,1,3\n": ({Reason.UNREADABLE: 1}, "line 3: id: "),
    'id,expected,x\na,"[1]",1\nb,"[1, ""x""]",2\nc,"[0]",3\n': (
        {Reason.MIXED_TYPES: 1},
        "holds both text and numbers where",
    ),
    "id,expected,x\na,1,1\nb,7,2\nc,0,3\n": ({Reason.UNKNOWN_CLASS: 1}, "7, which is none of the 2 classes"),
}


@pytest.mark.parametrize("table", REJECTED, ids=[str(one[0]) for one in REJECTED.values()])
def test_a_bad_row_is_counted_with_its_reason_where_some_are_tolerated(table: str) -> None:
    rejected, example = REJECTED[table]
    golden = read(table, tolerance=0.5, classes=[0, 1])
    assert golden.rejected == rejected
    assert len(golden.items) == 2
    assert example in golden.examples[0]


@pytest.mark.parametrize("table", REJECTED, ids=[str(one[0]) for one in REJECTED.values()])
def test_a_bad_row_refuses_the_set_where_none_is_tolerated(table: str) -> None:
    with pytest.raises(GoldenSetError, match=f"^{WHERE}, line"):
        # a column of numbers with one text in it is a column of text, unless it may be a slip
        read(table.replace("high", "nan").replace("\nc,1,3", "\nc,1,3.5"), classes=[0, 1])


def test_more_bad_rows_than_are_tolerated_refuse_the_set_and_are_told_by_reason() -> None:
    table = "id,expected,x\n" + "".join(f"g{n % 80},1,{n}\n" for n in range(100))
    assert read(table, tolerance=0.2).rejected == {Reason.DUPLICATE_ID: 20}
    with pytest.raises(
        GoldenSetError, match=r"20 of 100 items are bad \(20 duplicate id\).*more than 10\.00% allows; line 82"
    ):
        read(table, tolerance=0.1)


BAD_FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty: give it a header"),
    "blank": ("\n\n", "is empty: give it a header"),
    "a header": ("id,expected,x\n", "has a header and no rows"),
    "no labels": ("id,label,x\na,1,1\n", r"has no column 'expected' with the labels \(it has id, label, x\)"),
    "no features": ("id,expected,slice.a\na,1,x\n", "has no features"),
    "a column twice": ("id,expected,x,x\na,1,1,1\n", "has the column 'x' twice"),
    "not UTF-8": (b"id,expected,x\na,1,\xff\n", "is not UTF-8 at byte"),
    "an open quote": ('id,expected,x\na,1,"1\n', "is not CSV at line"),
    "too many": ("id,expected,x\n" + "a,1,1\n" * 10_001, "has more than 10000 items: keep at most 10000"),
    "half a character": ("id,expected,x\na,1,\ud800\n", "is not UTF-8"),
    "a huge cell": ("id,expected,x\na,1," + "x" * 200_000 + "\n", "is not CSV at line"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_bad_as_a_whole_is_refused_with_what_to_do(case: str) -> None:
    data, problem = BAD_FILES[case]
    with pytest.raises(GoldenSetError, match=f"^{WHERE} {problem}") as caught:
        read(data, tolerance=0.5)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("form", [Format.CSV, Format.JSON_LINES])
def test_a_million_rows_are_refused_quickly_where_they_are_too_many(form: Format) -> None:
    row = b"a,1,1\n" if form is Format.CSV else b'{"id":"a"}\n'
    start = time.process_time()
    with pytest.raises(GoldenSetError, match="keep at most 10000"):
        read(b"id,expected,x\n" + row * 1_000_000, form)
    assert time.process_time() - start < 10


def test_the_bytes_are_digested_and_the_version_is_kept() -> None:
    one, other = read("id,expected,x\na,1,1\n", version="v3"), read(b"id,expected,x\na,1,1\n")
    assert one.digest == other.digest
    assert one.digest.startswith("sha256:")
    assert (one.version, other.version) == ("v3", "")


@given(st.text("id,expected x\n\r\"'1.5naNtrue[]{}", max_size=80).map("id,expected,x\n".__add__) | st.text(max_size=40))
def test_any_table_is_a_set_or_an_error(table: str) -> None:
    try:
        golden = read(table, tolerance=0.5)
    except GoldenSetError as error:
        refusal = str(error)
        assert refusal.startswith(WHERE)
    else:
        assert golden.items
        assert json.dumps([item.inputs for item in golden.items], allow_nan=False)


# --- JSON Lines ------------------------------------------------------------------------------------------------------


def test_bad_lines_are_counted_by_reason() -> None:
    lines = [a_line(id=f"g{n}") for n in range(50)]
    lines += [
        a_line(id="g1"),
        "{",
        a_line(id="n1", expected=[]),
        a_line(id="n2", expected=["x"]),
        a_line(id="n3", inputs=[]),
    ]
    lines += [a_line(id="n4", expected=[9]), json.dumps({"id": "n5", "inputs": json.loads(a_line())["inputs"]})]
    golden = read("\n".join(lines), Format.JSON_LINES, protocol=OpenInferenceV2(), tolerance=0.2, classes=[0, 1])
    assert len(golden.items) == 50
    assert golden.rejected == {
        Reason.DUPLICATE_ID: 1, Reason.UNREADABLE: 1, Reason.MISSING_LABEL: 2, Reason.MIXED_TYPES: 1, Reason.INPUTS: 1,
        Reason.UNKNOWN_CLASS: 1,
    }  # fmt: skip
    assert len(golden.examples) == 5


def test_labels_that_are_of_another_kind_than_most_are_the_ones_rejected() -> None:
    lines = [a_line(id="first", expected=["x"]), *(a_line(id=f"g{n}") for n in range(9))]
    golden = read("\n".join(lines), Format.JSON_LINES, protocol=OpenInferenceV2(), tolerance=0.1)
    assert golden.rejected == {Reason.MIXED_TYPES: 1}
    assert golden.items[0].id == "g0"


def test_slices_are_kept_and_have_to_be_text() -> None:
    options: dict[str, Any] = {"form": Format.JSON_LINES, "protocol": OpenInferenceV2()}
    assert read(a_line(slices={"country": "de"}), **options).items[0].slices == {"country": "de"}
    for slices in ({"country": 1}, {"country": ""}, ["de"], {str(n): "x" for n in range(20)}):
        with pytest.raises(GoldenSetError, match="line 1: slices"):
            read(a_line(slices=slices), **options)


def test_a_request_that_the_releases_schema_does_not_take_is_rejected_before_it_is_sent() -> None:
    requests = BodySchema(json.dumps({"properties": {"instances": {"items": {"required": ["x"]}}}}))
    table = '{"id":"a","inputs":[{"x":1}],"expected":[1]}\n{"id":"b","inputs":[{"y":1}],"expected":[1]}'
    golden = read(table, Format.JSON_LINES, requests=requests, tolerance=0.5)
    assert golden.rejected == {Reason.SCHEMA: 1}
    assert "$.instances[0] is not as the schema has it (required)" in golden.examples[0]


# --- Parquet ---------------------------------------------------------------------------------------------------------


def a_table(**columns: list[Any]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow", reason="the package pyarrow is not installed")
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def test_parquet_is_read_with_its_own_types() -> None:
    data = a_table(id=["a", "b"], expected=[1, 0], x=[0.5, 2.0], name=["n", "m"], **{"slice.vip": [True, None]})
    golden = read(data, Format.PARQUET)
    assert [(item.id, item.inputs, item.expected, item.slices) for item in golden.items] == [
        ("a", [{"x": 0.5, "name": "n"}], (1,), {"vip": "true"}),
        ("b", [{"x": 2.0, "name": "m"}], (0,), {}),
    ]
    assert read(a_table(expected=[[1, 2]], inputs=[[[1, 2]]]), Format.PARQUET).items[0].inputs == [[1, 2]]


def test_bad_values_of_parquet_are_counted() -> None:
    data = a_table(
        id=["a", "a", "c", "d", "e"], expected=[1, 1, None, 1, 1], x=[1.0, 2.0, 3.0, float("nan"), None],
    )  # fmt: skip
    golden = read(data, Format.PARQUET, tolerance=0.9)
    assert golden.rejected == {Reason.DUPLICATE_ID: 1, Reason.MISSING_LABEL: 1, Reason.UNREADABLE: 2}
    assert "row 4: column 'x': nan is not a finite number" in golden.examples
    dates = a_table(expected=[1], x=[datetime(2026, 1, 1, tzinfo=UTC)])
    with pytest.raises(GoldenSetError, match="a datetime is neither text nor a number"):
        read(dates, Format.PARQUET)


def test_parquet_that_cannot_be_used_is_refused_as_a_whole() -> None:
    good = a_table(id=["a"], expected=[1], x=[1.0])
    for data in (b"", b"PAR1", good[:-20], b"id,expected\n", good[:40] + b"\0" * 60 + good[100:]):
        with pytest.raises(GoldenSetError):
            read(data, Format.PARQUET)
    with pytest.raises(GoldenSetError, match="has 10001 items: keep at most 10000"):
        read(a_table(expected=[1] * 10_001, x=[1.0] * 10_001), Format.PARQUET)
    with pytest.raises(GoldenSetError, match="no rows"):
        read(a_table(expected=[], x=[]), Format.PARQUET)
    with pytest.raises(GoldenSetError, match="no column 'expected'"):
        read(a_table(label=[1], x=[1.0]), Format.PARQUET)


def test_parquet_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        GoldenSetError, match=r"is Parquet, which needs the package pyarrow: install slipway\[parquet\], or"
    ):
        read(b"PAR1", Format.PARQUET)


def test_a_text_among_many_numbers_as_labels_is_a_mistake_and_makes_no_texts_of_them() -> None:
    rows = rows_labelled([*(str(n % 2) for n in range(19)), "one"])
    assert [row.raw["expected"] for row in rows[:2]] == [[0], [1]]
    assert rows[-1].problem == "column 'expected': 'one' where the column holds integers"


def test_labels_of_which_a_fifth_are_texts_are_texts_and_whole_numbers_among_others_are_numbers() -> None:
    texts = rows_labelled(["1", "2", "3", "4", "5b"])
    assert [row.raw["expected"] for row in texts] == [["1"], ["2"], ["3"], ["4"], ["5b"]]
    numbers = rows_labelled([*map(str, range(30)), "2.5"])
    assert numbers[-1].raw["expected"] == [2.5]
    assert not any(row.problem for row in numbers)


def rows_labelled(labels: list[str]) -> list[Row]:
    lines = ["id,x,expected", *(f"g{number},1,{label}" for number, label in enumerate(labels))]
    return read_rows("\n".join(lines).encode(), Format.CSV, limit=99, tolerance=0)
