# SPDX-License-Identifier: GPL-3.0-or-later
"""One ansible-playbook under supervision: ansible-runner, a deadline, and signals that stop the whole tree."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner

from incident_runbooks.execution.ended import LINES, Ended
from incident_runbooks.processes import ProcessTree

_POLL_S = 0.2  # how long an interruption may go unnoticed
_LINE_LENGTH = 2000
_RUNNERS_OWN = (
    *("ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_STDOUT_CALLBACK", "AWX_ISOLATED_DATA_DIR"),
    *("RUNNER_OMIT_EVENTS", "RUNNER_ONLY_FAILED_EVENTS"),
)


class StopSignals:
    """Notes SIGINT, SIGTERM and SIGHUP instead of dying of them, so that the run is stopped in order.

    Attributes:
        reason: ``sigint`` or ``sigterm`` (SIGHUP counts as it), ``None`` until one came.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.reason = self.reason or ("sigint" if number == signal.SIGINT else "sigterm")


@dataclass(frozen=True)
class Playbook:
    """What ansible-playbook is to do.

    Attributes:
        name: a playbook's FQCN or path.
        environment: the whole environment.
        private: the run's private directory.
    """

    name: str
    inventory: Sequence[str]
    extra_vars: Mapping[str, Any]
    check_mode: bool
    environment: Mapping[str, str]
    private: Path


def run_playbook(
    playbook: Playbook, tree: ProcessTree, deadline: float, signals: StopSignals, tick: Callable[[], None]
) -> Ended:
    """Run a playbook to its end, its deadline or a signal; afterwards no process of it lives.

    Args:
        tree: finds and stops the run's processes.
        deadline: on the monotonic clock.
        tick: called often while it runs, from this thread.
    """
    ended = Ended()

    def stopped() -> bool:
        tick()
        ended.reason = ended.reason or signals.reason or ("timeout" if time.monotonic() >= deadline else None)
        if ended.reason:
            tree.stop()
        return ended.reason is not None

    def keep(event: Mapping[str, Any]) -> bool:
        ended.output.extend(line[:_LINE_LENGTH] for line in str(event.get("stdout") or "").splitlines()[-LINES:])
        tick()
        return False  # no event files: results would lie on the disk

    runner = Runner(_config(playbook), cancel_callback=stopped, event_handler=keep, status_handler=_forget_command)
    try:
        runner.run()
    except Exception as error:  # noqa: BLE001 - pexpect's and the runner's own; the journal says what happened
        ended.output.append(
            f"ansible-runner: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
    finally:
        # also what outlives a playbook that ended by itself: nothing may write, or act, after the result
        ended.survivors = [f"{process.pid} {process.name()}" for process in tree.stop()]
    ended.exit_status = None if ended.reason else runner.rc
    return ended


def _config(playbook: Playbook) -> RunnerConfig:
    env = playbook.private / "env"
    env.mkdir(mode=0o700)
    _write(env / "extravars", dict(playbook.extra_vars))
    _write(
        env / "settings", {"pexpect_timeout": _POLL_S, "suppress_ansible_output": True, "suppress_output_file": True}
    )
    config = RunnerConfig(
        private_data_dir=str(playbook.private),
        playbook=playbook.name,
        inventory=list(playbook.inventory),
        cmdline="--check" if playbook.check_mode else None,
        fact_cache_type="memory",
        quiet=True,
    )
    config.prepare()
    config.command = [*ansible_playbook(), *config.command[1:]]
    config.cwd = str(Path.cwd())  # relative paths in the operator's environment keep their meaning
    # The runner starts from this process's whole environment; of that only what it adds itself goes on
    config.env = {**playbook.environment, **{name: config.env[name] for name in _RUNNERS_OWN}}
    return config


def ansible_playbook() -> list[str]:
    """Return ansible-playbook of this very installation, whatever PATH says."""
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (folder / "ansible-playbook").is_file():
            return [str(folder / "ansible-playbook")]
    return [sys.executable, "-P", "-m", "ansible", "playbook"]


def _forget_command(status: Mapping[str, Any], runner_config: RunnerConfig) -> None:
    """Delete the file in which the runner keeps the whole environment, before the playbook starts."""
    if status["status"] == "running":
        with contextlib.suppress(FileNotFoundError):
            Path(runner_config.artifact_dir, "command").unlink()


def _write(path: Path, data: Mapping[str, Any]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(data, file)
