# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Run one command of an allow-list in a pod of a workload."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_exec import (
    Collected,
    ExecResult,
    run_command,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_place import Place, choose_place
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import exec_job
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import (
    Report,
    may_have_happened,
    same_targets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exec_status import SUCCEEDED, UNKNOWN
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask

SHOWN_CHARACTERS = 4096


class JobRun:
    """One command: where it is to run, and what came of it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.report = Report(dt.datetime.now(dt.UTC))
        self.argv = exec_job.build_command(params["command"], params["npm_script"], params["arguments"])
        self.pod: str | None = None
        self.container: str | None = params["container"] or None
        self.exit_code: int | None = None
        self.output: dict[str, Any] = {"json": None, "stdout": "", "stderr": "", "truncated": []}

    def do(self, cluster: Cluster, *, check_mode: bool) -> None:
        """Look, decide, and run it unless in check mode."""
        objection = self._forbidden() or self._choose(cluster)
        if objection:
            self.report.end("refused", objection[1], objection[0])
            self._note("not_attempted", objection[1])
            return
        self.report.changed = True
        if check_mode:
            self.report.end("planned", f"{' '.join(self.argv)} would run in the pod {self.pod}")
            self._note("would_run", None)
            return
        self._run(cluster)

    def plain(self) -> dict[str, Any]:
        """The result so far."""
        return {
            **self.report.plain(),
            "pod": self.pod,
            "container": self.container,
            "argv": self.argv,
            "exit_code": self.exit_code,
            **self.output,
        }

    def _forbidden(self) -> exec_job.Objection | None:
        names = ("command", "npm_script", "arguments", "allowed", "allowed_arguments")
        return exec_job.objection(*(self.params[name] for name in names))

    def _choose(self, cluster: Cluster) -> exec_job.Objection | None:
        """Choose pod and container, and note the targets; what speaks against it."""
        kind, name = self.params["kind"], self.params["name"]
        place = choose_place(cluster, kind, name, self.container)
        if not isinstance(place, Place):
            return place
        self.pod, self.container = place.pod, place.container
        self.report.targets = [{**place.workload, "container": place.container, "argv": self.argv}]
        if same_targets(self.params["targets"], self.report.targets):
            return None
        return "plan_changed", f"{kind} {name} or the command is not what the plan was made for; make a new plan"

    def _run(self, cluster: Cluster) -> None:
        try:
            result = run_command(
                cluster, str(self.pod), str(self.container), self.argv, timeout_s=self.params["timeout_s"]
            )
        except KubernetesError as error:
            unknown = may_have_happened(
                error.failure.cause, error.failure.status
            )  # the server may have started it all the same
            self.report.changed = unknown
            self.report.end(UNKNOWN if unknown else "failed", error.message)
            self._note(UNKNOWN if unknown else "not_attempted", error.failure.text)
            raise
        self._conclude(result)

    def _conclude(self, result: ExecResult) -> None:
        ended = result.exit
        self.exit_code = ended.exit_code
        document, no_json = exec_job.read_json(bytes(result.stdout.data))
        self.output = {
            "json": document,
            "stdout": _shown(result.stdout),
            "stderr": _shown(result.stderr),
            "truncated": [name for name in ("stdout", "stderr") if getattr(result, name).truncated],
        }
        self._note(ended.status, ended.message)
        if ended.status != SUCCEEDED:
            status = "unknown" if ended.status == UNKNOWN else "failed"
            self.report.end(
                status, f"how it ended is not known: {ended.message}" if status == "unknown" else _text(result)
            )
        elif self.params["expect_json"] and no_json:
            cut = ", it was too long to be kept" if result.stdout.truncated else ""
            self.report.end("failed", f"it ended with exit code 0, but {no_json}{cut}")
        else:
            self.report.end("done", "it ended with exit code 0")

    def _note(self, result: str, reason: str | None) -> None:
        self.report.results = [
            {
                "pod": self.pod,
                "container": self.container,
                "result": result,
                "exit_code": self.exit_code,
                "reason": reason,
            }
        ]


def _text(result: ExecResult) -> str:
    ended = result.exit
    said = _shown(result.stderr).strip().splitlines()[-1:]
    if ended.exit_code is None:
        return f"it could not be started: {ended.message}"
    return f"it ended with exit code {ended.exit_code}" + (f": {said[0][:200]}" if said else "")


def _shown(collected: Collected) -> str:
    return mask(bytes(collected.data).decode("utf-8", "replace"))[:SHOWN_CHARACTERS]
