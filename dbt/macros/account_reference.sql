{#-
    All that decides which account a record belongs to, as the text of a JSON list: provider, the
    provider's account, the record's own reference, then the values of the metadata keys that links
    name (relation `link_keys`). Few distinct ones exist, so accounts are looked up once for each.
-#}
{% macro account_reference(provider, source_account, account_ref, metadata) -%}
    cast(to_json(list_concat(
        [{{ provider }}, {{ source_account }}, {{ account_ref }}],
        coalesce(list_transform(
            link_keys.metadata_keys,
            lambda key: json_extract_string({{ metadata }}, '/' || replace(replace(key, '~', '~0'), '/', '~1'))
        ), [])
    )) as varchar)
{%- endmacro %}
