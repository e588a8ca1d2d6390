# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Run the platform's own job that confirms payments again, in a Ready pod of its workload, batch by batch.

What reaches the cluster is loaded when a pod is chosen: most failed payments are the customer's to try again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import dry_run, exec_job
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.dry_run import Trial
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exec_status import UNKNOWN
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry_outcome import (
    Job,
    read_job,
    read_trial,
)

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_exec import ExecResult


class PaymentJob:
    """The job in one pod.

    Args:
        open_cluster: opens the cluster where pods are, once it is needed.
        params: the options of the module stripe_payment_retry.

    Attributes:
        pod: the one it runs in; ``None`` until :meth:`choose`.
        container: in that pod.
    """

    def __init__(self, open_cluster: Callable[[], Cluster], params: Mapping[str, Any]) -> None:
        self._open_cluster = open_cluster
        self._params = params
        self.pod: str | None = None
        self.container: str | None = params["container"] or None

    @cached_property
    def _cluster(self) -> Cluster:
        return self._open_cluster()

    def choose(self) -> exec_job.Objection | None:
        """Choose pod and container; a stable word and a sentence when there is none to run in.

        Raises:
            KubernetesError: the cluster cannot be asked.
        """
        from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_place import (  # noqa: PLC0415 - see above
            Place,
            choose_place,
        )

        kind, name = self._params["kind"], self._params["name"]
        script = self._params["npm_script"]
        objection = exec_job.objection(None, script, [], [script], None)
        if objection:
            return objection
        place = choose_place(self._cluster, kind, name, self.container)
        if not isinstance(place, Place):
            return place
        self.pod, self.container = place.pod, place.container
        return None

    def command(self, ids: Sequence[str], *further: str) -> list[str]:
        """Return program and arguments for some payments."""
        arguments = [
            f"--ids={','.join(ids)}",
            f"--idempotency-prefix=inc-{self._params['incident']}",
            f"--attempt={self._params['attempt']}",
            f"--rps={self._params['rps']:g}",
            "--json",
            *further,
        ]
        return exec_job.build_command(None, self._params["npm_script"], arguments)

    def try_out(self, ids: Sequence[str]) -> Trial:
        """Let the job say what it would do: one that does not know its option might try every payment.

        Raises:
            KubernetesError: it was not started.
        """
        done = self._call(ids, dry_run.OPTION)
        if isinstance(done, str):
            return Trial(None, f"whether its dry run was started is not known: {done}")
        return read_trial(dry_run.read(done.exit, bytes(done.stdout.data), bytes(done.stderr.data)), ids)

    def run(self, ids: Sequence[str]) -> Job:
        """Run the job for some payments and return what it said.

        Raises:
            KubernetesError: it was not started.
        """
        done = self._call(ids)
        if isinstance(done, str):
            return Job(known=False, text=f"whether the job was started is not known: {done}")
        document, no_json = exec_job.read_json(bytes(done.stdout.data))
        known = done.exit.status != UNKNOWN
        said = mask(bytes(done.stderr.data).decode("utf-8", "replace")).strip().splitlines()[-1:]
        ended = f"the job ended with exit code {done.exit.exit_code}" if known else f"of the job: {done.exit.message}"
        why = said[0] if said and done.exit.exit_code else no_json
        return read_job(document, known=known, text=plain_line(f"{ended}: {why}" if why else ended, 300))

    def _call(self, ids: Sequence[str], *further: str) -> ExecResult | str:
        """Call the job; why it is not known whether it was started, where that is so."""
        from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_exec import (  # noqa: PLC0415 - see above
            run_command,
        )

        limit_s = self._params["job_timeout_s"] + len(ids) / self._params["rps"]
        try:
            command = self.command(ids, *further)
            return run_command(self._cluster, str(self.pod), str(self.container), command, timeout_s=limit_s)
        except KubernetesError as error:
            if may_have_happened(error.failure.cause, error.failure.status):
                return str(error.failure.text)
            raise
