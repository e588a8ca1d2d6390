# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether a job of the platform keeps to what it is told, seen in a dry run before it acts. Pure, no I/O.

A job may not know the options that narrow it, and do everything. One that takes part in a dry run says what it was
narrowed to while nothing has happened yet. What only a person can know is whether it knows ``--dry-run`` itself: a job
that lets any option pass does in a dry run what it does otherwise, and then what it did is said to be not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import exec_job, exec_status
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exec_status import ExitStatus
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

OPTION = "--dry-run"
LONGEST_TEXT = 300
# POSIX shells: found and not executable, not found. None: the server said that there is no such program.
NOT_STARTED = frozenset({None, 126, 127})
# how commander, yargs, oclif, Node's own parseArgs and getopt refuse one, which is before a job does anything
_REFUSED_OPTION = re.compile(
    r"(unknown|unrecogni[sz]ed|unexpected|invalid|nonexistent|illegal) (option|argument|flag)s?\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Trial:
    """What a dry run showed.

    Attributes:
        refusal: a stable word, where the job must not be run and nothing was done.
        reason: why, in words; ``None`` where the job may be run.
        exceeded: whether it may have acted, and what it printed names another scope than it was given.
        known: whether it is known how it ended.
    """

    refusal: str | None = None
    reason: str | None = None
    exceeded: bool = False
    known: bool = True

    @property
    def keeps(self) -> bool:
        """Whether the job may be run."""
        return self.reason is None


@dataclass(frozen=True)
class Ended:
    """How the dry run ended.

    Attributes:
        document: the JSON that it printed; ``None`` where it printed none.
        code: its exit code; ``None`` when it was not found.
        said: the last line of its standard error, or why it is not known how it ended; may be empty.
        known: whether it is known how it ended.
    """

    document: Any
    code: int | None
    said: str = ""
    known: bool = True

    @property
    def text(self) -> str:
        """In words."""
        if not self.known:
            ended = "how it ended is not known"
        elif self.code is None:
            ended = "it could not be started"
        else:
            ended = f"it ended with exit code {self.code}"
        return plain_line(f"{ended}: {self.said}" if self.said else ended, LONGEST_TEXT)


def read(status: ExitStatus, output: bytes, errors: bytes) -> Ended:
    """Read how it ended, what it printed and what it said of errors, secrets masked."""
    document, _ = exec_job.read_json(output)
    if status.status == exec_status.UNKNOWN:
        return Ended(document, None, status.message or "", known=False)
    last = mask(errors.decode("utf-8", "replace")).strip().splitlines()[-1:]
    return Ended(document, status.exit_code, "".join(last))


def judge(ended: Ended, wrong: Callable[[Mapping[str, Any]], str | None]) -> Trial:
    """Judge the dry run of a job.

    Args:
        ended: how it ended.
        wrong: what shows in the answer that the job was not narrowed to what it was told; ``None`` for nothing.

    Returns:
        A trial with a reason and without a refusal where the job may have acted.
    """
    answer = ended.document if isinstance(ended.document, Mapping) else {}
    if answer.get("dry_run") is not True:
        if ended.known and ended.document is None and _is_refused(ended):
            return Trial("no_dry_run", f"there was no dry run: {ended.text}")
        problem = wrong(answer) if answer else None
        text = f"the dry run did not say that it was one, so it may have acted: {ended.text}"
        return Trial(None, f"{text}; {problem}" if problem else text, problem is not None, ended.known)
    if problem := wrong(answer):
        return Trial("scope_not_kept", f"it was not run, because in its dry run {problem}")
    if not ended.known or ended.code != 0:
        return Trial("dry_run_failed", f"it was not run, because its dry run failed: {ended.text}")
    return Trial()


def _is_refused(ended: Ended) -> bool:
    return ended.code in NOT_STARTED or bool(ended.code and _REFUSED_OPTION.search(ended.said))
