# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's objects in the lab's cluster, as plain data: what ``kubectl apply`` would get.

The sizes fit the lab's PostgreSQL, which has 17 slots for ordinary roles, 13 of them to plan with (80 %):
(2 pods of the HPA's maximum + 1 of the surge) x TYPEORM_POOL_MAX 4 + 1 of the metric worker = 13.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from typing import Any

from incident_runbooks.lab.binaries import Program
from incident_runbooks.lab.cluster.runtime.volume_stats import DIRECTORY
from incident_runbooks.lab.workloads import faults
from incident_runbooks.lab.workloads.npm import CALLS_VARIABLE
from incident_runbooks.lab.workloads.site import PROBE_EMAIL, Site

NAMESPACE = "brandconnect"
REGISTRY = "registry.brandconnect.example"
BACKEND_PORT = 3001
REDIS_PORT = 6379
BACKEND_REPLICAS = BACKEND_MAXIMUM = 2

Json = dict[str, Any]

# The password is in a file of the pod's own, and never an argument
_START_REDIS = """\
umask 077
printf 'bind %s\\nport 6379\\nrequirepass "%s"\\nappendonly yes\\ndir data\\n' "$POD_IP" "$REDIS_PASSWORD" > redis.conf
exec "$REDIS_SERVER" redis.conf
"""


def manifests(site: Site) -> list[Json]:
    """Return every object, in an order in which they can be applied.

    Args:
        site: the lab they are for; without Redis where it has none.
    """
    redis = _redis(site, site.redis) if site.redis else []  # before those that look for its Service when they start
    others = [*_source_secrets(site), *_backend(site), *_metric_worker(site), *_postgres(site)]
    return [_namespace(), *redis, *_backend_data(site), *others]


def _namespace() -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _backend_data(site: Site) -> list[Json]:
    credentials, server = site.credentials, site.server
    config = {
        "DATABASE_HOST": server.host,
        "DATABASE_PORT": str(server.port),
        "DATABASE_NAME": server.database,
        "DATABASE_USER": server.app.user,
        "LOG_LEVEL": "info",
        "STRIPE_RATE_LIMIT_PER_SECOND": "100",
    }
    return [
        _object("v1", "ConfigMap", "backend-config", data=config),
        _secret("backend-database", DATABASE_PASSWORD=server.app.password),
        _secret("jwt-secret", JWT_SECRET=credentials.jwt_secret),
        _secret(
            "stripe-keys",
            STRIPE_SECRET_KEY=credentials.stripe_secret_key,
            STRIPE_WEBHOOK_SECRET=credentials.stripe_webhook_secret,
        ),
        _secret("login-probe", email=PROBE_EMAIL, password=credentials.probe_password),
    ]


def _backend(site: Site) -> list[Json]:
    container = {
        **_python(site, "backend", "backend:1.42.0"),
        "ports": [{"name": "http", "containerPort": BACKEND_PORT}],
        "readinessProbe": _probe("/api/health/ready", failures=2),
        "livenessProbe": _probe("/api/health", failures=10),
        "resources": _resources("100m", "96Mi", "256Mi"),
    }
    container["env"] += [
        *_values(
            {
                "PORT": str(BACKEND_PORT),
                "TYPEORM_POOL_SIZE": str(site.pool_size),
                "TYPEORM_POOL_MAX": str(site.pool_max),
                CALLS_VARIABLE: str(site.npm_calls),
            }
            | _payments(site)
        ),
        _from_secret("DATABASE_PASSWORD", "backend-database"),
        _from_secret("JWT_SECRET", "jwt-secret"),
        _from_secret("STRIPE_SECRET_KEY", "stripe-keys"),
        _from_secret("STRIPE_WEBHOOK_SECRET", "stripe-keys"),
        *_sessions(site),
        *_sources(site),  # its image has the job that syncs metrics
    ]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    selector = {"matchLabels": {"app": "backend"}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "backend"}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    scaling = {"minReplicas": BACKEND_REPLICAS, "maxReplicas": BACKEND_MAXIMUM}
    return [
        _account("backend"),
        _workload("Deployment", "backend", container, replicas=BACKEND_REPLICAS, strategy=rolling),
        _service("backend", [{"name": "http", "port": 80, "targetPort": "http"}]),
        _object("policy/v1", "PodDisruptionBudget", "backend", spec={"minAvailable": 1, "selector": selector}),
        _object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "backend",
            spec={"scaleTargetRef": target, **scaling, "metrics": [{"type": "Resource", "resource": cpu}]},
        ),
    ]


