# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab starts customers who use the platform: requests to its public address, at a rate."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from incident_runbooks.lab.processes import ProcessRecord, RunAs, base_environ, spawn


@dataclass(frozen=True)
class Load:
    """What they ask for.

    Attributes:
        path: with the query, such as ``/api/campaigns?limit=40``; ``{n}`` in it counts from 1 to *numbers*.
        per_second: requests.
        together: so many are sent at the same time, so that each pod gets its share.
        at_once: a request is left out while as many wait for their answer.
        numbers: see *path*.
        amount_cents: of a PATCH, which it is then.
    """

    path: str
    per_second: float
    together: int = 2
    at_once: int = 12
    numbers: int = 1
    amount_cents: int | None = None


def start(
    load: Load, *, name: str, url: str, ca_cert: Path, log: Path, marker: Path, mark: Mapping[str, str]
) -> ProcessRecord:
    """Start the process.

    Args:
        load: what it sends.
        name: of the process.
        url: the public address.
        ca_cert: whom to trust there.
        log: what the process says.
        marker: it ends when this file is gone.
        mark: what it carries in its environment, to be found by.
    """
    command: list[str | Path] = [sys.executable, "-P", "-m", "incident_runbooks.lab.customers"]
    command += ["--url", url, "--ca-cert", ca_cert, "--load", json.dumps(asdict(load)), "--while", marker]
    return spawn(name, command, run_as=RunAs.SELF, environ={**base_environ(), **mark}, log=log)
