# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab's workloads are told to misbehave, and how they find out.

Two ways, the same names and parameters:

* A **fault file** in the directory that the environment variable ``LAB_FAULTS`` names, written by :func:`inject`. A
  running process obeys it within :data:`POLL_S`. Unless it survives restarts, only processes that were running when it
  was written obey it: the fault is a property of the process, and a restart cures it, as it cures a leak.
* The environment variable ``FAULTS``, a JSON object of fault names and their parameters, such as
  ``{"slow-start": {"seconds": 5}}``. It comes from the pod's template: a restart does not cure it, a rollback does.

``FAULTS`` below says what each fault does and which parameters it takes.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from incident_runbooks.errors import UsageError

FOLDER_VARIABLE = "LAB_FAULTS"
VARIABLE = "FAULTS"
POLL_S = 0.1

BACKEND = "backend"
METRIC_WORKER = "metric-worker"

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """One way to misbehave.

    Attributes:
        workloads: which can.
        what: what they do then.
        defaults: its parameters.
    """

    workloads: tuple[str, ...]
    what: str
    defaults: Parameters = field(default_factory=dict)


FAULTS: Mapping[str, Kind] = MappingProxyType(
    {
        "leak": Kind(
            (BACKEND,),
            "takes a connection out of the pool every interval_s until it has sessions of them (0: TYPEORM_POOL_MAX),"
            " and gives none back; with refill it replaces those that the server ends",
            {"sessions": 0, "interval_s": 0.05, "refill": True},
        ),
        "unready": Kind((BACKEND,), "answers 503 on /api/health/ready; nothing else is wrong"),
        "crash": Kind(
            (BACKEND, METRIC_WORKER),
            "logs an error of class error and ends with status 1 after after_s; a crash loop if it survives restarts",
            {"error": "jwt_missing", "after_s": 0.0},
        ),
        "slow-start": Kind((BACKEND,), "listens only after seconds", {"seconds": 5.0}),
        "slow": Kind((BACKEND,), "takes milliseconds longer for each request but health checks", {"milliseconds": 800}),
        "slow-query": Kind(
            (BACKEND,),
            "the database takes milliseconds longer for GET /api/campaigns/{id}, without computing",
            {"milliseconds": 200},
        ),
        "cpu-quota": Kind(
            (BACKEND,),
            "each request but health checks needs request_ms of CPU time, and all of them together get millicores",
            {"request_ms": 8.0, "millicores": 80},
        ),
        "memory": Kind(
            (BACKEND, METRIC_WORKER),
            "allocates mebibytes, more than the pods may have, step_mebibytes at a time, and keeps them",
            {"mebibytes": 512, "step_mebibytes": 16},
        ),
        "errors": Kind(
            (BACKEND, METRIC_WORKER),
            "logs errors of class error, per_second of them; the metric worker also ingests nothing meanwhile",
            {"error": "stripe_api", "per_second": 5.0},
        ),
        "payment-burst": Kind(
            (BACKEND,), "makes per_second payments instead of PAYMENTS_PER_SECOND", {"per_second": 20.0}
        ),
        "payment-declines": Kind((BACKEND,), "share of its customers have a card that is declined", {"share": 0.6}),
        "stripe-egress": Kind(
            (BACKEND,),
            "does not reach Stripe, with Node.js' code (ENOTFOUND, ETIMEDOUT, ECONNREFUSED); its npm as well, if it"
            " survives restarts",
            {"code": "ENOTFOUND"},
        ),
        "webhook-error": Kind((BACKEND,), "answers 500 to Stripe's events: its handler throws"),
        "webhook-hang": Kind((BACKEND,), "does not answer Stripe's events"),
        "clock-skew": Kind(
            (BACKEND,),
            "checks Stripe's signatures and its own tokens, and issues these, with a clock that is seconds ahead",
            {"seconds": 900},
        ),
        "webhook-unchecked": Kind((BACKEND,), "takes Stripe's events without looking at their signature"),
    }
)


