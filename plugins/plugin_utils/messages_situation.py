# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What a run that is still under way has found and done so far, read from the incident's journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_parts import run_to_show
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import type_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import FILE_NAME, read_journal

Json = dict[str, Any]

_ROOT = Path(__file__).resolve().parents[2]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times faster where libyaml is there


def header_of(incident_id: str, root: Path = _ROOT) -> Json:
    """Return the header of the runbook that an incident belongs to.

    Args:
        root: the collection's directory.

    Raises:
        IncidentsError: it is no incident id, or the header cannot be read.
    """
    source = root / "roles" / type_of(incident_id).replace("-", "_") / "meta" / "runbook.yml"
    try:
        header = yaml.load(source.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise IncidentsError(f"Reading the runbook header {source}: {' '.join(str(error).split())}") from error
    if not isinstance(header, dict) or not isinstance(header.get("messages"), Mapping):
        raise IncidentsError(f"Reading the runbook header {source}: it has no messages")
    return header


def result_so_far(directory: Path, run_id: str | None) -> Json:
    """Return the result of a run as if it ended now; of one that only tells, that of the run before it.

    Who runs it stays who runs it now.

    Args:
        directory: the incident's directory.
        run_id: the run; ``None`` for the last one that examined something.

    Raises:
        IncidentsError: the journal cannot be read.
    """
    records = read_journal(directory / FILE_NAME).records
    last = run_to_show(records)
    own = _fold(records, (last or "") if run_id is None else run_id, directory.name)
    if own["run"]["mode"] != "report" or last is None:
        return own
    before = _fold(records, last, directory.name)
    before["run"]["operator"] = own["run"]["operator"]
    return before


def _fold(records: list[Json], run_id: str, incident_id: str) -> Json:
    folded: Json = fold([*records, _end(run_id)], run_id, incident_id=incident_id)
    return folded


def _end(run_id: str) -> Json:
    empty = {"prev": "", "hash": "", "seq": 0, "at": ""}
    return {**empty, "run_id": run_id, "type": "run_ended", "data": {"hosts": {}}}
