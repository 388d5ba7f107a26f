-- What a model of a build tells the next ones: the users or the days whose rows it changed in fact. It stands until a
-- build ends well, so that the build after one that failed in the middle restates what its followers did not.
create table pipeline.build_changes (
    relation text not null,
    tenant_id text not null,
    key text not null,  -- a user's id, or a day
    primary key (relation, tenant_id, key)
);
