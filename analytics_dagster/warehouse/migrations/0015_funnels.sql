-- Which funnels are declared: what funnels/*.yaml says, as the last deployment read it.
create table tenancy.funnels (
    funnel text primary key,
    declaration jsonb not null
);
