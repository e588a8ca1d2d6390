# SPDX-License-Identifier: GPL-3.0-or-later
"""auth_probe against real backends with their database and Redis as second channels, and against what is none."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules.k8s_support import Api, Asked, Reply, api, run_module
from modules.sending_support import assert_no_secret

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import auth_keepsake
from ansible_collections.brandconnect.incidents.plugins.modules.auth_probe import SPEC
from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.workloads import faults, passwords
from support.redis import PASSWORD as REDIS_PASSWORD
from support.redis import RedisServer, running
from support.servers import one_installation
from support.workloads import Workload, database_environ
from tests.conftest import absent

__all__ = ["api"]

EMAIL, PASSWORD = "login-probe@example.com", "c4n4ry/probe passwörd"
KEY, OTHER_KEY = "jwt-" + "j" * 40, "jwt-" + "k" * 40
NOW = {"min_interval_s": 0}

Json = dict[str, Any]


class Platform:
    """Two backends with a database and a Redis."""

    def __init__(self, pg: Any, redis: RedisServer, directory: Path) -> None:
        self.pg, self.redis, self._directory = pg, redis, directory
        self.started: list[Workload] = []
        passwords.set_password(pg.connect(pg.app_user), EMAIL, PASSWORD)

    def start(self, **environ: str) -> Workload:
        given = {
            "JWT_SECRET": KEY,
            "REDIS_URL": f"127.0.0.1:{self.redis.port}",
            "REDIS_PASSWORD": REDIS_PASSWORD,
            **database_environ(self.pg),
            **environ,
        }
        self.started.append(Workload("backend", self._directory / f"backend-{len(self.started)}", given))
        return self.started[-1]

    def probe(self, *workloads: Workload, check_mode: bool = False, **given: Any) -> Json:
        """Probe the first as the public address, and the others as pods."""
        public, *pods = [f"http://127.0.0.1:{each.port}" for each in workloads]
        addresses = [{"name": f"pod-{number}", "url": url} for number, url in enumerate(pods)]
        login = {"auth_url": public, "auth_probe_user": EMAIL, "auth_probe_password": PASSWORD}
        found = run_module(SPEC, {**login, **NOW, "addresses": addresses, **given}, check_mode=check_mode)
        assert_no_secret(found, PASSWORD, KEY, REDIS_PASSWORD)
        assert "eyJ" not in json.dumps(found), "no token"
        return found

    def count(self, query: str) -> int:
        connection = self.pg.connect(self.pg.superuser)
        (found,) = connection.execute(query).fetchone()
        return int(found)

    def logins(self) -> int:
        return self.count("SELECT count(*) FROM refresh_tokens")


@pytest.fixture
def platform(pg: Any, tmp_path: Path) -> Iterator[Platform]:
    try:
        find_program("redis-server")
    except RunbookError as error:
        absent(error.message)
    with running(tmp_path / "redis", {}) as redis:
        platform = Platform(pg, redis, tmp_path)
        yield platform
        for workload in platform.started:
            workload.process.kill()
            workload.process.wait()


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_real_backends_in_good_and_in_bad_times(platform: Platform) -> None:
    one, two, stale = platform.start(), platform.start(), platform.start(JWT_SECRET=OTHER_KEY)
    for each in (one, two, stale):
        each.wait_ready()
    before = platform.logins()
    well = platform.probe(one, two)
    assert (well["verdict"], well["login_ok"], well["token_ok"], well["logins"]) == ("ok", True, True, 2)
    assert platform.logins() == before + 2, "sessions in the database"
    assert well["probes"]["public"]["wrong_password"]["status"] == 401
    assert well["probes"]["pod-0"]["token"]["accepted"] == 6
    assert well["clock"]["wrong"] is False
    assert well["token"] == {**well["token"], "algorithm": "HS256", "lifetime_s": 900}
    assert (well["changed"], platform.probe(one, check_mode=True)["verdict"]) == (False, "ok")

    apart = platform.probe(one, stale)
    assert (apart["verdict"], apart["login_ok"], apart["token_ok"]) == ("stale_replica", True, False)
    assert apart["probes"]["pod-0"]["token"]["refused"] == 6

    later = platform.probe(two, keepsake=well["keepsake"])
    assert (later["verdict"], later["old_token"]["verdict"]) == ("ok", "valid")
    lost = platform.probe(stale, keepsake=well["keepsake"])
    assert (lost["verdict"], lost["old_token"]["verdict"]) == ("token_rejected", "refused")
    platform.redis.cli("FLUSHALL")
    assert platform.probe(one, keepsake=well["keepsake"])["verdict"] == "token_rejected", "sessions are gone"

    faults.inject(two.faults, "backend", "clock-skew", {"seconds": 600})
    skewed = platform.probe(two, one)
    assert (skewed["verdict"], skewed["clock"]["wrong"]) == ("stale_replica", True)
    assert 590 < skewed["clock"]["issued_skew_s"] < 610

    wrong = platform.probe(one, auth_probe_password="another " + PASSWORD[::-1])
    assert (wrong["verdict"], wrong["login_ok"]) == ("wrong_credentials", False)
    platform.redis.cli("CONFIG", "SET", "maxmemory", "1")
    full = platform.probe(one)
    assert (full["verdict"], full["probes"]["public"]["login"]["status"]) == ("dependency", 500)
    assert "health" not in full["reason"]
    platform.redis.cli("CONFIG", "SET", "maxmemory", "0")
    for key in platform.redis.cli("KEYS", "login:attempts:*").split():
        platform.redis.cli("SET", key, "999", "KEEPTTL")
    limited = platform.probe(one)
    assert limited["verdict"] == "rate_limited"
    assert 1 <= limited["retry_after_s"] <= 60
    platform.redis.stop()
    away = platform.probe(one)
    assert (away["verdict"], away["probes"]["public"]["login"]["verdict"]) == ("dependency", "unavailable")
    one.stop()
    gone = platform.probe(one)
    assert (gone["verdict"], gone["reachable"], gone["cause"]) == ("unreachable", False, "refused")


def jwt(**claims: Any) -> str:
    parts = (json.dumps(each).encode() for each in ({"alg": "HS256", "kid": "2026"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c4n4rysignature"])


class Fake:
    """An API that answers as it is told.

    Attributes:
        token: that it issues.
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        now = int(time.time())
        self.token = jwt(iat=now, exp=now + 600)
        self.right: Any = lambda: Reply(body={"access_token": self.token})
        self.wrong: Any = lambda: Reply(401, {"message": "Invalid credentials"})
        self.me: Any = lambda: Reply(body={"email": EMAIL})
        api.answers |= {"/api/health": {"status": "ok"}, "/api/auth/login": self._login, "/api/users/me": self._me}

    def _login(self, asked: Asked) -> Any:
        return self.right() if json.loads(asked.body)["password"] == PASSWORD else self.wrong()

    def _me(self, asked: Asked) -> Any:
        assert asked.headers["Authorization"] == f"Bearer {self.token}"
        return self.me()

    def probe(self, **given: Any) -> Json:
        login = {"auth_url": self.api.url, "auth_probe_user": EMAIL, "auth_probe_password": PASSWORD}
        found = run_module(SPEC, {**login, **NOW, "auth_request_timeout": 1, **given})
        assert_no_secret(found, PASSWORD, self.token)
        return found

    def posts(self) -> list[str]:
        return [json.loads(asked.body)["password"] for asked in self.api.asked if asked.method == "POST"]


