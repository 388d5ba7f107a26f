{%- set scope = {'column': 'day', 'days_of': 'quality.scores'} -%}
{{ config(meta={'scope': scope}) }}

with

every_score as (
    select * from {{ source('quality', 'scores') }}
),

{% if is_incremental() -%}
restated as (
    {{ restated_days(scope) }}
),

first_days as (
    select
        tenant_id,
        min(day) as day
    from restated
    group by tenant_id
),

-- as far back as the figures of the first day look: 14 scored loads, and 28 days
scores as (
    select every_score.*
    from first_days
    cross join
        lateral (
            select least(first_days.day - 27, min(earlier.load_day)) as day
            from (
                select every_score.load_day
                from every_score
                where every_score.tenant_id = first_days.tenant_id and every_score.load_day <= first_days.day
                order by every_score.load_day desc
                limit 14
            ) as earlier
        ) as since
    inner join every_score
        on first_days.tenant_id = every_score.tenant_id and since.day <= every_score.load_day
),
{%- else -%}
scores as (
    select * from every_score
),
{%- endif %}

averaged as (
    select
        tenant_id,
        load_day as day,
        score,
        state,
        judged,
        failed_critical,
        failed_warning,
        round(avg(score) over last_7, 2) as score_7d,
        count(*) filter (where state = 'held') over last_28_days as days_held
    from scores
    window
        last_7 as (partition by tenant_id order by load_day rows between 6 preceding and current row),
        last_28_days as (
            partition by tenant_id order by load_day range between interval '27 days' preceding and current row
        )
),

compared as (
    select
        *,
        score_7d - lag(score_7d, 7) over (partition by tenant_id order by day) as score_change
    from averaged
),

final as (
    select compared.*
    from compared
    {% if is_incremental() -%}
    inner join restated on compared.tenant_id = restated.tenant_id and compared.day = restated.day
    {%- endif %}
)

select
    tenant_id,
    day,
    score,
    state,
    judged,
    failed_critical,
    failed_warning,
    score_7d::numeric(5, 2) as score_7d,
    score_change::numeric(5, 2) as score_change,
    days_held
from final
