# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks decide how full ClickHouse is, and how old a newest row is."""

from __future__ import annotations

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_disk import (
    disk,
    freshness,
    fullest,
)

SIZES = {"default": (1000, 600), "cold": (1000, 200), "backup": (1000, 10), "s3": (2**63, 2**63)}
DISKS = [disk({"name": name, "total_space": total, "free_space": free}) for name, (total, free) in SIZES.items()]


@pytest.mark.parametrize(
    ("holders", "ratio"),
    [
        (["default"], 0.4),
        (["default", "cold"], 0.8),
        (["default", "s3"], 0.4),  # object storage is never full
        (["backup"], 0.99),
        # nothing is known of those with parts, so that each of them may be it
        *((holders, 0.99) for holders in (None, [], ["other"], ["s3"])),
    ],
)
def test_only_disks_with_parts_count(holders: list[str] | None, ratio: float) -> None:
    rows = None if holders is None else [{"disk_name": name} for name in holders]
    assert fullest(DISKS, rows) == ratio


def test_of_no_disk_nothing_is_known() -> None:
    assert fullest(None, [{"disk_name": "default"}]) is None
    assert fullest([], None) is None


@pytest.mark.parametrize(
    ("ahead_s", "status", "age_s"), [(-9000, "value", 9000), (60, "value", -60), (61, "unknown", None)]
)
def test_a_row_of_the_future_hides_how_old_the_newest_is(ahead_s: int, status: str, age_s: int | None) -> None:
    found = freshness({"found": 1, "newest_s": 1_800_000_000 + ahead_s, "now_s": 1_800_000_000, "last_hour": 3})
    assert (found["status"], found["age_s"], found["rows_last_hour"]) == (status, age_s, 3)
    said = (None, None) if age_s is not None else ("in_the_future", "the time of the newest row is 61 s in the future")
    assert (found["cause"], found["message"]) == said