def _payments(site: Site) -> dict[str, str]:
    """Return what the backend needs to take payments."""
    if site.stripe_api_url is None:
        return {}
    return {"STRIPE_API_URL": site.stripe_api_url, "PAYMENTS_PER_SECOND": f"{site.payments_per_second:g}"}


def _sessions(site: Site) -> list[Json]:
    """Return what the backend needs to keep sessions in Redis; the cluster sets the address of its Service."""
    if site.redis is None:
        return []
    where = {"name": "REDIS_URL", "value": "$(REDIS_SERVICE_HOST):$(REDIS_SERVICE_PORT)"}
    return [where, _from_secret("REDIS_PASSWORD", "redis-auth")]


def _metric_worker(site: Site) -> list[Json]:
    container = {
        **_python(site, "metric-worker", "metric-worker:1.42.0", module="metric_worker"),
        "resources": _resources("10m", "64Mi", "192Mi"),
    }
    sources = _sources(site)
    container["env"] += [
        *_values({"METRIC_INGESTION_INTERVAL": "2" if sources else "1800", CALLS_VARIABLE: str(site.npm_calls)}),
        _from_secret("DATABASE_PASSWORD", "backend-database"),
        *sources,
    ]
    workload = _workload("Deployment", "metric-worker", container, replicas=1)
    return [_account("metric-worker"), workload]


def _sources(site: Site) -> list[Json]:
    """Return what is needed to ask the social APIs, and to write into ClickHouse: by the worker, and by the job."""
    found: list[Json] = []
    if site.clickhouse:
        names = ("CLICKHOUSE_URL", "CLICKHOUSE_USER", "CLICKHOUSE_DATABASE")
        found += _values({name: str(site.clickhouse[name.lower()]) for name in names})
        found.append(_from_secret("CLICKHOUSE_PASSWORD", "clickhouse-auth"))
    if site.social:
        found += _values({"SOCIAL_URLS": json.dumps(site.social["social_urls"])})
        found.append(_from_secret("SOCIAL_ACCOUNTS", "social-tokens"))
    # a platform may name a quarter of an hour; in the lab faults are healed sooner
    patience = {"METRIC_LONGEST_WAIT": "4", "METRIC_REQUEST_TIMEOUT": "3"}
    return [*found, *_values(patience)] if found else []


def _source_secrets(site: Site) -> list[Json]:
    found: list[Json] = []
    if site.clickhouse:
        found.append(_secret("clickhouse-auth", CLICKHOUSE_PASSWORD=str(site.clickhouse["clickhouse_password"])))
    if site.social:
        found.append(_secret("social-tokens", SOCIAL_ACCOUNTS=json.dumps(site.social["social_accounts"])))
    return found


def _postgres(site: Site) -> list[Json]:
    server = site.server
    container = {
        **_python(site, "postgres", f"postgres:{server.version.split()[0]}", uses_config=False),
        "ports": [{"name": "postgres", "containerPort": server.port}],
        "volumeMounts": [
            {"name": "auth", "mountPath": "/run/secrets/postgres", "readOnly": True},
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
        ],
        "resources": _resources("10m", "48Mi", "128Mi"),
    }
    environ = {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.superuser.user,
        "PGDATABASE": server.database,
        "PGPASSFILE": "run/secrets/postgres/pgpass",
        "LAB_POSTGRES_DATA": str(server.data),
        "LAB_POSTGRES_LOG": str(server.log),
    }
    container["env"] += _values(environ)
    logins = (server.superuser, server.ops, server.app)
    pgpass = "".join(f"*:*:*:{login.user}:{login.password}\n" for login in logins)
    volume = {"name": "auth", "secret": {"secretName": "postgres-auth", "defaultMode": 0o600}}
    claim = _claim("data", "10Gi")
    claim["metadata"]["annotations"] = {DIRECTORY: str(server.data)}
    return [
        _account("postgres"),
        _secret("postgres-auth", pgpass=pgpass),
        # the users of a PgBouncer that somebody may put before the server
        _secret("pgbouncer-auth", **{"userlist.txt": f'"{server.app.user}" "{server.app.password}"\n'}),
        _service("postgres", [{"name": "postgres", "port": 5432, "targetPort": "postgres"}]),
        _workload(
            "StatefulSet",
            "postgres",
            container,
            replicas=1,
            serviceName="postgres",
            volumes=[volume],
            volumeClaimTemplates=[claim],
        ),
    ]


