# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the drafts of a breach notification say, and what is still blank. Pure, no I/O, and no legal advice.

Art. 33(3) UK GDPR and EU GDPR: (a) the nature of the breach with categories and approximate numbers of people and of
records, (b) a contact point, (c) the likely consequences, (d) the measures taken or proposed. Art. 34(2): (b) to (d)
in clear and plain language.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_clock import (
    Clock,
    in_zone,
    read_moment,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]

ATTEMPTED = "Drafting the notices of a breach"
LONGEST_TEXT = 4000
MOST_ITEMS = 50
# what Art. 33(3) wants to know: name, how a blank is marked
WANTED: Mapping[str, str] = {
    "nature": "what happened",
    "occurred_from": "when it began",
    "occurred_to": "when it ended",
    "how_found": "how it was found",
    "people_categories": "which kinds of people are concerned",
    "people_count": "approximately how many people are concerned",
    "data_categories": "which kinds of data are concerned",
    "record_count": "approximately how many records are concerned",
    "contact_name": "name of the data protection officer or another contact point",
    "contact_email": "e-mail address of the contact point",
    "consequences": "likely consequences",
    "measures_proposed": "what is going to be done, or that nothing else is",
}

# what Art. 33(5) wants in the register of a breach of which nobody is told
_ASSESSMENT = ("risk_reasons", "risk_assessed_by")


def read_clock(params: Mapping[str, Any], recorded: Mapping[str, str], now: dt.datetime) -> Clock:
    """Return the clock of the incident.

    Args:
        params: options of the module breach_notice.
        recorded: the ``aware_at`` and ``notified_at`` that an earlier run recorded.
        now: the present.

    Raises:
        IncidentsError: nobody said when it was, or it makes no sense.
    """
    aware = _moment("aware_at", params.get("aware_at") or recorded.get("aware_at"), now)
    notified = _moment("notified_at", params.get("notified_at") or recorded.get("notified_at"), now)
    assumed = aware is None
    if aware is None and (aware := _moment("aware_at_assumed", params.get("aware_at_assumed"), now)) and notified:
        aware = min(aware, notified)  # whoever told the regulator was aware of it
    if aware is None:
        raise IncidentsError(
            f"{ATTEMPTED}: aware_at is missing; say when somebody became aware, the 72 hours begin then"
        )
    if notified and notified < aware:
        raise IncidentsError(f"{ATTEMPTED}: notified_at lies before aware_at; check both and their time zones")
    reasoned = all(params[name] and params[name].strip() for name in _ASSESSMENT)
    return Clock(aware, now, notified, params["risk"], reasoned, assumed)


def unreasoned(clock: Clock) -> list[str]:
    """Return the caveat of a risk that is called unlikely, and of which nobody says why."""
    if clock.risk != "unlikely" or clock.reasoned:
        return []
    return [
        "risk is unlikely without risk_reasons or risk_assessed_by: the duty stays undecided, and the 72 hours go on"
    ]


def _moment(option: str, given: str | None, now: dt.datetime) -> dt.datetime | None:
    if not given:
        return None
    try:
        moment = read_moment(given)
    except ValueError as error:
        raise IncidentsError(f"{ATTEMPTED}: {option} is no moment: {error}") from error
    if moment > now:
        raise IncidentsError(f"{ATTEMPTED}: {option} lies in the future; check it and its time zone")
    return moment


def check(params: Mapping[str, Any]) -> None:
    """Look whether the options make sense.

    Raises:
        IncidentsError: one does not.
    """
    for option in ("people_count", "record_count"):
        if params[option] is not None and params[option] < 0:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be 0 or more; leave it out while it is not known")
    begin, end = (_span(option, params[option]) for option in ("occurred_from", "occurred_to"))
    if begin and end and begin > end:
        raise IncidentsError(f"{ATTEMPTED}: occurred_from lies after occurred_to; check both and their time zones")
    for option in ("people_categories", "data_categories", "consequences", "measures_proposed"):
        if len(params[option]) > MOST_ITEMS:
            raise IncidentsError(f"{ATTEMPTED}: {option} has more than {MOST_ITEMS} items; sum them up")
    for option in ("regulator_url", "reset_url", "settings_url"):
        if params[option] and not params[option].startswith("https://"):
            raise IncidentsError(f"{ATTEMPTED}: {option} must begin with https://")
    for name, words in params["measures"].items():
        known = isinstance(words, Mapping) and set(words) <= {"regulator", "people"}
        if not known or not all(isinstance(text, str) for text in words.values()):
            raise IncidentsError(f"{ATTEMPTED}: measures: {str(name)[:80]} needs the texts regulator and people")


def _span(option: str, given: str | None) -> dt.datetime | None:
    try:
        return read_moment(given) if given else None
    except ValueError as error:
        raise IncidentsError(f"{ATTEMPTED}: {option} is no moment: {error}") from error


def sheet(params: Mapping[str, Any], clock: Clock, measures: Sequence[Json], incident: str) -> Json:
    """Return the variables of the templates; equal input gives an equal sheet, whatever the time is.

    Only whether the regulator is told too late depends on the present.
    """
    given = {name: params[name] for name in WANTED}
    blanks = [name for name, value in given.items() if value in (None, "", [])]
    if clock.assumed:
        blanks.append("aware_at")
    if clock.late and not params["delay_reasons"]:
        blanks.append("delay_reasons")
    if clock.risk == "unlikely":
        blanks += [name for name in _ASSESSMENT if not (params[name] or "").strip()]
    names = (
        "law",
        "controller",
        "contact_phone",
        "security_contact",
        "reset_url",
        "settings_url",
        "phase",
        "reference",
    )
    return {
        "incident": incident,
        **{name: params[name] for name in (*names, "regulator_name", "regulator_url")},
        **given,
        "at_least": params["counts_are"] == "at_least",
        "assumed": clock.assumed,
        "aware_at": rfc3339(clock.aware_at),
        "aware_local": in_zone(clock.aware_at, params["time_zone"]),
        "deadline": rfc3339(clock.deadline),
        "deadline_local": in_zone(clock.deadline, params["time_zone"]),
        "notified_at": rfc3339(clock.notified_at) if clock.notified_at else None,
        "late": clock.late,
        "delay_reasons": params["delay_reasons"],
        "risk": clock.risk,
        **{name: params[name] for name in _ASSESSMENT},
        "regulator_duty": clock.regulator,
        "people_duty": clock.people,
        "legal_review": True,
        "measures": list(measures),
        "done": sorted(item["id"] for item in measures if item["people"]),
        "blanks": blanks,
        "wanted": WANTED,
        "others": others(params),
    }


def others(params: Mapping[str, Any]) -> list[str]:
    """Return who else may have to be told, for those who decide that."""
    found = []
    if params["card_data"]:
        found.append("Stripe and the acquirer: card data may be concerned (PCI DSS)")
    if params["eu_people"]:
        found.append("the lead authority in the EU: people there are concerned (EU GDPR Art. 33, Art. 56)")
    if params["as_processor"]:
        found.append("the controllers for whom the data is processed, without undue delay (Art. 33(2))")
    return [*found, "the cyber insurer, within the time of the policy", "the police, where a crime is suspected"]
