{#
    What differs where the server has the extension citus, which is asked and not configured: deploy/citus/README.md.
    Which relation lies where is decided in the database (pipeline.placements), for these tables and for all others.
#}

{# Who calls dbt may have asked before, once for all models. #}
{% macro is_sharded() %}
    {% set told = env_var('WAREHOUSE_IS_SHARDED', '') %}
    {{ return(told == 'true' if told else run_query('select pipeline.is_sharded()').columns[0].values()[0]) }}
{% endmacro %}

{# As a post-hook, in the transaction that makes the table, after the rules of its row-level security. #}
{% macro distribute_new_table() -%}
    {% if not is_incremental() %}select pipeline.distribute('{{ this.include(database=false) }}'){% endif %}
{%- endmacro %}

{#
    Keeps the planner from hashing the whole history of a tenant where a few rows are read by index. Citus refuses it in
    a subquery that names columns of another one.
#}
{% macro planner_fence() -%}
    {% if not (execute and is_sharded()) %}offset 0{% endif %}
{%- endmacro %}
