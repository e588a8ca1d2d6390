# SPDX-License-Identifier: GPL-3.0-or-later
"""The metric worker against the lab's social APIs and ClickHouse, and its job: rows arrive, and failures are told."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks.lab.clickhouse import seed, small_disk, states
from incident_runbooks.lab.clickhouse.part import ClickHousePart
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.social.meta import REGAIN_MINUTES
from incident_runbooks.lab.workloads import npm
from incident_runbooks.lab.workloads.npm import CALLS_VARIABLE
from incident_runbooks.lab.workloads.platforms import PLATFORMS
from support.clickhouse import running, started
from support.servers import installations
from support.social import Social
from support.workloads import Workload, database_environ, eventually

pytestmark = pytest.mark.parametrize("pg", installations()[:1], indirect=True)

Environ = dict[str, str]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHousePart]:
    """A ClickHouse with the platform's tables."""
    with started(tmp_path_factory.mktemp("ingestion")) as part:
        seed.seed(part.client)
        yield part


@pytest.fixture
def environ(pg: Any, store: ClickHousePart, social: Social) -> Environ:
    """What a pod of the metric worker has."""
    held = social.part.variables()
    return {
        **database_environ(pg),
        **{name.upper(): str(value) for name, value in store.variables().items()},
        "SOCIAL_URLS": json.dumps(held["social_urls"]),
        "SOCIAL_ACCOUNTS": json.dumps(held["social_accounts"]),
        "METRIC_INGESTION_INTERVAL": "0.2",
        "METRIC_LONGEST_WAIT": "1",
        "METRIC_REQUEST_TIMEOUT": "2",
    }


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Callable[..., Workload]]:
    """Starts metric workers, which end with the test."""
    begun: list[Workload] = []

    def start(environ: Mapping[str, str], **changes: str) -> Workload:
        begun.append(Workload("metric_worker", tmp_path / str(len(begun)), {**environ, **changes}))
        return begun[-1]

    yield start
    for each in begun:
        each.stop()


def now(store: ClickHousePart) -> int:
    """The clock of ClickHouse, a second on: a row of this second was there before."""
    return int(store.client.value("SELECT toUnixTimestamp(now()) + 1"))


def rows(store: ClickHousePart, since: int) -> dict[str, int]:
    """Rows of each platform since then."""
    found = store.client.rows(
        f"SELECT platform, count() AS n FROM analytics.metric_snapshots WHERE created_at >= {since} GROUP BY platform"  # noqa: S608 - a number
    )
    return {str(row["platform"]): int(row["n"]) for row in found}


def failure(worker: Workload, begins: str) -> dict[str, Any]:
    """Wait for an error whose message begins so."""

    def look() -> dict[str, Any] | None:
        return next((line for line in worker.lines("error") if line["msg"].startswith(begins)), None)

    found: dict[str, Any] = eventually(look, begins)
    return found


def test_rows_of_every_platform_arrive_and_no_token_is_told(
    work: Callable[..., Workload], environ: Environ, store: ClickHousePart, social: Social
) -> None:
    since = now(store)
    worker = work(environ)
    eventually(lambda: set(rows(store, since)) == set(PLATFORMS), "rows of each platform")
    eventually(lambda: "ingested 16 rows from tiktok" in worker.messages(), "the line that says so")
    assert {each["service"] for each in social.requests()} == set(PLATFORMS)
    assert worker.lines("error") == []
    for account in social.part.accounts:
        assert account.token not in worker.text()
    assert store.password not in worker.text()


