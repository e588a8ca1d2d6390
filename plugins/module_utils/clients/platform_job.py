# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Run a job of the platform that contains a breach, in a Ready pod of its workload, batch by batch."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_precondition
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_exec import (
    ExecResult,
    run_command,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_place import Place, choose_place
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    dry_run,
    exec_job,
    exec_status,
    platform_job,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import (
    Report,
    may_have_happened,
    same_targets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.dry_run import Trial
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.platform_job import Answer
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]


class PlatformJob:
    """One run of the module platform_job.

    Args:
        params: its options.
        ids: whom it concerns, in order, each once.
        since: from which moment on; ``None`` for jobs that take none.
    """

    def __init__(self, params: Mapping[str, Any], ids: Sequence[int], since: dt.datetime | None) -> None:
        self.params = params
        self.ids = ids
        self.since = since
        self.report = Report(dt.datetime.now(dt.UTC))
        self.evidence: Json = {}
        self.pod: str | None = None
        self.container: str | None = params["container"] or None
        self._job: str = params["job"]
        self._script: str = params["npm_script"] or platform_job.KINDS[self._job].script
        self._kind = platform_job.kind_of(self._job, params["ids_option"])
        self._batches = platform_job.batches(ids, params["batch_size"])

    def plain(self) -> Json:
        """The result so far."""
        return {
            **self.report.plain(),
            "job": self._job,
            "script": self._script,
            "ids_count": len(self.ids),
            "pod": self.pod,
            "container": self.container,
            "evidence": self.evidence,
        }

    def do(self, cluster: Cluster, *, check_mode: bool) -> None:
        """Look, decide, and run it unless in check mode.

        Raises:
            KubernetesError: the cluster cannot be asked, or does not let the job start.
        """
        preserved = evidence_precondition.look(self.params)
        self.evidence = preserved.plain
        self.report.caveats = [self._kind.caveat, platform_job.deaf(self._kind), *filter(None, [preserved.caveat])]
        if not self.ids:
            self.report.end("nothing_to_do", "no ids were given", "no_ids")
            return
        # evidence is collected between plan and action, so a plan may be made before there is any
        objection = self._too_many() or self._choose(cluster) or (None if check_mode else preserved.objection)
        if objection:
            self.report.end("refused", objection[1], objection[0])
            self._rest(0, platform_job.NOT_ATTEMPTED)
        elif check_mode:
            self.report.changed = True
            said = f"{self._script} would run for {len(self.ids)} {self._kind.whose} in {len(self._batches)} batches"
            self.report.end("planned", said)
            self._rest(0, platform_job.WOULD_RUN)
        else:
            self._run(cluster)

    def _too_many(self) -> exec_job.Objection | None:
        if len(self.ids) <= self.params["max_ids"]:
            return None
        return "over_max_ids", f"{len(self.ids)} ids are more than max_ids, {self.params['max_ids']}; do it in cohorts"

    def _choose(self, cluster: Cluster) -> exec_job.Objection | None:
        """Choose pod and container, and note the targets; what speaks against it."""
        kind, name = self.params["kind"], self.params["name"]
        if objection := exec_job.objection(None, self._script, [], [self._script], None):
            return objection
        place = choose_place(cluster, kind, name, self.container)
        if not isinstance(place, Place):
            return place
        self.pod, self.container = place.pod, place.container
        since = rfc3339(self.since) if self.since else None
        option = self._kind.option
        known = {"job": self._job, "script": self._script, "option": option, "since": since}
        what = {**known, **platform_job.told(self.ids)}
        self.report.targets = [{**what, **place.workload, "container": place.container}]
        if same_targets(self.params["targets"], self.report.targets):
            return None
        return "plan_changed", f"{self._script} is not to do what the plan was made for; make a new plan"

    def _run(self, cluster: Cluster) -> None:
        """Run the batches after a dry run of the first; the first that does not succeed ends it."""
        for number, batch in enumerate(self._batches):
            try:
                doubted = self._try_out(cluster, batch) if number == 0 else None
                if isinstance(doubted, Trial):
                    self.report.end("refused", str(doubted.reason), doubted.refusal)
                    self._rest(0, platform_job.NOT_ATTEMPTED)
                    return
                answer = doubted or self._batch(cluster, batch)
            except KubernetesError as error:
                self._note(number, Answer(platform_job.FAILED, error.failure.text, 0, batch))
                self._rest(number + 1, platform_job.NOT_ATTEMPTED)
                self._end()
                self.report.changed = number > 0  # this one did not start
                raise
            self._note(number, answer)
            if answer.result != platform_job.SUCCEEDED:
                self._rest(number + 1, platform_job.NOT_ATTEMPTED)
                break
        self._end()

    def _try_out(self, cluster: Cluster, batch: list[int]) -> Trial | Answer | None:
        """Let the job say what it would do: one that does not know its option might do everything.

        Returns:
            Why it is refused; what became of a dry run that may have been none; ``None`` where all is well.
        """
        done = self._call(cluster, batch, dry_run.OPTION)
        if isinstance(done, str):
            return Answer(platform_job.UNKNOWN, done, None)
        ended = dry_run.read(done.exit, bytes(done.stdout.data), bytes(done.stderr.data))
        trial = platform_job.read_trial(self._kind, ended, batch, self.since)
        if trial.keeps or trial.refusal:
            return None if trial.keeps else trial
        return platform_job.doubted(trial)

    def _batch(self, cluster: Cluster, batch: list[int]) -> Answer:
        done = self._call(cluster, batch)
        return Answer(platform_job.UNKNOWN, done, None) if isinstance(done, str) else self._read(done, batch)

    def _call(self, cluster: Cluster, batch: list[int], *further: str) -> ExecResult | str:
        """Call the job; why it is not known whether it was started, where that is so."""
        arguments = platform_job.arguments(self._kind, batch, self.since, self.params["incident"])
        command = exec_job.build_command(None, self._script, [*arguments, *further])
        limit_s = self.params["job_timeout_s"]
        try:
            return run_command(cluster, str(self.pod), str(self.container), command, timeout_s=limit_s)
        except KubernetesError as error:
            if may_have_happened(error.failure.cause, error.failure.status):
                text = f"whether the job was started is not known: {error.failure.text}"
                return plain_line(text, platform_job.LONGEST_TEXT)
            raise

    def _read(self, done: ExecResult, batch: list[int]) -> Answer:
        if done.exit.status == exec_status.UNKNOWN:
            text = plain_line(f"of the job: {done.exit.message}", platform_job.LONGEST_TEXT)
            return Answer(platform_job.UNKNOWN, text, None)
        document, no_json = exec_job.read_json(bytes(done.stdout.data))
        answer = platform_job.read_answer(self._kind, document, batch, self.since) if no_json is None else None
        if done.exit.exit_code == 0:
            return answer or Answer(platform_job.UNKNOWN, f"it ended with exit code 0, but {no_json}", None)
        said = mask(bytes(done.stderr.data).decode("utf-8", "replace")).strip().splitlines()[-1:]
        return platform_job.after_failure(done.exit.exit_code, "".join(said), answer)

    def _note(self, number: int, answer: Answer) -> None:
        batch = self._batches[number]
        # whom a person must look at; what was not attempted, a second run does
        closed = (platform_job.SUCCEEDED, platform_job.NOT_ATTEMPTED, platform_job.WOULD_RUN)
        open_ = [] if answer.result in closed else answer.failed or batch
        self.report.results.append(
            {
                "batch": number + 1,
                "count": len(batch),
                "result": answer.result,
                "reason": answer.reason,
                "affected": answer.affected,
                "open_ids": open_,
            }
        )

    def _rest(self, start: int, result: str) -> None:
        for number in range(start, len(self._batches)):
            self._note(number, Answer(result, None, None))

    def _end(self) -> None:
        self.report.end(*platform_job.conclude(self.report.results))
        self.report.after = {"affected": sum(each["affected"] or 0 for each in self.report.results)}
        # a job that said nothing may have done a part
        self.report.changed = self.report.status != "nothing_to_do"
