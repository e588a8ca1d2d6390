# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask social platforms whether they still serve us: limits, tokens, permissions, quota."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: social_probe
short_description: Ask Meta, TikTok and YouTube whether their APIs still serve our accounts
version_added: 0.1.0
description:
  - Asks each platform whose token that is, with the cheapest request that it has, for at most O(max_accounts) accounts.
    All platforms are asked at the same time.
  - What they answer becomes the same few words for all of them, with the time at which to ask again.
  - A request costs of the same limit that may be exhausted. So nothing is ever asked again, a platform is not asked
    before the time that O(skip_until) names, and one whose app or project is limited, or that does not answer, is not
    asked for further accounts.
  - An answer that is not understood is V(unknown), never V(ok).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  platforms:
    description: Platforms to ask.
    type: list
    elements: str
    choices: [meta, tiktok, youtube]
    default: [meta, tiktok, youtube]
  failing_accounts:
    description: Accounts, by their ids, that are asked for before others, such as those that the logs name.
    type: list
    elements: str
    default: []
  max_accounts:
    description: Accounts of one platform to ask for, 1 to 3.
    type: int
    default: 3
  skip_until:
    description:
      - When a platform may be asked again, by its name, as RFC 3339. It is skipped while that is in the future.
      - An empty value counts as not given, so that the times of an earlier run can be handed on.
    type: dict
    default: {}
  usage_warn:
    description: Share of a limit in percent that was used, from which C(usage_warn) is said although all is well.
    type: float
    default: 80
  meta_api_version:
    description: Version of Meta's Graph API. Each is served for about two years.
    type: str
    default: v24.0
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
  - brandconnect.incidents.social
notes:
  - YouTube answers a token that has expired and one that was revoked in the same way. Only a refresh tells them apart,
    which this module does not do.
  - Where an answer names no time, RV(accounts) has the end of the window by which the platform counts, and
    C(retry_source) is V(rule).
"""

EXAMPLES = r"""
- name: Do the social APIs still serve us?
  brandconnect.incidents.social_probe:
    failing_accounts: ["7012345678901234561"]
  register: social

- name: The same later, without those that said when to come back
  brandconnect.incidents.social_probe:
    skip_until:
      meta: "{{ social.platforms.meta.retry_at }}"
      tiktok: "{{ social.platforms.tiktok.retry_at }}"
      youtube: "{{ social.platforms.youtube.retry_at }}"
  register: social
"""

RETURN = r"""
reachable:
  description: Whether a platform answered anything.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why none did; V(null) when one did.
    - One of V(not_configured), V(skip_until), V(token_unusable), V(timeout), V(refused), V(dns), V(tls),
      V(no_answer) and V(invalid).
  returned: success
  type: str
  sample: null
message:
  description: The same in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
all_ok:
  description: Whether every platform that was wanted was asked and is V(ok).
  returned: success
  type: bool
  sample: false
platforms:
  description:
    - Each of O(platforms), with the C(verdict), C(cause), C(message) and C(hint) of the account that is worst off.
    - C(retry_at) is when all of its accounts may be asked again, C(reset_at) when a quota of the day comes back.
    - C(usage_percent) is the highest share of a limit that the platform says was used, V(null) when it does not say.
    - C(accounts) is how many there are, C(asked) for how many it was asked, C(by_verdict) how many got which verdict.
  returned: success
  type: dict
  sample:
    meta: {verdict: rate_limited, cause: business_limit, message: "(#80002) There have been too many calls",
           hint: slow down or pause this platform until then; do not retry before,
           retry_at: "2026-11-28T10:17:00.000000Z", reset_at: null, usage_percent: 100.0, usage_warn: true,
           accounts: 2, asked: 2, by_verdict: {rate_limited: 1, ok: 1}}
accounts:
  description:
    - Each account that was looked at.
    - C(verdict) is V(ok), V(rate_limited), V(quota_exhausted), V(token_expired), V(token_revoked), V(permission),
      V(unreachable), V(unknown), or V(skipped) when it was not asked for.
    - C(cause) says it more precisely, such as V(app_limit), V(user_limit), V(password_changed), V(app_removed),
      V(token_invalid), V(server_error), V(timeout), V(not_json), V(skip_until) or V(not_asked).
    - C(retry_source) is V(header) when the answer named C(retry_at), V(rule) when it did not, or V(skip_until).
    - C(code), C(subcode) and C(request_id) are the platform's own, C(identity) is who it says that we are.
  returned: success
  type: list
  elements: dict
  sample:
    - {platform: meta, account: "17841405309211844", name: brandconnect.studio, asked: true, verdict: rate_limited,
       cause: business_limit, message: "(#80002) There have been too many calls",
       hint: slow down or pause this platform until then; do not retry before,
       retry_at: "2026-11-28T10:17:00.000000Z", retry_source: header, reset_at: null, usage_percent: 100.0,
       usage_warn: true, code: 80002, subcode: null, request_id: AbCdEf, identity: null}
