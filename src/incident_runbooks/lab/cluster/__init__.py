# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a Kubernetes cluster: its API over the real protocol, its pods are trusted local processes.

It is judged by its clients, kubectl and the official Python client. It is no cluster: nothing isolates its pods.

How a request goes: ``http`` (routes, authentication, audit) -> ``access`` (RBAC) -> ``writes`` (patch, defaults,
validation) -> ``store`` -> ``watch``; ``controllers`` and ``runtime`` follow the store and write back to it.
"""
