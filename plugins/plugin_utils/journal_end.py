# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Is the end of a journal there? The chain does not show lines that were taken from it, but the result tells of them.

Whoever goes on with such a journal writes another result in the end. So what is missing is noted in the journal before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import mapping, text
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import RESULT_NAME
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (
    DAMAGED,
    JournalWriter,
    read_journal,
)

Json = dict[str, Any]
ENDINGS = ("run_ended", "run_interrupted")


def end_problems(directory: Path, records: list[Json]) -> list[str]:
    """Return what the result knows and the journal does not: whole runs, or the end of one, were cut off.

    A result that is not there, or that cannot be read, says nothing.
    """
    try:
        result = json.loads((directory / RESULT_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    run = mapping(mapping(result).get("run"))
    run_id = text(run.get("id"))
    own = [record for record in records if record["run_id"] == run_id]
    if run_id and not own:
        return [f"after its last line: the run {run_id}, of which {RESULT_NAME} tells, is missing"]
    if run_id and run.get("ended_at") and not any(record["type"] in ENDINGS for record in own):
        return [f"after its last line: the end of the run {run_id}, of which {RESULT_NAME} tells, is missing"]
    return []


def note_what_is_missing(writer: JournalWriter) -> None:
    """Note in the journal, for good, what the result of an earlier run shows to be missing from it.

    Raises:
        JournalError: it could not be read or written.
    """
    for problem in end_problems(writer.path.parent, read_journal(writer.path).records):
        writer.append(DAMAGED, {"problem": problem}, durable=True)
