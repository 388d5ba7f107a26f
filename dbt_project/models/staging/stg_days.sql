with

final as (
    select generate_series(timestamp '2000-01-01', timestamp '2099-12-31', interval '1 day')::date as date_day
)

select date_day
from final
