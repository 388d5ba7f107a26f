{%- set scope = {'users_of': ['int_exposures', 'int_conversions']} -%}
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

conversions as (
    select * from {{ ref('int_conversions') }}
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

final as (
    select
        first_exposures.tenant_id,
        first_exposures.user_id,
        first_exposures.experiment,
        first_exposures.day,
        first_exposures.variant,
        brought.conversions,
        brought.revenue
    from first_exposures
    -- the instants decide; the days are wide enough for any clock, and let the index answer
    cross join lateral (
        select
            count(*) as conversions,
            coalesce(sum(conversions.revenue), 0)::numeric(38, 6) as revenue
        from conversions
        where
            conversions.tenant_id = first_exposures.tenant_id
            and conversions.user_id = first_exposures.user_id
            and conversions.day between first_exposures.day - 1 and first_exposures.day + 9
            and conversions.converted_at >= first_exposures.exposed_at
            and conversions.converted_at < first_exposures.exposed_at + interval '168 hours'
    ) as brought
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
