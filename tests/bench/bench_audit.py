# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how long the scope of a breach takes in an audit trail of a million rows, and which indexes it uses.

Two weeks with their baseline, and one day. Prints seconds; fails where what is found is not what was injected.
``BENCH_ROWS`` takes another size.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible_collections.brandconnect.incidents.plugins.modules import audit_ips, audit_scope
from incident_runbooks.lab import binaries, breach, postgres, seed
from incident_runbooks.lab.breach.truth import TRUSTED_CIDRS
from incident_runbooks.lab.server import Server

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))


def run(module: Any, server: Server, since: dt.datetime, until: dt.datetime) -> tuple[dict[str, Any], float]:
    """The result, and seconds."""
    given = {
        "login_host": server.host,
        "login_port": server.port,
        "login_user": server.ops.user,
        "login_password": server.ops.password,
        "login_db": server.database,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "trusted_cidrs": list(TRUSTED_CIDRS),
        "statement_timeout": 120,
    }
    params = ArgumentSpecValidator(module.SPEC.argument_spec).validate(given).validated_parameters
    began = time.perf_counter()
    return conclude(module.SPEC, params, check_mode=False), time.perf_counter() - began


def measure(server: Server) -> None:
    """Make the breach, look for it, print."""
    with server.connect(server.superuser) as connection:
        began = time.perf_counter()
        breach.history(connection, ROWS)
        print(f"history of {ROWS} rows        {time.perf_counter() - began:6.2f} s")
        truth = breach.attack(connection)
    until = dt.datetime.now(dt.UTC)
    day = truth.last_seen + dt.timedelta(minutes=1)
    for name, since, end in (
        ("two weeks", until - dt.timedelta(days=14), until),
        ("one day", day - dt.timedelta(1), day),
    ):
        scope, took = run(audit_scope, server, since, end)
        addresses, also = run(audit_ips, server, since, end)
        print(f"{name:10} audit_scope {took:6.2f} s, audit_ips {also:6.2f} s")
        for plan in scope["plans"]:
            print(f"  {plan['query']:12} {', '.join(plan['indexes']) or '-'}{' + whole table' * plan['sequential']}")
        if scope["suspect_ids"] != [truth.actor_id] or truth.loud not in addresses["suspicious_addresses"]:
            sys.exit(f"bench: {name}: the attack was not found: {scope['cause']}, {scope['suspect_ids']}")
        if name == "two weeks" and scope["affected"]["count"] != len(truth.user_ids):
            sys.exit(f"bench: {scope['affected']['count']} people found, {len(truth.user_ids)} injected")


def main() -> None:
    """Measure on a server of its own."""
    with tempfile.TemporaryDirectory() as home:
        server = postgres.lay_out(binaries.find(None), Path(home))
        postgres.initialise(server)
        server, record = postgres.start(server)
        try:
            seed.seed(server)
            measure(server)
        finally:
            postgres.stop_server(server, record)
            postgres.remove(server)


if __name__ == "__main__":
    main()
