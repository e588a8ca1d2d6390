# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the lab's workloads as processes, without a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from incident_runbooks.lab.ports import free_port

PACKAGE = "incident_runbooks.lab.workloads"
PATIENCE_S = 20.0


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds, and return what it returned."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.03)
    raise AssertionError(f"never: {what}")


def database_environ(pg: Any) -> dict[str, str]:
    return {
        "DATABASE_HOST": pg.host,
        "DATABASE_PORT": str(pg.port),
        "DATABASE_NAME": pg.database,
        "DATABASE_USER": pg.app_user,
        "DATABASE_PASSWORD": pg.app_password,
    }


class Workload:
    """One running program.

    Attributes:
        process: of the operating system.
        faults: the directory of its fault files.
    """

    def __init__(self, module: str, directory: Path, environ: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.faults = directory / "faults"
        self.faults.mkdir(exist_ok=True)
        self._log = directory / "log"
        self.port = int(environ.get("PORT") or free_port())
        self._address = f"http://{environ.get('POD_IP') or '127.0.0.1'}:{self.port}"
        given = {"LAB_FAULTS": str(self.faults), "PORT": str(self.port), "POD_NAME": "backend-abc"}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{PACKAGE}.{module}"],
                env={**os.environ, **given, **environ},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def request(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, method: str | None = None
    ) -> tuple[int, Any]:
        """Return status and body (JSON where it is); ``(0, None)`` while nothing listens."""
        request = urllib.request.Request(  # noqa: S310 - http, see above
            self._address + path, data=body, headers=dict(headers or {}), method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - http, see above
                return response.status, _content(response.read())
        except urllib.error.HTTPError as error:
            return error.code, _content(error.read())
        except OSError:
            return 0, None

    def post(self, path: str, document: Any) -> tuple[int, Any]:
        return self.request(path, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def patch(self, path: str, document: Any) -> tuple[int, Any]:
        return self.request(path, json.dumps(document).encode(), {"Content-Type": "application/json"}, "PATCH")

    def wait_ready(self) -> Workload:
        eventually(lambda: self.request("/api/health/ready")[0] == 200, f"ready\n{self.text()}")
        return self

    def text(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def lines(self, level: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]
        return [line for line in found if level in {None, line["level"]}]

    def messages(self) -> list[str]:
        return [line["msg"] for line in self.lines()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()
