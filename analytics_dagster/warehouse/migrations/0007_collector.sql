-- Who may post to the HTTP collector. A key is shown once, when it is made; only its hash is kept.
create table tenancy.write_keys (
    key_id bigint generated always as identity primary key,
    tenant_id text not null references tenancy.tenants,
    key_sha256 text not null unique check (key_sha256 ~ '^[0-9a-f]{64}$'),
    hint text not null,  -- its first characters, so that a person recognises it
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
