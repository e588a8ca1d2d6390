# SPDX-License-Identifier: GPL-3.0-or-later
"""``FOLDER CONFIGURATION``, with the folder of the command itself: see the package."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.processes import RunAs, launch_options, unprivileged

_EVERY_ADDRESS = re.compile(r"^(\s*listen_addr\s*=\s*)\*\s*$", re.MULTILINE)


def main() -> int:
    """Prepare the files and become PgBouncer."""
    own_folder, given = sys.argv[1:3]
    search = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(entry for entry in search if entry != own_folder)
    try:
        program = find_program("pgbouncer")
    except RunbookError as error:
        print(f"pgbouncer: {error}", file=sys.stderr)
        return 1
    run_as = unprivileged()
    configuration = _own_copy(Path(given), os.environ.get("POD_IP", "127.0.0.1"))
    prefix, options = launch_options(run_as)
    command = [*prefix, str(program.path), configuration.name]
    os.chdir(configuration.parent)
    if run_as is RunAs.NOBODY:
        for path in (configuration.parent, *configuration.parent.iterdir()):
            os.chown(path, options["user"], options["group"])
        os.setgroups([])
        os.setgid(options["group"])
        os.setuid(options["user"])
    os.execvpe(command[0], command, {**os.environ, **program.environ})  # noqa: S606 - no shell, our own arguments
    raise AssertionError("execvpe returned")


def _own_copy(configuration: Path, address: str) -> Path:
    """Copy the configuration's folder to one that PgBouncer's account can read, with the pod's address in it."""
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=None if os.geteuid() == 0 else Path.cwd()))
    for file in configuration.absolute().parent.iterdir():
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
            (folder / file.name).chmod(0o600)
    copy = folder / configuration.name
    copy.write_text(_EVERY_ADDRESS.sub(rf"\g<1>{address}", copy.read_text(encoding="utf-8")), encoding="utf-8")
    return copy


if __name__ == "__main__":
    sys.exit(main())
