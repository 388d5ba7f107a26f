-- What a model of a build tells the next ones: the users or the days whose rows it changed in fact.
create table pipeline.build_changes (
    build_id text not null,
    relation text not null,
    tenant_id text not null,
    key text not null,  -- a user's id, or a day
    primary key (build_id, relation, tenant_id, key)
);
