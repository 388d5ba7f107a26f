{#
    A model's columns are in its contract, and a deployment makes each table whose model changed anew
    (pipeline.built_models). So a daily run asks the database neither for columns nor for the types of its own query:
    dbt would ask seven times a model, half of the time of a small build. (`on_schema_change` is not asked, but dbt wants one.)
#}

{% macro postgres__get_assert_columns_equivalent(sql) -%}
    {% if not is_incremental() %}{{ return(default__get_assert_columns_equivalent(sql)) }}{% endif %}
{%- endmacro %}

{% macro postgres__process_schema_changes(on_schema_change, source_relation, target_relation) %}
    {% set columns = [] %}
    {% for column in model.columns.values() %}
        {% do columns.append(api.Column.create(column.name, column.data_type)) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}

{% macro postgres__persist_docs(relation, model, for_relation, for_columns) -%}
    {% do run_query(alter_relation_comment(relation, model.description) ~ alter_column_comment(relation, model.columns)) %}
{% endmacro %}

{% macro postgres__alter_column_comment(relation, column_dict) %}
    {% for column in column_dict.values() %}
    comment on column {{ relation }}.{{ adapter.quote(column.name) }} is {{ postgres_escape_comment(column.description) }};
    {% endfor %}
{% endmacro %}
