# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a real playbook against the lab with payments, and look at Stripe, the database and Prometheus without it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml
from psycopg.rows import dict_row

from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.prometheus.api import PrometheusApi
from incident_runbooks.lab.services.secret_files import fingerprint
from support.platform import Cluster
from support.runbook import ROOT, Run, Runbook
from support.stripe import Stripe

SEEDED = "pi_lab_"

Json = dict[str, Any]


class PaymentsRunbook(Runbook):
    """A playbook with the lab's inventory.

    Args:
        lab: which is up, with payments.
        directory: of the test.
        playbook: such as ``payment_failure``.

    Attributes:
        variables: of all hosts, over what the lab's inventory says.
        hosts: by name, likewise of single hosts: ``backend``, ``stripe``, ``postgres``, ``prometheus``,
            ``communications``.
    """

    def __init__(self, lab: Lab, directory: Path, playbook: str) -> None:
        self.lab = lab
        self.playbook = playbook
        self.home = directory / "home"
        self.folder = directory / "inventory"
        self.variables: Json = {}
        self.hosts: dict[str, Json] = {
            name: {} for name in ("backend", "stripe", "postgres", "prometheus", "communications")
        }

    @property
    def backend(self) -> Json:
        """The variables of the host ``backend``, over what the lab's inventory says."""
        return self.hosts["backend"]

    def log_in(self, cluster: Cluster, *roles: str) -> None:
        """Let the playbook be a ServiceAccount of ``deploy/rbac`` and nobody else.

        Args:
            cluster: of the lab.
            roles: files there, without their ending; the login is that of the last one.
        """
        for role in roles:
            cluster.apply(ROOT / f"deploy/rbac/{role}.yml")
        self.backend.update(cluster.login(roles[-1]))

    def take_away(self, cluster: Cluster, role: str, resource: str) -> None:
        """Take from a Role of :meth:`log_in` what it says of a resource."""
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/brandconnect/roles/{role}"
        rules = cluster.get("roles", role, group="apis/rbac.authorization.k8s.io/v1")["rules"]
        left = [rule for rule in rules if resource not in rule["resources"]]
        assert left != rules, f"{role} says nothing of {resource}"
        cluster.api.patch(path, {"rules": left})

    def command(self, **extra: Any) -> list[str]:
        command = super().command(**extra)
        return [f"playbooks/{self.playbook}.yml" if each.startswith("playbooks/") else each for each in command]

    def write_inventory(self) -> Path:
        """Put what the test wants beside the lab's own inventory, as it is now: a fault may have changed it."""
        self.folder.mkdir(exist_ok=True)
        own = json.loads((self.lab.directory.path / "inventory.json").read_text(encoding="utf-8"))
        common = yaml.safe_load((ROOT / "inventory/lab/group_vars/all.yml").read_text(encoding="utf-8"))
        hosts = own["_meta"]["hostvars"]
        for name, variables in self.hosts.items():
            if name in hosts or variables:
                hosts[name] = {**hosts.get(name, {}), **variables}
        variables = {**common, **own["all"]["vars"], **self.variables}
        variables.pop("postgres_host")
        inventory = {"all": {"vars": variables, "hosts": {"localhost": {}, **hosts}}}
        path = self.folder / "hosts.yml"
        path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
        return path

    def remediate(self, *options: str, approve: str, **extra: Any) -> Run:  # type: ignore[override]
        """Run it so that it may do one remediation."""
        return self.run(*options, runbook_mode="remediate", approved=[approve], **extra)


class World:
    """What the playbook acts on, by other ways than its own.

    Args:
        lab: which is up, with payments.

    Attributes:
        stripe: what it was asked, what there is, what it delivered.
        cluster: as its administrator sees it.
        prometheus: the lab's own client.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.stripe = Stripe(lab)
        self.cluster = Cluster(lab)
        self.prometheus = PrometheusApi(lab.prometheus)

    def by_runbooks(self) -> list[Json]:
        """Return the requests of the runbooks to Stripe, since this object was made or told to forget them."""
        key = fingerprint(self.lab.stripe.keys.restricted_key)
        return [each for each in self.stripe.requests() if key in json.dumps(each["headers"])]

    def secrets(self) -> list[str]:
        """Return what must be in no record: the keys of Stripe, the platform's credentials, tokens, passwords."""
        inventory = json.loads((self.lab.directory.path / "inventory.json").read_text(encoding="utf-8"))
        stripe = inventory["_meta"]["hostvars"]["stripe"]
        tokens = json.loads((self.lab.cluster.directory / "tokens.json").read_text(encoding="utf-8"))
        server = self.lab.server
        logins = (server.superuser, server.ops, server.app, server.dba)
        return [
            *self.lab.stripe.keys.secrets(),
            *self.lab.cluster.credentials.to_plain().values(),
            *(stripe[name] for name in ("stripe_backend_secret_key", "stripe_backend_webhook_secret")),
            *tokens,
            *(login.password for login in logins),
        ]

    # the database

    def query(self, statement: str, *parameters: Any) -> list[Json]:
        """Return rows, asked as the superuser."""
        server = self.lab.server
        with psycopg.connect(
            host=server.host,
            port=server.port,
            dbname=server.database,
            user=server.superuser.user,
            password=server.superuser.password,
            autocommit=True,
            row_factory=dict_row,
        ) as connection:
            return list(connection.execute(statement.encode(), parameters).fetchall())

    def payments(self, status: str | None = None) -> list[Json]:
        """Return the payments that customers have made since the lab came up, oldest first."""
        return self.query(
            "SELECT * FROM payments WHERE (stripe_payment_intent_id IS NULL OR NOT stripe_payment_intent_id ^@ %s)"
            " AND (%s::text IS NULL OR status = %s) ORDER BY id",
            SEEDED,
            status,
            status,
        )

    def is_processed(self, event: str) -> bool:
        """Return whether the platform has processed an event."""
        return bool(self.query("SELECT 1 FROM processed_events WHERE id = %s", event))

    # the cluster

    def secret(self, key: str, name: str = "stripe-keys") -> str:
        """Return the fingerprint of what a Secret holds."""
        data = self.cluster.get("secrets", name, group="api/v1")["data"]
        return fingerprint(base64.b64decode(data[key]).decode())

    # the public address

    def probe(self, body: bytes = b'{"type": "probe"}', **headers: str) -> int:
        """Return the HTTP status of a delivery that is not Stripe's."""
        ingress = self.lab.ingress
        return requests.post(
            ingress.webhook_url, data=body, headers=headers, verify=str(ingress.ca_cert), timeout=10
        ).status_code

    @contextmanager
    def only_read(self) -> Iterator[None]:
        """In the block the runbooks only read, in the cluster and at Stripe; and something is read.

        The platform goes on meanwhile: of Stripe's requests those with the runbooks' key count, of the cluster's all.
        """
        self.stripe.forget_requests()
        with self.cluster.only_read():
            yield
        asked = self.by_runbooks()
        assert asked, "nobody asked Stripe for anything: it proves nothing"
        assert [(each["method"], each["path"]) for each in asked if each["method"] != "GET"] == []
