# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts of ClickHouse's volume, as Prometheus measures it, where the server does not say how full its disk is."""

from __future__ import annotations

from typing import Any

import pytest
from modules.k8s_support import run_module

from ansible_collections.brandconnect.incidents.plugins.modules.ingestion_cause import SPEC

Json = dict[str, Any]

SIZES = {"total_bytes": 1000, "free_bytes": 300}
NONE = dict.fromkeys(("used_ratio", "total_bytes", "free_bytes"))
GAP = "how full ClickHouse's disk is, is not known"


def volume(used: float | None, **values: float | None) -> Json:
    """What prometheus_query returns of one volume; ``None`` for what there is no number of."""
    answers = {"volumes": 1, "used_ratio": used, **SIZES, **values}
    said = {name: "value" if value is not None else "no_data" for name, value in answers.items()}
    return {"answers": {name: {"status": said[name], "value": value} for name, value in answers.items()}}


@pytest.mark.parametrize(
    ("measured", "known"),
    [
        (volume(0.7), {"used_ratio": 0.7, **SIZES}),
        (volume(0.0), {"used_ratio": 0.0, **SIZES}),
        (volume(None), {"used_ratio": None, **SIZES}),
        (volume(0.7, free_bytes=None), NONE | {"used_ratio": 0.7}),
        (volume(0.7, total_bytes=None), NONE | {"used_ratio": 0.7}),
        (volume(0.7, total_bytes=0), NONE | {"used_ratio": 0.7}),
        *((volume(used), {"used_ratio": None, **SIZES}) for used in (93, -0.1)),
        # of several ones nobody knows which one it is
        *((volume(0.7, volumes=volumes), NONE) for volumes in (2, 0, None)),
        *((nothing, NONE) for nothing in ({}, {"answers": None}, {"answers": {}})),
    ],
)
def test_the_volume_counts_where_there_is_one(measured: Json, known: Json) -> None:
    found = run_module(SPEC, {"clickhouse": {"reachable": True}, "volume": measured})
    assert found["disk"] == {"used_ratio": known["used_ratio"], "volume": known}
    assert (GAP in found["gaps"]) is (known["used_ratio"] is None)


def test_an_old_number_is_none() -> None:
    measured = volume(0.7)
    for answer in measured["answers"].values():
        answer["status"] = "stale"
    assert run_module(SPEC, {"volume": measured})["disk"] == {"used_ratio": None, "volume": NONE}


def test_the_server_knows_its_disk_better() -> None:
    found = run_module(SPEC, {"clickhouse": {"reachable": True, "used_ratio": 0.4}, "volume": volume(0.95)})
    assert (found["disk"]["used_ratio"], found["disk"]["volume"]["used_ratio"]) == (0.4, 0.95)