# fault of the social APIs, how the line begins, its code
REFUSALS = [
    ("meta:code-80002", "meta: rate_limit_exceeded: (#80002)", "rate_limit_exceeded"),
    ("tiktok:code-40100", "tiktok: rate_limit_exceeded: 40100: Too many requests", "rate_limit_exceeded"),
    ("youtube:quota-exceeded", "youtube: rate_limit_exceeded: quotaExceeded: ", "rate_limit_exceeded"),
    ("meta:token-expired", "meta: invalid_token: OAuthException: ", "invalid_token"),
    ("tiktok:token-revoked", "tiktok: invalid_token: 40105: ", "invalid_token"),
    ("youtube:permission", "youtube: invalid_token: insufficientPermissions: ", "invalid_token"),
    ("youtube:down", "youtube: service_unavailable: HTTP 503", "service_unavailable"),
    ("meta:error", "meta: service_unavailable: An unexpected error", "service_unavailable"),
    ("tiktok:html", "tiktok: unexpected_answer: HTTP 200", "unexpected_answer"),
    ("meta:hang", "meta: connection_timeout: request timed out after 0.5 s", "connection_timeout"),
]


def test_a_platform_that_refuses_is_named_and_the_others_go_on(
    work: Callable[..., Workload], environ: Environ, store: ClickHousePart, social: Social
) -> None:
    worker = work(environ, METRIC_REQUEST_TIMEOUT="0.5")
    for fault, begins, code in REFUSALS:
        platform = fault.partition(":")[0]
        with social.broken(fault):
            line = failure(worker, begins)
            assert (line["err"]["code"], line["platform"]) == (code, platform)
            assert line["account"] in {each.account for each in social.part.of(platform)}
            seen = len(worker.messages())
            others = {f"ingested 16 rows from {each}" for each in PLATFORMS if each != platform}
            eventually(lambda: others <= set(worker.messages()[seen:]), "rows of the others")  # noqa: B023 - called here
        eventually(lambda: f"ingested 16 rows from {platform}" in worker.messages()[seen:], "rows again")  # noqa: B023


def test_the_time_to_wait_that_a_platform_names_is_honoured(
    work: Callable[..., Workload], environ: Environ, store: ClickHousePart, social: Social
) -> None:
    accounts = len(social.part.of("meta"))
    with social.broken("meta:code-80002"):
        patient = work({name: value for name, value in environ.items() if name != "METRIC_LONGEST_WAIT"})
        line = failure(patient, "meta: rate_limit_exceeded")
        assert line["retry_after_s"] == REGAIN_MINUTES * 60
        said = "ingested 16 rows from tiktok"
        eventually(lambda: patient.messages().count(said) >= 4, "the others, again and again")
        assert len(social.requests("meta")) == accounts, "each account was asked once"


def test_an_account_that_fails_keeps_only_its_own_campaigns_back(
    work: Callable[..., Workload], environ: Environ, store: ClickHousePart, social: Social
) -> None:
    with social.broken(f"tiktok/{social.account('tiktok').account}:token-expired"):
        worker = work(environ)
        failure(worker, "tiktok: invalid_token: 40102")
        eventually(lambda: "ingested 8 rows from tiktok" in worker.messages(), "the other account's")


def test_a_platform_that_is_paused_is_not_asked(
    work: Callable[..., Workload], environ: Environ, store: ClickHousePart, social: Social
) -> None:
    since = now(store)
    work(environ, METRIC_PAUSED_PLATFORMS="meta, youtube")
    eventually(lambda: rows(store, since), "rows")
    assert {each["service"] for each in social.requests()} == {"tiktok"}
    assert set(rows(store, since)) == {"tiktok"}
    wrong = work(environ, METRIC_PAUSED_PLATFORMS="myspace")
    assert wrong.process.wait(timeout=20) == 1
    assert "METRIC_PAUSED_PLATFORMS: myspace is no platform" in wrong.messages()[-1]


def test_what_clickhouse_refuses_is_told_with_its_code(
    work: Callable[..., Workload], environ: Environ, store: ClickHousePart
) -> None:
    states.pile_up_parts(store.client)
    try:
        line = failure(work(environ), "meta: ClickHouse: Code: 252. DB::Exception: Too many parts")
        assert line["err"]["code"] == "252"
    finally:
        states.clear_parts(store.client)
    down = work(environ, CLICKHOUSE_URL=f"http://127.0.0.1:{free_port()}")
    line = failure(down, "youtube: ClickHouse: connect ECONNREFUSED 127.0.0.1:")
    assert line["err"]["code"] == "ECONNREFUSED"
    assert not [each for each in down.messages() if each.startswith("ingested")], "nothing was written"


