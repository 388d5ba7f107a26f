{# The schemas are called staging, intermediate and marts in every environment: the database tells them apart. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
