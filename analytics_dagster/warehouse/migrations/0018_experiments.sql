-- Which experiments are declared: what experiments/*.yaml says, as the last deployment read it.
create table tenancy.experiments (
    file text primary key,
    declaration jsonb not null
);

insert into pipeline.placements (relation, placement, because) values
('tenancy.experiments', 'reference', 'no tenant''s; builds join it');
