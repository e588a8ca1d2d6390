# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics are late: a platform refuses, ClickHouse takes no rows, or the metric worker does not run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.clickhouse import left_over, states
from incident_runbooks.lab.clickhouse.client import ClickHouseError
from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.faults.workloads import carry_out
from incident_runbooks.lab.state import SOCIAL
from incident_runbooks.lab.workloads.scenarios import Environment, FaultFile

if TYPE_CHECKING:
    from incident_runbooks.lab.clickhouse.client import Client
    from incident_runbooks.lab.lab import Lab

_RUNBOOK = "ingestion-lag"
_WORKER = "metric-worker"
INTERVAL = "METRIC_INGESTION_INTERVAL"
_LATE_S = 9  # more than ingestion_lag_max_lag_s of the lab's inventory
_SLOW_S = "21600"
# More than 96 % of the small disk are used then. With less than 1 MiB left the engine drops no partition
_LEFT_BYTES = 2_300_000
_KEPT_BYTES = 2_600_000
_SMALLEST_ROWS = 15_000
_ROW_BYTES = 230  # at most
_FEW_ROWS = 500
_LOG_ROWS = 60_000
_LOG_TIMES = 8  # of the server's own log, some MiB each
_PARTS = 60
_CRASHES = 3

_OLD_ROWS = (
    f"INSERT INTO {states.TABLE} SELECT 'meta', 1, 1, 1, 1, hex(randomString(100)), subtractMonths(now(), 5)"  # noqa: S608 - constants
    " FROM (SELECT number FROM system.numbers LIMIT {rows})"
)

Do = Callable[["Lab"], None]
Shows = Callable[["Lab"], bool]


# what is seen


def lag_s(lab: Lab) -> int:
    """Return the age of the newest row."""
    answer = lab.clickhouse.client.value(
        f"SELECT toUnixTimestamp(now()) - toUnixTimestamp(max(created_at)) FROM {states.TABLE}"  # noqa: S608 - a constant
    )
    return int(answer)


def _late(lab: Lab) -> bool:
    return lag_s(lab) > _LATE_S


def _logged(*texts: str) -> Shows:
    """Whether a pod of the metric worker has logged all of it since."""

    def shows(lab: Lab) -> bool:
        platform = lab.platform()
        logs = "".join(platform.log(pod["metadata"]["name"]) for pod in platform.pods(_WORKER))
        return all(text in logs for text in texts)

    return shows


def _both(*conditions: Shows) -> Shows:
    return lambda lab: all(condition(lab) for condition in conditions)


def _container(of: Callable[[dict[str, Any]], bool]) -> Shows:
    def shows(lab: Lab) -> bool:
        pods = lab.platform().pods(_WORKER)
        return any(of(each) for pod in pods for each in (pod.get("status") or {}).get("containerStatuses") or [])

    return shows


