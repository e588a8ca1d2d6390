# SPDX-License-Identifier: GPL-3.0-or-later
"""A Secret is described without a trace of its values."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_facts import (
    changed_at,
    key_facts,
    older_pods,
)

CANARY = "c4n4ry-value"


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@pytest.mark.parametrize(
    ("value", "length", "empty", "trailing"),
    [(CANARY, 12, False, False), (f"{CANARY}\n", 13, False, True), ("", 0, True, False), (" \n", 2, True, True)],
)
def test_facts_of_a_value(value: str, length: int, empty: bool, trailing: bool) -> None:
    data = {"k": encoded(value), "other": encoded("x")}
    facts = key_facts(data, ["k"])
    expected = hashlib.sha256(value.encode()).hexdigest()[:12] if value else None
    assert facts == {
        "k": {
            "exists": True,
            "length": length,
            "empty": empty,
            "trailing_whitespace": trailing,
            "fingerprint": expected,
        }
    }
    assert CANARY not in json.dumps(facts)
    assert encoded(CANARY)[:12] not in json.dumps(facts)


def test_keys_that_are_missing_broken_or_not_named() -> None:
    assert key_facts({}, ["k"])["k"]["exists"] is False
    assert key_facts({"k": "***"}, ["k"])["k"] == {
        "exists": True,
        "length": None,
        "empty": None,
        "trailing_whitespace": None,
        "fingerprint": None,
    }
    assert list(key_facts({"b": "", "a": ""}, [])) == ["a", "b"]
    assert key_facts(None, []) == {}


def written(time: str, *fields: str) -> dict[str, Any]:
    return {"time": time, "fieldsV1": {key: {} for key in fields}}


def test_only_a_change_of_the_data_counts() -> None:
    metadata = {
        "creationTimestamp": "2026-11-01T00:00:00Z",
        "managedFields": [
            written("2026-11-02T00:00:00Z", "f:data"),
            written("2026-11-03T00:00:00Z", "f:data", "f:type"),
            written("2026-11-09T00:00:00Z", "f:metadata"),
        ],
    }
    assert changed_at({"metadata": metadata}) == "2026-11-03T00:00:00Z"
    assert changed_at({"metadata": {"creationTimestamp": "2026-11-01T00:00:00Z"}}) == "2026-11-01T00:00:00Z"
    assert changed_at({"metadata": {}}) is None


def test_pods_that_started_before_the_change() -> None:
    pods = [
        {"metadata": {"name": "old"}, "status": {"startTime": "2026-11-24T14:59:59Z"}},
        {"metadata": {"name": "new"}, "status": {"startTime": "2026-11-24T15:00:00Z"}},
        {"metadata": {"name": "unscheduled"}, "status": {}},
    ]
    assert older_pods(pods, "2026-11-24T15:00:00Z") == [{"name": "old", "started_at": "2026-11-24T14:59:59Z"}]
    assert older_pods(pods, None) == []
