# SPDX-License-Identifier: GPL-3.0-or-later
"""An approval file: read with suspicion, refused with the reason, used for no more than it says."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval_file import (
    approval_of,
    instant,
    why_refused,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.approval_reading import (
    LARGEST,
    ApprovalError,
    read_approval_file,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.approvals import given_approval

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
INCIDENT = "pool-exhaustion-20261123T115900Z-3fa1"
GOOD: dict[str, Any] = {
    "plan_digest": "a" * 64,
    "decision": "approved",
    "remediations": ["kill-idle-connections"],
    "decided_by": "Grace Hopper",
    "decided_at": "2026-11-23T11:59:00Z",
    "expires_at": "2026-11-23T16:00:00+01:00",
    "message": "Do it",
    "incident": INCIDENT,
    "environment": "production",
}
RUN: dict[str, Any] = {"operator": "ada", "now": NOW, "incident": INCIDENT, "environment": "production"}


def test_a_good_one_is_accepted() -> None:
    assert why_refused(GOOD, **RUN) is None
    without = {key: value for key, value in GOOD.items() if key not in ("incident", "environment", "remediations")}
    assert why_refused(without, **{**RUN, "incident": None, "environment": None}) is None


@pytest.mark.parametrize(
    ("change", "run", "why"),
    [
        ({"decision": "rejected"}, {}, "Grace Hopper rejected the plan: Do it"),
        ({"decided_by": " ADA "}, {}, "is also the operator"),
        ({"expires_at": "2026-11-23T12:00:00Z"}, {}, "it expired at 2026-11-23T12:00:00Z"),
        ({"expires_at": "2026-11-23T13:00:00+02:00"}, {}, "it expired at"),
        ({"decided_at": "2026-11-23T12:05:01Z"}, {}, "it is not valid yet"),
        ({}, {"incident": "pool-exhaustion-20261123T115900Z-0000"}, f"it is for the incident {INCIDENT}, and this run"),
        ({}, {"incident": None}, "this run has no incident"),
        ({"environment": "staging"}, {}, "it is for the environment staging, and this run is of production"),
        ({}, {"environment": None}, "this run has no environment"),
    ],
)
def test_what_is_refused(change: dict[str, Any], run: dict[str, Any], why: str) -> None:
    assert why in (why_refused({**GOOD, **change}, **{**RUN, **run}) or "")


def test_clocks_may_differ_a_little() -> None:
    assert why_refused({**GOOD, "decided_at": "2026-11-23T12:05:00Z"}, **RUN) is None


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2026-11-23T11:59:00Z", True),
        ("2026-11-23t11:59:00.123456789z", True),
        ("2026-11-23T11:59:00+01:00", True),
        ("2026-11-23T11:59:00", False),
        ("2026-11-23", False),
        ("20261123T115900Z", False),
        ("2026-02-31T11:59:00Z", False),
        ("2026-11-23T11:59:00Z\n", False),
        ("\u0662026-11-23T11:59:00Z", False),
        ("tomorrow", False),
    ],
)
def test_instants(text: str, right: bool) -> None:
    assert (instant(text) is not None) is right


def test_it_approves_what_it_names_and_no_more() -> None:
    everything = approval_of(GOOD, [], "ada")
    assert (everything.ids, everything.digest) == (["kill-idle-connections"], "a" * 64)
    assert (everything.decided_by, everything.second_approver) == ("Grace Hopper", "Grace Hopper")
    assert (everything.reason, everything.source) == ("Do it", "file")
    other = approval_of(GOOD, ["restart-backend"], "ada")
    assert (other.ids, other.covered) == (["restart-backend"], ["kill-idle-connections"])
    unnamed = {key: value for key, value in GOOD.items() if key != "remediations"}
    assert approval_of(unnamed, [], "ada").ids is None


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Write a file; return its path."""

    def write(content: Any, mode: int = 0o600) -> Path:
        path = tmp_path / "approval.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        path.chmod(mode)
        return path

    return write


