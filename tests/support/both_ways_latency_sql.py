# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that examine statements and build indexes, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]

_DOWN = {"login_host": "127.0.0.1", "login_port": 1, "login_user": "ops", "login_password": CANARY}
_BROKEN = {"login_dsn": f"postgresql://ops:{CANARY}@[nonsense"}


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    return _statements() | _index()


def _statements() -> dict[str, Case]:
    module = "pg_statements"
    return {
        "statements of nobody": (module, _DOWN, False),
        "statements of nobody in check mode": (module, _DOWN, True),
        "statements with a malformed connection string": (module, _BROKEN, False),
        "statements with its secret in a wrong place": (module, {**_DOWN, "sample_s": CANARY}, False),
        "statements for longer than may be": (module, {**_DOWN, "sample_s": 10_000}, False),
        "statements with an unknown option": (module, {**_DOWN, "colour": CANARY}, False),
    }


def _index() -> dict[str, Case]:
    module = "pg_index"
    given = {
        "action": "create",
        "table": "campaigns",
        "columns": [{"name": "status"}, {"name": "created_at", "order": "desc"}],
        "query": "SELECT id FROM campaigns WHERE status = $1",
        "incident": "api-latency-1",
    }
    down = {**_DOWN, **given}
    return {
        "index of nobody": (module, down, False),
        "index of nobody in check mode": (module, down, True),
        "index with a malformed connection string": (module, {**_BROKEN, **given}, False),
        "index with its secret in a wrong place": (module, {**down, "name": CANARY * 9}, False),
        "index without a query": (module, {**down, "query": None}, False),
        "index in an unknown order": (module, {**down, "columns": [{"name": "a", "order": CANARY}]}, False),
        "index with an unknown option": (module, {**down, "colour": CANARY}, False),
    }
