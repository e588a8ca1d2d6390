# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers for the tests.

``pg`` runs a test against every PostgreSQL that the machine has: the one on PATH or of the distribution, and
the one of the extra ``lab``. In CI a missing one is a failure, elsewhere a skip that names the package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab import binaries as lab_binaries
from incident_runbooks.lab import postgres, seed
from incident_runbooks.lab.binaries import Binaries
from incident_runbooks.lab.clickhouse import part as clickhouse
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.processes import ProcessRecord
from incident_runbooks.lab.server import Login, Server
from support.servers import installations
from support.turns import turn_of_worker

pytest_plugins = ["support.clickhouse", "support.communications", "support.social", "support.stripe"]

# What PostgreSQL calls the process of a client's session: "postgres: user database 127.0.0.1(40312) idle"
_SESSION = re.compile(r"^postgres: .*\(\d+\) ")


class Postgres:
    """A running PostgreSQL, for one test.

    Attributes:
        server: what the lab knows of it.
        record: its first process.
    """

    def __init__(self, server: Server, record: ProcessRecord) -> None:
        self.server = server
        self.record = record
        self.host, self.port, self.database = server.host, server.port, server.database
        self.major, self.log_path = server.major, server.log
        self.superuser, self.superuser_password = server.superuser.user, server.superuser.password
        self.ops_user, self.ops_password = server.ops.user, server.ops.password
        self.app_user, self.app_password = server.app.user, server.app.password
        self._opened: list[psycopg.Connection[Any]] = []

    def connect(self, user: str | None = None, **options: Any) -> psycopg.Connection[Any]:
        """Return a connection in autocommit mode, closed after the test.

        Args:
            user: one of the three roles, the superuser unless said; any other needs ``password``.
            options: psycopg's connection parameters.
        """
        logins = {login.user: login for login in (self.server.superuser, self.server.ops, self.server.app)}
        login = logins.get(user or self.superuser) or Login(str(user), options.pop("password"))
        connection = self.server.connect(login, **options)
        self._opened.append(connection)
        return connection

    def login(self) -> dict[str, Any]:
        """Return the module options for the ops role, with the reserved login."""
        return {
            "login_host": self.host,
            "login_port": self.port,
            "login_user": self.ops_user,
            "login_password": self.ops_password,
            "login_db": self.database,
            "reserved_user": self.superuser,
            "reserved_password": self.superuser_password,
        }

    def sessions(self) -> list[psutil.Process]:
        """Return the server's processes that serve a client; needs no connection, so a full server can be asked."""
        found = []
        for child in psutil.Process(self.record.pid).children():
            try:
                if _SESSION.match(" ".join(child.cmdline())):
                    found.append(child)
            except psutil.Error:
                continue
        return found

    def end_sessions(self) -> None:
        """End every client session, and wait until its slot is free."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        sessions = self.sessions()
        for session in sessions:
            try:
                session.terminate()  # what pg_terminate_backend() does
            except psutil.NoSuchProcess:
                continue
        _, alive = psutil.wait_procs(sessions, timeout=10)
        assert not alive, f"sessions do not end: {alive}"


class _Servers:
    """Starts a server when a test first needs it, and stops all of them at the end."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._tmp_path_factory = tmp_path_factory
        self._running: dict[Path, Postgres] = {}

    def get(self, binaries: Binaries) -> Postgres:
        if binaries.folder not in self._running:
            directory = self._tmp_path_factory.mktemp(f"pg{binaries.major}")
            server = postgres.lay_out(binaries, directory)
            postgres.initialise(server)
            server, record = postgres.start(server)
            self._running[binaries.folder] = Postgres(server, record)
            seed.seed(server)
        return self._running[binaries.folder]

    def stop(self) -> None:
        for running in self._running.values():
            postgres.stop_server(running.server, running.record)
            postgres.remove(running.server)


@pytest.fixture(scope="session")
def _postgres_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Servers]:
    servers = _Servers(tmp_path_factory)
    yield servers
    servers.stop()


@pytest.fixture
def server_of(_postgres_servers: _Servers) -> Iterator[Callable[[Binaries | str], Postgres]]:
    """A function that returns the server of an installation, without any client session."""
    used: list[Postgres] = []

    def ready(binaries: Binaries | str) -> Postgres:
        if isinstance(binaries, str):
            absent(f"no PostgreSQL here; install {binaries}")
        running = _postgres_servers.get(binaries)
        used.append(running)
        running.end_sessions()
        return running

    yield ready
    for running in used:
        running.end_sessions()