def inject(
    folder: Path,
    workload: str,
    name: str,
    parameters: Parameters | None = None,
    *,
    pods: Iterable[str] = (),
    survives_restart: bool = False,
) -> Path:
    """Make processes misbehave; returns the fault's file.

    Args:
        folder: what their ``LAB_FAULTS`` names; it exists.
        workload: ``backend`` or ``metric-worker``.
        name: a key of :data:`FAULTS`.
        parameters: in place of the fault's defaults.
        pods: only these, by name; every pod of the workload where there are none.
        survives_restart: processes that start later obey as well.

    Raises:
        UsageError: the workload has no such fault, or the fault no such parameter.
    """
    document = {
        "parameters": _checked(workload, name, parameters or {}),
        "pods": list(pods),
        "survives_restart": survives_restart,
        "created_at": time.time(),
    }
    path = _path(folder, workload, name)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".fault.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
    Path(temporary).replace(path)
    return path


def withdraw(folder: Path, workload: str | None = None, name: str | None = None) -> list[str]:
    """Remove fault files, all of them unless said, and return the names of the faults.

    Running processes get well by themselves: a leaked connection goes back into the pool, memory is freed.
    """
    found = [path for path in sorted(folder.glob("*.json")) if _matches(path, workload, name)]
    for path in found:
        path.unlink(missing_ok=True)
    return [path.stem.split(".", 1)[1] for path in found]


class Faults:
    """The faults that a process has to obey now.

    Args:
        workload: whose process it is.
        environ: its environment.
        started: when it started, in seconds since the epoch.
    """

    def __init__(self, workload: str, environ: Mapping[str, str], *, started: float | None = None) -> None:
        self._workload = workload
        self._pod = environ.get("POD_NAME", "")
        self._folder = Path(environ[FOLDER_VARIABLE]) if environ.get(FOLDER_VARIABLE) else None
        self._always = _from_environ(workload, environ.get(VARIABLE, ""))
        self._started = psutil.Process().create_time() if started is None else started

    def current(self) -> dict[str, Parameters]:
        """Return their parameters by name."""
        return self._always | self._from_files()

    def get(self, name: str) -> Parameters | None:
        """Return a fault's parameters, ``None`` where it is not to be obeyed."""
        return self.current().get(name)

    def _from_files(self) -> dict[str, Parameters]:
        found: dict[str, Parameters] = {}
        for path in self._folder.glob(f"{self._workload}.*.json") if self._folder else ():
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue  # withdrawn meanwhile
            if self._obeys(document):
                found[path.stem.split(".", 1)[1]] = document["parameters"]
        return found

    def _obeys(self, document: Mapping[str, Any]) -> bool:
        if document["pods"] and self._pod not in document["pods"]:
            return False
        return bool(document["survives_restart"]) or self._started < document["created_at"]


def _from_environ(workload: str, text: str) -> dict[str, Parameters]:
    if not text:
        return {}
    try:
        wanted = json.loads(text)
        return {name: _checked(workload, name, parameters or {}) for name, parameters in wanted.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"Reading the environment variable {VARIABLE}: {error}") from error


def _checked(workload: str, name: str, parameters: Parameters) -> dict[str, Any]:
    kind = FAULTS.get(name)
    if kind is None or workload not in kind.workloads:
        known = ", ".join(each for each, kind in FAULTS.items() if workload in kind.workloads)
        raise UsageError(f"Injecting {name} into {workload}: no such fault", hint=f"faults: {known}")
    if unknown := set(parameters) - set(kind.defaults):
        raise UsageError(f"Injecting {name} into {workload}: it has no parameter {', '.join(sorted(unknown))}")
    return {**kind.defaults, **parameters}


def _path(folder: Path, workload: str, name: str) -> Path:
    return folder / f"{workload}.{name}.json"


def _matches(path: Path, workload: str | None, name: str | None) -> bool:
    of_workload, _, of_name = path.stem.partition(".")
    return workload in {None, of_workload} and name in {None, of_name}
