# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Stripe's status page: is it Stripe, and does it concern payments?"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stripe_status
short_description: Read Stripe's status page
version_added: 0.1.0
description:
  - Asks several addresses of Stripe's status page at the same time, and takes the first in order of O(status_urls) that
    says something.
  - It knows the shapes of Atlassian's Statuspage and both of the earlier page of Stripe's own. The earlier page may be
    frozen while it says that all is well, so it counts only with a time younger than O(max_age_s).
  - A page that cannot be reached, is no JSON, has another shape or is stale leaves RV(status) at V(unknown), never at
    V(ok). Status pages lag behind by 15 to 30 minutes, so V(ok) does not prove that Stripe works; compare it with
    M(brandconnect.incidents.stripe_payment_intents).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  status_urls:
    description:
      - Addresses to ask, the best one first, at most 5.
      - They begin with C(https://); plain C(http://) is refused except to loopback hosts.
    type: list
    elements: str
    default: [https://www.stripestatus.com/api/v2/summary.json, https://status.stripe.com/api/v2/summary.json]
  status_hosts:
    description: Host names that may be asked and redirected to, each with all names below it.
    type: list
    elements: str
    default: [stripestatus.com, stripe.com]
  status_timeout:
    description: Seconds for one address with its redirects, at most 3 of them.
    type: int
    default: 5
  relevant_components:
    description:
      - Components that payments need. One is relevant when its name begins with these words, letter case ignored.
        V(Payments) is also C(Payments API), but not C(Klarna payments).
      - An incident is relevant by the components that it names, never by its title alone.
    type: list
    elements: str
    default: [API, Payments, Webhooks, Cards]
  max_age_s:
    description: Age in seconds up to which the earlier page counts.
    type: int
    default: 86400
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
requirements:
  - requests >= 2.32 on the host that runs the module
notes:
  - Nothing that logs in is sent, and at most 1 MiB of an answer is read.
  - Options that are empty count as not given.
  - A task that names no O(status_urls) takes them, O(status_hosts) and O(status_timeout) from the variables
    C(stripe_status_urls), C(stripe_status_hosts) and C(stripe_status_timeout) of the inventory host C(stripe).
  - Atlassian serves its pages from a cache for up to 5 minutes. Asking more often than once a minute tells nothing new.
seealso:
  - module: brandconnect.incidents.stripe_payment_intents
"""

EXAMPLES = r"""
- name: Is it Stripe?
  brandconnect.incidents.stripe_status:
  register: status

- name: The same with components of one's own choice
  brandconnect.incidents.stripe_status:
    relevant_components: [API, Webhooks, Payments, Radar]
  register: status
"""

RETURN = r"""
reachable:
  description: Whether a page said something that counts.
  returned: success
  type: bool
  sample: true
status:
  description: V(ok), V(degraded), V(down) or V(unknown), for Stripe as a whole.
  returned: success
  type: str
  sample: down
cause:
  description:
    - Why it is unknown. One of V(timeout), V(unreachable), V(http_error), V(not_json), V(redirect_refused),
      V(too_large), V(unknown_shape), V(unknown_indicator) and V(stale).
    - Null otherwise.
  returned: success
  type: str
  sample: null
message:
  description: The same in one line; also what the page does not say, when RV(affected_relevant) is null.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
indicator:
  description: The page's own word.
  returned: success
  type: str
  sample: critical
affected_relevant:
  description:
    - Whether an incident that is not resolved, or a component that is not operational, is one of
      O(relevant_components).
    - Null when the page does not say, as with an incident that names no components, or when RV(status) is V(unknown).
  returned: success
  type: bool
  sample: true
incidents_unresolved:
  description: Incidents that are not resolved, at most 20.
  returned: success
  type: list
  elements: dict
  sample:
    - {id: p31zjtct2jer, name: Elevated API errors, status: investigating, impact: critical,
       created_at: "2026-11-24T14:50:00.000Z", updated_at: "2026-11-24T14:58:00.000Z",
       url: "https://stspg.io/p31zjtct2jer", components: [API], relevant: true}
components:
  description: Components that are relevant or not operational, at most 50.
  returned: success
  type: list
  elements: dict
  sample: [{name: API, status: major_outage, relevant: true}]
source:
  description: The address that said it; null when none did.
  returned: success
  type: str
  sample: https://www.stripestatus.com/api/v2/summary.json
shape:
  description: The shape that it has, V(statuspage), V(legacy) or V(legacy_full).
  returned: success
  type: str
  sample: statuspage
fetched_at:
  description: When the pages were asked, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-24T15:00:00.110000Z"
fresh:
  description: Whether what the page says is of now; null when no page had a known shape.
  returned: success
  type: bool
  sample: true
attempts:
  description: What became of each address, in order.
  returned: success
  type: list
  elements: dict
  sample:
    - {url: "https://www.stripestatus.com/api/v2/summary.json", status: down, cause: null, message: null}
calls:
  description: Every request, redirects too.
  returned: success
  type: list
  elements: dict
  sample:
    - {method: GET, url: "https://www.stripestatus.com/api/v2/summary.json", status: 200, duration_s: 0.1432}
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import stripe_status as pages
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import stripe_status as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Reading Stripe's status page"
DEFAULT_URLS = ["https://www.stripestatus.com/api/v2/summary.json", "https://status.stripe.com/api/v2/summary.json"]
DEFAULT_HOSTS = ["stripestatus.com", "stripe.com"]
_HINTS = {
    "unknown_shape": "check status_urls; the page may have moved",
    "unknown_indicator": "look at the page itself",
    "stale": "look at https://www.stripestatus.com; this page is not kept up to date",
}


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask the pages; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    urls = params["status_urls"] or DEFAULT_URLS
    hosts = params["status_hosts"] or DEFAULT_HOSTS
    _check(params, urls, hosts)
    now = dt.datetime.now(dt.UTC)
    found = pages.fetch(urls, hosts, params["status_timeout"])
    readings = [_reading(page, params, now) for page in found]
    best = decisions.best(readings) or decisions.Reading(decisions.UNKNOWN)
    known = best.status != decisions.UNKNOWN
    page = found[readings.index(best)]
    return {
        "reachable": known,
        "status": best.status,
        "cause": best.cause,
        "message": best.message,
        "hint": None if known else page.hint or _HINTS.get(str(best.cause)),
        "indicator": best.indicator,
        "affected_relevant": best.affected_relevant if known else None,
        "incidents_unresolved": best.incidents,
        "components": best.components,
        "source": page.url if known else None,
        "shape": best.shape,
        "fetched_at": now,
        "fresh": best.fresh,
        "attempts": [_attempt(each, reading) for each, reading in zip(found, readings, strict=True)],
        "calls": [call for each in found for call in each.calls],
    }


def _check(params: dict[str, Any], urls: list[str], hosts: list[str]) -> None:
    for option in ("status_timeout", "max_age_s"):
        if params[option] < 1:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be 1 or more, not {params[option]}")
    if len(urls) > pages.MOST_URLS:
        raise IncidentsError(f"{ATTEMPTED}: {len(urls)} status_urls are too many; give at most {pages.MOST_URLS}")
    for url in urls:
        refused = pages.objection(url, hosts)
        if refused:
            shown = plain_line(url.partition("?")[0], 80)
            raise IncidentsError(f"{ATTEMPTED} at {shown}: {refused}; check status_urls and status_hosts")


def _reading(page: pages.Page, params: dict[str, Any], now: dt.datetime) -> decisions.Reading:
    if page.cause:
        return decisions.Reading(decisions.UNKNOWN, page.cause, message=page.message)
    return decisions.read(page.document, params["relevant_components"], params["max_age_s"], now)


def _attempt(page: pages.Page, reading: decisions.Reading) -> dict[str, Any]:
    return {"url": page.url, "status": reading.status, "cause": reading.cause, "message": reading.message}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        "status_urls": {"type": "list", "elements": "str", "default": DEFAULT_URLS},
        "status_hosts": {"type": "list", "elements": "str", "default": DEFAULT_HOSTS},
        "status_timeout": {"type": "int", "default": 5},
        "relevant_components": {
            "type": "list",
            "elements": "str",
            "default": ["API", "Payments", "Webhooks", "Cards"],
        },
        "max_age_s": {"type": "int", "default": 86400},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
