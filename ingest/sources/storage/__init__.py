"""Object storage: samples of whole buckets, reduced to bytes by project when they are loaded."""

from ingest.sources.storage.inventory import joined_inventories, load_inventory
from ingest.sources.storage.listings import load_listings

__all__ = ["joined_inventories", "load_inventory", "load_listings"]
