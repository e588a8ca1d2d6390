# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_secret: everything but the value."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from modules.k8s_support import (
    APPS,
    CORE,
    Api,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    pod,
    refusal,
    run_module,
    serve_backend,
)

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_secret import SPEC

__all__ = ["api", "cluster"]
CANARY = "c4n4ry-value\n"
ENCODED = base64.b64encode(CANARY.encode()).decode()
PATH = f"{CORE}/secrets/login"


def secret(changed: str = "2026-11-24T15:30:00Z", **more: Any) -> dict[str, Any]:
    fields = [{"manager": "kubectl", "time": changed, "fieldsV1": {"f:data": {}}}]
    return {
        "metadata": {"name": "login", "resourceVersion": "5", "creationTimestamp": changed, "managedFields": fields},
        "type": "Opaque",
        "data": {"password": ENCODED, "empty": ""},
        **more,
    }


def examined(api: Api, **given: Any) -> dict[str, Any]:
    return run_module(SPEC, api.options(name="login", **given))


def test_everything_but_the_value(api: Api) -> None:
    api.answers[PATH] = secret(immutable=True)
    result = examined(api, keys=["password", "missing"])
    assert (result["reachable"], result["exists"], result["immutable"], result["type"]) == (True, True, True, "Opaque")
    assert result["keys"]["password"] == {
        "exists": True,
        "length": 13,
        "empty": False,
        "trailing_whitespace": True,
        "fingerprint": hashlib.sha256(CANARY.encode()).hexdigest()[:12],
    }
    assert result["keys"]["missing"]["exists"] is False
    assert (result["resource_version"], result["changed_at"]) == ("5", "2026-11-24T15:30:00Z")
    for text in (CANARY.strip(), ENCODED, ENCODED[:-4]):
        assert text not in json.dumps(result)
    assert set(examined(api)["keys"]) == {"password", "empty"}


def test_pods_that_started_before_the_change(api: Api) -> None:
    serve_backend(api, [pod("old"), pod("new", startTime="2026-11-24T15:45:00Z"), pod("stray", owner=None)])
    api.answers[PATH] = secret()
    result = examined(api, workload_name="backend")
    assert result["pods_older"] == [{"name": "old", "started_at": "2026-11-24T15:00:00Z"}]
    assert {asked.method for asked in api.asked} == {"GET"}


def test_a_workload_that_cannot_be_read_is_unknown(api: Api) -> None:
    api.answers[PATH] = secret()
    api.answers[f"{APPS}/deployments/backend"] = refusal(403, "Forbidden")
    result = examined(api, workload_name="backend")
    assert result["exists"] is True
    assert [item["part"] for item in result["unknown"]] == ["workload"]


@pytest.mark.parametrize(
    ("reply", "reachable", "exists", "cause"),
    [
        (refusal(404, "NotFound"), True, False, "not_found"),
        (refusal(403, "Forbidden"), True, None, "forbidden"),
        (refusal(500, "InternalError"), False, None, "server_error"),
    ],
)
def test_a_secret_that_is_missing_or_cannot_be_read(
    api: Api, reply: Reply, reachable: bool, exists: bool | None, cause: str
) -> None:
    api.answers[PATH] = reply
    result = examined(api, keys=["password"])
    assert (result["reachable"], result["exists"], result["cause"]) == (reachable, exists, cause)
    assert "failed" not in result


def test_a_real_secret(cluster: KubernetesCluster) -> None:
    cluster.apply(
        [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "login"},
                "stringData": {"password": CANARY},
                "immutable": True,
            }
        ]
    )
    result = run_module(SPEC, cluster.options(name="login"))
    stored = cluster.json("get", "secret", "login")
    value = base64.b64decode(stored["data"]["password"])
    assert result["keys"]["password"]["length"] == len(value)
    assert result["keys"]["password"]["fingerprint"] == hashlib.sha256(value).hexdigest()[:12]
    assert result["immutable"] is True
    assert result["resource_version"] == stored["metadata"]["resourceVersion"]
    assert result["changed_at"]
    assert run_module(SPEC, cluster.options(name="absent"))["exists"] is False
