# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the modules that ask social platforms and tell why metrics are late, for ``tests/contract``.

Nobody listens there: whatever differed between the ways would differ there too.
"""

from __future__ import annotations

from typing import Any

TOKEN = "c4nary-s0cial-t0ken"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    module = "social_probe"
    nobody = dict.fromkeys(("meta", "tiktok", "youtube"), "http://127.0.0.1:1")
    account = {"platform": "tiktok", "account": "7012345678901234561", "token": TOKEN}
    given = {"social_accounts": [account], "social_urls": nobody, "platforms": ["tiktok"]}
    return {
        "social platforms without anybody": (module, given, False),
        "social platforms in check mode": (module, given, True),
        "social platforms without accounts": (module, {"social_urls": nobody}, False),
        "social platforms that are skipped": (
            module,
            {**given, "skip_until": {"tiktok": "2999-01-01T00:00:00Z"}},
            False,
        ),
        "social platforms with a token that is none": (
            module,
            {**given, "social_accounts": [{**account, "token": f"{TOKEN} {TOKEN}"}]},
            False,
        ),
        "social platforms at a plain address": (
            module,
            {**given, "social_urls": {"tiktok": "http://example.com/"}},
            False,
        ),
        "social platforms with more accounts above the cap": (module, {**given, "max_accounts": 4}, False),
        "social platforms with a wrong type": (module, {**given, "social_accounts": [TOKEN]}, False),
        "social platforms with a wrong type of number": (module, {**given, "max_accounts": "many"}, False),
        "social platforms with an unknown option": (module, {**given, "colour": TOKEN}, False),
        "social platforms with an account with an unknown option": (
            module,
            {**given, "social_accounts": [{**account, "colour": "red"}]},
            False,
        ),
        "cause of late metrics without anything": ("ingestion_cause", {}, False),
        "cause of late metrics that is known": (
            "ingestion_cause",
            {"worker": {"workload": {"replicas": 0}, "pods_ready": 0}, "dashboard_reported": True},
            True,
        ),
        "cause of late metrics with a limit that makes no sense": ("ingestion_cause", {"disk_crit": 2}, False),
        "cause of late metrics with a wrong type": ("ingestion_cause", {"social": "soon"}, False),
        "cause of late metrics with an unknown option": ("ingestion_cause", {"colour": "red"}, False),
    }