@pytest.fixture
def fake(api: Api) -> Fake:
    return Fake(api)


def said(status: int, message: str) -> Any:
    return lambda: Reply(status, {"message": message})


CASES = {
    "anybody gets in": ({"wrong": said(200, "welcome")}, "wrong_password_accepted"),
    "logging in fails": ({"right": said(500, "Internal server error")}, "dependency"),
    "a wrong password fails": ({"wrong": said(500, "Internal server error")}, "unexpected"),
    "both fail at the gateway": ({"right": said(503, "no"), "wrong": said(503, "no")}, "dependency"),
    "too many": ({"right": said(429, "ThrottlerException: Too Many Requests")}, "rate_limited"),
    "the same as a wrong password": ({"right": said(401, "Invalid credentials")}, "wrong_credentials"),
    "the key": ({"right": said(401, "JsonWebTokenError: invalid signature")}, "key_or_clock"),
    "the token is refused": ({"me": said(401, "Unauthorized")}, "key_or_clock"),
    "the token fails": ({"me": said(500, "Internal server error")}, "dependency"),
    "no route for the token": ({"me": said(404, "Cannot GET")}, "unexpected"),
    "no route for logging in": ({"right": said(404, "Cannot POST"), "wrong": said(404, "no")}, "unexpected"),
    "elsewhere": ({"right": lambda: Reply(302, b"", {"Location": "https://example.com/"})}, "unexpected"),
    "no token": ({"right": said(200, "welcome")}, "unexpected"),
    "a token that cannot travel": ({"right": lambda: Reply(body={"access_token": "a\nb"})}, "unexpected"),
}


