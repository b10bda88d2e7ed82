"""The dbt models and their tests."""
