# SPDX-License-Identifier: GPL-3.0-or-later
"""Which index is proposed, whether another one does the same, what a plan says, and what speaks against a build."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    index_checks,
    index_plan,
    index_proposal,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_checks import Limits
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_proposal import Column, Proposal

LIMITS = Limits(max_table_bytes=1000, max_transaction_age_s=60, free_bytes=1000)


def proposal(*columns: str, method: str = "btree") -> Proposal:
    """Columns as SQL has them, such as ``created_at desc``."""
    found = tuple(Column(text.split()[0], text.endswith(" desc")) for text in columns)
    return Proposal("public", "campaigns", found, method, "idx")


def index(*columns: str | None, **more: Any) -> dict[str, Any]:
    usual = {"oid": 9, "name": "there", "kind": "i", "method": "btree", "valid": True, "ready": True, "partial": False}
    usual |= {"constrains": False, "comment": None, "definition": "CREATE INDEX there ON public.campaigns (a)"}
    names = [column and column.split()[0] for column in columns]
    return {**usual, "columns": names, "descending": [bool(column and " desc" in column) for column in columns], **more}


def facts(**more: Any) -> dict[str, Any]:
    table = {"kind": "r", "persistence": "p", "bytes": 800, "owner": True, "may_create": True}
    server = {"in_recovery": False}
    known = {"server": server, "table": table, "columns": ["a", "b"], "indexes": [], "building": []}
    return {**known, "oldest": None, "hidden": 0, "name_taken": False, **more}


SEEN = {"seen": {"reads_table": True, "reads_all": True, "sorts": False}, "problem": None}


def refusal(**more: Any) -> str | None:
    plan = more.pop("plan", SEEN)
    limits = more.pop("limits", LIMITS)
    known = facts(**more)
    checks = [
        *index_checks.table_checks(known, ["a"]),
        *(index_checks.create_checks(proposal("a"), known, limits, plan) if known["table"] else ()),
    ]
    found = index_checks.objection(checks)
    return found.refusal if found else None


@pytest.mark.parametrize(
    ("there", "same"),
    [
        (index("a"), True),
        (index("a", "b desc"), True),
        (index("a", "b desc", "c"), True),
        (index("a desc", "b"), True),  # read backwards
        (index("a", "b"), False),  # a mixture of directions
        (index("b desc", "a"), False),
        (index(None, "a"), False),  # an expression
        (index("a", "b desc", partial=True), False),
        (index("a", "b desc", valid=False), False),
        (index("a", "b desc", ready=False), False),
        (index("a", "b desc", method="brin"), False),
    ],
)
def test_which_index_does_the_same(there: dict[str, Any], same: bool) -> None:
    wanted = proposal("a") if len(there["columns"]) == 1 else proposal("a", "b desc")
    assert index_proposal.serves(there, wanted) is same


def test_a_mixture_of_directions_is_similar() -> None:
    assert index_proposal.similar(index("a", "b"), proposal("a", "b desc"))
    assert not index_proposal.similar(index("a", "b desc"), proposal("a", "b desc"))
    assert not index_proposal.serves(index("a"), proposal("a", "b"))


def test_a_name_is_always_the_same_and_never_too_long() -> None:
    columns = (Column("status"), Column("created_at", descending=True))
    assert index_proposal.default_name("campaigns", columns, "btree") == "idx_campaigns_status_created_at_desc"
    assert index_proposal.default_name("campaigns", columns[:1], "hash") == "idx_campaigns_status_hash"
    first, second = (index_proposal.default_name("ü" * 30, (Column(name),), "btree") for name in ("one", "two"))
    assert len(first.encode()) <= 63
    assert first != second
    assert first == index_proposal.default_name("ü" * 30, (Column("one"),), "btree")


def test_whose_an_index_is() -> None:
    mine = index("a")
    mine["comment"] = index_proposal.mark("one", mine["definition"])
    assert index_proposal.made_by("one", mine) is None
    assert "one has made it" in str(index_proposal.made_by("two", mine))
    assert "changed" in str(index_proposal.made_by("one", {**mine, "definition": "another"}))
    assert "no incident" in str(index_proposal.made_by("one", {**mine, "comment": "ours; do not touch"}))


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({}, None),
        ({"server": {"in_recovery": True}}, "in_recovery"),
        ({"table": None}, "no_table"),
        ({"table": {**facts()["table"], "kind": "p"}}, "table_kind"),
        ({"table": {**facts()["table"], "persistence": "t"}}, "table_kind"),
        ({"columns": ["b"]}, "no_column"),
        ({"table": {**facts()["table"], "owner": False}}, "not_permitted"),
        ({"table": {**facts()["table"], "may_create": False}}, "not_permitted"),
        ({"indexes": [index("b", valid=False)]}, "leftovers"),
        ({"indexes": [index("b", valid=False)], "building": [{"pid": 7, "index_oid": 9}]}, "building"),
        ({"indexes": [index("b", valid=False, kind="I")]}, None),
        ({"name_taken": True}, "name_taken"),
        ({"oldest": {"pid": 7, "age_s": 60.0}}, "old_transaction"),
        ({"oldest": {"pid": None, "age_s": 3600.0}}, "old_transaction"),
        ({"oldest": {"pid": 7, "age_s": 59.9}}, None),
        ({"hidden": 1}, "unknown_state"),
        ({"limits": Limits(799, 60, 1000)}, "too_large"),
        ({"limits": Limits(1000, 60, 400)}, "disk"),
        ({"limits": Limits(1000, 60, 401)}, None),
        ({"limits": Limits(1000, 60, 0)}, "disk"),
        ({"limits": Limits(1000, 60, None)}, "unknown_state"),  # a build that fills the volume stops the server
        ({"plan": {"seen": None, "problem": "no such query"}}, "no_plan"),
        ({"plan": {"seen": {"reads_table": True, "reads_all": False, "sorts": False}}}, "no_use"),
        ({"plan": {"seen": {"reads_table": False, "reads_all": False, "sorts": True}}}, "no_use"),
    ],
)
def test_what_speaks_against_a_build(more: dict[str, Any], word: str | None) -> None:
    assert refusal(**more) == word


def test_what_a_plan_says() -> None:
    scan = {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "campaigns", "Total Cost": 90.0}
    other = {**scan, "Schema": "archive"}
    plan = [{"Plan": {"Node Type": "Limit", "Total Cost": 50.0, "Plans": [{"Node Type": "Sort", "Plans": [scan]}]}}]
    seen = index_plan.summary(plan, "public", "campaigns", "idx")
    assert seen == {
        "reads_table": True,
        "reads_all": True,
        "sorts": True,
        "indexes": [],
        "uses_index": False,
        "cost": 50.0,
    }
    assert not index_plan.may_gain(index_plan.summary([{"Plan": other}], "public", "campaigns", None))
    used = {"Node Type": "Bitmap Heap Scan", "Schema": "public", "Relation Name": "campaigns"}
    used["Plans"] = [{"Node Type": "Bitmap Index Scan", "Index Name": "idx"}]  # type: ignore[assignment]
    assert index_plan.summary([{"Plan": used}], "public", "campaigns", "idx")["uses_index"] is True
    for nonsense in (None, [], "x", [{"Plan": None}], [{"Plan": {"Plans": ["x"]}}]):
        assert index_plan.summary(nonsense, "public", "campaigns", "idx")["reads_table"] is False


@pytest.mark.parametrize(
    ("text", "good"),
    [("-9223372036854775808", True), ("9223372036854775808", False), ("٣", False), ("1 OR 1", False), ("", False)],
)
def test_an_id_of_a_query(text: str, good: bool) -> None:
    assert index_proposal.is_query_id(text) is good
