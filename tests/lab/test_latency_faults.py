# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of latency, seen by clients, Prometheus, the database and the cluster; and healed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from incident_runbooks.lab import offers
from incident_runbooks.lab.cluster.runtime import cadvisor
from incident_runbooks.lab.faults import FAULTS, latency
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.workloads.backend.cpu_quota import CpuQuota
from support.latency import METRIC, Seen, wait_until
from support.workloads import Workload, database_environ

pytestmark = pytest.mark.measures
LIST, ONE, OFFER, PAYMENT = "/api/campaigns", "/api/campaigns/{id}", "/api/offers/{id}", "/api/payments/{id}"
THROTTLED = "container_cpu_cfs_throttled_periods_total"
BEFORE = "nginx_ingress_controller_request_duration_seconds"


def both_pods_are_slow(seen: Seen, route: str) -> None:
    """The first requests may have been fast: a fault is seen by the p95, and this is the mean."""

    def holds() -> bool:
        found = seen.mean(METRIC, f'route="{route}"')
        return found.keys() >= seen.pods() and all(found[pod] > 0.5 for pod in seen.pods())

    wait_until(holds, f"{route} is slow in both pods")


def missing_index(seen: Seen) -> None:
    both_pods_are_slow(seen, LIST)
    assert seen.took(f"{LIST}?limit=40") > 0.5
    assert seen.sql("SELECT count(*) FROM offers")[0][0] >= 60_000
    assert len(seen.sql("SELECT FROM pg_index WHERE indrelid = 'offers'::regclass")) == 1
    assert seen.share("db_query_duration_seconds") > 0.5
    assert "Seq Scan on offers" in str(
        seen.sql("EXPLAIN SELECT id FROM offers WHERE campaign_id = 1 ORDER BY created_at DESC LIMIT 3")
    )


def lock_contention(seen: Seen) -> None:
    both_pods_are_slow(seen, OFFER)
    blockers = seen.sql(
        "SELECT DISTINCT holder.application_name, holder.state FROM pg_stat_activity AS waiting"
        " JOIN pg_stat_activity AS holder ON holder.pid = ANY (pg_blocking_pids(waiting.pid))"
        " WHERE waiting.application_name = 'backend' AND cardinality(pg_blocking_pids(holder.pid)) = 0"
    )
    assert blockers == [("payout-batch", "idle in transaction")]
    assert seen.took(LIST) < 0.5, "who wants something else does not wait"


def cpu_throttled(seen: Seen) -> None:
    both_pods_are_slow(seen, ONE)
    wait_until(lambda: seen.number(f"min(sum by (pod) (rate({THROTTLED}[5s])))") > 5, "half of 10 periods a second")
    assert seen.revision() == "1", "the limit is not new"
    assert seen.number(f"sum(rate({METRIC}_count{{route='{ONE}'}}[5s]))") < 19.5, "20 a second are wanted"
    # a third pod is enough
    autoscaler = "/apis/autoscaling/v2/namespaces/brandconnect/horizontalpodautoscalers/backend"
    seen.platform.api.patch(autoscaler, {"spec": {"minReplicas": 3, "maxReplicas": 3}})
    wait_until(lambda: seen.deployment()["status"].get("readyReplicas") == 3, "three pods are ready")
    wait_until(lambda: max(seen.mean(METRIC, f'route="{ONE}"').values()) < 0.4, "it is fast again")
    assert len(seen.pods()) == 3
    assert seen.customers(), "customers are still there"


def one_pod(seen: Seen) -> None:
    def holds() -> bool:
        found = sorted(seen.mean(METRIC, f'route="{LIST}"').values())
        return len(found) == 2 and found[0] < 0.4 and found[1] >= 0.8

    wait_until(holds, "one of two pods is slow")


def after_deploy(seen: Seen) -> None:
    both_pods_are_slow(seen, LIST)
    assert seen.revision() == "2"
    means = f"sum by (pod) ({METRIC}_sum{{route='{LIST}'}}) / sum by (pod) ({METRIC}_count{{route='{LIST}'}})"
    before = seen.ask(f"min_over_time(({means})[1m:1s])")
    assert sum(value < 0.4 for value in before.values()) == 2, "the pods that are gone were fast"


