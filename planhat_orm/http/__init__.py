"""RequestCounter: effects, quota, retry, drivers. The only importer of httpx."""
