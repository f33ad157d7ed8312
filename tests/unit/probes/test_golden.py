"""Golden sets: what is read, and what is refused with the line and the fix."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.probes.builders import a_line

from slipway.probes import GoldenSetError, read_golden_set, shuffled
from slipway.probes.golden import MAX_ITEMS

WHERE = "ConfigMap ml/golden, key items.jsonl"


def read(text: str, schema: Any = None) -> Any:
    return read_golden_set(text, schema=None if schema is None else json.dumps(schema), where=WHERE)


def a_tensor(**fields: Any) -> dict[str, Any]:
    return {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]} | fields


def test_items_are_read_as_they_are_written_and_the_text_is_digested() -> None:
    text = a_line() + "\r\n\n" + a_line(id="g2", inputs=[a_tensor(data=[[1, 2]])], expected=[0.5, 2]) + "\n"
    golden = read(text)
    assert [item.id for item in golden.items] == ["g1", "g2"]
    assert golden.items[1].inputs == [a_tensor(data=[[1, 2]])]
    assert golden.items[1].expected == (0.5, 2)
    assert golden.digest == "sha256:" + sha256(text.encode()).hexdigest()


def test_a_byte_order_mark_and_line_separators_within_text_are_no_trouble() -> None:
    golden = read("\ufeff" + json.dumps(json.loads(a_line(expected=["a\u2028b"])), ensure_ascii=False))
    assert golden.items[0].expected == ("a\u2028b",)


BAD_LINES = {
    "not JSON": ("{'id': 'g1'}", "line 1: not JSON at column 2"),
    "two objects": (a_line() + a_line(), "line 1: not JSON at column"),
    "not an object": ("[1, 2]", "line 1: the item: .* is not of type 'object'"),
    "no label": (json.dumps({"id": "g1", "inputs": [a_tensor()]}), "'expected' is a required property"),
    "empty label": (a_line(expected=[]), "expected: "),
    "null label": (a_line(expected=[None]), r"expected\[0\]: None is not of type"),
    "nested label": (a_line(expected=[[1]]), r"expected\[0\]: \[1\] is not of type"),
    "NaN label": (a_line(expected=[float("nan")]), "NaN is not JSON"),
    "infinite input": ('{"id":"g1","inputs":[],"expected":[1e999]}', "1e999 is too large"),
    "numeric id": (a_line(id=1), "id: 1 is not of type 'string'"),
    "long id": (a_line(id="g" * 65), "id: .* is too long"),
    "invisible id": (a_line(id="g\n1"), "id has characters that cannot be shown"),
    "half a character": ('{"id":"\\ud800"}', "half of a character"),
    "unknown field": (a_line(label=1), "'label' was unexpected"),
    "duplicate field": ('{"id":"g1","id":"g2"}', "'id' is given twice"),
    "no inputs": (a_line(inputs=[]), "inputs: "),
    "no shape": (a_line(inputs=[{"name": "x"}]), "is a required property"),
    "wrong size": (a_line(inputs=[a_tensor(shape=[1, 3])]), r"inputs\[0\]\.data has 2 values, shape \[1, 3\] needs 3"),
    "wrong type": (a_line(inputs=[a_tensor(data=[1, "a"])]), r"inputs\[0\]\.data has values that are not FP32"),
    "boolean as a number": (a_line(inputs=[a_tensor(datatype="INT64", data=[1, True])]), "not INT64"),
    "fraction as integer": (a_line(inputs=[a_tensor(datatype="INT8", data=[1, 1.5])]), "not INT8"),
    "unknown datatype": (a_line(inputs=[a_tensor(datatype="STRING")]), r"inputs\[0\].datatype: 'STRING' is not one of"),
    "too deep": (a_line(inputs=["@"]).replace('"@"', "[" * 9999 + "]" * 9999), "line 1: "),
    "duplicate id": (a_line() + "\n\n" + a_line(), "line 3: id 'g1' is that of line 1 too"),
    "mixed labels": (
        a_line() + "\n" + a_line(id="g2", expected=["1"]),
        "line 2: expected holds text where most items hold numbers",
    ),
    "empty": ("", "is empty: give it one item a line"),
    "blank": (" \n\t\r\n", "is empty"),
    "too many": ((a_line() + "\n") * (MAX_ITEMS + 1), "has 10001 items: keep at most 10000"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_refuses_the_set_and_says_where_and_what_to_do(case: str) -> None:
    text, message = BAD_LINES[case]
    with pytest.raises(GoldenSetError, match=message) as caught:
        read(text)
    assert str(caught.value).startswith(WHERE)
    assert len(str(caught.value)) < 500, "a message is for a condition, not a dump"


def test_a_users_schema_is_asked_for_every_item() -> None:
    schema = {"properties": {"id": {"pattern": "^g[0-9]+$"}, "expected": {"items": {"enum": [0, 1]}, "maxItems": 1}}}
    assert len(read(a_line(), schema).items) == 1
    with pytest.raises(
        GoldenSetError, match=r"line 2: does not match the schema at \$\.expected\[0\]: 2 is not one of"
    ):
        read(a_line() + "\n" + a_line(id="g2", expected=[2]), schema)


DOUBLING = {f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(40)} | {
    "d40": {"type": "object"}
}

BAD_SCHEMAS: dict[str, tuple[str, str]] = {
    "not JSON": ("{", "the schema is not JSON, at line 1"),
    "not a schema": ('{"type": "objekt"}', r"not a JSON Schema at \$\.type"),
    "not an object": ("[]", "not a JSON Schema"),
    "a foreign dialect": ('{"$schema": 3}', "not a JSON Schema"),
    "a reference elsewhere": ('{"$ref": "http://127.0.0.1:9/s.json"}', "refers to 'http://127.0.0.1:9/s.json'"),
    "a reference nowhere": ('{"$ref": "#/$defs/x"}', "refers to"),
    "a circle": ('{"$ref": "#"}', "refers to itself without end"),
    "a pattern": ('{"properties": {"id": {"pattern": "(a+)+$"}}}', "beyond what is supported"),
    "a pattern for a long text": (
        '{"properties": {"inputs": {"items": {"properties": {"name": {"pattern": "a"}}}}}}',
        "longer than the 256 characters",
    ),
    "a hidden pattern": ('{"additionalProperties": false, "patternProperties": {"(a+)+$": {}}}', "'patternProperties'"),
    "unique items": ('{"properties": {"expected": {"uniqueItems": true}}}', "uses 'uniqueItems'"),
    "doubling": (
        json.dumps({"$ref": "#/$defs/d0", "$defs": DOUBLING | {"d40": {"type": "object"}}}),
        "more than .* steps",
    ),
}


@pytest.mark.parametrize("case", BAD_SCHEMAS)
def test_a_schema_takes_neither_network_nor_time_without_end(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", fetched.append)
    monkeypatch.setattr("slipway.probes.schema.MAX_STEPS", 10_000)
    schema, message = BAD_SCHEMAS[case]
    with pytest.raises(GoldenSetError, match=message) as caught:
        read_golden_set(a_line(inputs=[a_tensor(name="n" * 300)]), schema=schema, where=WHERE)
    assert str(caught.value).startswith(WHERE)
    assert not fetched


def test_the_order_depends_on_seed_and_ids_alone() -> None:
    lines = [a_line(id=f"g{number}", expected=[number % 2]) for number in range(50)]
    golden, backwards = read("\n".join(lines)), read("\n".join(reversed(lines)))
    order = [item.id for item in shuffled(golden, "uid-1")]
    assert sorted(order) == sorted(item.id for item in golden.items)
    assert order == [item.id for item in shuffled(backwards, "uid-1")]
    assert order != [item.id for item in shuffled(golden, "uid-2")]
    assert order[:3] == ["g23", "g19", "g39"], "the order of a running evaluation survives an upgrade"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
NEAR_ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON | st.text(min_size=1, max_size=8),
        "inputs": JSON | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(a_tensor(), JSON)), max_size=2),
        "expected": JSON | st.lists(st.integers() | st.text(max_size=4), max_size=3),
    },
)


@given(
    st.lists(NEAR_ITEMS.map(json.dumps) | st.text() | st.just(a_line()), max_size=4).map("\n".join), st.none() | JSON
)
def test_whatever_is_read_is_a_set_or_an_error_that_names_its_place(text: str, schema: Any) -> None:
    try:
        golden = read(text, schema)
    except GoldenSetError as error:
        refusal = str(error)
        assert refusal.startswith(WHERE)
    else:
        assert golden.items
        assert json.dumps([[*item.inputs, *item.expected] for item in golden.items], allow_nan=False)
