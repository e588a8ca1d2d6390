# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a task hands over, a record is small, plain and free of secrets."""

from __future__ import annotations

import datetime as dt
import json
import random
from decimal import Decimal
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.bounding import (
    DEPTH,
    ITEMS,
    RECORD_BYTES,
    STRING_BYTES,
    fit,
    json_size,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.bounding_clean import clean
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_records import payload
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import MARKER, Redactor

NONE = Redactor()
SECRET = "Correct-Horse-Battery"


def plain(value: Any) -> Any:
    """Through JSON and back; fails on NaN, lone surrogates that others cannot read, and foreign types."""
    return json.loads(json.dumps(value, allow_nan=False).encode("utf-8"))


def test_small_data_stays_as_it_is() -> None:
    value = {"a": [1, 2.5, True, None, "ünïcödé"], "b": {"c": ""}}
    assert clean(value, NONE) == value
    assert fit(value) == value


def test_what_json_does_not_know() -> None:
    value = {
        "nan": float("nan"),
        "inf": [float("inf"), float("-inf")],
        "decimal": Decimal("1.5"),
        "time": dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
        "bytes": b"ab\xff",
        "tuple": (1, 2),
        "set": {3, 1, 2},
        "object": object,
        7: "number as key",
        "huge": 10**5000,
    }
    cleaned = plain(clean(value, NONE))
    assert cleaned["nan"] is None
    assert cleaned["inf"] == [None, None]
    assert cleaned["decimal"] == 1.5
    assert cleaned["time"] == "2026-11-23T00:00:00.000000Z"
    assert cleaned["bytes"] == "ab\ufffd"
    assert cleaned["set"] == [1, 2, 3]
    assert cleaned["7"] == "number as key"
    assert cleaned["huge"].startswith("[cut: integer of")


def test_hostile_text_is_harmless() -> None:
    text = "\x1b[31mred\x00 \x9b31m \udc80 {{ 7*7 }} \u202e"
    line = json.dumps(clean({text: text}, NONE))
    assert line.isascii()
    assert not any(ord(character) < 0x20 for character in line)
    assert "{{ 7*7 }}" in line
    ((key, value),) = json.loads(line).items()
    f"{key}{value}".encode()  # a lone surrogate would fail here


def test_long_strings() -> None:
    for unit in ("x", "ü", "\x1b", "\U0001f4a9"):
        cut = clean(unit * 10_000_000, NONE)
        assert cut.endswith("[cut: 10000000 characters in all]")
        assert len(cut.encode()) <= STRING_BYTES
        assert set(cut.split("[cut")[0]) == {unit}
    assert clean("x" * STRING_BYTES, NONE) == "x" * STRING_BYTES
    assert clean("x" * (STRING_BYTES + 1), NONE).endswith(f"[cut: {STRING_BYTES + 1} characters in all]")


@pytest.mark.parametrize("offset", range(-len(SECRET) - 2, 3))
def test_secrets_are_taken_out_before_anything_is_cut(offset: int) -> None:
    text = "x" * (STRING_BYTES + offset) + SECRET + "y" * 100_000
    cut = clean(text, Redactor([SECRET]))
    assert not any(SECRET[:length] in cut for length in range(1, len(SECRET)) if SECRET[0] in cut)
    assert "Correct" not in cut


def test_long_lists_and_objects() -> None:
    items = clean(list(range(ITEMS + 5)), NONE)
    assert len(items) == ITEMS + 1
    assert items[-1] == f"[cut: 5 of {ITEMS + 5} items]"
    keys = clean({str(number): number for number in range(ITEMS + 5)}, NONE)
    assert len(keys) == ITEMS + 1
    assert keys["[cut]"] == f"5 of {ITEMS + 5} keys"


def test_deep_nesting() -> None:
    value: Any = "bottom"
    for _ in range(5000):
        value = {"a": [value]}
    text = json.dumps(clean(value, NONE))
    assert f"[cut: nested deeper than {DEPTH}]" in text
    assert "bottom" not in text
    loop: list[Any] = []
    loop.append(loop)
    assert "nested deeper" in json.dumps(clean(loop, NONE))


def test_structure_is_not_redacted_but_payload_is() -> None:
    redactor = Redactor(["postgres", "status", "down", "kill-idle"])
    finding = {
        "check": "connections",
        "component": "postgres",
        "status": "down",
        "summary": "postgres says status down",
        "recommend": ["kill-idle"],
        "data": {"status": "down", "database": "postgres", "other": ["kill-idle"]},
    }
    assert payload("finding", finding, redactor) == {
        "check": "connections",
        "component": "postgres",
        "status": "down",
        "summary": f"{MARKER} says {MARKER} {MARKER}",
        "recommend": ["kill-idle"],
        "data": {MARKER: MARKER, "database": MARKER, "other": [MARKER]},
    }
    ended = {"hosts": {"postgres": {"ok": 1}}}
    assert payload("run_ended", ended, redactor) == ended


def test_a_long_secret_does_not_hide_in_structure() -> None:
    redactor = Redactor([SECRET])
    finding = {"check": "a", "component": SECRET, "status": "ok", "cause": f"x-{SECRET}", "recommend": [SECRET]}
    assert SECRET not in json.dumps(payload("finding", {**finding, SECRET: 1}, redactor))
    sentence = {"check": "postgres is a word here", "component": "a", "status": "ok"}
    assert payload("finding", sentence, Redactor(["postgres"]))["check"] == f"{MARKER} is a word here"


def test_structural_numbers_are_no_secrets() -> None:
    data = {"sla": {"target_s": 3600}, "run": {"id": "a"}, "incident": {}}
    assert payload("run_started", data, Redactor(["3600"]))["sla"]["target_s"] == 3600


def test_the_largest_parts_give_way_and_the_rest_stays() -> None:
    data = {
        "check": "connections",
        "status": "down",
        "summary": "short",
        "data": {"sessions": [{"pid": number, "query": "q" * 1000} for number in range(1500)], "small": [1, 2, 3]},
    }
    bounded = payload("finding", data, NONE)
    assert json_size(bounded) <= RECORD_BYTES
    assert bounded["summary"] == "short"
    assert bounded["data"]["small"] == [1, 2, 3]
    sessions = bounded["data"]["sessions"]
    assert sessions[0] == {"pid": 0, "query": "q" * 1000}
    assert sessions[-1].startswith("[cut: ")
    assert "of 1500 items" in sessions[-1]
    assert json_size(bounded) > RECORD_BYTES * 0.95, "no more is cut than has to be"
    assert payload("finding", data, NONE) == bounded, "equal input gives equal output"


def random_value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(8) if depth < 4 else rng.randrange(4)
    if kind < 2:
        unit = rng.choice(["a", "ü", "\x1b", '"', "\udc80", "a ü"])
        return unit * rng.choice([0, 1, 10, 1000, 20_000])
    if kind == 2:
        return rng.choice([None, True, float("nan"), 1e308, -5])
    if kind == 3:
        return rng.randrange(10**9)
    size = rng.choice([0, 1, 3, 12, 60])
    if kind < 6:
        return {f"{number}{'k' * rng.randrange(20)}": random_value(rng, depth + 1) for number in range(size)}
    return [random_value(rng, depth + 1) for _ in range(size)]


@pytest.mark.parametrize("seed", range(25))
def test_no_data_exceeds_the_bounds(seed: int) -> None:
    rng = random.Random(seed)
    data = {"data": random_value(rng, 0), "more": random_value(rng, 1), "status": "ok"}
    bounded = payload("finding", data, NONE)
    assert json_size(plain(bounded)) <= RECORD_BYTES
    assert bounded["status"] == "ok"
    budget = rng.choice([2_000, 20_000, 100_000])
    assert json_size(fit(bounded, budget)) <= budget


def test_many_small_parts_do_not_exceed_the_bounds() -> None:
    sentence = "s" * 300
    shapes: list[Any] = [
        {f"k{a}": [f"{b}" * 200 for b in range(40)] for a in range(2000)},
        {"k" * 8000 + str(a): a for a in range(2000)},
        [[[sentence] * 45] * 45] * 45,
        {f"k{a}": {f"j{b}": "\x1b" * 500 for b in range(50)} for a in range(500)},
    ]
    for shape in shapes:
        assert json_size(payload("finding", {"data": shape}, NONE)) <= RECORD_BYTES
