-- The living grants of one person and client, found without a look at all that the person ever had. A refresh changes none of its columns,
-- and neither does the exchange of a code.
CREATE INDEX app_grant_living ON app_grant (account, client, created_ms) WHERE ended_ms = 0;
