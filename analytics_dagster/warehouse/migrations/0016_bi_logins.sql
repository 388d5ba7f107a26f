-- Who was given a login for a BI tool, by whom, and when it was taken away. No secret is kept here, nor anywhere: the
-- server has a verifier of the password, and nobody has the password but whom it was shown to.
create table tenancy.bi_login_history (
    entry_id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    action text not null check (action in ('granted', 'revoked')),
    login text not null,
    tenant_id text references tenancy.tenants,  -- empty: the analyst's, who sees all tenants
    limits jsonb  -- what the login may do at once and for how long, when it was granted
);
create index on tenancy.bi_login_history (login, entry_id);

-- The line of a login in tenancy.bi_roles says whose rows it sees: a login is recognised by its own name, whether or not
-- a pool of connections resets roles between two of its users.
comment on table tenancy.bi_roles is 'Which tenant a database role reads as: the tenant''s own role, and each login.';
