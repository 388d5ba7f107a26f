with

tenants as (
    select * from {{ ref('stg_tenants') }}
),

experiments as (
    select * from {{ source('tenancy', 'experiments') }}
),

declared as (
    select
        tenants.tenant_id,
        experiments.file,
        experiments.declaration,
        coalesce(experiments.declaration -> 'tenants' @> to_jsonb(tenants.tenant_id), false) as is_own
    from tenants
    inner join experiments
        on
            experiments.declaration -> 'kinds' @> to_jsonb(tenants.kind)
            or experiments.declaration -> 'tenants' @> to_jsonb(tenants.tenant_id)
),

-- a tenant's own declaration goes before that of its kind
final as (
    select distinct on (tenant_id, declaration ->> 'experiment')
        tenant_id,
        declaration ->> 'experiment' as experiment,
        declaration -> 'variants' as split,
        declaration ->> 'control' as control,
        declaration -> 'conversion' as conversion_events,
        (declaration ->> 'window_hours')::integer as window_hours,
        declaration ->> 'analysis' as analysis,
        (declaration ->> 'planned_end')::date as planned_end,
        (declaration ->> 'alpha')::double precision as alpha,
        (declaration ->> 'minimum_users')::bigint as minimum_users
    from declared
    order by tenant_id asc, declaration ->> 'experiment' asc, is_own desc, {{ by_bytes('file') }} asc
)

select
    tenant_id,
    experiment,
    split,
    control,
    conversion_events,
    window_hours,
    analysis,
    planned_end,
    alpha,
    minimum_users
from final
