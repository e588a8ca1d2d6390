# SPDX-License-Identifier: GPL-3.0-or-later
"""Record the README's picture of a terminal: what the command really prints, in a lab of its own.

Run as ``python tools/picture.py``; it writes ``docs/terminal.svg``. Nothing in the picture is written by hand but the
line with the prompt, which is the one that is run, and the paths of this machine are shortened.
"""

from __future__ import annotations

import io
import os
import pty
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "terminal.svg"
COLUMNS = 118
SHOWN = "runbook run auth-down -i inventory/lab"
BEFORE = ("runbook lab up", "runbook lab break jwt-key-stale")
FINDINGS = 3  # the exit code of a diagnosis that found something


def main() -> None:
    """Bring up a lab, break it, diagnose, and draw what was printed."""
    with tempfile.TemporaryDirectory(prefix="runbook-picture-") as folder:
        environment = {**os.environ, "RUNBOOK_LAB": f"{folder}/lab", "RUNBOOK_HOME": f"{folder}/home"}
        environment |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        try:
            for line in BEFORE:
                subprocess.run(_command(line), cwd=ROOT, env=environment, check=True, capture_output=True)
            printed = _on_a_terminal(SHOWN, environment)
        finally:
            subprocess.run(_command("runbook lab down"), cwd=ROOT, env=environment, check=False, capture_output=True)
    for path, short in ((f"{folder}/home", "~/.local/state/incident-runbooks"), (f"{ROOT}/", "")):
        printed = printed.replace(path, short)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text("$ ", style="bold green") + Text(SHOWN, style="bold"))
    console.print(Text.from_ansi(printed))
    console.save_svg(str(PICTURE), title="incident-runbooks")


def _command(line: str) -> list[str]:
    program, *arguments = shlex.split(line)
    return [str(Path(sys.executable).with_name(program)), *arguments]


def _on_a_terminal(line: str, environment: dict[str, str]) -> str:
    """Return what a command prints on stdout when that is a terminal; its progress, on stderr, is not shown."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(_command(line), cwd=ROOT, env=environment, stdout=end, stderr=subprocess.DEVNULL)
    os.close(end)
    printed = b""
    while chunk := _read(terminal):
        printed += chunk
    os.close(terminal)
    if process.wait() != FINDINGS:
        sys.exit(f"{line} ended with {process.returncode}:\n{printed.decode()}")
    return printed.decode().replace("\r\n", "\n").strip("\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux' way to say that the other end is closed
        return b""


if __name__ == "__main__":
    main()
