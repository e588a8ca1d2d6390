# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's backend, metric worker and follower of the server's log, as processes against a real PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from incident_runbooks.errors import UsageError
from incident_runbooks.lab.workloads import error_classes, faults, passwords
from incident_runbooks.lab.workloads.backend import stripe
from incident_runbooks.lab.workloads.faults import Faults
from support.servers import installations
from support.workloads import PACKAGE, Workload, database_environ, eventually

# For what is the same on every PostgreSQL
any_server = pytest.mark.parametrize("pg", installations()[:1], indirect=True)

JWT_SECRET = "jwt-" + "j" * 40
WEBHOOK_SECRET = "whsec_" + "w" * 40
EMAIL, PASSWORD = "probe@example.com", "correct horse"

Start = Callable[..., Workload]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workloads; those that still run are killed after the test."""
    started: list[Workload] = []

    def begin(module: str = "backend", **environ: str) -> Workload:
        started.append(Workload(module, tmp_path / f"{module}-{len(started)}", environ))
        return started[-1]

    yield begin
    for workload in started:
        if workload.process.poll() is None:
            workload.process.kill()
        workload.process.wait()


@pytest.fixture
def backend(pg: Any, start: Start) -> Workload:
    passwords.set_password(pg.connect(pg.app_user), EMAIL, PASSWORD)
    secrets = {"JWT_SECRET": JWT_SECRET, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
    return start(**database_environ(pg), **secrets).wait_ready()


def sessions(pg: Any, application: str = "backend") -> list[str]:
    query = "SELECT state FROM pg_stat_activity WHERE application_name = %s AND state IS NOT NULL"
    connection = pg.connect(pg.superuser)
    states = [row[0] for row in connection.execute(query, [application]).fetchall()]
    connection.close()
    return states


def end_sessions(pg: Any, application: str = "backend") -> int:
    query = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = %s"
    return len(pg.connect(pg.superuser).execute(query, [application]).fetchall())


@any_server
def test_it_serves_from_a_pool_that_starts_at_its_size_and_grows_to_its_maximum(pg: Any, backend: Workload) -> None:
    eventually(lambda: len(sessions(pg)) == 2, "TYPEORM_POOL_SIZE sessions")
    status, campaigns = backend.request("/api/campaigns")
    assert (status, len(campaigns)) == (200, 20)
    assert backend.request("/api/health") == (200, {"status": "ok"})
    assert backend.request("/nowhere")[0] == 404
    line = next(line for line in backend.lines() if line["context"] == "HTTP")
    assert line["msg"].startswith("GET /api/campaigns 200 duration: ")
    assert line["msg"].endswith("ms")
    assert (line["level"], line["pod"]) == ("info", "backend-abc")
    metrics = backend.request("/metrics")[1]
    assert (
        'http_request_duration_seconds_bucket{le="0.5",method="GET",route="/api/campaigns",status="200"} 1.0' in metrics
    )
    assert "db_pool_connections_max 4.0" in metrics
    assert 'db_pool_connections{state="idle"} 2.0' in metrics
    assert "process_resident_memory_bytes" in metrics or sys.platform != "linux"
    assert backend.stop() == 0
    assert sessions(pg) == []
    for secret in (pg.app_password, JWT_SECRET, WEBHOOK_SECRET, PASSWORD):
        assert secret not in backend.text()


@any_server
def test_login_and_a_protected_route(pg: Any, backend: Workload, scalar: Callable[..., Any]) -> None:
    assert backend.post("/api/auth/login", {"email": EMAIL, "password": "wrong"})[0] == 401
    assert backend.post("/api/auth/login", {"email": "nobody@example.com", "password": "x"})[0] == 401
    assert backend.post("/api/auth/login", ["?"])[0] == 400
    status, issued = backend.post("/api/auth/login", {"email": EMAIL, "password": PASSWORD})
    assert status == 200
    bearer = {"Authorization": f"Bearer {issued['access_token']}"}
    assert backend.request("/api/users/me", headers=bearer)[1]["email"] == EMAIL
    assert backend.request("/api/users/me")[0] == 401
    assert backend.request("/api/users/me", headers={"Authorization": bearer["Authorization"] + "x"})[0] == 401
    pg.connect(pg.app_user).execute("UPDATE refresh_tokens SET revoked_at = now() WHERE revoked_at IS NULL")
    assert backend.request("/api/users/me", headers=bearer)[0] == 401, "revoked sessions end at once"
    assert issued["access_token"] not in backend.text()


@any_server
def test_login_without_a_jwt_secret_is_a_server_error_that_is_logged(pg: Any, start: Start) -> None:
    backend = start(**database_environ(pg)).wait_ready()
    assert backend.post("/api/auth/login", {"email": EMAIL, "password": PASSWORD})[0] == 500
    errors = [line["err"]["message"] for line in backend.lines("error")]
    assert errors == ["secretOrPrivateKey must have a value"]


@any_server
def test_webhooks_are_verified_and_processed_once(pg: Any, backend: Workload, scalar: Callable[..., Any]) -> None:
    app = pg.connect(pg.app_user)
    intent = scalar(app, "SELECT stripe_payment_intent_id FROM payments WHERE status = 'pending' LIMIT 1")
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"id": intent}}}
    body, now = json.dumps(event).encode(), int(time.time())

    def deliver(header: str | None) -> int:
        return backend.request("/api/webhooks/stripe", body, {"Stripe-Signature": header} if header else {})[0]

    assert deliver(None) == 400
    assert deliver(stripe.sign(body, "whsec_other")) == 400
    assert deliver(stripe.sign(body, WEBHOOK_SECRET, timestamp=now - 600)) == 400
    assert deliver("v1=nonsense") == 400
    assert scalar(app, "SELECT count(*) FROM processed_events WHERE id = 'evt_1'") == 0
    assert [deliver(stripe.sign(body, WEBHOOK_SECRET)) for _ in range(2)] == [200, 200]
    assert scalar(app, "SELECT status FROM payments WHERE stripe_payment_intent_id = %s", intent) == "succeeded"
    assert scalar(app, "SELECT count(*) FROM audit_logs WHERE action = 'payment.succeeded'") == 1
    failures = [line for line in backend.lines("error") if line["msg"] == "Failed to verify webhook signature"]
    assert [line["err"]["message"] for line in failures] == [
        "No stripe-signature header value was provided.",
        "No signatures found matching the expected signature for payload.",
        "Timestamp outside the tolerance zone",
        "Unable to extract timestamp and signatures from header",
    ]
    metrics = backend.request("/metrics")[1]
    for result, count in {"processed": 1, "duplicate": 1, "bad_signature": 4, "error": 0}.items():
        assert f'stripe_webhook_events_total{{result="{result}"}} {count}.0' in metrics
    assert "stripe_payment_success_total 0.0" in metrics, "counted where Stripe's API answers"
    app.execute("UPDATE payments SET status = 'pending' WHERE stripe_payment_intent_id = %s", [intent])
    app.execute("DELETE FROM processed_events")
    app.execute("DELETE FROM audit_logs WHERE action = 'payment.succeeded'")


def test_a_leak_fills_the_pool_refills_it_and_is_cured_by_a_restart(pg: Any, start: Start) -> None:
    environ = {**database_environ(pg), "TYPEORM_ACQUIRE_TIMEOUT_MS": "200"}
    leaking = start(**environ).wait_ready()
    faults.inject(leaking.faults, "backend", "leak")
    eventually(lambda: sessions(pg) == ["idle"] * 4, "TYPEORM_POOL_MAX idle sessions")
    assert eventually(lambda: leaking.request("/api/health/ready")[0] == 503, "not ready")
    assert leaking.request("/api/campaigns")[0] == 503
    assert leaking.lines("error")[-1]["err"]["message"] == "timeout exceeded when trying to connect"
    assert leaking.request("/api/health")[0] == 200, "a leak is no reason for the kubelet to restart it"
    assert end_sessions(pg) == 4
    eventually(lambda: sessions(pg) == ["idle"] * 4, "the pool is full again")
    leaking.stop()
    fresh = start(**{**environ, "LAB_FAULTS": str(leaking.faults)}).wait_ready()
    assert fresh.request("/api/campaigns")[0] == 200
    time.sleep(3 * faults.POLL_S)
    assert len(sessions(pg)) == 2, "the fault file is still there: it is older than this process"


@any_server
def test_a_leak_that_is_withdrawn_gives_everything_back(pg: Any, backend: Workload) -> None:
    faults.inject(backend.faults, "backend", "leak", {"refill": False})
    eventually(lambda: backend.request("/api/health/ready")[0] == 503, "not ready")
    assert faults.withdraw(backend.faults, "backend") == ["leak"]
    eventually(lambda: backend.request("/api/campaigns")[0] == 200, "requests are served again")


def test_a_full_server_is_seen_as_53300(pg: Any, start: Start) -> None:
    held = [pg.connect(pg.app_user) for _ in range(17)]
    backend = start(**database_environ(pg), TYPEORM_ACQUIRE_TIMEOUT_MS="1000")
    eventually(lambda: backend.request("/api/health")[0] == 200, "alive")
    assert backend.request("/api/health/ready")[0] == 503
    assert backend.request("/api/campaigns")[0] == 503
    codes = {line["err"].get("code") for line in backend.lines("error") if line["context"] == "TypeOrmModule"}
    assert codes == {"53300"}
    for connection in held:
        connection.close()
    backend.wait_ready()
    assert backend.request("/api/campaigns")[0] == 200


def test_a_server_that_is_away_is_refused_at_once(start: Start) -> None:
    backend = start(DATABASE_HOST="127.0.0.1", DATABASE_PORT="1", TYPEORM_ACQUIRE_TIMEOUT_MS="60000")
    eventually(lambda: backend.request("/api/health")[0] == 200, "alive")
    assert backend.request("/api/campaigns")[0] == 503
    assert "Error: connect ECONNREFUSED 127.0.0.1:1" in backend.messages()


@any_server
def test_faults_of_a_running_process(pg: Any, backend: Workload) -> None:
    faults.inject(backend.faults, "backend", "unready", pods=["somebody-else"])
    time.sleep(3 * faults.POLL_S)
    assert backend.request("/api/health/ready")[0] == 200
    faults.inject(backend.faults, "backend", "unready", pods=["backend-abc"])
    assert backend.request("/api/health/ready")[0] == 503
    faults.withdraw(backend.faults, name="unready")
    assert backend.request("/api/health/ready")[0] == 200
    faults.inject(backend.faults, "backend", "errors", {"error": "stripe_rate_limit", "per_second": 50})
    limited = "StripeRateLimitError: Too many requests hit the API too quickly."
    eventually(lambda: limited in backend.messages(), "an error in the log")
    before = psutil.Process(backend.process.pid).memory_info().rss
    faults.inject(backend.faults, "backend", "memory", {"mebibytes": 64})
    grown = lambda: psutil.Process(backend.process.pid).memory_info().rss - before  # noqa: E731 - asked twice
    eventually(lambda: grown() > 60 * 2**20, "64 MiB more")
    faults.inject(backend.faults, "backend", "slow", {"milliseconds": 300})
    backend.request("/api/campaigns")
    assert [line["duration_ms"] for line in backend.lines() if line["context"] == "HTTP"][-1] >= 300
    faults.inject(backend.faults, "backend", "crash")
    assert backend.process.wait(timeout=20) == 1
    assert backend.lines()[-1]["msg"] == "JWT secret is missing"


@any_server
def test_faults_that_a_restart_does_not_cure(pg: Any, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    faults.inject(folder, "backend", "crash", {"error": "redis_refused"}, survives_restart=True)
    crashed = start(**database_environ(pg), LAB_FAULTS=str(folder))
    assert crashed.process.wait(timeout=20) == 1
    assert crashed.messages() == ["Redis ECONNREFUSED"], "it never listened"
    slow = start(**database_environ(pg), FAULTS='{"slow-start": {"seconds": 1}}')
    slow.wait_ready()
    assert time.time() - psutil.Process(slow.process.pid).create_time() > 1


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"FAULTS": '{"nonsense": {}}'}, "Injecting nonsense into backend: no such fault"),
        ({"FAULTS": "no json"}, "Reading the environment variable FAULTS"),
        ({"TYPEORM_POOL_MAX": "many"}, "Reading the backend's environment"),
        ({"TYPEORM_POOL_SIZE": "5"}, "TYPEORM_POOL_SIZE 5 does not fit into TYPEORM_POOL_MAX 4"),
        ({"STRIPE_RATE_LIMIT_PER_SECOND": "0"}, "STRIPE_RATE_LIMIT_PER_SECOND 0.0 is not more than 0"),
        ({"PAYMENTS_PER_SECOND": "nan"}, "PAYMENTS_PER_SECOND nan is no rate"),
        ({"WEBHOOK_PATH": "webhooks"}, "WEBHOOK_PATH 'webhooks' does not begin with /"),
    ],
)
def test_an_environment_that_is_not_valid_ends_it_with_a_reason(
    start: Start, environ: dict[str, str], said: str
) -> None:
    backend = start(**environ)
    assert backend.process.wait(timeout=20) == 1
    assert said in backend.lines("error")[-1]["msg"]
    assert "Traceback" not in backend.text()


@any_server
def test_the_metric_worker_ingests_and_holds_one_session(pg: Any, start: Start, scalar: Callable[..., Any]) -> None:
    app = pg.connect(pg.app_user)
    began = scalar(app, "SELECT now()")
    worker = start("metric_worker", **database_environ(pg), METRIC_INGESTION_INTERVAL="0.1")
    fresh = "SELECT count(DISTINCT platform) FROM campaign_metrics WHERE synced_at > %s"
    eventually(lambda: scalar(app, fresh, began) == 3, "rows from each platform")
    assert len(sessions(pg, "metric-worker")) == 1
    assert "ingested 16 rows from tiktok" in worker.messages()
    end_sessions(pg, "metric-worker")
    eventually(lambda: len(sessions(pg, "metric-worker")) == 1, "another session")
    faults.inject(worker.faults, "metric-worker", "errors", {"error": "rate_limit_exceeded"})
    eventually(lambda: "tiktok: rate_limit_exceeded" in worker.messages(), "the limit in the log")
    stopped_at = scalar(app, "SELECT now()")
    time.sleep(0.3)
    assert scalar(app, fresh, stopped_at) == 0
    assert worker.stop() == 0


@any_server
def test_the_servers_log_is_followed_until_the_server_is_gone(pg: Any, start: Start, tmp_path: Path) -> None:
    follower = start("postgres", LAB_POSTGRES_DATA=str(pg.server.data), LAB_POSTGRES_LOG=str(pg.log_path))
    asked = lambda: pg.connect().execute("SELECT 'followed'") and "SELECT 'followed'" in follower.text()  # noqa: E731
    eventually(asked, "the statement in the pod's log")
    assert follower.stop() == 0
    (tmp_path / "log").touch()
    gone = start("postgres", LAB_POSTGRES_DATA=str(tmp_path), LAB_POSTGRES_LOG=str(tmp_path / "log"))
    assert gone.process.wait(timeout=20) == 1
    assert gone.text() == f"postgres: no server works in {tmp_path}\n"


def test_a_fault_is_obeyed_by_whom_it_is_for(tmp_path: Path) -> None:
    for name, kind in faults.FAULTS.items():
        for workload in kind.workloads:
            faults.inject(tmp_path, workload, name, pods=["one"])
            assert Faults(workload, {"LAB_FAULTS": str(tmp_path), "POD_NAME": "one"}).get(name) == kind.defaults
            assert Faults(workload, {"LAB_FAULTS": str(tmp_path), "POD_NAME": "two"}).current() == {}
            later = Faults(workload, {"LAB_FAULTS": str(tmp_path), "POD_NAME": "one"}, started=time.time() + 1)
            assert later.current() == {}
            faults.withdraw(tmp_path, workload)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="no such fault"):
        faults.inject(tmp_path, "metric-worker", "leak")
    with pytest.raises(UsageError, match="no parameter speed"):
        faults.inject(tmp_path, "backend", "leak", {"speed": 1})


def test_text_lines_are_an_option() -> None:
    code = (
        f"from {PACKAGE}.json_log import JsonLog; from {PACKAGE}.error_classes import ERROR_CLASSES\n"
        "log = JsonLog({'LOG_FORMAT': 'text', 'LOG_LEVEL': 'warn'})\n"
        "log.info('A', 'quiet')\n"
        "[log.failure(each) for each in ERROR_CLASSES.values()]"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == len(error_classes.ERROR_CLASSES)
    assert any(line.endswith("ERROR [TypeOrmModule] Error: connect ECONNREFUSED 127.0.0.1:5432") for line in said)