def stripe_slow(seen: Seen) -> None:
    both_pods_are_slow(seen, PAYMENT)
    assert seen.share("stripe_api_request_duration_seconds", 'endpoint="payment_intents.retrieve"') > 0.8
    assert seen.took(LIST) < 0.5


def network_slow(seen: Seen) -> None:
    assert seen.took(LIST) > 0.8
    wait_until(lambda: min(seen.mean(BEFORE, by="service").values()) > 0.8, "it is slow before the pods")
    assert max(seen.mean(METRIC, f'route="{LIST}"').values()) < 0.4


def pool_small(seen: Seen) -> None:
    both_pods_are_slow(seen, ONE)
    assert seen.share("db_pool_acquire_duration_seconds") > 0.5
    assert seen.share("db_query_duration_seconds") < 0.6
    assert (seen.pool_max(), seen.revision()) == ("2", "1")
    assert seen.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backend'")[0][0] == 4
    assert seen.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")[0][0] < 12
    assert not seen.platform.not_ready(), "the probe gets its connection"


def no_traffic(seen: Seen) -> None:
    assert seen.number(f"sum(rate({METRIC}_count{{route!~'/api/health.*|/metrics'}}[5s]))") == 0
    assert seen.number('min(up{job="backend"})') == 1


CHECKS: dict[str, Callable[[Seen], None]] = {
    "latency-missing-index": missing_index,
    "latency-lock-contention": lock_contention,
    "latency-cpu-throttled": cpu_throttled,
    "latency-one-pod": one_pod,
    "latency-after-deploy": after_deploy,
    "latency-stripe-slow": stripe_slow,
    "latency-network-slow": network_slow,
    "latency-pool-small": pool_small,
    "latency-no-traffic": no_traffic,
}


def test_every_fault_has_a_check() -> None:
    assert set(CHECKS) == {fault.name for fault in latency.FAULTS} <= set(FAULTS)


def assert_healthy(seen: Seen) -> None:
    """Nothing of a fault is left anywhere."""
    assert seen.customers() == []
    assert seen.sql("SELECT count(*), sum(amount_cents) FROM offers") == [(200, 10_500_000)]
    assert (seen.pool_max(), seen.revision(), len(seen.pods())) == ("4", "1", 2)
    assert seen.took(f"{LIST}?limit=40") < 0.5
    assert seen.lab.ingress.control.read() == []
    assert seen.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'payout-batch'") == [(0,)]
    assert seen.number(f"sum(rate({METRIC}_count{{route='/api/webhooks/stripe'}}[5s]))") > 0


@pytest.mark.parametrize("fault", list(CHECKS))
def test_a_fault_is_in_effect_and_healed(payments_lab: Lab, fault: str) -> None:
    seen = Seen(payments_lab)
    assert payments_lab.break_(fault) is True
    assert bool(seen.customers()) == (fault != "latency-no-traffic")
    CHECKS[fault](seen)
    assert fault in payments_lab.heal()
    assert_healthy(seen)
    assert payments_lab.heal() == []


def test_the_dba_builds_an_index_and_heal_drops_it(pg: Any) -> None:
    server = pg.server
    with pytest.raises(psycopg.errors.InsufficientPrivilege), server.connect(server.ops) as connection:
        connection.execute("CREATE INDEX ON offers (campaign_id)")
    assert offers.restore(server) == []
    with server.connect(server.dba) as connection:
        assert connection.execute("SELECT pg_has_role('pg_monitor', 'USAGE')").fetchone() == (True,)
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)
        connection.execute("CREATE INDEX CONCURRENTLY offers_campaign ON offers (campaign_id)")
        connection.execute("CREATE INDEX CONCURRENTLY campaigns_status ON campaigns (status)")
        connection.execute("COMMENT ON INDEX campaigns_status IS 'incident-runbook x 0123456789ab'")
    assert offers.restore(server) == ["the table offers was changed", "the index campaigns_status was added"]
    assert offers.restore(server) == []
    with server.connect(server.app) as connection:
        connection.execute("UPDATE offers SET amount_cents = 1 WHERE id = 7")
        assert offers.restore(server) == ["the table offers was changed"]
        assert connection.execute("SELECT amount_cents > 1 FROM offers WHERE id = 7").fetchone() == (True,)
        owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'offers'"
        assert connection.execute(owner).fetchone() == (server.app.user,)


