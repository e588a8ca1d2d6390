# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Render an incident's document as Markdown and as one HTML file.

The templates are ``roles/common/templates/report.*.j2``. Every value that they print is text from outside: HTML is
escaped by the engine, Markdown by the environment's ``finalize``, so that a template cannot forget it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_graphics import charts, sla_bar, timeline
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_text import Raw, Shown, markdown, plain
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_view import filters, view

Json = dict[str, Any]
_EMPTY_LINES = re.compile(r"\n{3,}")
TEMPLATES = Path(__file__).resolve().parents[2] / "roles" / "common" / "templates"


def render_markdown(record: Json) -> str:
    """Return the report as Markdown that is inert wherever it is shown.

    Args:
        record: the document of :func:`incident_record`.
    """
    text = _environment(html=False).get_template("report.md.j2").render(view(record))
    return _EMPTY_LINES.sub("\n\n", text).strip() + "\n"


def render_html(record: Json) -> str:
    """Return the report as one self-contained HTML file: no script, nothing loaded from elsewhere.

    Args:
        record: the document of :func:`incident_record`.
    """
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    drawings = {
        "drawing": timeline(record),
        "sla_bar": sla_bar(record),
        "charts": charts(record["verification"]),
        "style": Markup(style),  # noqa: S704 - our own file
        "style_hash": Markup(f"sha256-{digest}"),  # noqa: S704 - base64
    }
    return _environment(html=True).get_template("report.html.j2").render(view(record) | drawings).strip() + "\n"


@cache
def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=html,  # noqa: S701 - Markdown is escaped by finalize
        finalize=_html if html else _markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters())
    environment.filters["bounded"] = _bounded_html if html else _bounded_markdown
    return environment


def _bounded_html(value: Any, limit: int) -> Shown:
    return Shown(plain(value, limit))


def _bounded_markdown(value: Any, limit: int) -> Raw:
    return Raw(markdown(value, limit))


def _html(value: Any) -> Any:
    return value if isinstance(value, (Markup, Shown)) else plain(value)


def _markdown(value: Any) -> Any:
    return value if isinstance(value, Raw) else markdown(value)
