# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab: up, break, heal, status, down. Each command may be another process; lab.json is what they share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab import binaries, clients, kubernetes, postgres, processes
from incident_runbooks.lab.clients import PoolSpec
from incident_runbooks.lab.data import Data
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.faults.fault import PLATFORM, Fault
from incident_runbooks.lab.parts import MARK
from incident_runbooks.lab.state import CLUSTER, COMMUNICATIONS, FILE, POSTGRES, State

if TYPE_CHECKING:
    from incident_runbooks.lab.platform import Platform

_ROUNDS = 3


class Lab(Data):
    """The lab in one directory: what its commands do."""

    def up(self, wanted: str | None = None, *, cluster: bool = True, payments: bool = True, data: bool = True) -> bool:
        """Start the lab; what a crashed one left is cleaned up before.

        Args:
            wanted: which PostgreSQL, see :func:`binaries.find`.
            cluster: with a cluster and the platform's workloads, which takes some seconds more.
            payments: if there is a cluster, also with Stripe, the ingress, Prometheus, and customers who pay.
            data: if there are payments, also with ClickHouse, Vault and the social APIs.

        Returns:
            False if it was up already.

        Raises:
            RunbookError: it does not start; then nothing of it stays.
        """
        chosen = binaries.find(wanted)
        self.directory.make()
        with self.directory.locked():
            self._state = self._load()
            if self._is_up():
                return False
            if (self.directory.path / FILE).exists():
                self._progress("cleaning up what an earlier lab left")
            self._stop_everything()
            self.directory.empty()
            try:
                self._start(chosen, cluster=cluster, payments=cluster and payments, data=cluster and payments and data)
            except BaseException:
                self._tear_down()
                raise
        return True

    def break_(self, name: str) -> bool:
        """Inject a fault; returns when it is in effect.

        Args:
            name: a key of :data:`FAULTS`.

        Returns:
            False if it was in effect already.

        Raises:
            UsageError: there is no such fault, no lab, or another fault of the same part is in the way.
            RunbookError: it does not come into effect; then nothing of it stays.
        """
        fault = _known(name, "Breaking")
        with self._opened():
            if name in self._state.fault_names():
                return False
            if other := [each for each in self._state.fault_names() if FAULTS[each].part == fault.part]:
                raise UsageError(
                    f"Breaking the lab with {name}: {', '.join(other)} is in effect", hint="first: runbook lab heal"
                )
            if fault.part == PLATFORM:
                self._require_postgres(name)
            if fault.needs_cluster:
                _ = self.cluster
            if fault.needs_payments:
                _ = self.stripe
            if fault.needs_data:
                _ = self.vault
            self._progress(f"injecting {name}: {fault.what}")
            self._state.faults.append({"name": name, "since": _now()})
            self._save()
            try:
                fault.inject(self)
            except BaseException:
                with processes.uninterrupted(), suppress(RunbookError):  # the first error is the one to report
                    self._heal()
                raise
        return True

    def heal(self, name: str | None = None) -> list[str]:
        """Undo every fault, and restart what crashed; returns what was undone.

        Args:
            name: only this fault, where that can be done.

        Raises:
            UsageError: there is no lab, no such fault, or it cannot be healed alone.
            RunbookError: the lab does not get well.
        """
        with self._opened():
            return self._heal() if name is None else self._heal_one(name)

    def down(self) -> bool:
        """Stop every process of the lab and remove its directory; False if there was none."""
        if not self.directory.exists():
            return False
        with self.directory.locked():
            self._state = self._load()
            self._tear_down()
        return True

    def read(self) -> State:
        """Return the lab's state as the last command left it."""
        return self._load()

    # What faults are made of

    def start_client(self, spec: PoolSpec) -> None:
        """Start a process with a leaking pool."""
        record = clients.start_pool(
            spec,
            self.server,
            directory=self.directory.path,
            marker=self.directory.marker,
            mark=self._mark(),
        )
        self._add(record)

    def stop_postgres(self) -> None:
        """Stop PostgreSQL; its data stays."""
        record = self._state.record(POSTGRES)
        postgres.stop_server(self.server, record)
        self._state.processes = [each for each in self._state.processes if each.name != POSTGRES]
        self._save()

    # How it works

    @contextmanager
    def _opened(self) -> Iterator[None]:
        self.directory.require()
        with self.directory.locked():
            self._state = self._load()
            _ = self.server
            yield

    def _start(self, chosen: binaries.Binaries, *, cluster: bool, payments: bool, data: bool) -> None:
        from incident_runbooks.lab import seed  # noqa: PLC0415 - with psycopg, see wait_until()

        began = time.monotonic()
        self._progress(f"making PostgreSQL {chosen.version} ({chosen.source}: {chosen.folder})")
        self._state = State(server=postgres.lay_out(chosen, self.directory.path))
        self._save()  # before there is anything to forget
        self._start_communications()  # they get ready while PostgreSQL does
        if cluster:
            self._start_cluster()
        if data:
            self._start_data()
        if payments:
            self._start_payments()
        postgres.initialise(self.server, mark=self._mark())
        self._start_postgres()
        seed.seed(self.server)
        self.start_communications()
        if payments:
            self._await_payments()  # before anybody pays
            self._connect_stripe()
        if data:
            self._fill_data()
        if cluster:
            self._deploy()
        self._progress(f"the lab is up after {time.monotonic() - began:.1f} s in {self.directory.path}")

    def _start_postgres(self) -> None:
        server, _ = postgres.start(self.server, mark=self._mark(), on_spawn=self._add)
        self._state.server = server
        self._save()
        self._progress(f"PostgreSQL listens on {server.host}:{server.port}")

    def _start_cluster(self) -> None:
        from incident_runbooks.lab.platform import Platform  # noqa: PLC0415 - see platform()

        Platform.fetch_programs(self._progress)
        self._state.cluster = kubernetes.lay_out(self.directory.path)
        self._add(kubernetes.start(self.cluster, mark=self._mark()))

    def _deploy(self) -> None:
        kubernetes.wait_until_it_answers(self.cluster, self._alive(CLUSTER))
        self._progress(f"the cluster's API answers on {self.cluster.port}; starting the platform's workloads")
        platform = self.platform()
        self._set_probe_password()
        platform.deploy()
        platform.wait_until_ready(alive=lambda: self._alive(CLUSTER) is not None)
        self._note_addresses(platform)

    def _set_probe_password(self) -> None:
        """Let there be the account whose login is tried."""
        from incident_runbooks.lab.workloads import passwords  # noqa: PLC0415 - with psycopg, see wait_until()
        from incident_runbooks.lab.workloads.site import PROBE_EMAIL  # noqa: PLC0415 - as above

        with self.server.connect(self.server.app) as connection:
            passwords.set_password(connection, PROBE_EMAIL, self.cluster.credentials.probe_password)

    def _note_addresses(self, platform: Platform) -> None:
        """Keep what the inventory says of Services: a cluster gives them their addresses."""
        address = platform.service_address("redis")
        if address != self._state.redis:
            self._state.redis = address
            self._save()

    def _heal_one(self, name: str) -> list[str]:
        undo = _known(name, "Healing").undo
        if undo is None:
            raise UsageError(f"Healing {name} alone: it is undone together with all others", hint="runbook lab heal")
        if name not in self._state.fault_names():
            return []
        self._state.faults = [fault for fault in self._state.faults if fault["name"] != name]
        self._save()
        undo(self)
        return [name]

    def _heal(self) -> list[str]:
        undone = self._state.fault_names()
        if self._alive(POSTGRES) is None and "postgres-down" not in undone:
            undone.append("PostgreSQL was not running")
        if self._state.cluster and self._alive(CLUSTER) is None:
            raise RunbookError(
                f"Healing the lab {self.directory.path}: its cluster has ended", hint="runbook lab down, runbook lab up"
            )
        if self._state.communications:
            if self._alive(COMMUNICATIONS) is None and "communications-down" not in undone:
                undone.append("the communications were not running")
            self.start_communications()
        self._stop_clients()
        if self._state.stripe:
            undone += self._restore_stripe()
        if self._state.vault:
            undone += self._restore_data()
        platform = self.platform() if self._state.cluster else None
        changed = platform.restore() if platform else []  # before anybody waits for slots: leaking pods hold them
        self.wait_until(self._well, "the ops role gets in and no leaked session is left")
        if platform:
            platform.wait_until_ready(alive=lambda: self._alive(CLUSTER) is not None)
            self._note_addresses(platform)
            self._undo_in_pods()
        if self._state.stripe:
            self._restore_payments(certainly=bool(undone or changed))
        self._state.faults = []
        self._save()
        if self._state.communications:
            self.tell_communications()
        return undone

    def _undo_in_pods(self) -> None:
        """Undo the faults that are neither in an object of the cluster nor in a fault file."""
        for name in self._state.fault_names():
            if (undo := FAULTS[name].undo) and FAULTS[name].part == PLATFORM:
                undo(self)

    def _well(self) -> bool:
        """Do what is missing until nothing is."""
        if self._alive(POSTGRES) is None:
            self.stop_postgres()  # what a killed server left
            self._start_postgres()
        server = self.server
        # Sessions outlive the clients that were killed, such as one that waits for a lock
        with server.connect(server.superuser) as connection:
            left = connection.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE application_name = ANY(%s) AND backend_type = 'client backend'",
                [list(clients.APPLICATIONS)],
            ).fetchall()
        return not left and server.refusal(server.ops) is None

    def _stop_clients(self) -> None:
        records = [record for record in self._state.processes if record.name.startswith(clients.PREFIX)]
        processes.stop([process for record in records if (process := record.find())])
        self._state.processes = [record for record in self._state.processes if record not in records]
        self._save()

    def _stop_everything(self) -> None:
        """Stop what is recorded, and what carries the lab's mark: a killed command may not have recorded it."""
        recorded = [process for record in self._state.processes if (process := record.find())]
        server, record = self._state.server, self._state.record(POSTGRES)
        known = record.find() if record else None
        processes.stop([process for process in recorded if process != known])
        if server is not None:
            postgres.stop_server(server, record)
        for _ in range(_ROUNDS):  # what is found may have started another one meanwhile
            if left := processes.marked(MARK, self.directory.id or "-"):
                processes.stop(left)
        if server is not None:
            postgres.remove(server)
        self._state = State()

    def _tear_down(self) -> None:
        with processes.uninterrupted():
            self._stop_everything()
            self.directory.remove()

    def _is_up(self) -> bool:
        if self._state.server is None:
            return False
        return self._alive(POSTGRES) is not None or "postgres-down" in self._state.fault_names()

    def _require_postgres(self, fault: str) -> None:
        if self._alive(POSTGRES) is None:
            raise UsageError(
                f"Breaking the lab with {fault}: its PostgreSQL does not run", hint="first: runbook lab heal"
            )


def _known(name: str, doing: str) -> Fault:
    if name not in FAULTS:
        raise UsageError(f"{doing} the lab with {name}: no such fault", hint=f"faults: {', '.join(FAULTS)}")
    return FAULTS[name]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