def test_a_good_file_is_read(put: Callable[..., Path]) -> None:
    assert read_approval_file(put(GOOD, 0o644)) == GOOD


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "it is no JSON"),
        ("[]", "it is no JSON object"),
        ("[" * 30_000, "it is no JSON"),
        ('{"decision": NaN}', "NaN is no JSON"),
        ('{"decision": "rejected", "decision": "approved"}', "the key 'decision' is there more than once"),
        ({**GOOD, "plan_digest": "a" * 12}, "plan_digest: "),
        ({**GOOD, "decision": "maybe"}, "decision: "),
        ({**GOOD, "decided_by": " \t"}, "decided_by: "),
        ({**GOOD, "decided_by": ["a"]}, "decided_by: "),
        ({**GOOD, "decided_at": "yesterday"}, "decided_at: 'yesterday' is no RFC 3339 time"),
        ({**GOOD, "remediations": []}, "remediations: "),
        ({**GOOD, "remediations": ["{{ x }}"]}, "remediations/0: "),
        ({**GOOD, "message": "x" * 2001}, "message: "),
        ({**GOOD, "sudo": True}, "'sudo' was unexpected"),
        ({key: value for key, value in GOOD.items() if key != "expires_at"}, "'expires_at' is a required property"),
    ],
)
def test_a_malformed_file_is_usage_and_names_file_and_key(put: Callable[..., Path], content: Any, cause: str) -> None:
    path = put(content)
    with pytest.raises(ApprovalError) as caught:
        read_approval_file(path)
    assert caught.value.code == "usage"
    assert caught.value.message.startswith(f"Reading the approval file {path}: ")
    assert cause in caught.value.message
    assert len(caught.value.message) < 600


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(put: Callable[..., Path], mode: int) -> None:
    path = put(GOOD, mode)
    with pytest.raises(ApprovalError, match="its group or others may write it") as caught:
        read_approval_file(path)
    assert caught.value.code == "refused"
    assert f"chmod go-w {path}" in str(caught.value.hint)


def test_a_large_file_is_refused(put: Callable[..., Path]) -> None:
    with pytest.raises(ApprovalError, match="it is larger than 64 KiB") as caught:
        read_approval_file(put(json.dumps(GOOD) + " " * LARGEST))
    assert caught.value.code == "refused"


def test_what_is_no_regular_file_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero")):
        with pytest.raises(ApprovalError, match="it is no regular file") as caught:
            read_approval_file(path)
        assert caught.value.code == "refused"


def test_a_missing_file_is_usage(tmp_path: Path) -> None:
    with pytest.raises(ApprovalError, match="No such file or directory") as caught:
        read_approval_file(tmp_path / "nowhere.json")
    assert caught.value.code == "usage"


def test_without_its_library_nothing_is_believed(put: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ApprovalError, match="jsonschema, which checks it, is not installed"):
        read_approval_file(put(GOOD))


NONE = {
    **dict.fromkeys(("plan_digest", "second_approver", "reason", "approval", "environment")),
    "approved": [],
    "source": "options",
}


def test_options_beside_a_file_are_refused(put: Callable[..., Path]) -> None:
    for name in ("plan_digest", "second_approver", "reason"):
        with pytest.raises(ApprovalError, match=f"{name} beside an approval file"):
            given_approval({**NONE, "approval": str(put(GOOD)), name: "a" * 64}, INCIDENT)


@pytest.mark.parametrize("text", ["abc", "x" * 64, "a" * 65])
def test_a_digest_that_is_none_is_usage(text: str) -> None:
    with pytest.raises(ApprovalError, match="it is none") as caught:
        given_approval({**NONE, "plan_digest": text}, None)
    assert caught.value.code == "usage"


def test_options_are_decided_by_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_OPERATOR", "ada")
    given = given_approval({**NONE, "approved": ["x"], "plan_digest": " " + "A" * 12}, None)
    assert (given.operator, given.decided_by, given.digest, given.source) == ("ada", "ada", "a" * 12, "options")
    assert given.decided_at