def test_a_full_disk_is_told_with_its_code(work: Callable[..., Workload], environ: Environ, tmp_path: Path) -> None:
    if not small_disk.possible():
        pytest.skip("this machine lets no ordinary user mount a disk")
    with started(tmp_path) as part:
        seed.seed(part.client)
    with running(part, disk_bytes=states.SMALL_DISK):
        filled = states.fill_disk(part.client)
        own = {name.upper(): str(value) for name, value in part.variables().items()}
        line = failure(work({**environ, **own}), f"tiktok: ClickHouse: Code: {filled.code}")
        assert line["err"]["code"] == str(filled.code)


@pytest.fixture
def job(environ: Environ, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the npm job in the environment of a pod of the metric worker."""
    folder = npm.install(tmp_path / "bin").parent

    def run(*given: str, **changes: str) -> subprocess.CompletedProcess[str]:
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        where = {"PATH": path, CALLS_VARIABLE: str(tmp_path / "calls.jsonl")}
        return subprocess.run(
            ["npm", "run", "--silent", "jobs:sync-metrics", "--", "--json", *given],
            env={**os.environ, **environ, **where, **changes},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_job_ingests_once_what_it_is_asked_for(
    job: Callable[..., subprocess.CompletedProcess[str]], store: ClickHousePart, social: Social, pg: Any
) -> None:
    since = now(store)
    dry = job("--campaigns=active", "--dry-run")
    assert (dry.returncode, json.loads(dry.stdout)["affected"]) == (0, 16)
    assert social.requests() == []

    eventually(lambda: now(store) > since, "another second")
    done = job("--campaigns=active", "--platform=tiktok", "--max=3")
    result = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (result["affected"], result["everything"], result["failed"]) == (3, False, [])
    assert result["scope"] == {"campaigns": "active", "platform": "tiktok", "max": 3}
    assert result["platforms"] == {"tiktok": {"rows": 3, "error": None}}
    assert rows(store, since) == {"tiktok": 3}
    synced = "SELECT count(*) FROM campaign_metrics WHERE platform = 'tiktok' AND campaign_id = ANY(%s)"
    assert pg.connect().execute(synced, [result["ids"]]).fetchone()[0] == 3

    with social.broken("meta:code-4"):
        failed = job("--campaigns=1,2")
    result = json.loads(failed.stdout)
    assert (failed.returncode, result["failed"]) == (1, ["meta"])
    assert result["platforms"]["youtube"] == {"rows": 2, "error": None}
    assert "meta: rate_limit_exceeded: (#4)" in failed.stderr
    assert not any(account.token in failed.stdout + failed.stderr for account in social.part.accounts)


def test_the_job_refuses_while_another_one_runs(
    job: Callable[..., subprocess.CompletedProcess[str]], store: ClickHousePart, social: Social, pg: Any
) -> None:
    since = now(store)
    with social.broken("youtube:hang"):
        slow: list[subprocess.CompletedProcess[str]] = []
        thread = threading.Thread(
            target=lambda: slow.append(job("--platform=youtube", "--campaigns=1", METRIC_REQUEST_TIMEOUT="60"))
        )
        thread.start()
        eventually(lambda: social.requests("youtube"), "the first one asks")
        second = job("--platform=tiktok", "--campaigns=1")
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.startswith("error: another jobs:sync-metrics is under way (session ")
        assert rows(store, since) == {}
    thread.join(timeout=60)
    assert slow[0].returncode == 1, "the connection broke when the fault was healed"
    assert job("--platform=tiktok", "--campaigns=1").returncode == 0
    wrong = job("--platform=myspace")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "option '--platform'" in wrong.stderr
