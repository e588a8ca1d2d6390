# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports: every row of the template, and inert whatever a log or a person wrote."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import itertools
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar
from markdown_it import MarkdownIt

from ansible_collections.brandconnect.incidents.plugins.plugin_utils import report_text, report_view
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record import incident_record
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report import render_html, render_markdown
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_axis import Axis
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_calendar import render_calendar
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_graphics import charts, timeline
from support.incident_entries import (
    HOSTILE,
    INCIDENT,
    REPORT,
    content_of,
    evidence_of,
    incident_in,
    note,
    notification,
    verification,
)
from support.journal_entries import ENDED, SECOND, Entry, action, error, finding, journal_in, started, step

Json = dict[str, Any]
AS_OF = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "div", "span", "p"),
    *("h1", "h2", "h3", "ul", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "time", "code"),
    *("blockquote", "strong", "br", "i", "figure", "figcaption", "svg", "desc", "g", "rect", "circle", "path"),
    *("line", "text"),
}
EMPTY = {"meta", "br"}
LOG = b"a line\n"


class Page(HTMLParser):
    """Every element with its attributes, and what was opened and never closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def record(directory: Path, *extra: Entry) -> Json:
    return incident_record(content_of(incident_in(directory, *extra)), incident_id=INCIDENT, as_of=AS_OF)


@pytest.fixture
def hostile(tmp_path: Path) -> Json:
    """An incident in which everything that comes from outside means harm."""
    kind, data = started(run_id=REPORT)
    data["incident"] |= dict.fromkeys(("title", "severity", "priority", "impact"), HOSTILE)
    data["run"] |= {"operator": HOSTILE, "inventory": [HOSTILE], "versions": {"python": HOSTILE}}
    directory = incident_in(tmp_path)
    wrong: Json = {"summary": HOSTILE, "cause": HOSTILE, "check": HOSTILE, "component": HOSTILE}
    approval = {"decided_by": HOSTILE, "second_approver": HOSTILE, "reason": HOSTILE, "approved": [HOSTILE]}
    journal_in(directory)(
        (kind, data),
        finding(**wrong),
        ("plan", {"digest": HOSTILE, "approval": approval, "remediations": []}),
        action(id=HOSTILE, title=HOSTILE, reason=HOSTILE, before={HOSTILE: HOSTILE}, results=[{"result": HOSTILE}]),
        notification(id=HOSTILE, channel=HOSTILE, target=HOSTILE, cause=HOSTILE, payload={"text": HOSTILE}),
        notification(id="b", target=HOSTILE, cause=HOSTILE, status="failed", message=HOSTILE),
        ("evidence", {"path": HOSTILE, "source": HOSTILE, "sha256": HOSTILE, "bytes": 7}),
        verification(
            check=HOSTILE, summary=HOSTILE, baseline={HOSTILE: 1}, samples=[{HOSTILE: 2}], target={HOSTILE: 1}
        ),
        ("follow_up", {"title": HOSTILE, "owner": HOSTILE, "due": HOSTILE}),
        ("follow_up", {"title": f"b {HOSTILE}", "owner": "channel"}),
        ("notice", {"code": HOSTILE, "message": HOSTILE}),
        *(note(key, HOSTILE, by=HOSTILE) for key in ("root_cause", "lesson", "impact_users", "impact_data")),
        error(HOSTILE),
        ENDED,
        run_id=REPORT,
    )
    return incident_record(
        content_of(directory), incident_id=INCIDENT, as_of=AS_OF, problems=[f"line 3: {HOSTILE}"]
    )  # fmt: skip


def test_markdown_holds_every_row_of_the_template(tmp_path: Path) -> None:
    text = render_markdown(record(tmp_path))
    for row in (
        "# Incident Report: Pool exhaustion\n",
        "**Date:** 2026-11-23  \n",
        "**Duration:** 2026-11-23T23:14:10Z - 2026-11-23T23:16:00Z (1.8 minutes)  \n",
        "**Severity:** P1 (critical)  \n",
        "## Timeline\n",
        "- unknown - Alert triggered: no alert's time was given\n",
        "- 2026-11-23T23:15:30Z - Team paged (observed: the page to on-call was sent)\n",
        "- 2026-11-23T23:14:20Z - Root cause identified (inferred: postgres/holders names connection\\_leak: 16 at ",
        "- 2026-11-23T23:15:50Z - Mitigation applied (observed: ",
        "- 2026-11-23T23:16:00Z - Service restored (observed: ",
        "## Root Cause\n",
        "## Impact\n",
        "- Users affected: unknown\n",
        "- Data at risk: unknown\n",
        "- Revenue impact: unknown\n",
        "## Actions Taken\n",
        "- restart-backend (disruptive): done - Restart\n",
        "## Follow-up Items\n",
        "- [ ] Find the leak - Owner: @bob, Due: 2026-12-07T23:16Z (by default)\n",
        "### Unassigned\n",
        "- [ ] Raise the alarm earlier - Owner: unassigned, Due: 2026-11-24T00:15Z\n",
        "used ratio: 100 % before; then 53 %, 29 %; target 70 %\n",
        f"| evidence/a/pod.log | 7 | {hashlib.sha256(LOG).hexdigest()} |",
        "**SLA:** 15 min, kept; ",
    ):
        assert row in text, row


def test_html_holds_the_same(tmp_path: Path) -> None:
    html = render_html(record(tmp_path))
    words = " ".join(Page(html).words)
    for said in (
        *("Pool exhaustion", "Alert triggered", "Team paged", "Root cause identified", "Mitigation applied"),
        *("Service restored", "Root cause", "Users affected", "Data at risk", "Revenue impact", "restart-backend"),
        *("Find the leak", "bob", "Unassigned", "no owner", "SLA deadline", "target 70 %", "1 min 50 s"),
    ):
        assert said in words, said


def test_html_is_one_file_that_needs_nothing(tmp_path: Path) -> None:
    html = render_html(record(tmp_path))
    page = Page(html)
    assert {tag for tag, _ in page.elements} <= ALLOWED
    attributes = {name for _, attributes in page.elements for name in attributes}
    assert not attributes & {"src", "href", "srcset", "style", "action", "data", "xlink:href"}
    policy = next(said["content"] for tag, said in page.elements if "http-equiv" in said)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_html_is_accessible(tmp_path: Path) -> None:
    elements = Page(render_html(record(tmp_path))).elements
    assert ("html", {"lang": "en"}) in elements
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert all(said.get("scope") for tag, said in elements if tag == "th")
    ids = [said["id"] for _, said in elements if "id" in said]
    assert len(ids) == len(set(ids))
    named = [word for _, said in elements for word in (said.get("aria-labelledby") or "").split()]
    assert set(named) <= set(ids)
    pictures = [said for tag, said in elements if tag == "svg"]
    assert len(pictures) >= 3
    assert all(said["role"] == "img" and (said.get("aria-label") or said.get("aria-labelledby")) for said in pictures)


def test_hostile_text_stays_text_in_html(hostile: Json) -> None:
    html = render_html(hostile)
    page = Page(html)
    assert {tag for tag, _ in page.elements} <= ALLOWED
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "href"}
    assert "<script" not in html
    assert "alert(1)" in html  # it is there, as text
    assert "{{ 7*7 }}" in html
    assert_visible(html)


def test_hostile_text_stays_text_in_markdown(hostile: Json) -> None:
    text = render_markdown(hostile)
    assert "<" not in text.replace("&lt;", "")
    assert "@everyone" not in text
    assert "@channel" not in text
    assert_visible(text.replace("@\u2060", ""))
    renderer = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    tokens = [token for block in renderer.parse(text) for token in (block, *(block.children or ()))]
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "html_block", "html_inline", "code_inline", "code_block", "fence"}
    own = {"Incident Report:", "Timeline", "Root Cause", "Impact", "Actions Taken", "Verification", "Evidence"}
    own |= {"Follow-up Items", "Unassigned", "Lessons Learned", "Findings", "Communication", "What Is Not Known"}
    own |= {"Everything That Was Recorded", "Runs"}
    headings = [tokens[number + 1].content for number, token in enumerate(tokens) if token.type == "heading_open"]
    assert all(any(heading.startswith(title) for title in own) for heading in headings)
    # a cell that ends another cell would make rows of different length
    rows = "".join({"tr_open": "\n", "td_open": "d", "th_open": "h"}.get(token.type, "") for token in tokens).split()
    assert {row for row in rows if "d" in row} == {"d" * 4, "d" * 5, "d" * 6}


def assert_visible(text: str) -> None:
    hidden = {character for character in text if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert hidden <= {"\n"}


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("# no heading", r"\# no heading"),
        ("- no list", r"\- no list"),
        ("1. no list", r"1\. no list"),
        ("0.3 minutes", "0.3 minutes"),
        ("a | b", r"a \| b"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("<!channel>", "&lt;!channel&gt;"),
        ("[a](http://x)", r"\[a\](http\://x)"),
        ("www.evil.example", r"www\.evil.example"),
        ("@here a@b.c", "@\u2060here a@b.c"),
        ("two\nlines\r\nhere", "two lines here"),
        ("a\x00b\u202ec", r"a\\x00b\\u202ec"),
        ("snake_case *bold* `code` ~~gone~~ $x$ {{y}}",
         r"snake\_case \*bold\* \`code\` \~\~gone\~\~ \$x\$ \{\{y\}\}"),
        (None, ""),
        (12, "12"),
    ],
)  # fmt: skip
def test_markdown_is_escaped(text: Any, inert: str) -> None:
    assert report_text.markdown(text) == inert


def test_long_text_is_cut_and_says_so(tmp_path: Path) -> None:
    long = "x" * 8000
    assert report_text.plain(long, 100) == f"{'x' * 100}… [cut: 8000 characters in all]"
    made = record(tmp_path, *(finding(summary=long, check=f"c{number}") for number in range(300)))
    assert len(render_html(made)) < 1_500_000
    assert "more events are in the JSON document" not in render_markdown(made)
    made["timeline"] = made["timeline"] * 3
    assert "more events are in the JSON document" in render_markdown(made)


def test_a_failed_page_and_a_damaged_journal_are_loud(tmp_path: Path) -> None:
    content = content_of(incident_in(tmp_path, notification(id="x", status="failed", cause="timeout")))
    made = incident_record(content, incident_id=INCIDENT, as_of=AS_OF, problems=["line 3: edited"])
    text, html = render_markdown(made), render_html(made)
    assert "**NOT PAGED:** on-call failed: timeout." in text
    assert "**THE JOURNAL IS DAMAGED.**" in text
    assert html.count('role="alert"') == 2


def cut_off(directory: Path, mode: str, *entries: Entry, check_mode: bool = False) -> tuple[list[str], str, str]:
    write = journal_in(directory)
    write(started("diagnose"), finding(), ENDED)
    made = incident_record(
        write(started(mode, check_mode=check_mode, run_id=SECOND), finding(), *entries, run_id=SECOND),
        incident_id=INCIDENT,
        as_of=AS_OF,
    )
    return report_view.view(made)["summary"], render_markdown(made), " ".join(Page(render_html(made)).words)


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ([step(3, "Terminate", mutates=True)], "Terminate on postgres"),
        ([], f"{SECOND} was cut off"),
        ([step(3, "Look")], f"{SECOND} was cut off"),
        ([action("unknown"), ENDED], "kill-idle-connections"),
    ],
)
def test_a_run_that_was_cut_off_while_changing_something_does_not_say_nothing_was_changed(
    tmp_path: Path, entries: list[Entry], named: str
) -> None:
    summary, text, html = cut_off(tmp_path, "remediate", *entries)
    said = f"What was changed is not fully known: {named}."
    assert said in summary
    assert "Nothing was changed." not in summary
    assert text.replace("\\", "").count(said) == 2, "in the summary, and among the actions"
    assert said in html
    assert "Nothing was done." not in text + html


@pytest.mark.parametrize(("mode", "check_mode"), [("diagnose", False), ("rollback", True)])
def test_a_look_that_was_cut_off_has_changed_nothing(tmp_path: Path, mode: str, check_mode: bool) -> None:
    summary, text, html = cut_off(tmp_path, mode, step(3, "Look"), check_mode=check_mode)
    assert "Nothing was changed." in summary
    assert all("Nothing was done." in shown and "not fully known" not in shown for shown in (text, html))


def test_a_report_of_any_part_of_a_journal_can_be_made(tmp_path: Path) -> None:
    content = content_of(incident_in(tmp_path, error("internal")))
    ends = [place for place, byte in enumerate(content) if byte == 10]
    for end in [0, *(place + beside for place in ends for beside in (-7, 1))]:
        made = incident_record(content[:end], incident_id=INCIDENT)
        Page(render_html(made))
        assert render_markdown(made)
        Calendar.from_ical(render_calendar(made))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (2.44, "2.4 s"), (60, "1 min"), (900, "15 min"), (5400, "1 h 30 min"), (93784, "1 d 2 h")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert report_text.duration(seconds) == text


def test_the_axis_shortens_what_nobody_worked_in() -> None:
    axis = Axis([0, 10, 20, 1000, 1010], [(0, 20), (1000, 1010)])
    positions = [axis.x(at) for at in (0, 10, 20, 1000, 1010)]
    assert positions == sorted(positions)
    busy, idle = positions[1] - positions[0], positions[3] - positions[2]
    assert busy > idle  # ten seconds of work take more room than 980 of waiting
    assert positions[4] - positions[3] == pytest.approx(busy, abs=0.2)
    assert [item["label"] for item in axis.breaks()] == ["16 min 20 s"]


def test_the_axis_of_one_instant_is_a_point() -> None:
    axis = Axis([5], [])
    assert axis.x(5) == axis.x(7)
    assert axis.ticks() == axis.breaks() == []


def test_ticks_keep_clear_of_each_other_and_of_breaks() -> None:
    axis = Axis([0, 31, 900], [(0, 31)])
    taken = [item["x"] for item in [*axis.ticks(), *axis.breaks()]]
    assert len(taken) > 4
    assert all(abs(one - other) >= 60 for one, other in itertools.combinations(taken, 2))


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:01Z", "9999-12-31T23:59:59Z"]
)
def test_the_edges_of_the_calendar_break_nothing(tmp_path: Path, at: str) -> None:
    made = record(
        tmp_path, note("detected_at", at), note("resolved_at", at), finding(at=at), note("due:find the leak", at)
    )
    made["runs"][0]["started_at"] = "0001-01-01T00:00:01Z"
    assert render_markdown(made)
    Page(render_html(made))
    Calendar.from_ical(render_calendar(made))


def test_the_drawing_stays_inside(tmp_path: Path) -> None:
    drawing = timeline(record(tmp_path))
    assert drawing is not None
    marks = [mark for lane in drawing["lanes"] for mark in lane["marks"]]
    assert {mark["shape"] for mark in marks} == {"circle", "bar", "diamond", "square"}
    assert all(drawing["left"] <= mark["x"] <= drawing["right"] for mark in [*marks, *drawing["lines"]])
    assert [line["kind"] for line in drawing["lines"]] == ["detected", "mitigated", "restored", "deadline"]


def test_bars_are_as_high_as_their_numbers(tmp_path: Path) -> None:
    ratio, used = charts(record(tmp_path)["verification"])
    before, first, second = ratio["bars"]
    assert before["height"] > first["height"] > second["height"]
    assert first["height"] / before["height"] == pytest.approx(0.53, abs=0.01)
    assert [bar["status"] for bar in (first, second)] == ["resolved", "resolved"]
    assert ratio["target"]["y"] == pytest.approx(before["y"] + before["height"] * 0.3, abs=0.2)
    assert used["target"] is None


def test_a_sample_beyond_the_target_is_no_success(tmp_path: Path) -> None:
    samples = [{"used_ratio": 0.9}, {"used_ratio": 0.2}]
    made = record(tmp_path, verification(samples=samples))
    assert [bar["status"] for bar in charts(made["verification"][1:])[0]["bars"][1:]] == ["degraded", "resolved"]


def test_many_samples_become_few_bars(tmp_path: Path) -> None:
    made = record(tmp_path, verification(samples=[{"used": number} for number in range(100)]))
    chart = charts(made["verification"][1:])[0]
    assert len(chart["bars"]) <= 13
    assert chart["bars"][-1]["label"] == "100"
    assert chart["of"] == 100


def test_the_calendar_has_what_is_due(tmp_path: Path) -> None:
    made = record(tmp_path, ("follow_up", {"title": "Some day", "due": "next week"}), evidence_of(tmp_path, "e"))
    calendar = Calendar.from_ical(render_calendar(made))
    entries = {str(entry["uid"]): entry for entry in calendar.walk("VEVENT")}
    report = entries[f"{INCIDENT}-report@incident-runbooks"]
    assert report["dtend"].dt == dt.datetime(2026, 11, 24, 23, 16, tzinfo=dt.UTC)
    post_mortem = entries[f"{INCIDENT}-post-mortem@incident-runbooks"]
    assert post_mortem["dtend"].dt == dt.datetime(2026, 11, 25, 23, 16, tzinfo=dt.UTC)
    assert sorted(str(entry["summary"]) for entry in entries.values() if "Follow-up" in str(entry["summary"])) == [
        "Follow-up due: Find the leak (bob)",
        "Follow-up due: Raise the alarm earlier (no owner)",
    ]  # what is due in words is in the report only
    again = Calendar.from_ical(render_calendar(made))
    assert {str(entry["uid"]) for entry in again.walk("VEVENT")} == set(entries)


def test_a_whole_day_and_what_is_done(tmp_path: Path) -> None:
    stated = (note("due:find the leak", "2026-12-24"), note("done:raise the alarm earlier", value=True))
    calendar = Calendar.from_ical(render_calendar(record(tmp_path, *stated)))
    (entry,) = [entry for entry in calendar.walk("VEVENT") if "Follow-up" in str(entry["summary"])]
    assert (entry["dtstart"].dt, entry["dtend"].dt) == (dt.date(2026, 12, 24), dt.date(2026, 12, 25))