@pytest.mark.parametrize(("changes", "verdict"), CASES.values(), ids=CASES)
def test_answers(fake: Fake, changes: Json, verdict: str) -> None:
    for name, answer in changes.items():
        setattr(fake, name, answer)
    found = fake.probe()
    assert found["verdict"] == verdict, found
    assert found["reachable"] is True
    assert (found["login_ok"] is True) is ("right" not in changes)
    assert (found["token_ok"] is True) is (not {"right", "me"} & set(changes))
    assert "Traceback" not in found["reason"]


def test_one_of_several_replicas_is_stale(fake: Fake) -> None:
    turn = iter(range(99))
    fake.me = lambda: Reply(401, {}) if next(turn) % 3 == 0 else Reply(body={})
    found = fake.probe()
    assert (found["verdict"], found["probes"]["public"]["token"]["refused"]) == ("stale_replica", 2)
    assert found["probes"]["public"]["verdict"] == "stale_replica"


def test_nothing_behind_the_edge_is_no_failing_dependency(fake: Fake) -> None:
    fake.api.answers = dict.fromkeys(fake.api.answers, Reply(503, b"<html>503 Service Temporarily Unavailable"))
    found = fake.probe()
    assert (found["verdict"], found["reachable"], found["cause"]) == ("unreachable", True, None)
    assert found["probes"]["public"]["login"]["excerpt"] == "the answer is a web page"


def test_a_login_that_hangs_ends_in_time(fake: Fake) -> None:
    fake.right = lambda: Reply(200, {}, delay_s=9)
    began = time.monotonic()
    found = fake.probe()
    assert time.monotonic() - began < 6, "one time-out of 1 s, and not 9"
    assert (found["verdict"], found["probes"]["public"]["login"]["verdict"]) == ("dependency", "timeout")


def test_what_is_echoed_is_not_shown(fake: Fake) -> None:
    fake.right = lambda: Reply(418, f"no {PASSWORD} \x1b[2J".encode() + b"x" * 9999)
    fake.me = lambda: Reply(418, fake.token.encode())
    found = fake.probe()
    shown = found["probes"]["public"]["login"]["excerpt"]
    assert len(shown) <= 200
    assert "\x1b" not in shown
    assert shown.startswith("no [masked]")


def test_an_account_is_used_once_a_minute(fake: Fake, tmp_path: Path) -> None:
    limits = {"min_interval_s": 60, "state_dir": str(tmp_path / "home")}
    first = fake.probe(**limits)
    again = fake.probe(**limits, keepsake=first["keepsake"])
    assert (first["verdict"], again["verdict"]) == ("ok", "too_soon")
    assert (again["login_ok"], again["logins"], again["old_token"]["verdict"]) == (None, 0, "valid")
    assert 50 < again["retry_after_s"] <= 60
    assert fake.posts().count(PASSWORD) == 1
    assert len(fake.posts()) == 2
    file = tmp_path / "home/auth-probe.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert EMAIL not in file.read_text()
    assert fake.probe(**limits, auth_probe_user="other@example.com")["verdict"] == "ok"
    fake.api.answers["/api/health"] = Reply(500, {})
    assert fake.probe(**limits)["verdict"] == "unexpected", "what is asked all the same counts"
    file.write_text("nonsense")
    fake.api.answers["/api/health"] = {}
    assert fake.probe(**limits)["verdict"] == "ok"
    file.unlink()
    file.mkdir()
    failed = fake.probe(**limits)
    assert failed["failed"] is True
    assert "check state_dir and RUNBOOK_HOME" in failed["msg"]


