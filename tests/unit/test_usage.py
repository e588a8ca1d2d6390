# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage as numbers, and its share of what was asked for and allowed."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.usage import pod_usage, totals

PODS = [
    {
        "metadata": {"name": "a"},
        "spec": {
            "containers": [
                {
                    "name": "backend",
                    "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
                },
                {"name": "bare"},
            ],
            "initContainers": [{"name": "migrate"}, {"name": "proxy", "restartPolicy": "Always"}],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    },
    {"metadata": {"name": "b"}, "spec": {"containers": [{"name": "backend"}]}},
]
METRICS = [
    {
        "metadata": {"name": "a"},
        "timestamp": "2026-11-24T15:00:00Z",
        "window": "15s",
        "containers": [
            {"name": "backend", "usage": {"cpu": "125000000n", "memory": "384Mi"}},
            {"name": "bare", "usage": {"cpu": "0", "memory": "1Mi"}},
        ],
    },
    {"metadata": {"name": "someone else's"}, "containers": [{"name": "x", "usage": {"cpu": "1"}}]},
]


def test_usage_and_shares() -> None:
    first, second = pod_usage(PODS, METRICS)
    backend = first["containers"][0]
    assert (backend["cpu_cores"], backend["memory_bytes"]) == (0.125, 384 * 2**20)
    assert (backend["cpu_request_cores"], backend["cpu_request_ratio"]) == (0.25, 0.5)
    assert (backend["memory_limit_ratio"], backend["memory_request_ratio"]) == (0.75, 1.5)
    assert (backend["cpu_limit_cores"], backend["cpu_limit_ratio"]) == (None, None)
    assert [item["name"] for item in first["containers"]] == ["backend", "bare", "proxy"]
    assert (first["ready"], first["cpu_cores"], first["memory_bytes"]) == (True, 0.125, 385 * 2**20)
    assert (second["measured_at"], second["cpu_cores"], second["memory_bytes"]) == (None, None, None)
    assert totals([first, second]) == {
        "pods_measured": 1,
        "cpu_cores": 0.125,
        "memory_bytes": 385 * 2**20,
        "cpu_limit_ratio_max": None,
        "memory_limit_ratio_max": 0.75,
    }


def test_nothing_measured() -> None:
    assert totals(pod_usage(PODS, [])) == {
        "pods_measured": 0,
        "cpu_cores": None,
        "memory_bytes": None,
        "cpu_limit_ratio_max": None,
        "memory_limit_ratio_max": None,
    }