def _crash_looping(status: dict[str, Any]) -> bool:
    """Whether the next try is some seconds away; before that it runs as often as it waits."""
    waits = (status["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    return bool(waits and status["restartCount"] >= _CRASHES)


def _out_of_memory(status: dict[str, Any]) -> bool:
    return bool((status.get("lastState", {}).get("terminated") or {}).get("reason") == "OOMKilled")


# what is done


def _social(*names: str) -> Do:
    return lambda lab: lab.social.control.write(list(names))


def _social_well(lab: Lab) -> None:
    lab.social.control.write([])


def _one_account_expired(lab: Lab) -> None:
    lab.social.control.write([f"tiktok/{lab.social.of('tiktok')[0].account}:token-expired"])


def _stop_social(lab: Lab) -> None:
    from incident_runbooks.lab import processes  # noqa: PLC0415 - needs psutil, which help does not

    record = lab.read().record(SOCIAL)
    if record and (process := record.find()):
        processes.stop([process])


def _on_a_small_disk(lab: Lab) -> Client:
    """Start ClickHouse anew on a small disk, without parts that merges have replaced: they would fill it."""
    found = lab.clickhouse.client.rows("SELECT path FROM system.parts WHERE NOT active")
    lab.stop_clickhouse()
    for path in (Path(each["path"]) for each in found):
        if path.is_relative_to(lab.clickhouse.data):
            shutil.rmtree(path, ignore_errors=True)
    lab.restart_clickhouse(states.SMALL_DISK)
    return lab.clickhouse.client


def _fill(lab: Lab) -> None:
    """Fill a small disk with old metrics."""
    _fill_up(_on_a_small_disk(lab))


def _fill_with_logs(lab: Lab) -> None:
    """Fill a small disk, a good part of it with the server's own log of an older version."""
    client = _on_a_small_disk(lab)
    client.run("SYSTEM STOP MERGES")  # they take the space twice for a while
    for month in range(_LOG_TIMES):
        client.run(
            f"INSERT INTO {left_over.TABLE} SELECT toDate(at), at, number, hex(randomString(40)) FROM (SELECT number,"  # noqa: S608 - constants, a number
            f" subtractDays(now(), {20 + month * 10}) AS at FROM system.numbers LIMIT {_LOG_ROWS})"
        )
    _fill_up(client)


def _fill_up(client: Client) -> None:
    """Leave little more than what dropping a partition needs, and let no INSERT take that."""
    _insert_until_full(client)
    client.run(f"ALTER TABLE {states.TABLE} MODIFY SETTING min_free_disk_bytes_to_perform_insert = {_KEPT_BYTES}")


def _insert_until_full(client: Client) -> None:
    states.fill_disk(client, smallest=_SMALLEST_ROWS)
    while (rows := (_free(client) - _LEFT_BYTES) // _ROW_BYTES) > _FEW_ROWS:
        try:
            client.run(_OLD_ROWS.format(rows=rows // 2))
        except ClickHouseError as error:
            if error.number not in states.NO_SPACE:
                raise
            return  # it is full enough for others, too


def _free(client: Client) -> int:
    return int(client.value("SELECT unreserved_space FROM system.disks"))


def _pile_up(lab: Lab) -> None:
    """Let parts pile up, also while the worker writes; each of its rows may be the one that is refused."""
    states.pile_up_parts(lab.clickhouse.client, _PARTS)


def _parts_well(lab: Lab) -> None:
    states.clear_parts(lab.clickhouse.client)


def _get_stuck(lab: Lab) -> None:
    states.leave_mutation_stuck(lab.clickhouse.client)


def _is_stuck(lab: Lab) -> bool:
    found = lab.clickhouse.client.value(
        "SELECT count() FROM system.mutations WHERE is_done = 0 AND latest_fail_reason != ''"
    )
    return int(found) > 0


def _not_stuck(lab: Lab) -> None:
    for mutation in states.pending_mutations(lab.clickhouse.client):
        states.kill_mutation(lab.clickhouse.client, mutation)


def _stop_clickhouse(lab: Lab) -> None:
    lab.stop_clickhouse()


def _start_clickhouse(lab: Lab) -> None:
    lab.restart_clickhouse()


def _step(step: Environment | FaultFile) -> Do:
    return lambda lab: carry_out(step, lab, lab.platform())


def _withdraw(name: str) -> Do:
    def undo(lab: Lab) -> None:
        from incident_runbooks.lab.workloads import faults  # noqa: PLC0415 - needs psutil, which help does not

        faults.withdraw(lab.platform().site.faults, _WORKER, name)

    return undo


def _inject(lab: Lab, name: str, do: Do, shows: Shows) -> None:
    do(lab)
    lab.wait_until(lambda: _tried(shows, lab), f"the fault {name} is in effect")


def _tried(shows: Shows, lab: Lab) -> bool:
    try:
        return shows(lab)
    except RunbookError:
        return False  # a server that is about to be in trouble may refuse to say so


def _fault(
    name: str,
    what: str,
    cause: str,
    do: Do,
    shows: Shows,
    recommends: tuple[str, ...] = (),
    undo: Do | None = None,
) -> Fault:
    return Fault(
        name,
        what,
        cause,
        lambda lab: _inject(lab, name, do, shows),
        needs_cluster=True,
        needs_payments=True,
        needs_data=True,
        runbook=_RUNBOOK,
        recommends=recommends,
        undo=undo,
    )


FAULTS = (
    _fault(
        "social-rate-limited",
        "Meta limits our app: calls of this business use case are refused for a quarter of an hour",
        "rate_limited",
        _social("meta:code-80002"),
        _logged("meta: rate_limit_exceeded"),
        ("slow-ingestion",),
        _social_well,
    ),
    _fault(
        "social-quota",
        "the quota of YouTube is used up for today",
        "rate_limited",
        _social("youtube:quota-exceeded"),
        _logged("youtube: rate_limit_exceeded"),
        ("slow-ingestion",),
        _social_well,
    ),
    _fault(
        "social-token-expired",
        "the token of one TikTok account has expired",
        "token",
        _one_account_expired,
        _logged("tiktok: invalid_token"),
        undo=_social_well,
    ),
    _fault(
        "social-platform-down",
        "TikTok answers 503, whoever asks",
        "platform_down",
        _social("tiktok:down"),
        _logged("tiktok: service_unavailable"),
        undo=_social_well,
    ),
    _fault(
        "social-unreachable",
        "no platform can be reached: the way out of the cluster is gone",
        "network",
        _stop_social,
        _both(_late, _logged("ECONNREFUSED")),
    ),
    _fault(
        "clickhouse-down",
        "ClickHouse does not run",
        "clickhouse_down",
        _stop_clickhouse,
        _logged("ClickHouse: connect ECONNREFUSED"),
        undo=_start_clickhouse,
    ),
    _fault(
        "clickhouse-disk-full",
        "ClickHouse's disk is full of old metrics",
        "disk_full",
        _fill,
        _logged("Code: 243"),
    ),
    _fault(
        "clickhouse-disk-full-of-logs",
        "ClickHouse's disk is full, and much of it are the server's own old logs",
        "disk_full",
        _fill_with_logs,
        _logged("Code: 243"),
        ("free-clickhouse-space",),
    ),
    _fault(
        "clickhouse-too-many-parts",
        "merges stand still, and ClickHouse refuses rows for too many parts",
        "too_many_parts",
        _pile_up,
        _both(_late, _logged("Code: 252")),
        undo=_parts_well,
    ),
    _fault(
        "clickhouse-mutation-stuck",
        "a mutation of ClickHouse fails each time that it is tried",
        "mutation_stuck",
        _get_stuck,
        _is_stuck,
        undo=_not_stuck,
    ),
    _fault(
        "metric-worker-crash-loop",
        "the metric worker crashes again and again",
        "worker_failing",
        _step(FaultFile(_WORKER, "crash", {"error": "invalid_token"}, survives_restart=True)),
        _container(_crash_looping),
        undo=_withdraw("crash"),
    ),
    _fault(
        "metric-worker-out-of-memory",
        "the metric worker grows beyond its memory limit, again after each restart",
        "worker_failing",
        _step(FaultFile(_WORKER, "memory", survives_restart=True)),
        _container(_out_of_memory),
        undo=_withdraw("memory"),
    ),
    _fault(
        "metric-worker-slow",
        "somebody has set the interval of the metric worker to six hours, and rows are late",
        "rows_late",
        _step(Environment(_WORKER, {INTERVAL: _SLOW_S})),
        _late,
        ("sync-metrics",),
    ),
)
