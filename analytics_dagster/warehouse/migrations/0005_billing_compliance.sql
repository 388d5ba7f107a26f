-- What a tenant owes for a month, and the evidence of how its data was kept.
create schema billing;

create table billing.statements (
    tenant_id text not null references tenancy.tenants,
    month date not null check (extract(day from month) = 1),
    plan text not null,
    currency text not null,
    total numeric(18, 2) not null,
    as_of date,  -- the last loaded day that it counts
    primary key (tenant_id, month)
);

create table billing.statement_lines (
    tenant_id text not null,
    month date not null,
    line_number integer not null,
    description text not null,
    metric text,  -- empty for a fixed fee
    quantity numeric not null,
    unit_price numeric not null,
    amount numeric(18, 2) not null,
    residue numeric not null,  -- quantity * unit_price - amount: rounding happens here and nowhere else
    primary key (tenant_id, month, line_number),
    foreign key (tenant_id, month) references billing.statements on delete cascade
);

create schema compliance;

create table compliance.reports (
    tenant_id text not null references tenancy.tenants,
    month date not null check (extract(day from month) = 1),
    content jsonb not null,
    sha256 text not null,  -- of the HTML file
    primary key (tenant_id, month)
);