@pytest.fixture
def backend(pg: Any, tmp_path: Path) -> Any:
    workload = Workload("backend", tmp_path / "backend", database_environ(pg)).wait_ready()
    yield workload
    workload.process.kill()
    workload.process.wait()


def test_the_routes(pg: Any, backend: Workload) -> None:
    every = backend.request("/api/campaigns?limit=50")[1]
    assert len(every) == 40
    assert [len(each["offers"]) for each in every] == [3] * 40
    active = backend.request("/api/campaigns?status=active&limit=50")[1]
    assert [each["id"] for each in active] == [each["id"] for each in every if each["status"] == "active"]
    brand = pg.connect().execute("SELECT brand_id, count(*) FROM campaigns GROUP BY 1 ORDER BY 2 DESC, 1").fetchone()
    assert len(backend.request(f"/api/campaigns?brand={brand[0]}")[1]) == brand[1]
    assert backend.request("/api/campaigns/7")[1] == next(each for each in every if each["id"] == 7)
    statuses = ("limit=0", "limit=51", "limit=x", "brand=-1", f"brand={2**63}")
    assert [backend.request(f"/api/campaigns?{query}")[0] for query in statuses] == [400] * 5
    assert [backend.request(f"/api/campaigns/{id_}")[0] for id_ in ("0", "x", str(2**63))] == [404, 400, 400]


def test_an_offer_is_changed_and_one_that_is_locked_is_waited_for(pg: Any, backend: Workload) -> None:
    app = pg.connect(pg.app_user)
    offer = app.execute("SELECT amount_cents FROM offers WHERE id = 3").fetchone()
    patch = ["/api/offers/3", {"amount_cents": 1234}]
    assert backend.patch(*patch) == (200, {"id": 3, "status": "declined", "amount_cents": 1234})
    assert app.execute("SELECT amount_cents FROM offers WHERE id = 3").fetchone() == (1234,)
    for body in ({"amount_cents": -1}, {"amount_cents": "1"}, {"amount_cents": True}, {}, []):
        assert backend.patch("/api/offers/3", body)[0] == 400
    assert backend.patch("/api/offers/999", {"amount_cents": 1})[0] == 404
    holder = pg.connect(pg.app_user)
    holder.execute("BEGIN")
    holder.execute("SELECT FROM offers WHERE id = 3 FOR UPDATE")
    assert backend.patch(*patch)[0] == 500
    assert "canceling statement due to lock timeout" in backend.text()
    holder.execute("ROLLBACK")
    app.execute("UPDATE offers SET amount_cents = %s WHERE id = 3", offer)
    metrics = backend.request("/metrics")[1]
    assert "db_query_duration_seconds_count" in metrics
    assert "db_pool_acquire_duration_seconds_count" in metrics


def test_a_quota_holds_requests_back_and_counts_it(tmp_path: Path) -> None:
    stat = tmp_path / "cpu.stat"

    async def spend(times: int, cpu_s: float) -> None:
        quota = CpuQuota(stat)
        await asyncio.gather(*(quota.spend(cpu_s, cores=0.05) for _ in range(times)))

    asyncio.run(spend(1, 0.001))
    assert not stat.exists(), "nobody was held back"
    asyncio.run(spend(3, 0.008))  # 24 ms of 5 ms a period: four times, at least
    counted = dict(line.split() for line in stat.read_text().splitlines())
    assert int(counted["nr_throttled"]) >= 4
    assert int(counted["throttled_usec"]) > 0


def test_the_metrics_of_containers() -> None:
    free = cadvisor.Measured("a", "p", "n", cpu_s=1.5, memory_bytes=7)
    limited = cadvisor.Measured("b", "p", "n", periods=20, throttled=3, throttled_s=0.5)
    lines = [line for line in cadvisor.text([free, limited]).splitlines() if not line.startswith("#")]
    labels = 'namespace="n",pod="p"'
    assert lines == [
        f'container_cpu_usage_seconds_total{{container="a",{labels}}} 1.5',
        f'container_memory_working_set_bytes{{container="a",{labels}}} 7',
        f'container_cpu_cfs_periods_total{{container="b",{labels}}} 20',
        f'container_cpu_cfs_throttled_periods_total{{container="b",{labels}}} 3',
        f'container_cpu_cfs_throttled_seconds_total{{container="b",{labels}}} 0.5',
    ]
