-- What an installation has of one person, found without a look at all that the person ever had. A refresh changes none of its columns.
CREATE INDEX app_grant_of_installation ON app_grant (holder, account) WHERE holder_kind = 'instance';
