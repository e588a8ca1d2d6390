-- SPDX-License-Identifier: GPL-3.0-or-later
-- Offers of creators for campaigns. They grow fastest, and nobody has thought of an index for what is asked of them.
DROP TABLE IF EXISTS offers;

CREATE TABLE offers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns (id),
    creator_id bigint NOT NULL REFERENCES users (id),
    status text NOT NULL CHECK (status IN ('open', 'accepted', 'declined')),
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO offers (campaign_id, creator_id, status, amount_cents, created_at)
SELECT
    1 + n % 40,
    1 + n % 60,
    (ARRAY['open', 'accepted', 'declined', 'declined'])[1 + n % 4],
    5000 * (1 + n % 20),
    now() - make_interval(hours => n)
FROM generate_series(1, 200) AS n;
