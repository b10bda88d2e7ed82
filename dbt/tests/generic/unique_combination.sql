{#- Fails for every combination of `columns` that more than one row has: a key of several columns. -#}
{% test unique_combination(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by all
having count(*) > 1
{% endtest %}
