-- SPDX-License-Identifier: GPL-3.0-or-later
-- BrandConnect in small: the tables that its runbooks ask about. No real names, no real addresses.
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('brand', 'creator', 'admin')),
    password_hash text, -- scrypt; without one nobody can log in as this user
    two_factor_required boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE campaigns (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    brand_id bigint NOT NULL REFERENCES users (id),
    title text NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'active', 'paused', 'completed')),
    budget_cents bigint NOT NULL CHECK (budget_cents >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE payments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns (id),
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    currency char(3) NOT NULL DEFAULT 'GBP',
    status text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    stripe_payment_intent_id text UNIQUE, -- NULL: Stripe has made none that we know of
    stripe_payment_method_id text NOT NULL DEFAULT 'pm_card_visa', -- the customer's card
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor_id bigint,
    action text NOT NULL,
    resource_type text NOT NULL,
    resource_id text,
    ip_address inet,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE refresh_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id),
    issued_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE password_resets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id),
    incident text, -- a reset that an incident asked for is sent once
    requested_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, incident)
);

-- What creators have allowed the platform to read for them
CREATE TABLE oauth_grants (
    account_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id),
    platform text NOT NULL CHECK (platform IN ('meta', 'tiktok', 'youtube')),
    granted_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- The last numbers of each campaign; their history is in ClickHouse
CREATE TABLE campaign_metrics (
    campaign_id bigint NOT NULL REFERENCES campaigns (id),
    platform text NOT NULL CHECK (platform IN ('meta', 'tiktok', 'youtube')),
    views bigint NOT NULL DEFAULT 0 CHECK (views >= 0),
    synced_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, platform)
);

-- Stripe delivers an event more than once
CREATE TABLE processed_events (
    id text PRIMARY KEY,
    type text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_audit_logs_created_at ON audit_logs (created_at DESC);
CREATE INDEX idx_audit_logs_actor_id ON audit_logs (actor_id, created_at DESC);

INSERT INTO users (email, role, created_at)
SELECT
    format('user%s@example.com', n),
    (ARRAY['brand', 'creator', 'creator', 'creator'])[1 + n % 4],
    now() - make_interval(days => n)
FROM generate_series(1, 60) AS n;

INSERT INTO campaigns (brand_id, title, status, budget_cents, created_at)
SELECT
    4 * (1 + n % 15),
    format('Campaign %s', n),
    (ARRAY['active', 'active', 'draft', 'paused', 'completed'])[1 + n % 5],
    100000 * (1 + n % 9),
    now() - make_interval(days => n)
FROM generate_series(1, 40) AS n;

-- Those that are pending wait for their customer, those that failed have a card that its bank will not take
INSERT INTO payments (campaign_id, amount_cents, status, stripe_payment_intent_id, stripe_payment_method_id, created_at)
SELECT
    1 + n % 40,
    2500 * (1 + n % 20),
    (ARRAY['succeeded', 'succeeded', 'succeeded', 'pending', 'failed'])[1 + n % 5],
    format('pi_lab_%s', lpad(n::text, 8, '0')),
    (ARRAY['pm_card_visa', 'pm_card_visa', 'pm_card_visa', 'pm_card_authenticationRequired',
        'pm_card_chargeDeclinedFraudulent'])[1 + n % 5],
    now() - make_interval(mins => 10 * n)
FROM generate_series(1, 200) AS n;

-- Addresses from the ranges for documentation (RFC 5737); some rows have none, as the application's have
INSERT INTO audit_logs (actor_id, action, resource_type, resource_id, ip_address, created_at)
SELECT
    1 + n % 60,
    (ARRAY['payment.created', 'campaign.read', 'user.login', 'campaign.updated', 'payment.read', 'creator.read',
        'payout.requested', 'campaign.select'])[1 + n % 8],
    (ARRAY['payment', 'campaign', 'user', 'campaign', 'payment', 'creator', 'payout', 'campaign'])[1 + n % 8],
    (1 + n % 40)::text,
    CASE WHEN n % 50 = 0 THEN NULL ELSE ('192.0.2.' || 1 + n % 200)::inet END,
    now() - make_interval(secs => 40 * n)
FROM generate_series(2000, 1, -1) AS n; -- oldest first, as a trail grows

INSERT INTO refresh_tokens (user_id, issued_at)
SELECT 1 + n % 60, now() - make_interval(mins => 20 * n)
FROM generate_series(0, 119) AS n;

INSERT INTO oauth_grants (user_id, platform, granted_at)
SELECT 1 + n % 60, (ARRAY['meta', 'tiktok', 'youtube'])[1 + n % 3], now() - make_interval(days => n)
FROM generate_series(0, 59) AS n;

INSERT INTO campaign_metrics (campaign_id, platform, views, synced_at)
SELECT campaign, platform, 1000 * campaign, now() - interval '10 minutes'
FROM generate_series(1, 40) AS campaign, unnest(ARRAY['meta', 'tiktok', 'youtube']) AS platform;
