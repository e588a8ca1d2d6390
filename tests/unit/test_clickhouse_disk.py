# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks decide how full ClickHouse is."""

from __future__ import annotations

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_disk import disk, fullest

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
