"""The least that turns NDJSON captures into typed columns: what loading them is measured against.

`python -m tests.benchmarks.typed_json DATABASE FILE` prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

from tests.benchmarks.measure import peak_mib

_BODY = json.dumps(
    {
        "id": "VARCHAR",
        "type": "VARCHAR",
        "timestamp": "TIMESTAMPTZ",
        "event_data": {
            "sandbox_metadata": "JSON",
            "execution": {
                "started_at": "TIMESTAMPTZ",
                "vcpu_count": "INTEGER",
                "memory_mb": "BIGINT",
                "execution_time": "BIGINT",
            },
            "set_timeout": "TIMESTAMPTZ",
        },
        "sandbox_id": "VARCHAR",
        "sandbox_execution_id": "VARCHAR",
        "sandbox_template_id": "VARCHAR",
        "sandbox_team_id": "VARCHAR",
    }
)


def main(database: Path, file: Path) -> None:
    """Read the captures of `file` into a table of typed columns."""
    con = duckdb.connect(str(database))
    con.execute("set TimeZone = 'UTC'")
    con.execute("set memory_limit = '800MB'")
    con.execute("set threads = 2")
    con.execute("set enable_progress_bar = false")
    cpu = time.process_time()
    con.execute(
        f"""
        create table event as
        select received_at, unnest(json_transform(body, '{_BODY}'), recursive := true)
        from read_json('{file}', format = 'newline_delimited',
            columns = {{received_at: 'TIMESTAMPTZ', headers: 'VARCHAR', body: 'VARCHAR'}})
        """
    )
    cpu = time.process_time() - cpu
    con.close()
    print(json.dumps({"cpu_seconds": cpu, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
