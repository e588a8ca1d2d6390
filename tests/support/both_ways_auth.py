# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the modules that log in and tell why nobody can, for ``tests/contract``.

Nobody listens there: whatever differed between the ways would differ there too.
"""

from __future__ import annotations

from typing import Any

PASSWORD = "c4n4ry/probe passwörd"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    return _probe() | _cause()


def _probe() -> dict[str, Case]:
    module = "auth_probe"
    kept = {"min_interval_s": 0, "state_dir": "/nonexistent/home"}  # or the one in process would add its own
    login = {"auth_probe_user": "login-probe@example.com", "auth_probe_password": PASSWORD, **kept}
    given = {"auth_url": "http://127.0.0.1:1", **login}
    pod = {"name": "pod-1", "url": "http://127.0.0.1:1"}
    return {
        "login where nobody listens": (module, {**given, "addresses": [pod]}, False),
        "login in check mode": (module, given, True),
        "login with a token of another run": (module, {**given, "keepsake": "gAAAAABnonsense"}, False),
        "login without an account": (module, {"auth_url": "http://127.0.0.1:1", **kept}, False),
        "login without an address": (module, login, False),
        "login at a plain address": (module, {**given, "auth_url": "http://example.com"}, False),
        "login at an address with a password in it": (module, {**given, "auth_url": f"https://u:{PASSWORD}@h/"}, False),
        "login at two addresses of one name": (module, {**given, "addresses": [pod, pod]}, False),
        "login with too many checks": (module, {**given, "token_checks": 21}, False),
        "login with a path that is none": (module, {**given, "login_path": "login"}, False),
        "login with authorities that are not there": (module, {**given, "auth_ca_cert": "/nowhere/ca.pem"}, False),
        "login with a wrong type": (module, {**given, "auth_request_timeout": PASSWORD}, False),
        "login with an unknown option": (module, {**given, "colour": PASSWORD}, False),
    }


def _cause() -> dict[str, Case]:
    module = "auth_cause"
    down = {"redis_workload": {"reachable": True, "workload": {"replicas": 0}, "pods_ready": 0, "pods": []}}
    return {
        "cause of failing logins without anything": (module, {}, False),
        "cause of failing logins that is known": (module, {**down, "probe": {"verdict": "dependency"}}, True),
        "cause of failing logins with a number that makes no sense": (module, {"rate_limit_lines": 0}, False),
        "cause of failing logins with a wrong type": (module, {"probe": "soon"}, False),
        "cause of failing logins with an unknown option": (module, {"colour": "red"}, False),
    }