limited:
  description: Platforms that are V(rate_limited) or V(quota_exhausted) for an account.
  returned: success
  type: list
  elements: str
  sample: [meta]
reauthorize:
  description: Accounts whose token or permission is no good, with C(platform), C(account), C(name) and C(verdict).
  returned: success
  type: list
  elements: dict
  sample: [{platform: youtube, account: UCbrandconnect, name: BrandConnect, verdict: token_expired}]
unproven:
  description: Platforms of which an account is V(unreachable), V(unknown) or V(skipped), or that have none.
  returned: success
  type: list
  elements: str
  sample: []
asked_at:
  description: When they were asked.
  returned: success
  type: str
  sample: "2026-11-28T10:00:00.000000Z"
calls:
  description: Every request.
  returned: success
  type: list
  elements: dict
  sample:
    - {platform: meta, account: "17841405309211844", method: GET, path: /v24.0/me, status: 400, duration_s: 0.143}
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import social as client
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import hidden
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.social_options import (
    read_accounts,
    read_urls,
    social_argument_spec,
    social_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import social
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social_probe import (
    judge,
    not_asked,
    overall,
    sample,
    skipped,
    times,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Asking the social platforms"
MOST_ACCOUNTS = 3
_VERSION = re.compile(r"v\d{1,3}\.\d")

Json = dict[str, Any]


def run(params: dict[str, Any], _check_mode: bool) -> Json:
    """Ask the platforms; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    _check(params)
    now = dt.datetime.now(dt.UTC)
    until = times(ATTEMPTED, params["skip_until"] or {}, now)
    wanted = [name for name in social.PLATFORMS if name in params["platforms"]]
    accounts = [each for each in read_accounts(ATTEMPTED, params) if each.platform in wanted]
    urls = read_urls(ATTEMPTED, params)
    chosen = sample(accounts, params["failing_accounts"] or [], params["max_accounts"])
    found = client.ask(
        [each for each in chosen if each.platform not in until],
        urls,
        params["meta_api_version"],
        params["social_request_timeout"],
        lambda account, seen: judge(account.platform, account.account, seen, now),
    )
    of = {(asked.account.platform, asked.account.account): asked for asked in found}
    rows = [_row(each, of.get((each.platform, each.account)), until, params) for each in chosen]
    return {
        **overall(rows, wanted, {name: sum(each.platform == name for each in accounts) for name in wanted}),
        "asked_at": now,
        "calls": [_call(asked) for asked in found if asked.path],
    }


def _check(params: Mapping[str, Any]) -> None:
    if params["social_request_timeout"] < 1:
        raise IncidentsError(f"{ATTEMPTED}: social_request_timeout must be 1 second or more")
    if not 1 <= params["max_accounts"] <= MOST_ACCOUNTS:
        given = params["max_accounts"]
        raise IncidentsError(f"{ATTEMPTED}: max_accounts must be 1 to {MOST_ACCOUNTS}, not {given}: each costs quota")
    if not 0 < params["usage_warn"] <= 100:  # noqa: PLR2004 - percent
        raise IncidentsError(f"{ATTEMPTED}: usage_warn must be more than 0 and at most 100, not {params['usage_warn']}")
    if not _VERSION.fullmatch(params["meta_api_version"]):
        raise IncidentsError(f"{ATTEMPTED}: meta_api_version is no version such as v24.0")
    if not params["platforms"]:
        raise IncidentsError(f"{ATTEMPTED}: platforms is empty; name at least one of {', '.join(social.PLATFORMS)}")


def _row(
    account: client.Account, asked: client.Asked | None, until: Mapping[str, dt.datetime], params: Mapping[str, Any]
) -> Json:
    verdict = skipped(account.platform, until[account.platform]) if asked is None else asked.verdict or not_asked()
    told = {name: value for name, value in asdict(verdict).items() if name != "app_wide"}
    secrets: Sequence[str] = [account.token] if account.token else []
    for name in ("message", "code", "request_id", "identity"):  # whatever a platform echoes
        told[name] = hidden(told[name], secrets) if isinstance(told[name], str) else told[name]
    share = verdict.usage_percent
    return {
        "platform": account.platform,
        "account": account.account,
        "name": account.name,
        "asked": bool(asked and asked.path),
        "answered": bool(asked and asked.status),
        **told,
        "usage_warn": share is not None and share >= params["usage_warn"],
    }


def _call(asked: client.Asked) -> Json:
    where = {"platform": asked.account.platform, "account": asked.account.account}
    return {**where, "method": "GET", "path": asked.path, "status": asked.status, "duration_s": asked.duration_s}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **social_argument_spec(),
        "platforms": {
            "type": "list",
            "elements": "str",
            "choices": list(social.PLATFORMS),
            "default": list(social.PLATFORMS),
        },
        "failing_accounts": {"type": "list", "elements": "str", "default": []},
        "max_accounts": {"type": "int", "default": 3},
        "skip_until": {"type": "dict", "default": {}},
        "usage_warn": {"type": "float", "default": 80},
        "meta_api_version": {"type": "str", "default": "v24.0"},
    },
    secrets=social_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
