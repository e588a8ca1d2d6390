# SPDX-License-Identifier: GPL-3.0-or-later
"""BrandConnect's backend in small: its health, login, campaign and webhook routes on a real connection pool.

Environment:
    HTTP: ``POD_IP`` (127.0.0.1), ``PORT`` (3001).
    Database: ``DATABASE_HOST``, ``DATABASE_PORT``, ``DATABASE_NAME``, ``DATABASE_USER``, ``DATABASE_PASSWORD``.
    Pool: ``TYPEORM_POOL_SIZE`` sessions are always open (2), at most ``TYPEORM_POOL_MAX`` (4); a request waits
    ``TYPEORM_ACQUIRE_TIMEOUT_MS`` for one (2000).
    Secrets: ``JWT_SECRET``, ``STRIPE_WEBHOOK_SECRET``.
    Log: ``LOG_LEVEL`` (info), ``LOG_FORMAT`` (json), ``POD_NAME``.
    Faults: ``LAB_FAULTS``, ``FAULTS``, see :mod:`incident_runbooks.lab.workloads.faults`.
"""
