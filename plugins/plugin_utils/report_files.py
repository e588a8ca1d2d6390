# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Read an incident's directory into its document, and write the document's reports beside the journal."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record import incident_record
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import write_private
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import FILE_NAME, read_journal
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_end import end_problems

Json = dict[str, Any]


def read_incident(directory: Path, *, current_run: str | None = None, now: dt.datetime | None = None) -> Json:
    """Return the document of an incident, folded from its journal; damage of the journal is among its errors.

    Args:
        directory: the incident's directory.
        current_run: a run that is under way.
        now: the instant at which it is judged; default the present.

    Raises:
        JournalError: the journal cannot be read.
    """
    journal = read_journal(directory / FILE_NAME)
    return incident_record(
        journal.records,
        incident_id=directory.name,
        as_of=now or dt.datetime.now(dt.UTC),
        current_run=current_run,
        problems=[*journal.problems, *end_problems(directory, journal.records)],
    )


def rendered(record: Json, form: str) -> str:
    """Return an incident's document as ``markdown``, ``html``, ``json`` or ``ics``."""
    return _RENDER[form](record)


def write_reports(directory: Path, record: Json) -> list[Json]:
    """Write every form of the report, each whole or not at all, with mode 0600; return path, SHA-256 and size.

    Raises:
        IncidentsError: one cannot be written.
    """
    return [_written(directory / name, rendered(record, form)) for name, form in REPORTS.items()]


def _written(path: Path, text: str) -> Json:
    write_private(path, text)
    data = text.encode("utf-8")
    return {"path": str(path), "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _markdown(record: Json) -> str:
    # Jinja and icalendar are loaded by those who render
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report import (  # noqa: PLC0415
        render_markdown,
    )

    return render_markdown(record)


def _html(record: Json) -> str:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report import render_html  # noqa: PLC0415

    return render_html(record)


def _calendar(record: Json) -> str:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_calendar import (  # noqa: PLC0415
        render_calendar,
    )

    return render_calendar(record)


def _json(record: Json) -> str:
    return json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


_RENDER: Mapping[str, Callable[[Json], str]] = {
    "markdown": _markdown,
    "html": _html,
    "json": _json,
    "ics": _calendar,
}
REPORTS = {"report.md": "markdown", "report.html": "html", "report.json": "json", "incident.ics": "ics"}
