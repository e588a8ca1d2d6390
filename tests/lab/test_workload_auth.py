# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's login with sessions in a real Redis, and what it says when that refuses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.workloads import passwords
from support.redis import PASSWORD as REDIS_PASSWORD
from support.redis import RedisServer, running
from support.servers import installations
from support.workloads import Workload, database_environ, eventually
from tests.conftest import absent

# For what is the same on every PostgreSQL
any_server = pytest.mark.parametrize("pg", installations()[:1], indirect=True)

JWT_SECRET = "jwt-" + "j" * 40
EMAIL, PASSWORD = "probe@example.com", "correct horse"
LIMIT = 40

Start = Callable[..., Workload]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    try:
        find_program("redis-server")
    except RunbookError as error:
        absent(error.message)
    with running(tmp_path / "redis", {}) as server:
        yield server


@pytest.fixture
def start(pg: Any, redis: RedisServer, tmp_path: Path) -> Iterator[Start]:
    """Starts backends that have all they need; they are killed after the test."""
    passwords.set_password(pg.connect(pg.app_user), EMAIL, PASSWORD)
    started: list[Workload] = []

    def begin(**environ: str) -> Workload:
        given = {
            "JWT_SECRET": JWT_SECRET,
            "REDIS_URL": f"127.0.0.1:{redis.port}",
            "REDIS_PASSWORD": REDIS_PASSWORD,
            "LOGIN_RATE_LIMIT": str(LIMIT),
            **database_environ(pg),
            **environ,
        }
        started.append(Workload("backend", tmp_path / f"backend-{len(started)}", given))
        return started[-1].wait_ready()

    yield begin
    for workload in started:
        workload.process.kill()
        workload.process.wait()


def login(backend: Workload, password: str = PASSWORD) -> tuple[int, Any]:
    return backend.post("/api/auth/login", {"email": EMAIL, "password": password})


def me(backend: Workload, token: str) -> int:
    return backend.request("/api/users/me", headers={"Authorization": f"Bearer {token}"})[0]


def last_error(backend: Workload) -> str:
    return str(backend.lines("error")[-1]["msg"])


@any_server
def test_sessions_are_in_redis_and_logins_are_counted(redis: RedisServer, start: Start) -> None:
    backend = start()
    status, issued = login(backend)
    assert (status, me(backend, issued["access_token"])) == (200, 200)
    (session,) = redis.cli("KEYS", "sess:*").split()
    assert 800 < int(redis.cli("TTL", session)) <= 900
    (attempts,) = redis.cli("KEYS", "login:attempts:*").split()
    assert EMAIL not in attempts
    redis.cli("SET", attempts, str(LIMIT), "KEEPTTL")
    request = backend.post("/api/auth/login", {"email": EMAIL, "password": "wrong"})
    assert request == (429, {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"})
    assert "ThrottlerException: Too Many Requests" in backend.messages()
    redis.cli("FLUSHALL")
    assert me(backend, issued["access_token"]) == 401, "who loses Redis' data logs everyone out"
    assert login(backend)[0] == 200
    for secret in (REDIS_PASSWORD, PASSWORD, JWT_SECRET, issued["access_token"]):
        assert secret not in backend.text()


@any_server
def test_what_redis_refuses_is_answered_and_logged_as_the_platform_does(redis: RedisServer, start: Start) -> None:
    backend = start()
    assert login(backend)[0] == 200

    def refused(status: int, text: str) -> None:
        assert login(backend)[0] == status
        assert text in last_error(backend)
        assert backend.request("/api/health/ready")[0] == 200

    redis.cli("CONFIG", "SET", "maxmemory", "1")
    refused(500, "ReplyError: OOM command not allowed when used memory > 'maxmemory'")
    redis.cli("CONFIG", "SET", "maxmemory", "0")
    redis.cli("REPLICAOF", "127.0.0.1", "1")
    refused(500, "ReplyError: READONLY You can't write against a read only replica.")
    redis.cli("REPLICAOF", "NO", "ONE")
    assert login(backend)[0] == 200
    wrong = start(REDIS_PASSWORD="another")
    assert login(wrong)[0] == 500
    assert last_error(wrong).startswith("ReplyError: WRONGPASS invalid username-password pair")
    without = start(REDIS_PASSWORD="")
    assert login(without)[0] == 500
    assert last_error(without) == "ReplyError: NOAUTH Authentication required."
    redis.stop()
    assert login(backend)[0] == 503
    assert last_error(backend) == "Redis ECONNREFUSED"
    assert me(backend, jwt.encode(token(), JWT_SECRET)) == 503
    redis.start()
    assert login(backend)[0] == 200, "it connects again by itself"


@any_server
def test_a_redis_that_cannot_save_and_one_that_hangs(redis: RedisServer, start: Start) -> None:
    backend = start()
    assert redis.cli("CONFIG", "SET", "save", "3600 1") == "OK"
    (redis.directory / "dump.rdb").mkdir()  # where the file cannot be put
    assert "Background saving started" in redis.cli("BGSAVE")
    eventually(lambda: redis.info("rdb_last_bgsave_status") == "err", "the snapshot has failed")
    assert login(backend)[0] == 500
    assert last_error(backend).startswith("ReplyError: MISCONF Redis is configured to save RDB snapshots")
    redis.cli("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    assert login(backend)[0] == 200
    redis.cli("CLIENT", "PAUSE", "20000", "WRITE")
    assert login(backend)[0] == 503
    assert last_error(backend) == "Redis ETIMEDOUT"
    redis.cli("CLIENT", "UNPAUSE")


def token(**claims: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": "1", "sid": 1, "iat": now, "nbf": now, "exp": now + 900, **claims}


@any_server
def test_tokens_are_refused_in_the_words_of_jsonwebtoken(start: Start) -> None:
    backend = start()
    issued = login(backend)[1]["access_token"]
    now = int(time.time())
    for claims, key, said in (
        ({}, "another-" + "k" * 40, "invalid signature"),
        ({"nbf": now + 600}, JWT_SECRET, "jwt not active"),
        ({"exp": now - 1}, JWT_SECRET, "jwt expired"),
    ):
        assert me(backend, jwt.encode(token(**claims), key)) == 401
        assert backend.messages()[-2] == f"JWT validation failed: {said}"
    assert me(backend, "nonsense") == 401
    assert "JWT validation failed: jwt malformed" in backend.messages()
    ahead = start(FAULTS='{"clock-skew": {"seconds": 600}}')
    skewed = login(ahead)[1]["access_token"]
    assert me(ahead, skewed) == 200
    assert me(backend, skewed) == 401
    assert "JWT validation failed: jwt not active" in backend.messages()
    assert me(ahead, issued) == 200


def test_a_limit_that_is_none_ends_it_with_a_reason(tmp_path: Path) -> None:
    backend = Workload("backend", tmp_path, {"REDIS_URL": "127.0.0.1:1", "LOGIN_RATE_LIMIT": "many"})
    assert backend.process.wait(20) == 1
    assert "LOGIN_RATE_LIMIT 'many' is no number of logins" in backend.text()
