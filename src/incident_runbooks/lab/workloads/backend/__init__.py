# SPDX-License-Identifier: GPL-3.0-or-later
"""BrandConnect's backend in small: its routes on a real connection pool, and its payments at Stripe.

Environment:
    HTTP: ``POD_IP`` (127.0.0.1), ``PORT`` (3001).
    Database: ``DATABASE_HOST``, ``DATABASE_PORT``, ``DATABASE_NAME``, ``DATABASE_USER``, ``DATABASE_PASSWORD``.
    Pool: ``TYPEORM_POOL_SIZE`` sessions are always open (2), at most ``TYPEORM_POOL_MAX`` (4); a request waits
    ``TYPEORM_ACQUIRE_TIMEOUT_MS`` for one (2000).
    Secrets: ``JWT_SECRET``, ``STRIPE_SECRET_KEY``, ``STRIPE_WEBHOOK_SECRET``.
    Redis: ``REDIS_URL``, its host and port (empty: none), ``REDIS_PASSWORD``; with it an account may try to log in
    ``LOGIN_RATE_LIMIT`` times a minute (30).
    Stripe: ``STRIPE_API_URL`` (empty: no payments), ``STRIPE_TIMEOUT_MS`` (5000), at most
    ``STRIPE_RATE_LIMIT_PER_SECOND`` requests of this process (100), ``WEBHOOK_PATH`` (/api/webhooks/stripe);
    ``PAYMENTS_PER_SECOND`` customers pay (0).
    Log: ``LOG_LEVEL`` (info), ``LOG_FORMAT`` (json), ``POD_NAME``.
    Faults: ``LAB_FAULTS``, ``FAULTS``, see :mod:`incident_runbooks.lab.workloads.faults`.
"""
