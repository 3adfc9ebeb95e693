-- What an installation's key has got, found without a look at every grant. The key may also hold grants from before it was attested, and one
-- that was learned is written with a generation behind it. A refresh changes none of its columns. It takes the place of the index of 0030.
CREATE INDEX app_grant_of_key ON app_grant (substr(holder, 1, 43), account)
  WHERE holder_kind = 'instance' OR holder_kind = 'jkt' OR holder_kind = 'learned';
-- Last, because on PostgreSQL nobody reads the table from here to the end of the migration.
DROP INDEX app_grant_of_installation;
