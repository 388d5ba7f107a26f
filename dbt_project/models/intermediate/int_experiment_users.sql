{%- set scope = {'users_of': ['int_exposures', 'int_conversions', 'int_experiment_events']} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'day'}},
        indexes=[{'columns': ['tenant_id', 'day']}],
    )
}}

with

exposures as (
    {{ rows_in_scope(ref('int_exposures'), scope) }}
),

experiments as (
    select * from {{ ref('int_experiments') }}
),

conversions as (
    select * from {{ ref('int_conversions') }}
),

events as (
    select * from {{ ref('int_experiment_events') }}
),

first_exposures as (
    select distinct on (tenant_id, user_id, experiment)
        tenant_id,
        user_id,
        experiment,
        day,
        variant,
        exposed_at
    from exposures
    order by tenant_id asc, user_id asc, experiment asc, exposed_at asc
),

followed as (
    select
        first_exposures.*,
        first_exposures.exposed_at + make_interval(hours => coalesce(experiments.window_hours, 168)) as ends_at,
        first_exposures.day + coalesce(experiments.window_hours, 168) / 24 + 2 as last_day,
        coalesce(experiments.conversion_events, '["payment_succeeded"]') as conversion_events
    from first_exposures
    left join experiments
        on
            first_exposures.tenant_id = experiments.tenant_id
            and first_exposures.experiment = experiments.experiment
),

-- the instants decide; the days are wide enough for any clock, and let the index answer
payments as (
    select
        followed.*,
        case
            when followed.conversion_events @> '["payment_succeeded"]' then paid.conversions else 0
        end as paid_conversions,
        paid.revenue
    from followed
    cross join lateral (
        select
            count(*) as conversions,
            coalesce(sum(conversions.revenue), 0)::numeric(38, 6) as revenue
        from conversions
        where
            conversions.tenant_id = followed.tenant_id
            and conversions.user_id = followed.user_id
            and conversions.day between followed.day - 1 and followed.last_day
            and conversions.converted_at >= followed.exposed_at
            and conversions.converted_at < followed.ends_at
    ) as paid
),

final as (
    select
        payments.tenant_id,
        payments.user_id,
        payments.experiment,
        payments.day,
        payments.variant,
        payments.paid_conversions + further.conversions as conversions,
        payments.revenue
    from payments
    cross join lateral (
        select count(*) as conversions
        from events
        where
            events.tenant_id = payments.tenant_id
            and events.user_id = payments.user_id
            and events.day between payments.day - 1 and payments.last_day
            and events.converted_at >= payments.exposed_at
            and events.converted_at < payments.ends_at
            and payments.conversion_events @> to_jsonb(events.event_name)
    ) as further
)

select
    tenant_id,
    user_id,
    experiment,
    day,
    variant,
    conversions,
    revenue
from final
