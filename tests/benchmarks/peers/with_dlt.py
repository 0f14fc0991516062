"""dlt's rest_api source, into SQLite by its sqlalchemy destination, and into DuckDB as its page on performance advises."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..run import Job, run_and_print
from .company import PAGE

_TUNED = {
    # Fewer and larger pieces; one process, as the others have one.
    "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "NORMALIZE__WORKERS": "1",
}


def _pipeline(url: str, where: str, destination: str) -> Job:
    home = Path(where).with_suffix(".dlt")
    os.environ |= {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "DLT_DATA_DIR": str(home),
        "DLT_PROJECT_DIR": str(home),
    }
    if destination == "duckdb":
        os.environ |= _TUNED
    import dlt
    from dlt.sources.rest_api import rest_api_source

    paginator = {"type": "offset", "limit": PAGE, "total_path": None, "stop_after_empty_page": True}
    source = rest_api_source(
        {
            "client": {"base_url": url},
            "resources": [
                {
                    "name": "company",
                    "primary_key": "_id",
                    "write_disposition": "replace",
                    "max_table_nesting": 0,  # nested JSON stays JSON, as in the other scripts
                    "endpoint": {"path": "companies", "params": {"sort": "_id"}, "paginator": paginator},
                }
            ],
        }
    )
    if destination == "duckdb":
        made = dlt.destinations.duckdb(where)
    else:
        made = dlt.destinations.sqlalchemy(credentials=f"sqlite:///{where}")

    # Files that DuckDB reads as they are: as statements, 20,000 records take a minute and 3 GB.
    files = "parquet" if destination == "duckdb" else None

    def job() -> dict[str, Any]:
        pipeline = dlt.pipeline("benchmark", destination=made, dataset_name="planhat", pipelines_dir=str(home))
        pipeline.run(source, loader_file_format=files)
        return {"rows": pipeline.last_trace.last_normalize_info.row_counts["company"]}

    return job


def sqlite(url: str, where: str, rows: str) -> Job:
    """Into SQLite."""
    return _pipeline(url, where, "sqlalchemy")


def duckdb(url: str, where: str, rows: str) -> Job:
    """Into DuckDB."""
    return _pipeline(url, where, "duckdb")


if __name__ == "__main__":
    run_and_print({"sqlite": sqlite, "duckdb": duckdb})
