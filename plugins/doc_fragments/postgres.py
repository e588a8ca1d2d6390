# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options of all PostgreSQL modules; keep module_utils/clients/postgres_options.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.postgres``."""

    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host name or address of the server, or the directory of its socket.
      - Give the server itself, not a connection pooler. A pooler's sessions are not the server's.
      - Without it, and without one in O(login_dsn), the environment variable E(PGHOST) or libpq's default counts.
    type: str
  login_port:
    description:
      - Port of the server.
      - Without it, and without one in O(login_dsn), the environment variable E(PGPORT) or V(5432) counts.
    type: int
  login_user:
    description:
      - Role to log in as. It needs C(pg_monitor) to see every session, and C(pg_signal_backend) to end sessions. It
        need not and should not be a superuser.
      - Without it, and without one in O(login_dsn), the environment variable E(PGUSER) or the name of the operating
        system user counts.
    type: str
  login_password:
    description:
      - Password of O(login_user).
      - Without it, and without one in O(login_dsn), the environment variable E(PGPASSWORD) or the password file
        counts.
    type: str
  login_db:
    description:
      - Database to log in to.
      - Without it, and without one in O(login_dsn), the environment variable E(PGDATABASE) or the name of the role
        counts.
    type: str
  login_dsn:
    description:
      - Connection string or URI of libpq. The separate options win over it, it wins over the environment.
      - It is treated as a secret. In a URI, special characters of the password must be percent-encoded.
    type: str
  ssl_mode:
    description:
      - Whether and how TLS protects the connection.
      - Without it, and without one in O(login_dsn), the environment variable E(PGSSLMODE) or V(prefer) counts.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
  ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the server's certificate.
      - Without it, and without one in O(login_dsn), the environment variable E(PGSSLROOTCERT) or libpq's default
        counts.
    type: path
  reserved_user:
    description:
      - Role to log in as when the ordinary login is refused because no connection slot is left (SQLSTATE 53300), and
        only then.
      - A superuser, or from PostgreSQL 16 on a member of C(pg_use_reserved_connections) where
        C(reserved_connections) is set.
    type: str
  reserved_password:
    description: Password of O(reserved_user).
    type: str
  connect_timeout:
    description:
      - Seconds for one login, name resolution and all addresses of the host included. It wins over one in
        O(login_dsn).
    type: int
    default: 5
  statement_timeout:
    description: Seconds after which the server ends a statement of the module.
    type: int
    default: 5
requirements:
  - psycopg >= 3.2, with libpq of its own (C(psycopg[binary])) or the system's, on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that names no server (none of O(login_host), O(login_port), O(login_dsn)) takes the connection options that
    it does not give from the variables of the inventory host C(postgres), such as C(postgres_host) and
    C(postgres_password); where the inventory has no such host, from those of the task's own host.
  - The module opens one connection, with C(application_name) V(incident-runbook) and in a read-only session.
  - Written for PostgreSQL 12 and newer, tested with 15 and 18.
"""
