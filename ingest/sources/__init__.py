"""One module a source: how its records become rows."""
