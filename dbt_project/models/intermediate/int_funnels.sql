with

tenants as (
    select * from {{ ref('stg_tenants') }}
),

funnels as (
    select * from {{ source('tenancy', 'funnels') }}
),

final as (
    select
        tenants.tenant_id,
        funnels.funnel,
        steps.number::integer as step,
        steps.step ->> 'event_name' as event_name,
        steps.step -> 'where' as conditions,
        (funnels.declaration ->> 'window_hours')::integer as window_hours,
        funnels.declaration ->> 'breakdown' as breakdown_property
    from tenants
    inner join funnels
        on
            funnels.declaration -> 'kinds' @> to_jsonb(tenants.kind)
            or funnels.declaration -> 'tenants' @> to_jsonb(tenants.tenant_id)
    cross join lateral jsonb_array_elements(funnels.declaration -> 'steps') with ordinality as steps (step, number)
)

select
    tenant_id,
    funnel,
    step,
    event_name,
    conditions,
    window_hours,
    breakdown_property
from final
