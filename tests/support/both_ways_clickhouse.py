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
    clean = {**down, "detached": True, "mutations": [{"table": "metric_snapshots", "mutation_id": "mutation_4.txt"}]}
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
        "clean up at nobody's in check mode": ("clickhouse_cleanup", clean, True),
        "clean up at nobody's": ("clickhouse_cleanup", clean, False),
        "clean up above the cap": ("clickhouse_cleanup", {**clean, "max_items": 51}, False),
        "clean up nothing": ("clickhouse_cleanup", {**down, "system_logs": False}, False),
        "clean up a mutation without its table": (
            "clickhouse_cleanup",
            {**down, "mutations": [{"mutation_id": CANARY}]},
            False,
        ),
        "clean up with its secret in a wrong place": (
            "clickhouse_cleanup",
            {**down, "detached_reasons": [CANARY]},
            False,
        ),
        "archive with its secret in a wrong place": ("clickhouse_archive", {**act, "table": CANARY}, False),
    }