@pytest.fixture(params=installations())
def pg(request: pytest.FixtureRequest, server_of: Callable[[Binaries | str], Postgres]) -> Postgres:
    """A PostgreSQL seeded as BrandConnect, without any client session."""
    return server_of(request.param)


# which lab a fixture takes: with a cluster, with payments, with the data plane
_KINDS = {
    "cluster_lab": (True, False, False),
    "payments_lab": (True, True, False),
    "data_lab": (True, True, True),
}
_AHEAD = 40  # tests; a lab that is started again costs as much as one that idles for some minutes


class _Labs:
    """Starts a lab when a test first needs it, one of each kind; removes it when none of the next tests does."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._tmp_path_factory = tmp_path_factory
        self._running: dict[tuple[bool, bool, bool], Lab] = {}

    def get(self, *, cluster: bool, payments: bool = False, data: bool = False) -> Lab:
        if not lab_binaries.available():
            absent("no PostgreSQL here; install the extra incident-runbooks[lab], or the Debian package postgresql")
        if payments and isinstance(found := _find("prometheus"), str):
            absent(found)
        if data and not clickhouse.available():
            absent("no ClickHouse here; install the extra incident-runbooks[lab]")
        kind = (cluster, payments, data)
        if kind not in self._running:
            lab = Lab(self._tmp_path_factory.mktemp("lab"))
            self._running[kind] = lab
            lab.up(cluster=cluster, payments=payments, data=data)
        return self._running[kind]

    def keep(self, tests: Iterable[pytest.Item]) -> None:
        """Remove those with a cluster that none of these tests takes: they work all the time, with nobody there."""
        names = {name for each in tests if isinstance(each, pytest.Function) for name in each.fixturenames}
        for kind in {*_KINDS.values()} - {_KINDS[name] for name in names & {*_KINDS}}:
            if lab := self._running.pop(kind, None):
                lab.down()

    def down(self) -> None:
        """Remove all of them."""
        while self._running:
            self._running.popitem()[1].down()


_LABS = pytest.StashKey[_Labs]()


@pytest.fixture(scope="session")
def _labs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Labs]:
    labs = request.config.stash[_LABS] = _Labs(tmp_path_factory)
    yield labs
    labs.down()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Between files, remove the labs that are not needed soon."""
    labs = item.config.stash.get(_LABS, None)
    if labs and nextitem and nextitem.path != item.path:
        coming = item.session.items.index(nextitem)
        labs.keep(item.session.items[coming : coming + _AHEAD])


def pytest_xdist_auto_num_workers() -> int:
    """The tests wait for a third of their time: for a rollout, a scrape, the next attempt. More would compete."""
    return max(2, len(os.sched_getaffinity(0)) * 3 // 2)


@pytest.fixture(autouse=True)
def _turn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The first fixture of every test: it waits while another worker's test measures."""
    shared = tmp_path_factory.getbasetemp().parent
    with turn_of_worker(shared, measures=request.node.get_closest_marker("measures") is not None):
        yield


@pytest.fixture
def lab(_labs: _Labs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A running lab of PostgreSQL alone, without faults; RUNBOOK_LAB names its directory. The test may break it."""
    yield from _healthy(_labs.get(cluster=False), monkeypatch)


@pytest.fixture
def cluster_lab(_labs: _Labs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The same with a cluster and the platform's workloads."""
    yield from _healthy(_labs.get(cluster=True), monkeypatch)


@pytest.fixture
def payments_lab(_labs: _Labs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The same with Stripe, the ingress and Prometheus: customers pay, and Prometheus has seen enough of them."""
    lab = _labs.get(cluster=True, payments=True)
    for healthy in _healthy(lab, monkeypatch):
        lab.wait_until_payments_flow()
        yield healthy


@pytest.fixture
def data_lab(_labs: _Labs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The same with ClickHouse, Vault and the social APIs as well."""
    lab = _labs.get(cluster=True, payments=True, data=True)
    for healthy in _healthy(lab, monkeypatch):
        lab.wait_until_payments_flow()
        yield healthy


def _find(program: str) -> lab_binaries.Program | str:
    try:
        return lab_binaries.find_program(program)
    except RunbookError as error:
        return error.message


def _healthy(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("RUNBOOK_LAB", str(lab.directory.path))
    lab.heal()
    yield lab
    lab.heal()


@pytest.fixture
def runbook_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty RUNBOOK_HOME of the test's own, in the environment."""
    home = tmp_path / "runbook-home"
    monkeypatch.setenv("RUNBOOK_HOME", str(home))
    return home


def absent(what: str) -> None:
    """Skip the test for want of a part of the machine; in CI nothing may be absent."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
