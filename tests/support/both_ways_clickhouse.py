# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of ClickHouse, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    login = {"clickhouse_user": "ops", "clickhouse_password": CANARY}
    down = {"clickhouse_url": "http://127.0.0.1:1", **login}
    old = {**down, "table": "metric_snapshots", "retention_days": 60}
    act = {**old, "archive_uri": "http://127.0.0.1:1/archive"}
    return {
        "disks of nobody": ("clickhouse_disk", {**down, "tables": [{"table": "metric_snapshots"}]}, False),
        "disks without an address": ("clickhouse_disk", login, False),
        "disks of an address that makes no sense": (
            "clickhouse_disk",
            {**down, "clickhouse_url": f"ftp://{CANARY}"},
            False,
        ),
        "disks with an unknown option": ("clickhouse_disk", {**down, "colour": CANARY}, False),
        "parts of nobody in check mode": ("clickhouse_parts", old, True),
        "parts that are kept too short": ("clickhouse_parts", {**old, "retention_days": 7}, False),
        "archive of nobody in check mode": ("clickhouse_archive", act, True),
        "archive above the cap": ("clickhouse_archive", {**act, "max_partitions": 7}, False),
        "archive at an address that makes no sense": (
            "clickhouse_archive",
            {**act, "archive_uri": f"https://a:{CANARY}@b/"},
            False,
        ),
        "archive with its secret in a wrong place": ("clickhouse_archive", {**act, "table": CANARY}, False),
    }
