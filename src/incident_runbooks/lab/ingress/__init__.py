# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's public address in the lab: HTTPS, forwarded to the ready pods of the Service ``backend``.

As an ingress controller does, it follows the Endpoints of the Service and goes to the pods themselves. Only ``/api/``
is public. It also tells Prometheus where the pods are.
"""
