# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in with a probe account as people do, and see whether it works."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: auth_probe
short_description: Log in with a probe account as people do, and see whether it works
version_added: 0.1.0
description:
  - Asks for the health of the API, logs in with a wrong password, which is to be refused, logs in with the right one,
    and uses the token that was issued on a protected route, several times on connections of their own, so that several
    replicas behind one address get to see it.
  - A token that some replicas take and others refuse shows a replica with another key. One that all refuse shows a
    wrong clock, or keys that differ between issuing and checking.
  - A token of an earlier probe of the same run tells whether those that were issued before an action are still valid;
    see O(keepsake).
  - What is down, slow or refuses is a result with a RV(verdict), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  addresses:
    description:
      - Further addresses of the same API, at most 7, such as those of its Service and of single pods. All are asked at
        the same time. O(auth_url) itself is called C(public).
      - The right password is sent to each of them, the wrong one to O(auth_url) only.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called in RV(probes), of at most 40 letters, digits, C(-) and C(_).
        type: str
        required: true
      url:
        description: Its base address, as O(auth_url). Inside the cluster it may begin with C(http://).
        type: str
        required: true
  health_path:
    description: Path that says whether the API lives.
    type: str
    default: /api/health
  login_path:
    description: Path of the login, which takes JSON by C(POST).
    type: str
    default: /api/auth/login
  protected_path:
    description: Path that wants a token, asked for by C(GET).
    type: str
    default: /api/users/me
  user_field:
    description: Name of the account in what is sent to O(login_path).
    type: str
    default: email
  password_field:
    description: Name of the password in it.
    type: str
    default: password
  token_field:
    description: Name of the access token in the answer.
    type: str
    default: access_token
  token_checks:
    description: How often the token is used at each address, 1 to 20.
    type: int
    default: 6
  wrong_password:
    description: Whether the login with a wrong password is tried.
    type: bool
    default: true
  keepsake:
    description:
      - The RV(keepsake) of an earlier probe. Its token is used on O(protected_path) as well, see RV(old_token).
      - It can be read by the run that made it only.
    type: str
  min_interval_s:
    description:
      - Seconds that lie between two logins of the account, so that probing locks nobody out and looks like no attack.
        Within them nobody logs in, and the RV(verdict) is V(too_soon) at best. V(0) for no limit.
    type: int
    default: 60
  wait_s:
    description: Seconds that are waited at most, where O(min_interval_s) does not let anybody log in yet.
    type: int
    default: 0
  state_dir:
    description:
      - Directory in which the time of the last login is kept, without the account's name. Without it nothing is kept,
        and O(min_interval_s) has no effect.
      - Where the module runs on the controller, it is the state directory of the runbooks, see E(RUNBOOK_HOME).
    type: path
  max_skew_s:
    description: Seconds that clocks may differ.
    type: float
    default: 5
extends_documentation_fragment:
  - brandconnect.incidents.auth
  - brandconnect.incidents.attributes
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: partial
    details:
      - Check mode makes no difference. Nothing is changed but what the API keeps of a login, such as a session of the
        probe account.
  in_process:
    description: Runs inside the Ansible worker, without starting an interpreter, where the connection is local.
    support: partial
    details: O(keepsake) works in process only.
seealso:
  - module: brandconnect.incidents.auth_cause
  - module: brandconnect.incidents.redis_info
"""

EXAMPLES = r"""
- name: See whether people can log in
  brandconnect.incidents.auth_probe:
  register: before

- name: See whether they still can, and whether they had to log in again
  brandconnect.incidents.auth_probe:
    keepsake: "{{ before.keepsake or omit }}"
  register: login
  until: login.verdict == 'ok' and login.old_token.verdict == 'valid'
  retries: 20
  delay: 5
"""

RETURN = r"""
reachable:
  description: Whether any of the addresses has answered.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why the first address that did not answer did not. One of V(not_configured), V(timeout), V(refused), V(dns),
      V(tls), V(no_answer) and V(invalid); V(null) when all have.
  returned: success
  type: str
  sample: null
message:
  description: What was seen then, in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
answered:
  description:
    - Whether the public address gave any answer, also one of what is in front of the API; any address, where none is
      called V(public). Where it did not, RV(verdict) says only that we do not reach it, which may be our own network.
  returned: success
  type: bool
  sample: true
verdict:
  description:
    - V(ok) when logging in works at every address and every check of the token was passed.
    - V(not_configured) without an address or an account, V(too_soon) when all that was asked is well and nobody logged
      in because of O(min_interval_s). Both say nothing of logging in.
    - V(unreachable) when no address answers, or nothing serves behind the edge; see RV(answered).
    - V(wrong_password_accepted) when anybody gets in.
    - V(rate_limited) when there were too many logins (HTTP 429).
    - V(dependency) when the API lives and logging in or using a token fails with HTTP 5xx or does not end in time.
    - V(wrong_credentials) when the right password is refused just as the wrong one.
    - V(stale_replica) when some checks of the same token passed and others did not, or only some addresses refuse.
    - V(key_or_clock) when the token was refused everywhere, or good credentials were and the answer names no password.
    - V(token_rejected) when logging in works and the token of O(keepsake) is refused, so that people have to log in
      again.
    - V(unexpected) otherwise, such as a path that is not there; see RV(reason).
  returned: success
  type: str
  sample: ok
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: logging in works at public, and 6 of 6 checks of the token passed
login_ok:
  description: Whether logging in works at every address; V(null) when nobody tried.
  returned: success
  type: bool
  sample: true
token_ok:
  description: Whether every check of the token that was issued passed; V(null) when there was none.
  returned: success
  type: bool
  sample: true
probes:
  description:
    - What was seen of each address, by name, with its C(url), whether it is C(reachable), and the C(verdict) of it.
    - C(health), C(wrong_password) and C(login) have the HTTP C(status), a C(verdict), C(duration_s), and an C(excerpt)
      of the answer without secrets.
    - Verdicts of all three are V(rate_limited), V(server_error), V(unavailable) (nothing serves behind the edge),
      V(wrong_path), V(redirect), V(timeout), V(unreachable), V(unexpected) and V(not_sent).
    - Of C(health) also V(ok), of C(login) V(ok), V(no_token), V(refused) and V(too_soon), of C(wrong_password)
      V(refused) and V(accepted).
    - C(token) counts the checks that V(accepted), V(refused) and V(failed), out of C(checks), with the C(statuses) and
      the C(excerpt) of one that was not passed.
  returned: success
  type: dict
  sample:
    public:
      url: https://api.example.com
      reachable: true
      verdict: ok
      health: {status: 200, verdict: ok, duration_s: 0.011, excerpt: '{"status":"ok"}'}
      wrong_password: {status: 401, verdict: refused, duration_s: 0.052, excerpt: '{"message":"Invalid credentials"}'}
      login: {status: 200, verdict: ok, duration_s: 0.061, excerpt: null}
      token: {checks: 6, accepted: 6, refused: 0, failed: 0, statuses: {"200": 6}, excerpt: null}
old_token:
  description:
    - What became of the token of O(keepsake), as C(verdict). V(valid), V(refused), V(expired) before it was used,
      V(mixed) when only some replicas take it, V(unknown) when it cannot be read or told, or V(not_asked); and
      C(message), and C(issued_at) and C(expires_at) as far as the token says so.
  returned: success
  type: dict
  sample: {verdict: not_asked, message: null, issued_at: null, expires_at: null}
keepsake:
  description:
    - The token that was issued, encrypted with a key that only this run's own processes have, in memory; V(null) when
      there is none. Nobody else can use it, and not this run after its end.
  returned: success
  type: str
  sample: null
token:
  description:
    - What the issued token says of itself, V(null) where it does not. Its C(algorithm), C(key_id), C(lifetime_s) and
      C(issued_at).
  returned: success
  type: dict
  sample: {algorithm: HS256, key_id: null, lifetime_s: 900, issued_at: "2026-11-24T15:00:00.000000Z"}
clock:
  description:
    - How far the clocks are ahead of this machine's, in seconds. C(date_skew_s) by the header C(Date) of the answers,
      which an edge may write, C(issued_skew_s) by the token, which the replica wrote. The largest of all addresses.
    - C(wrong) says whether one is further off than O(max_skew_s); V(null) when neither is known.
  returned: success
  type: dict
  sample: {date_skew_s: 0.0, issued_skew_s: -0.4, wrong: false}
retry_after_s:
  description: Seconds after which logging in may be tried again, by the API or by O(min_interval_s); or V(null).
  returned: success
  type: float
  sample: null
logins:
  description: Logins that were tried with the right password.
  returned: success
  type: int
  sample: 1
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import auth_keepsake
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.auth import Login
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.auth_interval import take_turn
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.auth_options import (
    auth_argument_spec,
    auth_secrets,
    check_options,
    read_addresses,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.auth_probing import Task, probe
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.auth_result import result
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_probe import (
    HEALTH,
    LOGIN,
    TOKEN,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

ATTEMPTED = "Logging in with the probe account"
_CLOCK_S = 0.05  # what is slept is counted by another clock than the turns


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Probe the addresses. One that is down is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense, or the time of the last login cannot be kept.
    """
    check_options(ATTEMPTED, params)
    addresses, login = read_addresses(ATTEMPTED, params), _login(params)
    configured = bool(addresses and login.user and login.password)
    wait_s = _wait_s(params, addresses) if configured else None
    old = auth_keepsake.read(params["keepsake"]) if params["keepsake"] else None
    outcome = probe(
        Task(
            addresses,
            login,
            checks=params["token_checks"],
            configured=configured,
            too_soon=wait_s is not None,
            wrong=params["wrong_password"],
            old=old,
        )
    )
    return result(params, outcome, old, wait_s)


def _login(params: Mapping[str, Any]) -> Login:
    return Login(
        user=str(params["auth_probe_user"] or "").strip(),
        password=str(params["auth_probe_password"] or ""),
        paths={HEALTH: params["health_path"], LOGIN: params["login_path"], TOKEN: params["protected_path"]},
        fields=(params["user_field"], params["password_field"], params["token_field"]),
        limit_s=float(params["auth_request_timeout"]),
        ca_cert=params["auth_ca_cert"],
    )


def _wait_s(params: Mapping[str, Any], addresses: Mapping[str, str]) -> float | None:
    """Seconds until the account may log in; ``None`` where it may now, which counts as done."""
    if not params["min_interval_s"] or not params["state_dir"]:
        return None
    account = f"{next(iter(addresses.values()))} {params['auth_probe_user']}"
    turn = partial(take_turn, ATTEMPTED, params["state_dir"], account, params["min_interval_s"])
    left_s = turn()
    if left_s is None or left_s > params["wait_s"]:
        return left_s
    time.sleep(left_s + _CLOCK_S)
    return turn()


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **auth_argument_spec(),
        "addresses": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": {"type": "str", "required": True}, "url": {"type": "str", "required": True}},
        },
        "health_path": {"type": "str", "default": "/api/health"},
        "login_path": {"type": "str", "default": "/api/auth/login"},
        "protected_path": {"type": "str", "default": "/api/users/me"},
        "user_field": {"type": "str", "default": "email"},
        "password_field": {"type": "str", "default": "password", "no_log": False},
        "token_field": {"type": "str", "default": "access_token", "no_log": False},
        "token_checks": {"type": "int", "default": 6, "no_log": False},
        "wrong_password": {"type": "bool", "default": True, "no_log": False},
        "keepsake": {"type": "str"},
        "min_interval_s": {"type": "int", "default": 60},
        "wait_s": {"type": "int", "default": 0},
        "state_dir": {"type": "path"},
        "max_skew_s": {"type": "float", "default": 5},
    },
    secrets=auth_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
