# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus that scrapes targets of the test's own, and a client beside the product's."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from modules.k8s_support import until

from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.ports import free_port

SCRAPE = "250ms"


class Exporter:
    """A target on loopback.

    Attributes:
        text: what it exposes.
        port: where it listens.
    """

    def __init__(self, text: Callable[[], str], port: int = 0) -> None:
        exporter = self
        self.text = text

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class RealPrometheus:
    """A running Prometheus.

    Attributes:
        url: its address.
        process: what runs.
    """

    def __init__(self, directory: Path, jobs: dict[str, list[int]], *flags: str) -> None:
        program = find_program("prometheus")
        scrapes = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
            for job, ports in jobs.items()
        ]
        configuration = {"global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE}, "scrape_configs": scrapes}
        (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with (directory / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    program.path,
                    f"--config.file={directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    *flags,
                ],
                env={**os.environ, **program.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def ask(self, query: str) -> list[Any]:
        """Return what it says itself; nothing while it starts."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/query?{urllib.parse.urlencode({'query': query})}")
            return list(json.load(connection.getresponse())["data"]["result"])
        except (OSError, ValueError, KeyError):
            return []
        finally:
            connection.close()

    def wait_for(self, query: str) -> None:
        """Wait until a query has an answer."""
        until(lambda: self.ask(query), query)


def payments(success_per_s: float, failed_per_s: float) -> Callable[[], str]:
    """What a backend exposes that was started now."""
    started = time.monotonic()

    def text() -> str:
        seconds = time.monotonic() - started
        return "".join(
            f"# TYPE {name} counter\n{name} {rate * seconds}\n"
            for name, rate in (
                ("stripe_payment_success_total", success_per_s),
                ("stripe_payment_failed_total", failed_per_s),
            )
        )

    return text


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    """A target that is up."""
    running = Exporter(payments(300, 100))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def prometheus(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    """Prometheus with the jobs ``backend`` (up), ``half`` (one of two up) and ``dead`` (none up)."""
    closed = free_port()
    jobs = {"backend": [exporter.port], "half": [exporter.port, closed], "dead": [closed]}
    running = RealPrometheus(tmp_path_factory.mktemp("prometheus"), jobs)
    try:
        running.wait_for('count_over_time(stripe_payment_success_total{job="backend"}[4s]) > 12')
        running.wait_for('up{job="dead"}')
        running.wait_for('count(up{job="half"}) == 2')
        yield running
    finally:
        running.stop()
