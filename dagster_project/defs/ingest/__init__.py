"""Raw tables: what the landing zone and the ledger hold."""
