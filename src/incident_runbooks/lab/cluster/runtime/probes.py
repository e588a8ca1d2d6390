# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes: whether a container has started, lives, and is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from incident_runbooks.lab.cluster.runtime import quantities

Json = dict[str, Any]

STARTUP, LIVENESS, READINESS = "Startup", "Liveness", "Readiness"
_FIELDS = {STARTUP: "startupProbe", LIVENESS: "livenessProbe", READINESS: "readinessProbe"}
_LONGEST_OUTPUT = 1024


@dataclass(frozen=True)
class Probe:
    """One probe of a container.

    Attributes:
        kind: which of the three.
        handler: the part of the spec that says what to do.
        initial_delay_s: seconds before the first time.
        period_s: seconds between two times.
        timeout_s: seconds that one may take.
        success_threshold: how often in a row it must succeed after a failure; likewise *failure_threshold*.
        failure_threshold: see *success_threshold*.
    """

    kind: str
    handler: Json
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int


def of(container: Json) -> dict[str, Probe]:
    """Return the probes of a container's spec, by kind."""
    return {kind: _probe(kind, container[field]) for kind, field in _FIELDS.items() if container.get(field)}


def _probe(kind: str, spec: Json) -> Probe:
    return Probe(
        kind=kind,
        handler=spec,
        initial_delay_s=float(spec.get("initialDelaySeconds") or 0),
        period_s=float(spec.get("periodSeconds") or 10),
        timeout_s=float(spec.get("timeoutSeconds") or 1),
        success_threshold=int(spec.get("successThreshold") or 1),
        failure_threshold=int(spec.get("failureThreshold") or 3),
    )


@dataclass(frozen=True)
class Target:
    """What is probed.

    Attributes:
        host: address of the pod.
        ports: of the container, by name.
        execute: runs a command in it within seconds; returns exit code and output, raises TimeoutError.
    """

    host: str
    ports: dict[str, int]
    execute: Callable[[list[str], float], Awaitable[tuple[int, str]]]


async def follow(
    probe: Probe, target: Target, *, failed: Callable[[str], None], verdict: Callable[[bool], None]
) -> None:
    """Probe for ever; a startup probe until it has succeeded.

    Args:
        probe: how.
        target: what.
        failed: is told of each failure, with what the probe said.
        verdict: is told whenever a threshold is reached.
    """
    await asyncio.sleep(probe.initial_delay_s)
    succeeded = in_a_row = 0
    while True:
        failure = await once(probe, target)
        if failure is not None:
            failed(failure)
        now_ok = int(failure is None)
        in_a_row = in_a_row + 1 if now_ok == succeeded else 1
        succeeded = now_ok
        if in_a_row >= (probe.success_threshold if now_ok else probe.failure_threshold):
            verdict(bool(now_ok))
            if now_ok and probe.kind == STARTUP:
                return
        await asyncio.sleep(probe.period_s)


async def once(probe: Probe, target: Target) -> str | None:
    """Probe once and return ``None``, or what failed, worded as the kubelet words it."""
    handler = probe.handler
    if "exec" in handler:
        return await _exec(handler["exec"]["command"], target, probe.timeout_s)
    if "tcpSocket" in handler:
        host = handler["tcpSocket"].get("host") or target.host
        return await _tcp(host, _port(handler["tcpSocket"]["port"], target), probe.timeout_s)
    if "httpGet" in handler:
        return await _http(handler["httpGet"], target, probe.timeout_s)
    return None


def _port(port: int | str, target: Target) -> int:
    return target.ports[port] if port in target.ports else int(port)


async def _exec(command: list[str], target: Target, timeout_s: float) -> str | None:
    try:
        code, output = await target.execute(command, timeout_s)
    except TimeoutError:
        return f'command timed out: "{" ".join(command)}" timed out after {quantities.go_duration(timeout_s)}'
    return None if code == 0 else output[:_LONGEST_OUTPUT]


async def _tcp(host: str, port: int, timeout_s: float) -> str | None:
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except TimeoutError:
        return f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return f"dial tcp {host}:{port}: connect: {_said(error)}"
    return None


async def _http(action: Json, target: Target, timeout_s: float) -> str | None:
    scheme = str(action.get("scheme") or "HTTP").lower()
    host, port = action.get("host") or target.host, _port(action["port"], target)
    path = str(action.get("path") or "/")
    url = f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"
    headers = {"User-Agent": "kube-probe/1.32", "Accept": "*/*"}
    headers |= {each["name"]: each["value"] for each in action.get("httpHeaders") or ()}
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                connector=aiohttp.TCPConnector(ssl=False),  # probes do not verify: a pod's rarely names its address
            ) as session,
            session.get(url, headers=headers) as answer,
        ):
            status = answer.status
    except TimeoutError:
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except aiohttp.ClientConnectorError as error:
        return f'Get "{url}": dial tcp {host}:{port}: connect: {_said(error.os_error)}'
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f'Get "{url}": {error}'
    return None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"  # noqa: PLR2004 - as documented


def _said(error: OSError) -> str:
    return "connection refused" if isinstance(error, ConnectionRefusedError) else str(error.strerror or error).lower()
