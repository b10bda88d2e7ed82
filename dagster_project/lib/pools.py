"""Names of Dagster pools."""

# Every step that opens the warehouse holds this pool; dagster.yaml limits it to one at a time.
WAREHOUSE_POOL = "warehouse"
