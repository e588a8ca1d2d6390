# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a webhook endpoint as Stripe does, and see whether it answers as it should."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: webhook_probe
short_description: Ask a webhook endpoint as Stripe does, and see whether it answers as it should
version_added: 0.1.0
description:
  - Sends up to three requests to each address, all at the same time. One has no signature, and a healthy endpoint
    answers it with 400. An answer of 2xx means that signatures are not checked, so that anybody can report a payment.
  - With O(signed_probe=true), one more is signed with the deployed secret, which is to be answered with 2xx, and one is
    signed with a time of 10 minutes ago, which is to be refused. Both carry an event of the type
    C(brandconnect.runbook.probe), which no handler knows, with C(livemode) false.
  - Looks at the name and the certificate of each address as well.
  - An endpoint that is down, slow or refuses is a result with a C(cause), not a failure.
  - Redirects are not followed, as Stripe counts them as failed deliveries.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  urls:
    description: The addresses, at most 8, such as the public one and that of the Service in the cluster.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What it is called in RV(probes), of at most 40 letters, digits, C(-) and C(_).
        type: str
        required: true
      url:
        description: The address with its path, beginning with C(https://) or, inside the cluster, with C(http://).
        type: str
        required: true
  ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the certificates of O(urls).
      - Without it those of E(REQUESTS_CA_BUNDLE) count, or of C(certifi). Stripe itself trusts public ones only.
    type: path
  signed_probe:
    description:
      - Send the two signed requests as well. The handler gets to see an event, although one of a type that means
        nothing to it, and may keep its identifier.
    type: bool
    default: false
  secret_name:
    description: Secret that holds what webhooks are signed with. It is read inside the module and never returned.
    type: str
  secret_key:
    description: Key of O(secret_name).
    type: str
  timeout:
    description: Seconds for each request, from resolving the name to the last byte of the answer.
    type: int
    default: 5
  namespace:
    description: Namespace of O(secret_name); needed with O(signed_probe=true).
    type: str
    required: false
  kubernetes_ca_cert:
    description: File with the certificates of the authorities that may have signed the API server's certificate.
    type: path
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: partial
    details:
      - Check mode makes no difference. Nothing is changed but what a handler may keep of the two signed requests, and
        those need O(signed_probe=true).
  in_process:
    description: Runs inside the Ansible worker, without starting an interpreter, where the connection is local.
    support: full
requirements:
  - requests >= 2.32 on the host that runs the module
notes:
  - The cluster is asked with O(signed_probe=true) only.
  - The inventory's C(kubernetes_ca_cert) is taken for O(kubernetes_ca_cert), not for O(ca_cert).
seealso:
  - module: brandconnect.incidents.stripe_webhook_endpoints
  - name: Webhooks of Stripe
    description: How deliveries are signed, and which answers count.
    link: https://docs.stripe.com/webhooks
"""

EXAMPLES = r"""
- name: See whether webhooks get through, and whether the deployed secret is taken
  brandconnect.incidents.webhook_probe:
    urls:
      - name: public
        url: https://api.example.com/api/webhooks/stripe
      - name: service
        url: http://backend.brandconnect.svc/api/webhooks/stripe
    signed_probe: true
    namespace: brandconnect
    secret_name: stripe-keys
    secret_key: STRIPE_WEBHOOK_SECRET
  register: delivery
"""

RETURN = r"""
reachable:
  description: Whether any of the addresses has answered.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why the first address that did not answer did not. One of V(timeout), V(refused), V(dns), V(tls), V(no_answer) and
      V(invalid); V(null) when all have.
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
fit:
  description: Whether nothing speaks against sending events to the handler now; see RV(objections).
  returned: success
  type: bool
  sample: true
objections:
  description:
    - Why no event should be sent there. An address does not reject what is not signed or signed too long ago, or does
      not take what is signed; a certificate is not valid; a wanted secret could not be read; or no address is called
      C(public).
  returned: success
  type: list
  elements: str
  sample: []
secret:
  description:
    - Whether the secret was C(used) and could be C(read), and why not, by C(cause), C(message) and C(hint).
    - Its C(fingerprint) is as in RV(brandconnect.incidents.k8s_secret#module:keys).
    - Its C(problems) are of V(empty), V(whitespace) (around it, which is a part of the key then) and
      V(no_whsec_prefix).
  returned: success
  type: dict
  sample: {used: true, read: true, cause: null, message: null, hint: null, fingerprint: 9f86d081884c, problems: []}
probes:
  description:
    - What was seen of each address, by name.
    - C(dns) says whether the name is C(resolved), to which C(addresses), and whether Stripe can find them, C(public).
    - C(tls) says whether TLS is C(used), and whether the certificate is C(valid), until when, signed by whom; V(null)
      where nothing is known.
    - C(unsigned), C(signed) and C(stale) have the HTTP C(status), a C(verdict), C(duration_s), and an C(excerpt) of the
      answer without secrets.
    - Verdicts of all three are V(wrong_path), V(redirect), V(refused_by_edge), V(too_large), V(throttled),
      V(handler_error), V(unavailable) (nothing serves behind the edge), V(timeout), V(unreachable), V(unexpected) and
      V(not_sent).
    - Of the first also V(verified) and V(not_verified), of the second V(accepted), V(bad_signature) and
      V(timestamp_rejected), of the third V(stale_rejected), V(stale_accepted) and V(inconclusive), when the second was
      not accepted either.
  returned: success
  type: dict
  sample:
    public:
      url: https://api.example.com/api/webhooks/stripe
      reachable: true
      cause: null
      message: null
      hint: null
      dns: {resolved: true, addresses: [203.0.113.7], public: true, message: null}
      tls: {used: true, valid: true, expires_at: "2027-02-01T12:00:00.000000Z", days_left: 69,
            issuer: "Let's Encrypt, R11", host_matches: true, message: null}
      unsigned: {status: 400, verdict: verified, duration_s: 0.041, excerpt: Missing stripe-signature header}
      signed: {status: 200, verdict: accepted, duration_s: 0.052, excerpt: '{"received":true}'}
      stale: {status: 400, verdict: stale_rejected, duration_s: 0.043, excerpt: Timestamp outside the tolerance zone}
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import NEXT_STEPS
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook import (
    at_once,
    checked_ca_cert,
    post,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook_secret import (
    SigningSecret,
    not_used,
    read_signing_secret,
    signing_argument_spec,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook_tls import examine, look_up
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    webhook_signature,
    webhook_tls,
    webhook_verdicts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_verdicts import Probe
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Probing webhooks"
MOST_URLS = 8
GRACE_S = 0.5
NO_ANSWER = {
    "timeout": "check the network and whether the handler hangs; Stripe gives up too, and delivers again",
    "refused": NEXT_STEPS["refused"],
    "dns": NEXT_STEPS["dns"],
    "tls": "renew or replace the certificate; Stripe delivers to a valid one only",
}
_Jobs = dict[tuple[str, str], Callable[[], Any]]


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Probe the addresses. One that is down is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    check_options(params)
    limit_s = float(params["timeout"])
    secret = not_used()
    seen: dict[tuple[str, str], Any] = {}

    def with_secret() -> None:
        nonlocal secret
        secret = read_signing_secret(params)
        if secret.value:
            seen.update(at_once(dict(_signed(params, secret.value)), limit_s + GRACE_S))

    jobs: _Jobs = dict(_unsigned(params))
    if params["signed_probe"]:
        jobs["", "signed"] = with_secret
    longest_s = limit_s + GRACE_S + (params["request_timeout"] + limit_s if params["signed_probe"] else 0)
    seen |= at_once(jobs, longest_s)
    probes = {each["name"]: _shown(each, seen, secret, limit_s) for each in params["urls"]}
    found = webhook_verdicts.objections(probes, secret.facts)
    return {**_summary(probes), "fit": not found, "objections": found, "secret": secret.facts, "probes": probes}


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse options that make no sense.

    Raises:
        IncidentsError: naming the option.
    """
    urls = params["urls"]
    if params["timeout"] < 1:
        raise IncidentsError(f"{ATTEMPTED}: timeout must be 1 second or more, not {params['timeout']}")
    if not 1 <= len(urls) <= MOST_URLS:
        raise IncidentsError(f"{ATTEMPTED}: urls must be 1 to {MOST_URLS} addresses, not {len(urls)}")
    problem = webhook_verdicts.names_problem(each["name"] for each in urls)
    if problem:
        raise IncidentsError(f"{ATTEMPTED}: urls: {problem}")
    for each in urls:
        problem = webhook_verdicts.url_problem(each["url"])
        if problem:
            raise IncidentsError(f"{ATTEMPTED}: the address of {each['name']} {problem}; check urls")
    if params["signed_probe"]:
        missing = [name for name in ("namespace", "secret_name", "secret_key") if not params[name]]
        if missing:
            raise IncidentsError(f"{ATTEMPTED}: signed_probe needs {' and '.join(missing)} too")
    checked_ca_cert(ATTEMPTED, params["ca_cert"])


def _unsigned(params: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Callable[[], Any]]]:
    """What needs no secret, for each address."""
    limit_s, ca_cert = float(params["timeout"]), params["ca_cert"]
    for name, url in ((each["name"], each["url"]) for each in params["urls"]):
        yield (name, "dns"), partial(look_up, url)
        yield (name, "tls"), partial(examine, url, limit_s, ca_cert)
        yield (name, "unsigned"), partial(post, "unsigned", url, _body(), None, limit_s, ca_cert, ())


def _signed(params: Mapping[str, Any], secret: str) -> Iterator[tuple[tuple[str, str], Callable[[], Any]]]:
    limit_s, ca_cert = float(params["timeout"]), params["ca_cert"]

    def send(kind: str, url: str, age_s: int) -> Probe:
        body = _body()
        signature = webhook_signature.signature(secret, body, int(time.time()) - age_s)
        return post(kind, url, body, signature, limit_s, ca_cert, (secret, secret.strip()))

    for name, url in ((each["name"], each["url"]) for each in params["urls"]):
        yield (name, "signed"), partial(send, "signed", url, 0)
        yield (name, "stale"), partial(send, "stale", url, webhook_signature.STALE_S)


def _body() -> bytes:
    return webhook_signature.encoded(webhook_signature.probe_event(uuid.uuid4().hex, int(time.time())))


def _shown(each: Mapping[str, Any], seen: Mapping[Any, Any], secret: SigningSecret, limit_s: float) -> dict[str, Any]:
    """What is known of one address."""
    name, url = each["name"], each["url"]
    late = f"no answer within {limit_s:g} s"
    kinds = webhook_verdicts.KINDS if secret.value else webhook_verdicts.KINDS[:1]
    probes = [seen.get((name, kind)) or Probe(kind, None, "timeout", late, limit_s) for kind in kinds]
    silent = next((probe for probe in probes if probe.status is None), None)
    answered = silent is None or any(probe.status is not None for probe in probes)
    cause = silent.cause if silent and not answered else None
    return {
        "url": url,
        "reachable": answered,
        "cause": cause,
        "message": silent.text if silent and not answered else None,
        "hint": NO_ANSWER.get(cause, NEXT_STEPS["no_answer"]) if cause else None,
        "dns": seen.get((name, "dns")) or webhook_tls.unresolved(late),
        "tls": seen.get((name, "tls")) or webhook_tls.unknown_tls(used=url.startswith("https"), message=late),
        **webhook_verdicts.describe(probes),
    }


def _summary(probes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    silent = next((probe for probe in probes.values() if not probe["reachable"]), None)
    return {
        "changed": False,
        "reachable": any(probe["reachable"] for probe in probes.values()),
        **{name: silent[name] if silent else None for name in ("cause", "message", "hint")},
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **signing_argument_spec(),
        "urls": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"name": {"type": "str", "required": True}, "url": {"type": "str", "required": True}},
        },
        "ca_cert": {"type": "path"},
        "signed_probe": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 5},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
