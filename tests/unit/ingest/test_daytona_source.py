"""Daytona's usage periods and polls: every shape of one record gives the same row."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_examples import USAGE_PERIOD, USAGE_POLL, without
from ingest_zone import Zone

from ingest.errors import UsageError
from ingest.landing import load_landing
from ingest.settings import Settings

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("both_paths")]

PERIODS = (
    "select sandbox_id, organization_id, started_at, ended_at, known_at, vcpu, gpu, gpu_type,"
    " memory_mib, disk_mib, region from raw.daytona_usage_periods order by load_seq, record_number"
)
START = datetime(2026, 5, 4, 9, 0, 0, 120000, tzinfo=UTC)
END = datetime(2026, 5, 4, 10, 0, 0, 120000, tzinfo=UTC)
PERIOD_ROW = {
    "sandbox_id": "sb-7a1",
    "organization_id": "org-42",
    "started_at": START,
    "ended_at": END,
    "known_at": END,
    "vcpu": Decimal(2),
    "gpu": Decimal(0),
    "gpu_type": None,
    "memory_mib": 4096,  # 4 GiB
    "disk_mib": 8192,  # 8 GiB
    "region": "us",
}


def csv_text(rows: list[dict[str, Any]]) -> str:
    lines = [",".join(rows[0])]
    lines += [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


def older(period: dict[str, Any]) -> dict[str, Any]:
    """The row as the table of workspaces had it, times without a zone."""
    kept = without(period, "sandboxId", "disk", "gpu_type", "sandboxClass", "regionType")
    naive = {key: str(kept[key]).rstrip("Z").replace("T", " ") for key in ("startAt", "endAt")}
    return kept | naive | {"workspaceId": period["sandboxId"], "storage": period["disk"]}


def test_periods_in_every_format(zone: Zone, tmp_path: Path) -> None:
    zone.lines("daytona/usage_periods/1.jsonl", USAGE_PERIOD)
    zone.write("daytona/usage_periods/2.json", json.dumps([USAGE_PERIOD], indent=1))
    zone.write("daytona/usage_periods/deep/3.csv", csv_text([USAGE_PERIOD]))
    doubles = {name: float(USAGE_PERIOD[name]) for name in ("cpu", "gpu", "mem", "disk")}
    typed = USAGE_PERIOD | doubles | {"startAt": START, "endAt": END}
    pq.write_table(pa.Table.from_pylist([typed]), tmp_path / "p")
    zone.write("daytona/usage_periods/4.parquet", (tmp_path / "p").read_bytes())
    zone.load()
    assert zone.reasons() == []
    assert zone.rows(PERIODS) == [PERIOD_ROW] * 4


def test_open_period_with_a_gpu_and_parts_of_a_gib(zone: Zone) -> None:
    period = without(USAGE_PERIOD, "endAt", "gpu_type")
    period |= {"gpu": 1, "gpuType": "H100", "mem": 0.5, "disk": "0.0009765625", "cpu": 1.25}
    zone.lines("daytona/usage_periods/a.jsonl", period)
    zone.load()
    [row] = zone.rows(PERIODS)
    assert (row["ended_at"], row["known_at"], row["gpu_type"]) == (None, START, "H100")
    # 0.5 GiB = 512 MiB; 1/1024 GiB = 1 MiB.
    assert (row["memory_mib"], row["disk_mib"], row["vcpu"]) == (512, 1, Decimal("1.25"))


def test_period_reasons(zone: Zone) -> None:
    at = "2026-05-04T09:00:00"
    bad = {
        "sandbox_id is missing": without(USAGE_PERIOD, "sandboxId"),
        "organization_id is missing": USAGE_PERIOD | {"organizationId": ""},
        f"started_at has no time zone: '{at}'; write it like 2026-08-01T00:00:00Z": USAGE_PERIOD
        | {"startAt": at},
        "vcpu is missing": without(USAGE_PERIOD, "cpu"),
        "vcpu must not be above 65536: 65537": USAGE_PERIOD | {"cpu": 65537},
        "vcpu has more than 6 decimal places: 0.30000000000000004": USAGE_PERIOD
        | {"cpu": 0.1 + 0.2},
        # 0.3 x 1024 = 307.2
        "memory_mib must be a whole number of MiB, in GiB: 0.3": USAGE_PERIOD | {"mem": 0.3},
        "memory_mib must be a whole number of MiB, in GiB: 0.00048828125": USAGE_PERIOD
        | {"mem": 0.5 / 1024},
        "disk_mib must not be negative: -1": USAGE_PERIOD | {"disk": -1},
        "disk_mib must be between 0 and 1073741824: 2147483648": USAGE_PERIOD | {"disk": 2**21},
        "disk_mib is missing": USAGE_PERIOD | {"disk": None},
    }
    zone.lines("daytona/usage_periods/a.jsonl", *bad.values())
    zone.load()
    assert zone.reasons() == list(bad)


def test_older_dumps_need_the_setting_that_says_utc(zone: Zone, tmp_path: Path) -> None:
    zone.write("daytona/usage_periods/a.csv", csv_text([older(USAGE_PERIOD)]))
    zone.load()
    assert zone.reasons() == [
        "started_at has no time zone: '2026-05-04 09:00:00.120'; write it like 2026-08-01T00:00:00Z"
    ]
    zone.settings = replace(zone.settings, daytona_naive_times_are_utc=True)
    zone.write("daytona/usage_periods/b.csv", csv_text([older(USAGE_PERIOD)] * 2))
    zone.lines("daytona/usage_periods/c.jsonl", older(USAGE_PERIOD))
    typed = older(USAGE_PERIOD) | {
        "startAt": START.replace(tzinfo=None),
        "endAt": END.replace(tzinfo=None),
    }
    pq.write_table(pa.Table.from_pylist([typed]), tmp_path / "p")
    zone.write("daytona/usage_periods/d.parquet", (tmp_path / "p").read_bytes())
    # The setting is about these tables only.
    zone.lines("daytona/usage_polls/a.jsonl", USAGE_POLL | {"to": "2026-05-05T00:00:00"})
    load_landing(zone.con, zone.settings)
    assert len(zone.reasons()) == 2
    assert "window_end has no time zone" in zone.reasons()[1]
    assert zone.rows(PERIODS) == [PERIOD_ROW] * 4


def test_setting_of_naive_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METERHOUSE_DAYTONA_NAIVE_TIMES", raising=False)
    assert not Settings.from_environment().daytona_naive_times_are_utc
    monkeypatch.setenv("METERHOUSE_DAYTONA_NAIVE_TIMES", "UTC")
    assert Settings.from_environment().daytona_naive_times_are_utc
    monkeypatch.setenv("METERHOUSE_DAYTONA_NAIVE_TIMES", "local")
    with pytest.raises(UsageError, match="METERHOUSE_DAYTONA_NAIVE_TIMES is 'local'"):
        Settings.from_environment()


POLLS = (
    "select source, organization_id, window_start, window_end, fetched_at, known_at, totals"
    " from raw.daytona_usage_polls order by load_seq, record_number"
)
PLACES = "." + "0" * 18


def test_polls_as_object_lines_and_arrays(zone: Zone) -> None:
    zone.write("daytona/usage_polls/1.json", json.dumps(USAGE_POLL, indent=1))
    zone.lines("daytona/usage_polls/2.jsonl", USAGE_POLL, USAGE_POLL)
    zone.write("daytona/usage_polls/3.json", json.dumps([USAGE_POLL]))
    flat = USAGE_POLL | {"response": json.dumps(USAGE_POLL["response"]).replace('"', '""')}
    zone.write(
        "daytona/usage_polls/4.csv",
        ",".join(flat) + "\n" + ",".join(f'"{value}"' for value in flat.values()) + "\n",
    )
    zone.load()
    assert zone.reasons() == []
    fetched_at = datetime(2026, 5, 5, 0, 10, tzinfo=UTC)
    expected = {
        "source": "daytona.aggregated",
        "organization_id": "org-42",
        "window_start": datetime(2026, 5, 1, tzinfo=UTC),
        "window_end": datetime(2026, 5, 5, tzinfo=UTC),
        "fetched_at": fetched_at,
        "known_at": fetched_at,
        "totals": f'[{{"cpu_core_seconds":"7200{PLACES}","disk_gb_seconds":"273599.04{PLACES[3:]}",'
        f'"gpu_core_seconds":"0{PLACES}","ram_gb_seconds":"14400{PLACES}","sandbox_id":""}}]',
    }
    assert zone.rows(POLLS) == [expected] * 5


def test_what_an_answer_does_not_say_is_not_told(zone: Zone) -> None:
    parts = [
        {"sandboxId": "b", "totalCPUSeconds": 3600.5, "totalGPUSeconds": None},
        {"sandboxId": "a", "firstStart": "2026-05-04T09:00:00Z"},
    ]
    by_sandbox = USAGE_POLL | {"source": "daytona.sandbox"}
    zone.lines(
        "daytona/usage_polls/a.jsonl",
        USAGE_POLL | {"response": {}},
        by_sandbox | {"response": parts},
        by_sandbox | {"response": []},
        by_sandbox | {"response": parts[0]},
    )
    zone.load()
    assert zone.reasons() == []
    b = f'{{"cpu_core_seconds":"3600.5{PLACES[2:]}","sandbox_id":"b"}}'
    assert [row["totals"] for row in zone.rows(POLLS)] == [
        '[{"sandbox_id":""}]',
        f'[{{"sandbox_id":"a"}},{b}]',
        "[]",
        f"[{b}]",
    ]


def test_poll_reasons(zone: Zone) -> None:
    by_sandbox = USAGE_POLL | {"source": "daytona.sandbox"}
    one = {"sandboxId": "a"}
    answer = USAGE_POLL["response"]
    bad = {
        "source must be daytona.aggregated or daytona.sandbox, not 'daytona.chart'": USAGE_POLL
        | {"source": "daytona.chart"},
        "organization_id is missing": without(USAGE_POLL, "organization_id"),
        "window_start is missing": without(USAGE_POLL, "from"),
        "window_end is not after window_start": USAGE_POLL | {"to": "2026-05-01T00:00:00Z"},
        "fetched_at is missing": without(USAGE_POLL, "fetched_at"),
        "fetched_at is not after window_start: such an answer holds no usage yet": USAGE_POLL
        | {"fetched_at": "2026-04-30T00:00:00Z"},
        "response is missing": without(USAGE_POLL, "response"),
        "response must be one object, not []": USAGE_POLL | {"response": []},
        "response must be a list of objects, one a sandbox": by_sandbox | {"response": [1]},
        "response sandboxId is missing": by_sandbox | {"response": [{}]},
        "response has the sandbox 'a' twice": by_sandbox | {"response": [one, one]},
        "response totalCPUSeconds must be a decimal number, not 'x'": USAGE_POLL
        | {"response": answer | {"totalCPUSeconds": "x"}},
        "response totalDiskGBSeconds must not be negative: -1": USAGE_POLL
        | {"response": answer | {"totalDiskGBSeconds": -1}},
    }
    zone.lines("daytona/usage_polls/a.jsonl", *bad.values())
    zone.load()
    assert zone.reasons() == list(bad)
