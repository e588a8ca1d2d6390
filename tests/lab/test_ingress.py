# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's public address: over TLS, to the ready pods only, with an ingress controller's own answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.workloads import faults

UNSIGNED = json.dumps({"type": "probe"})
REFUSED = "Failed to verify webhook signature"
PODS = "/api/v1/namespaces/brandconnect/pods"


def ask(lab: Lab, path: str = "/api/webhooks/stripe", body: Any = UNSIGNED, host: str = "127.0.0.1") -> int:
    ingress = lab.ingress
    url = f"https://{host}:{ingress.port}{path}"
    return requests.post(url, data=body, verify=str(ingress.ca_cert), timeout=10).status_code


def targets(lab: Lab) -> dict[str, str]:
    """The pods that it tells Prometheus of, with their addresses."""
    told = requests.get(lab.ingress.targets_url, timeout=10).json()
    return {each["labels"]["pod"]: each["targets"][0] for each in told}


def pods(lab: Lab) -> dict[str, str]:
    """The pods as the cluster has them."""
    listed = lab.platform().pods("backend")
    return {pod["metadata"]["name"]: f"{pod['status']['podIP']}:3001" for pod in listed}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within 20 s"
        time.sleep(0.05)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_delivery_reaches_the_handler(payments_lab: Lab, host: str) -> None:
    assert ask(payments_lab, host=host) == 400, "an event without a signature must be refused by the handler itself"


def test_it_goes_to_every_pod_in_turn(payments_lab: Lab) -> None:
    platform = payments_lab.platform()
    before = {name: platform.log(name).count(REFUSED) for name in pods(payments_lab)}
    assert len(before) == 2
    for _ in range(20):  # Stripe's own deliveries take turns, too
        assert ask(payments_lab) == 400
        if all(platform.log(name).count(REFUSED) >= count + 2 for name, count in before.items()):
            break
    else:
        pytest.fail("twenty requests did not reach every pod twice")


def test_nobody_trusts_it_without_its_authority(payments_lab: Lab) -> None:
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        requests.post(payments_lab.ingress.webhook_url, timeout=10)
    other = payments_lab.cluster.directory / "ca.pem"
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        requests.post(payments_lab.ingress.webhook_url, verify=str(other), timeout=10)


@pytest.mark.parametrize("path", ["/metrics", "/", "/api", "/apis/webhooks/stripe", "/%2e%2e/metrics"])
def test_only_the_api_is_public(payments_lab: Lab, path: str) -> None:
    assert ask(payments_lab, path) == 404


def test_what_the_handler_does_not_know_is_its_404(payments_lab: Lab) -> None:
    ingress = payments_lab.ingress
    answer = requests.get(f"{ingress.url}/api/nothing?a=b%20c", verify=str(ingress.ca_cert), timeout=10)
    assert answer.status_code == 404
    assert answer.headers["Server"] != "lab-ingress"


def test_a_body_may_be_a_mebibyte(payments_lab: Lab) -> None:
    assert ask(payments_lab, body=b"x" * (1024 * 1024 - 1)) == 400
    assert ask(payments_lab, body=b"x" * (1024 * 1024 + 1)) == 413


def test_without_a_ready_pod_it_is_503_and_prometheus_still_knows_the_pods(payments_lab: Lab) -> None:
    folder = payments_lab.platform().site.faults
    faults.inject(folder, "backend", "unready")
    wait_until(lambda: ask(payments_lab) == 503, "503")
    assert targets(payments_lab) == pods(payments_lab)
    faults.withdraw(folder, "backend", "unready")
    wait_until(lambda: ask(payments_lab) == 400, "answer of the handler")


def test_a_pod_that_is_replaced_is_followed(payments_lab: Lab) -> None:
    before = pods(payments_lab)
    assert targets(payments_lab) == before
    gone = next(iter(before))
    payments_lab.platform().api.delete(f"{PODS}/{gone}", gracePeriodSeconds=1)
    wait_until(lambda: gone not in targets(payments_lab), "end of a pod")
    wait_until(lambda: not payments_lab.platform().not_ready(), "ready pods")
    wait_until(lambda: targets(payments_lab) == pods(payments_lab), "news of the new pod")
    assert len(targets(payments_lab)) == 2
    assert [ask(payments_lab) for _ in range(4)] == [400] * 4