def _redis(site: Site, redis: Program) -> list[Json]:
    container = {
        "name": "redis",
        "image": f"{REGISTRY}/redis:{redis.version}",
        "command": ["/bin/sh", "-c", _START_REDIS],
        "env": [
            *_values(site.environ(redis.path.parent) | dict(redis.environ) | {"REDIS_SERVER": str(redis.path)}),
            _from_secret("REDIS_PASSWORD", "redis-auth"),
            _from_secret("REDISCLI_AUTH", "redis-auth", key="REDIS_PASSWORD"),
        ],
        "ports": [{"name": "redis", "containerPort": REDIS_PORT}],
        "readinessProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 1, "timeoutSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "resources": _resources("10m", "16Mi", "128Mi"),
    }
    claims = [_claim("data", "1Gi")]
    return [
        _account("redis"),
        _secret("redis-auth", REDIS_PASSWORD=site.credentials.redis_password),
        _service("redis", [{"name": "redis", "port": REDIS_PORT, "targetPort": "redis"}]),
        _workload("StatefulSet", "redis", container, replicas=1, serviceName="redis", volumeClaimTemplates=claims),
    ]


def _python(site: Site, name: str, image: str, *, module: str | None = None, uses_config: bool = True) -> Json:
    """Return the container of one of our programs; the caller adds to its ``env``."""
    folders = [site.commands] if name in {"backend", "metric-worker"} else []
    environ = site.environ(*folders, site.server.folder) | {faults.FOLDER_VARIABLE: str(site.faults)}
    container = {
        "name": name,
        "image": f"{REGISTRY}/{image}",
        "command": [sys.executable, "-P", "-m", f"{__package__}.{module or name}"],
        "env": _values(environ),
    }
    return container | ({"envFrom": [{"configMapRef": {"name": "backend-config"}}]} if uses_config else {})


def _workload(
    kind: str, name: str, container: Json, *, replicas: int, volumes: list[Json] | None = None, **spec: Any
) -> Json:
    labels = {"app": name}
    pod: Json = {"serviceAccountName": name, "terminationGracePeriodSeconds": 10, "containers": [container]}
    pod |= {"volumes": volumes} if volumes else {}
    template = {"metadata": {"labels": labels}, "spec": pod}
    if kind == "Deployment":
        spec = {"progressDeadlineSeconds": 60, **spec}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
    return _object("apps/v1", kind, name, spec=spec)


def _claim(name: str, storage: str) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return {"metadata": {"name": name}, "spec": spec}


def _object(api_version: str, kind: str, name: str, **content: Any) -> Json:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": name}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def _service(name: str, ports: list[Json]) -> Json:
    return _object("v1", "Service", name, spec={"selector": {"app": name}, "ports": ports})


def _account(name: str) -> Json:
    return _object("v1", "ServiceAccount", name)


def _secret(name: str, **values: str) -> Json:
    data = {key: base64.b64encode(value.encode()).decode("ascii") for key, value in values.items()}
    return _object("v1", "Secret", name, type="Opaque", data=data)


def _values(environ: Mapping[str, str]) -> list[Json]:
    """Return variables with fixed values; a dollar sign in one is no reference."""
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in environ.items()]


def _from_secret(variable: str, secret: str, *, key: str | None = None) -> Json:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key or variable}}}


def _probe(path: str, *, failures: int) -> Json:
    handler = {"path": path, "port": "http"}
    return {"httpGet": handler, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": failures}


def _resources(cpu: str, memory: str, limit: str) -> Json:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}