def test_a_keepsake_is_for_this_run_only(fake: Fake) -> None:
    keepsake = fake.probe()["keepsake"]
    assert auth_keepsake.read(keepsake) == fake.token
    script = (
        "import sys\n"
        "from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import auth_keepsake\n"
        "print(auth_keepsake.read(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, keepsake],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None"
    for other in ("gAAAAAnonsense", keepsake[:-4] + "AAA=", "x" * 99_999, "ä"):
        assert fake.probe(keepsake=other)["old_token"]["verdict"] == "unknown"
    fake.token = jwt(iat=1, exp=2)
    expired = fake.probe()["keepsake"]
    asked = len(fake.api.asked)
    assert fake.probe(keepsake=expired)["old_token"]["verdict"] == "expired"
    assert len(fake.api.asked) - asked == 9, "it was not used"


def test_who_may_wait_logs_in_at_its_turn(fake: Fake, tmp_path: Path) -> None:
    limits = {"min_interval_s": 60, "state_dir": str(tmp_path / "home")}
    file = tmp_path / "home/auth-probe.json"
    assert fake.probe(**limits)["verdict"] == "ok"
    assert fake.probe(**limits, wait_s=5)["verdict"] == "too_soon", "it would take longer"
    ((account, at),) = json.loads(file.read_text()).items()
    file.write_text(json.dumps({account: at - 59}))
    waited = fake.probe(**limits, wait_s=5)
    assert (waited["verdict"], waited["logins"]) == ("ok", 1)
    assert json.loads(file.read_text())[account] >= at + 1, "not before its turn"
    assert fake.posts().count(PASSWORD) == 2


def test_who_is_not_given_is_told(fake: Fake) -> None:
    for missing in ({"auth_url": ""}, {"auth_probe_user": None}, {"auth_probe_password": ""}):
        found = fake.probe(**missing)
        assert (found["verdict"], found["cause"], found["login_ok"]) == ("not_configured", "not_configured", None)
    assert fake.posts() == []


WRONG = [
    ({"auth_url": "http://example.com"}, "loopback hosts only"),
    ({"auth_url": f"https://u:{'c4n4ry'}@example.com"}, "auth_url"),
    ({"token_checks": 0}, "token_checks must be 1 to 20"),
    ({"auth_request_timeout": 0}, "auth_request_timeout"),
    ({"min_interval_s": -1}, "min_interval_s"),
    ({"wait_s": -1}, "wait_s"),
    ({"max_skew_s": float("nan")}, "max_skew_s"),
    ({"login_path": "//evil.example.com\n"}, "login_path"),
    ({"token_field": " "}, "token_field"),
    ({"auth_ca_cert": "/nowhere"}, "/nowhere cannot be read"),
    ({"addresses": [{"name": "public", "url": "http://127.0.0.1:1"}]}, "addresses"),
    ({"addresses": [{"name": "a", "url": "ftp://x"}]}, "the address of a"),
    ({"addresses": [{"name": f"n{number}", "url": "http://127.0.0.1:1"} for number in range(8)]}, "at most 7"),
]


@pytest.mark.parametrize(("given", "text"), WRONG)
def test_options_that_make_no_sense(fake: Fake, given: Json, text: str) -> None:
    found = fake.probe(**given)
    assert found["failed"] is True
    assert found["msg"].startswith("Logging in with the probe account: ")
    assert text in found["msg"]
    assert "c4n4ry" not in found["msg"]
    assert fake.api.asked == []
