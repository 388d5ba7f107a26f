-- Predictions, each with the model version and the day it stands on.
create schema ml;

create table ml.churn_scores (
    tenant_id text not null,
    user_id text not null,
    as_of date not null,
    probability double precision not null check (probability between 0 and 1),
    model_version integer not null,
    primary key (tenant_id, user_id)
);

create table ml.lifetime_value_scores (
    tenant_id text not null,
    user_id text not null,
    as_of date not null,
    expected_revenue numeric(18, 2) not null check (expected_revenue >= 0),
    currency text not null,
    horizon_days integer not null,
    model_version integer not null,
    primary key (tenant_id, user_id)
);

-- Dagster and MLflow keep their own tables beside ours: one server to back up.
create schema dagster;
create schema mlflow;

-- What was trained and scored last: weekly training and daily scoring are due by these.
create table ml.training_runs (
    model_name text not null,
    as_of date not null,  -- the last day of the past that it was trained on
    model_version integer,  -- empty: there was too little to learn from
    note text,
    trained_at timestamptz not null default clock_timestamp()
);

create table ml.scorings (
    tenant_id text not null references tenancy.tenants,
    model_name text not null,
    as_of date not null,
    scored_users bigint not null,
    scored_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, model_name)
);
