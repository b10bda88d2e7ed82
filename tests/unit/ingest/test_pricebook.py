"""The price book: what a valid one becomes, and what each mistake says."""

import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.errors import UsageError
from ingest.schema import create_statements
from ingest.sources.pricebook import PriceBook, insert_pricebook, load_pricebook

pytestmark = pytest.mark.unit

METERS = """\
meters:
  - meter_id: seconds
    source: compute
    measure: seconds
  - meter_id: gpu
    source: compute
    measure: gpu_core_seconds
  - meter_id: pages
    source: quantities
  - meter_id: tokens
    source: events
    event_type: com.example.tokens
    aggregation: sum
    value: $.tokens
"""

PLANS = """\
plans:
  - plan_id: pro
    name: Pro
    versions:
      - valid_from: 2026-04-22T00:00:00Z
        currency: usd
        charges:
          - charge_key: time
            meter_id: seconds
            model: standard
            properties: {unit_amount: "0.5"}
"""


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    (tmp_path / "pricebook").mkdir()
    return tmp_path


def load(landing: Path, **files: str) -> PriceBook:
    """The book of these files: `plans="..."` is pricebook/plans.yaml."""
    paths = []
    for name, text in files.items():
        path = landing / "pricebook" / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return load_pricebook(paths, landing)


def errors(landing: Path, **files: str) -> list[str]:
    """The error lines of these files, without the folder's name."""
    with pytest.raises(UsageError) as caught:
        load(landing, **files)
    return [line.removeprefix("pricebook/") for line in str(caught.value).splitlines()]


def plan_errors(landing: Path, old: str, new: str) -> list[str]:
    """The errors of the plain plan with one piece of its text replaced."""
    assert PLANS.count(old) == 1, old
    return errors(landing, meters=METERS, plans=PLANS.replace(old, new))


def meter_errors(landing: Path, meter: str) -> list[str]:
    """The errors of one meter, given as a flow mapping in line 2."""
    return errors(landing, meters=f"meters:\n  - {{{meter}}}\n")


def charge_errors(landing: Path, charge: str) -> list[str]:
    """The errors of one charge, given as a flow mapping; the path up to the charge is left out."""
    lines = plan_errors(
        landing, PLANS[PLANS.index("          - charge_key") :], f"          - {{{charge}}}\n"
    )
    prefix = "plans.yaml:8: plans[0].versions[0].charges[0]."
    assert all(line.startswith(prefix) for line in lines), lines
    return [line.removeprefix(prefix) for line in lines]


def priced(model: str, properties: str) -> str:
    return f"charge_key: c, meter_id: seconds, model: {model}, properties: {properties}"


STANDARD = priced("standard", '{unit_amount: "1"}')


# --- What a valid book becomes ------------------------------------------------------------------

FULL_BOOK = """\
meters:
  - meter_id: seconds
    source: compute
    measure: seconds
    unit: second
    stripe_event_name: sandbox_seconds
  - meter_id: disk
    source: storage
    measure: gibi_seconds
    rounding: {mode: half_up, places: 3}
  - meter_id: pages
    source: quantities
    unit: page
    rounding: {mode: none}
  - meter_id: calls
    source: events
    event_type: com.example.call
    aggregation: count
plans:
  - plan_id: pro
    name: Pro
    versions:
      - valid_from: 2026-04-22T02:00:00+02:00
        published_at: "2026-04-20T00:00:00Z"
        currency: USD
        interval: month
        base_amount: "20.00"
        annual_discount_percent: "20"
        minimum_amount: "5"
        maximum_amount: "500.50"
        included_amount: "30.00"
        threshold_amount: null
        default_spending_cap: "50.00"
        limits: {max_concurrent_sandboxes: 5, allowed_memory_mib: [1024, 4096], seats: 3,
                 requests_per_minute: 600}
        alerts_percent: [50, 80, 100]
        charges:
          - charge_key: compute_4gb
            meter_id: seconds
            where: {memory_mib: 4096, provider: opencomputer, vcpu: "0.50", gpu: 1}
            stripe_event_name: sandbox_compute_4gb
            included_quantity: "3600.000000000001"
            model: standard
            properties: {unit_amount: "0.000005787037037000"}
          - charge_key: pages_graduated
            meter_id: pages
            where: {format: pdf, size: 4}
            model: graduated
            properties:
              tiers:
                - {up_to: 1000, unit_amount: "0.10", flat_amount: "1"}
                - {up_to: "2500.5", unit_amount: "0.05"}
                - {up_to: null, flat_amount: "7"}
              zero_usage: no_charge
            percentage_discount: "12.5"
          - charge_key: pages_volume
            meter_id: pages
            model: volume
            properties: {tiers: [{up_to: null, unit_amount: "0"}]}
      - valid_from: 2026-05-01T00:00:00Z
        currency: usd
"""


def test_a_full_book_becomes_its_rows(landing: Path) -> None:
    book = load(landing, plans=FULL_BOOK)

    assert [(m.meter_id, m.rounding_mode, m.rounding_places) for m in book.meters] == [
        ("calls", "none", 0),
        ("disk", "half_up", 3),
        ("pages", "none", 0),
        ("seconds", "none", 0),
    ]
    first, second = book.versions
    assert first.file == "pricebook/plans.yaml"
    assert first.plan_version == "2026-04-22T00:00:00Z"
    assert first.valid_from == datetime(2026, 4, 22, tzinfo=UTC)
    assert first.published_at == datetime(2026, 4, 20, tzinfo=UTC)
    assert (first.currency, first.interval) == ("usd", "month")
    assert first.base_amount == Decimal("20")
    assert first.maximum_amount == Decimal("500.50")
    assert first.threshold_amount is None
    assert first.max_concurrent_sandboxes == 5
    assert first.limits == (
        '{"allowed_memory_mib":[1024,4096],"max_concurrent_sandboxes":5,'
        '"requests_per_minute":600,"seats":3}'
    )
    assert first.default_spending_cap == Decimal("50")
    assert first.alerts_percent == "[50,80,100]"

    assert second.published_at == second.valid_from
    assert (second.base_amount, second.minimum_amount, second.limits) == (Decimal(0), None, None)

    standard, graduated, volume = book.charges
    assert standard.charge_order == 1
    assert (
        standard.where_dimensions
        == '{"gpu":1,"memory_mib":4096,"provider":"opencomputer","vcpu":0.5}'
    )
    assert standard.included_quantity == Decimal("3600.000000000001")
    assert standard.properties == '{"unit_amount":"0.000005787037037"}'
    assert (standard.zero_usage, standard.percentage_discount) == (None, None)
    assert graduated.where_dimensions == '{"format":"pdf","size":"4"}'
    assert graduated.zero_usage == "no_charge"
    assert graduated.percentage_discount == Decimal("12.5")
    assert json.loads(graduated.properties)["tiers"][1:] == [
        {"up_to": "2500.5", "unit_amount": "0.05"},
        {"up_to": None, "flat_amount": "7"},
    ]
    assert volume.zero_usage == "charge_first_tier_flat"
    assert volume.where_dimensions == "{}"

    tiers = [
        (t.charge_key, t.tier_index, t.from_quantity, t.up_to, t.unit_amount, t.flat_amount)
        for t in book.tiers
    ]
    assert tiers == [
        ("compute_4gb", 1, 0, None, Decimal("0.000005787037037"), 0),
        ("pages_graduated", 1, 0, 1000, Decimal("0.1"), 1),
        ("pages_graduated", 2, 1000, Decimal("2500.5"), Decimal("0.05"), 0),
        ("pages_graduated", 3, Decimal("2500.5"), None, 0, 7),
        ("pages_volume", 1, 0, None, 0, 0),
    ]


def test_no_files_are_an_empty_book(landing: Path) -> None:
    assert load_pricebook([], landing) == PriceBook()


def test_meters_and_plans_may_lie_in_different_files(landing: Path) -> None:
    book = load(landing, a_plans=PLANS, z_meters=METERS)
    assert [charge.file for charge in book.charges] == ["pricebook/a_plans.yaml"]


def test_the_same_content_under_another_name_changes_nothing(landing: Path) -> None:
    once = load(landing, book=FULL_BOOK)
    assert load(landing, book=FULL_BOOK, copy=FULL_BOOK) == once


def test_a_book_outside_of_the_landing_zone_is_named_by_its_path(
    landing: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "plans.yaml"
    elsewhere.write_text("[]\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_pricebook([elsewhere], landing)
    assert str(caught.value).startswith(f"{elsewhere}:1: is not a mapping")


def test_anchors_aliases_and_merges_are_unfolded(landing: Path) -> None:
    book = load(
        landing,
        meters=METERS,
        plans="""\
plans:
  - plan_id: pro
    versions:
      - &first
        valid_from: 2026-04-22T00:00:00Z
        currency: usd
        charges:
          - {charge_key: c, meter_id: seconds, model: standard, properties: {unit_amount: "1"}}
      - <<: *first
        valid_from: 2026-05-01T00:00:00Z
""",
    )
    assert [charge.plan_version for charge in book.charges] == [
        "2026-04-22T00:00:00Z",
        "2026-05-01T00:00:00Z",
    ]


# --- The digest ---------------------------------------------------------------------------------


def test_the_digest_is_of_what_the_book_says(landing: Path) -> None:
    split = load(landing, meters=METERS, plans=PLANS)
    joined = load(landing, all=f"# one file\n{PLANS}{METERS}")
    spelled = load(landing, meters=METERS, plans=PLANS.replace('"0.5"', '"0.50"'))
    dearer = load(landing, meters=METERS, plans=PLANS.replace('"0.5"', '"0.51"'))
    assert split.digest == joined.digest == spelled.digest
    assert len(split.digest) == 64
    assert dearer.digest != split.digest


# --- The tables ---------------------------------------------------------------------------------


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(tmp_path / "warehouse.duckdb"))
    con.execute("set TimeZone = 'UTC'")
    for statement in create_statements():
        con.execute(statement)
    yield con
    con.close()


def counts(con: duckdb.DuckDBPyConnection) -> list[int]:
    tables = ("meters", "versions", "charges", "tiers")
    return [
        con.execute(f"select count(*) from raw.pricebook_{table}").fetchall()[0][0]
        for table in tables
    ]


def test_rows_are_stored_exactly_under_the_load_of_their_file(
    landing: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    book = load(landing, plans=FULL_BOOK)
    insert_pricebook(warehouse, {"pricebook/plans.yaml": 7}, book)

    assert counts(warehouse) == [4, 2, 3, 5]
    version = warehouse.execute(
        """
        select load_seq, file, plan_version, valid_from, "interval", maximum_amount::varchar,
            threshold_amount
        from raw.pricebook_versions order by valid_from
        """
    ).fetchall()[0]
    assert version == (
        7,
        "pricebook/plans.yaml",
        "2026-04-22T00:00:00Z",
        datetime(2026, 4, 22, tzinfo=UTC),
        "month",
        "500.500000000000000000",
        None,
    )
    assert warehouse.execute(
        """
        select unit_amount::varchar from raw.pricebook_tiers where charge_key = 'compute_4gb'
        """
    ).fetchall() == [("0.000005787037037000",)]


def test_the_widest_numbers_fit(landing: Path, warehouse: duckdb.DuckDBPyConnection) -> None:
    amount, quantity = f"{'9' * 20}.{'9' * 18}", f"{'9' * 26}.{'9' * 12}"
    plans = PLANS.replace('"0.5"', f'"{amount}"').replace(
        "            model:", f'            included_quantity: "{quantity}"\n            model:'
    )
    insert_pricebook(
        warehouse,
        {"pricebook/meters.yaml": 1, "pricebook/plans.yaml": 2},
        load(landing, meters=METERS, plans=plans),
    )
    assert warehouse.execute(
        """
        select unit_amount::varchar, included_quantity::varchar
        from raw.pricebook_tiers inner join raw.pricebook_charges using (load_seq, charge_key)
        """
    ).fetchall() == [(amount, quantity)]


def test_only_new_loads_are_appended(landing: Path, warehouse: duckdb.DuckDBPyConnection) -> None:
    book = load(landing, meters=METERS, plans=PLANS)
    insert_pricebook(warehouse, {"pricebook/meters.yaml": 1}, book)
    assert counts(warehouse) == [4, 0, 0, 0]
    both = {"pricebook/meters.yaml": 1, "pricebook/plans.yaml": 2}
    insert_pricebook(warehouse, both, book)
    insert_pricebook(warehouse, both, book)
    assert counts(warehouse) == [4, 1, 1, 1]


# --- Any order of keys and files says the same --------------------------------------------------


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        pairs = [(key, shuffled(inner, chance)) for key, inner in value.items()]
        chance.shuffle(pairs)
        return dict(pairs)
    return [shuffled(inner, chance) for inner in value] if isinstance(value, list) else value


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chance=st.randoms(use_true_random=False), pieces=st.integers(1, 4))
def test_the_order_of_keys_and_files_does_not_matter(
    landing: Path, chance: random.Random, pieces: int
) -> None:
    book = yaml.load(FULL_BOOK, Loader=yaml.BaseLoader)  # every scalar as its text
    content = yaml.safe_load(FULL_BOOK)
    files: dict[str, dict[str, list[Any]]] = {f"f{i}": {} for i in range(pieces)}
    for kind in ("meters", "plans"):
        for item, texts in zip(content[kind], book[kind], strict=True):
            for version, text in zip(
                item.get("versions", []), texts.get("versions", []), strict=True
            ):
                version["valid_from"] = text["valid_from"]
            files[chance.choice(sorted(files))].setdefault(kind, []).append(shuffled(item, chance))
    texts = {
        name: yaml.safe_dump(
            parts, sort_keys=False, default_flow_style=chance.choice([True, False])
        )
        for name, parts in files.items()
        if parts
    }
    expected = load(landing, whole=FULL_BOOK)
    (landing / "pricebook" / "whole.yaml").unlink()
    names = sorted(texts)
    chance.shuffle(names)
    found = load(landing, **{name: texts[name] for name in names})

    assert found.digest == expected.digest
    for (_, rows), (_, wanted) in zip(found.tables(), expected.tables(), strict=True):
        assert [vars(row) | {"file": ""} for row in rows] == [
            vars(row) | {"file": ""} for row in wanted
        ]


# --- Any mistake is an error line, never a crash ------------------------------------------------

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys or positions."""
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chance=st.randoms(use_true_random=False), junk=JUNK)
def test_a_book_with_anything_in_any_place_loads_or_says_where_it_is_wrong(
    landing: Path, chance: random.Random, junk: Any
) -> None:
    content = yaml.safe_load(FULL_BOOK)
    container, key = chance.choice(list(places(content)))
    container[key] = junk
    try:
        load(landing, book=yaml.safe_dump(content, sort_keys=False))
    except UsageError as error:
        for line in str(error).splitlines():
            assert re.match(r"pricebook/book\.yaml:[0-9]+: ", line), line


# --- Errors: all of them, in order --------------------------------------------------------------


def test_every_error_of_the_book_is_reported_in_order_of_file_and_line(landing: Path) -> None:
    plans = PLANS.replace("usd", "dollars").replace('"0.5"', "0.5").replace("name:", "nmae:")
    assert errors(
        landing, meters=METERS.replace("measure: seconds", "measure: hours"), plans=plans
    ) == [
        "meters.yaml:4: meters[0].measure: unknown measure 'hours': source 'compute' has seconds, "
        "cpu_core_seconds, ram_gibi_seconds, ssd_gibi_seconds, gpu_core_seconds",
        "plans.yaml:3: plans[0].nmae: unknown key 'nmae'; did you mean 'name'?",
        "plans.yaml:6: plans[0].versions[0].currency: must be a currency of three letters "
        "(ISO 4217), like usd, not 'dollars'",
        "plans.yaml:11: plans[0].versions[0].charges[0].properties.unit_amount: must be a quoted "
        'decimal string: write "0.5" instead of 0.5',
    ]


def test_the_exit_code_is_that_of_bad_input() -> None:
    assert UsageError.exit_code == 2


# --- Errors: the file ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: is empty: a price-book file has `meters:`, `plans:` or both"),
        ("# nothing\n", "1: is empty: a price-book file has `meters:`, `plans:` or both"),
        ("- a\n", "1: is not a mapping: a price-book file has `meters:`, `plans:` or both"),
        ("plan: []\n", "1: plan: unknown key 'plan'; did you mean 'plans'?"),
        ("x: []\n", "1: x: unknown key 'x'; known here: meters, plans"),
        ("meters: {}\n", "1: meters: must be a list, not a mapping"),
        ("meters:\n", "1: meters: must be a list, not null"),
        ("meters:\n  - 5\n", "2: meters[0]: must be a mapping, not 5"),
        (
            "meters: []\nmeters: []\n",
            "2: meters: given twice: first in line 1",
        ),
        ("meters: [\n", "2: is not YAML: expected the node content, but found '<stream end>'"),
        ("a: 1\n b: 2\n", "2: is not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", "2: is not YAML: but found another document"),
        ("a: \x07\n", "1: is not YAML: special characters are not allowed"),
        ("? [a]\n: 1\n", "1: is not YAML: a key must be text"),
        ("&a [*a]\n", "1: is not YAML: an alias that contains itself"),
        ("<<: 5\n", "1: is not YAML: `<<` takes another mapping, or a list of them"),
    ],
)
def test_a_file_that_is_no_book_is_refused(landing: Path, text: str, expected: str) -> None:
    assert errors(landing, book=text) == [f"book.yaml:{expected}"]


def test_a_file_that_is_not_text_is_refused(landing: Path) -> None:
    path = landing / "pricebook" / "book.yaml"
    path.write_bytes(b"meters: \xff\n")
    with pytest.raises(UsageError, match=r"^pricebook/book\.yaml:1: is not UTF-8 text at byte 8$"):
        load_pricebook([path], landing)


def test_a_file_that_cannot_be_read_is_refused(landing: Path) -> None:
    with pytest.raises(
        UsageError, match=r"^pricebook/gone\.yaml:1: cannot be read: No such file or directory$"
    ):
        load_pricebook([landing / "pricebook" / "gone.yaml"], landing)


def test_a_file_that_nests_without_end_is_refused(landing: Path) -> None:
    assert errors(landing, book="[" * 5000) == ["book.yaml:1: is nested too deeply"]


def test_aliases_that_unfold_without_end_are_refused(landing: Path) -> None:
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for level in range(1, 8):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    assert errors(landing, book=text) == [
        "book.yaml:1: is not YAML: unfolds to more than 300000 values"
    ]


def test_a_tag_of_another_language_is_refused(landing: Path) -> None:
    assert errors(landing, book="meters:\n  - meter_id: !!python/name:os.system x\n")[0] == (
        "book.yaml:2: meters[0].meter_id: a value of YAML type "
        "'tag:yaml.org,2002:python/name:os.system' has no meaning here"
    )


# --- Errors: ids --------------------------------------------------------------------------------


def test_a_meter_defined_twice_names_the_first(landing: Path) -> None:
    other = "meters:\n  - {meter_id: pages, source: quantities}\n"
    assert errors(landing, a=METERS, b=other) == [
        "b.yaml:2: meters[0].meter_id: 'pages' is already defined in pricebook/a.yaml:8"
    ]


def test_a_plan_defined_twice_names_the_first(landing: Path) -> None:
    assert errors(landing, a=METERS, b=PLANS, c=f"\n{PLANS}") == [
        "c.yaml:3: plans[0].plan_id: 'pro' is already defined in pricebook/b.yaml:2"
    ]


def test_a_charge_key_is_unique_in_its_version(landing: Path) -> None:
    charge = PLANS[PLANS.index("          - charge_key") :]
    assert errors(landing, meters=METERS, plans=PLANS + charge) == [
        "plans.yaml:12: plans[0].versions[0].charges[1].charge_key: "
        "'time' is already the key of charges[0]"
    ]


def test_an_unknown_meter_is_named_with_the_nearest(landing: Path) -> None:
    assert plan_errors(landing, "meter_id: seconds", "meter_id: second") == [
        "plans.yaml:9: plans[0].versions[0].charges[0].meter_id: "
        "unknown meter 'second'; did you mean 'seconds'?"
    ]


def test_a_broken_meter_is_not_reported_again_by_its_charges(landing: Path) -> None:
    meters = METERS.replace("measure: seconds", "measure: hours")
    lines = errors(landing, meters=meters, plans=PLANS)
    assert [line.split(": ")[1] for line in lines] == ["meters[0].measure"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "must be text, not null"),
        ("7", "must be text: write it in quotes instead of 7"),
        ("1.5", "must be text: write it in quotes instead of 1.5"),
        ("yes", "must be text: write it in quotes instead of true"),
        ("[a]", "must be text, not a list"),
        ('" a"', "must be a name on one line without white space around it, not ' a'"),
        ('""', "must be a name on one line without white space around it, not ''"),
        ('"a\\nb"', "must be a name on one line without white space around it, not 'a\\nb'"),
    ],
)
def test_an_id_is_a_name(landing: Path, value: str, expected: str) -> None:
    assert plan_errors(landing, "plan_id: pro", f"plan_id: {value}") == [
        f"plans.yaml:2: plans[0].plan_id: {expected}"
    ]


# --- Errors: meters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        ("meter_id: m", "source: is missing"),
        ("source: quantities", "meter_id: is missing"),
        (
            "meter_id: m, source: disk",
            "source: unknown source 'disk': must be one of compute, storage, quantities, events",
        ),
        (
            "meter_id: m, source: storage, measure: seconds",
            "measure: unknown measure 'seconds': source 'storage' has gibi_seconds, bytes",
        ),
        (
            "meter_id: m, source: storage",
            "measure: is missing: source 'storage' has gibi_seconds, bytes",
        ),
        (
            "meter_id: m, source: quantities, measure: seconds",
            "measure: does not belong to source 'quantities'",
        ),
        (
            "meter_id: m, source: quantities, event_type: a",
            "event_type: does not belong to source 'quantities'",
        ),
        (
            "meter_id: m, source: storage, measure: bytes, value: $.a",
            "value: does not belong to source 'storage'",
        ),
        (
            "meter_id: m, source: events, aggregation: count",
            "event_type: is missing: a meter of source 'events' needs it",
        ),
        (
            "meter_id: m, source: events, event_type: a, value: $.a",
            "aggregation: is missing: a meter of source 'events' needs it",
        ),
        (
            "meter_id: m, source: events, event_type: a, aggregation: max",
            "value: is missing: aggregation 'max' needs it",
        ),
        (
            "meter_id: m, source: events, event_type: a, aggregation: count, value: $.a",
            "value: does not belong to aggregation 'count'",
        ),
        (
            "meter_id: m, source: events, event_type: a, aggregation: median, value: $.a",
            "aggregation: unknown aggregation 'median': must be one of sum, count, unique_count, "
            "max, min, latest, average, weighted_sum",
        ),
        (
            "meter_id: m, source: events, event_type: a, aggregation: sum, value: tokens",
            "value: must be a path like $.tokens, not 'tokens'",
        ),
        (
            "meter_id: m, source: quantities, rounding: {mode: nearest}",
            "rounding.mode: unknown rounding mode 'nearest': "
            "must be one of none, up, down, half_up",
        ),
        ("meter_id: m, source: quantities, rounding: up", "rounding: must be a mapping, not 'up'"),
        (
            "meter_id: m, source: quantities, rounding: {mode: up, places: 13}",
            "rounding.places: must be at most 12: 13",
        ),
        (
            "meter_id: m, source: quantities, rounding: {mode: up, places: -1}",
            "rounding.places: must be at least 0: -1",
        ),
        (
            'meter_id: m, source: quantities, rounding: {mode: up, places: "2"}',
            "rounding.places: must be a whole number without quotes, not '2'",
        ),
        (
            "meter_id: m, source: quantities, rounding: {mode: up, digits: 2}",
            "rounding.digits: unknown key 'digits'; known here: mode, places",
        ),
        (
            f"meter_id: m, source: quantities, stripe_event_name: {'x' * 101}",
            "stripe_event_name: has 101 characters, more than Stripe's 100",
        ),
    ],
)
def test_a_meter_with_a_mistake_is_refused(landing: Path, meter: str, expected: str) -> None:
    assert meter_errors(landing, meter) == [f"meters.yaml:2: meters[0].{expected}"]


# --- Errors: plan versions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "currency: us",
            "currency: must be a currency of three letters (ISO 4217), like usd, not 'us'",
        ),
        (
            "currency: 840",
            "currency: must be a currency of three letters (ISO 4217), like usd, not 840",
        ),
        (
            "currency: usd\n        curency: usd",
            "7 curency: unknown key 'curency'; did you mean 'currency'?",
        ),
        (
            "currency: usd\n        valid_to: 2026-05-01T00:00:00Z",
            "7 valid_to: unknown key 'valid_to': "
            "a version is in force until the next one's valid_from",
        ),
        (
            "currency: usd\n        currency: eur",
            "7 currency: given twice: first in line 6",
        ),
        (
            "currency: usd\n        base_amount: 20",
            '7 base_amount: must be a quoted decimal string: write "20" instead of 20',
        ),
        (
            "currency: usd\n        base_amount: 1_000.5",
            '7 base_amount: must be a quoted decimal string: write "1_000.5" instead of 1_000.5',
        ),
        (
            'currency: usd\n        base_amount: "-0.01"',
            "7 base_amount: must not be negative: -0.01",
        ),
        (
            'currency: usd\n        base_amount: "1e3"',
            "7 base_amount: must be a quoted decimal string in plain decimals, not '1e3'",
        ),
        (
            'currency: usd\n        base_amount: "1,5"',
            "7 base_amount: must be a quoted decimal string in plain decimals, not '1,5'",
        ),
        (
            "currency: usd\n        base_amount: null",
            "7 base_amount: must be a quoted decimal string in plain decimals, not null",
        ),
        (
            'currency: usd\n        minimum_amount: "0.1234567890123456789"',
            "7 minimum_amount: has 19 decimal places, more than 18: 0.1234567890123456789",
        ),
        (
            'currency: usd\n        maximum_amount: "123456789012345678901"',
            "7 maximum_amount: has 21 digits before the point, more than 20: 123456789012345678901",
        ),
        (
            'currency: usd\n        minimum_amount: "10"\n        maximum_amount: "9.5"',
            "7 minimum_amount: is above the maximum_amount: 10 > 9.5",
        ),
        (
            'currency: usd\n        annual_discount_percent: "100.1"',
            "7 annual_discount_percent: must be at most 100 percent: 100.1",
        ),
        (
            "currency: usd\n        interval: week",
            "7 interval: unknown interval 'week': must be one of month, year",
        ),
        (
            "currency: usd\n        limits: {max_concurrent: 5}",
            "7 limits.max_concurrent: unknown key 'max_concurrent'; "
            "did you mean 'max_concurrent_sandboxes'?",
        ),
        (
            "currency: usd\n        limits: {max_concurrent_sandboxes: -1}",
            "7 limits.max_concurrent_sandboxes: must be at least 0: -1",
        ),
        (
            "currency: usd\n        limits: {seats: 2.5}",
            "7 limits.seats: must be a whole number without quotes, not 2.5",
        ),
        (
            'currency: usd\n        limits: {requests_per_minute: "60"}',
            "7 limits.requests_per_minute: must be a whole number without quotes, not '60'",
        ),
        (
            "currency: usd\n        default_spending_cap: 50",
            '7 default_spending_cap: must be a quoted decimal string: write "50" instead of 50',
        ),
        (
            "currency: usd\n        limits: {allowed_memory_mib: [0]}",
            "7 limits.allowed_memory_mib[0]: must be above 0: 0",
        ),
        (
            "currency: usd\n        alerts_percent: 50",
            "7 alerts_percent: must be a list, not 50",
        ),
        (
            "currency: usd\n        alerts_percent: [50, 50]",
            "7 alerts_percent[1]: alerts must ascend: 50 after 50",
        ),
        (
            "currency: usd\n        alerts_percent: [0.5]",
            "7 alerts_percent[0]: must be a whole number without quotes, not 0.5",
        ),
        (
            "currency: usd\n        published_at: yesterday",
            "7 published_at: is not a time: 'yesterday'; write it like 2026-04-22T00:00:00Z",
        ),
    ],
)
def test_a_version_with_a_mistake_is_refused(landing: Path, line: str, expected: str) -> None:
    number, rest = expected.split(" ", 1) if expected[0].isdigit() else ("6", expected)
    assert plan_errors(landing, "currency: usd", line) == [
        f"plans.yaml:{number}: plans[0].versions[0].{rest}"
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-04-22", "has no time and zone: '2026-04-22'; write it like 2026-04-22T00:00:00Z"),
        (
            "2026-04-22T00:00:00",
            "has no zone: '2026-04-22T00:00:00'; write it like 2026-04-22T00:00:00Z",
        ),
        (
            "2026-02-30T00:00:00Z",
            "is not a time: '2026-02-30T00:00:00Z'; write it like 2026-04-22T00:00:00Z",
        ),
        ("2026-04-22T00:00:00.5Z", "must be a whole second: '2026-04-22T00:00:00.5Z'"),
        ("20260422", "is not a time: 20260422; write it like 2026-04-22T00:00:00Z"),
    ],
)
def test_a_version_starts_at_a_whole_second_with_a_zone(
    landing: Path, value: str, expected: str
) -> None:
    assert plan_errors(landing, "2026-04-22T00:00:00Z", value) == [
        f"plans.yaml:5: plans[0].versions[0].valid_from: {expected}"
    ]


def test_what_a_version_must_have_is_named(landing: Path) -> None:
    assert errors(
        landing, plans="plans:\n  - plan_id: pro\n    versions:\n      - {}\n  - {}\n"
    ) == [
        "plans.yaml:4: plans[0].versions[0].currency: is missing",
        "plans.yaml:4: plans[0].versions[0].valid_from: is missing",
        "plans.yaml:5: plans[1].plan_id: is missing",
        "plans.yaml:5: plans[1].versions: is missing",
    ]


def test_a_plan_has_a_version(landing: Path) -> None:
    assert errors(landing, plans="plans:\n  - {plan_id: pro, versions: []}\n") == [
        "plans.yaml:2: plans[0].versions: must not be empty"
    ]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (
            # The same instant in another zone.
            "{valid_from: 2026-04-22T05:00:00+05:00, currency: usd}",
            "valid_from: 2026-04-22T00:00:00Z is already the start of versions[0], in the same "
            "currency",
        ),
    ],
)
def test_versions_of_a_plan_go_together(landing: Path, second: str, expected: str) -> None:
    assert errors(landing, meters=METERS, plans=f"{PLANS}      - {second}\n") == [
        f"plans.yaml:12: plans[0].versions[1].{expected}"
    ]


def test_a_plan_has_a_price_list_for_each_currency(landing: Path) -> None:
    """The earliest version says the plan's currency, of several at once the first in the file."""
    versions = "".join(
        f"""\
      - valid_from: {start}
        currency: {currency}
        charges:
          - {{charge_key: c, meter_id: seconds, model: standard, properties: {{unit_amount: "1"}}}}
"""
        for start, currency in (
            ("2026-06-01T00:00:00Z", "gbp"),
            ("2026-05-01T00:00:00Z", "EUR"),
            ("2026-05-01T00:00:00Z", "usd"),
            ("2026-06-01T00:00:00Z", "eur"),
        )
    )
    plans = f"plans:\n  - plan_id: pro\n    versions:\n{versions}"
    book = load(landing, meters=METERS, plans=plans)
    names = [
        "2026-05-01T00:00:00Z",
        "2026-05-01T00:00:00Z@usd",
        "2026-06-01T00:00:00Z",
        "2026-06-01T00:00:00Z@gbp",
    ]
    assert [row.plan_version for row in book.versions] == names
    assert [row.plan_version for row in book.charges] == names
    assert [row.plan_version for row in book.tiers] == names
    assert [row.currency for row in book.versions] == ["eur", "usd", "eur", "gbp"]


def test_the_charges_of_a_broken_version_are_still_checked(landing: Path) -> None:
    plans = PLANS.replace("usd", "dollars").replace("meter_id: seconds", "meter_id: minutes")
    assert [line.split(": ")[1] for line in errors(landing, meters=METERS, plans=plans)] == [
        "plans[0].versions[0].currency",
        "plans[0].versions[0].charges[0].meter_id",
    ]


# --- Errors: charges ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charge", "expected"),
    [
        (
            priced("tiered", "{}"),
            "model: unknown model 'tiered': must be one of standard, graduated, volume, package, "
            "graduated_package, volume_package, percentage, graduated_percentage, dynamic",
        ),
        (priced("standard", "{}"), "properties.unit_amount: is missing"),
        (priced("standard", "null"), "properties: must be a mapping, not null"),
        (
            priced("standard", '{unit_amount: "1", tiers: []}'),
            "properties.tiers: model 'standard' takes unit_amount; 'tiers' belongs to graduated, "
            "volume, graduated_package, volume_package, graduated_percentage",
        ),
        (
            priced("standard", '{unit_amount: "1", unit_amout: "1"}'),
            "properties.unit_amout: unknown key 'unit_amout'; did you mean 'unit_amount'?",
        ),
        (
            priced("standard", '{unit_amount: "-0.1"}'),
            "properties.unit_amount: must not be negative: -0.1",
        ),
        (priced("graduated", "{tiers: []}"), "properties.tiers: must not be empty"),
        (
            priced("graduated", '{tiers: [{unit_amount: "1"}]}'),
            "properties.tiers[0].up_to: is missing",
        ),
        (
            priced("graduated", "{tiers: [{up_to: 10000}, {up_to: 10000}, {up_to: null}]}"),
            "properties.tiers[1].up_to: tiers must ascend: 10000 after 10000",
        ),
        (
            priced("volume", '{tiers: [{up_to: "2.5"}, {up_to: 2}, {up_to: null}]}'),
            "properties.tiers[1].up_to: tiers must ascend: 2 after 2.5",
        ),
        (
            priced("volume", "{tiers: [{up_to: 10}, {up_to: 20}]}"),
            "properties.tiers[1].up_to: must be null in the last tier, not 20",
        ),
        (
            priced("volume", "{tiers: [{up_to: null}, {up_to: null}]}"),
            "properties.tiers[0].up_to: null is for the last tier: no tier can follow it",
        ),
        (
            priced("graduated", "{tiers: [{up_to: 0}, {up_to: null}]}"),
            "properties.tiers[0].up_to: must be above zero",
        ),
        (
            priced("graduated", "{tiers: [{up_to: 0.5}, {up_to: null}]}"),
            'properties.tiers[0].up_to: must be quoted or whole: write "0.5" instead of 0.5',
        ),
        (
            priced("graduated", '{tiers: [{up_to: "1.0000000000001"}, {up_to: null}]}'),
            "properties.tiers[0].up_to: has 13 decimal places, more than 12: 1.0000000000001",
        ),
        (
            priced("graduated", '{tiers: [{up_to: null, amount: "1"}]}'),
            "properties.tiers[0].amount: unknown key 'amount'; did you mean 'unit_amount'?",
        ),
        (
            priced("graduated", "{tiers: [{up_to: null}], zero_usage: free}"),
            "properties.zero_usage: unknown zero_usage 'free': must be one of "
            "charge_first_tier_flat, no_charge",
        ),
        (
            f'{STANDARD}, included_quantity: "-1"',
            "included_quantity: must not be negative: -1",
        ),
        (
            f"{STANDARD}, included_quantity: 1.5",
            'included_quantity: must be quoted or whole: write "1.5" instead of 1.5',
        ),
        (
            f"{STANDARD}, percentage_discount: 10",
            'percentage_discount: must be a quoted decimal string: write "10" instead of 10',
        ),
        (
            f'{STANDARD}, percentage_discount: "101"',
            "percentage_discount: must be at most 100 percent: 101",
        ),
        (
            f"{STANDARD}, where: [memory_mib]",
            "where: must be a mapping, not a list",
        ),
        (
            f"{STANDARD}, where: {{memory: 4096}}",
            "where.memory: unknown dimension 'memory' of a compute meter: must be one of provider, "
            "region, vcpu, memory_mib, disk_mib, gpu",
        ),
        (
            f"{STANDARD}, where: {{memory_mib: 4GB}}",
            "where.memory_mib: must be a whole number, not '4GB'",
        ),
        (
            f"{STANDARD}, where: {{memory_mib: [1024, 4096]}}",
            "where.memory_mib: must be a whole number, not a list",
        ),
        (
            f"{STANDARD}, where: {{gpu: 0}}",
            "where.gpu: must be above zero: a dimension of zero is left out of usage",
        ),
        (
            f"{STANDARD}, where: {{vcpu: 0.5}}",
            'where.vcpu: must be quoted or whole: write "0.5" instead',
        ),
        (
            f'{STANDARD}, where: {{vcpu: "0.0000001"}}',
            "where.vcpu: must be a number of at most 6 decimal places, not '0.0000001'",
        ),
        (
            f"{STANDARD}, where: {{region: no}}",
            'where.region: must be one text to compare with, not false: write "false" instead',
        ),
        (
            f"{STANDARD}, where: {{region: null}}",
            "where.region: must be one text to compare with, not null",
        ),
        (
            "charge_key: c, meter_id: pages, model: standard, "
            'properties: {unit_amount: "1"}, where: {size: 1.5}',
            'where.size: must be one text to compare with, not 1.5: write "1.5" instead',
        ),
        (
            "charge_key: c, meter_id: pages, model: standard, "
            'properties: {unit_amount: "1"}, where: {\'a"b\': x}',
            "where['a\"b']: cannot be the name of a dimension: 'a\"b'",
        ),
        (
            f"{STANDARD}, colour: red",
            "colour: unknown key 'colour'; known here: charge_key, meter_id, where, "
            "stripe_event_name, included_quantity, model, properties, percentage_discount, "
            "transform",
        ),
    ],
)
def test_a_charge_with_a_mistake_is_refused(landing: Path, charge: str, expected: str) -> None:
    assert charge_errors(landing, charge) == [expected]


# --- The models and their tiers -----------------------------------------------------------------

# Model, properties, and of each tier: from, up to, unit amount, flat amount,
# and of its packages size, amount and rounding.
MODELS = [
    (
        "package",
        '{package_size: 100, amount: "5", free_units: 10, rounding: down}',
        [("0", "10", "0", "0", None, None, None), ("10", None, "0", "0", "100", "5", "down")],
    ),
    (
        "package",
        '{package_size: "0.5", amount: "5"}',
        [("0", None, "0", "0", "0.5", "5", "up")],
    ),
    (
        "graduated_package",
        '{tiers: [{up_to: 100, package_size: 10, amount: "5"}, '
        '{up_to: null, package_size: 20, amount: "4"}]}',
        [("0", "100", "0", "0", "10", "5", "up"), ("100", None, "0", "0", "20", "4", "up")],
    ),
    (
        "volume_package",
        '{tiers: [{up_to: null, package_size: "10", amount: "4"}]}',
        [("0", None, "0", "0", "10", "4", "up")],
    ),
    (
        "percentage",
        '{rate_percent: "1.2", fixed_amount: "0.1", free_units_per_events: 3, '
        'free_units_per_total_aggregation: "500", per_transaction_min_amount: "0.5", '
        'per_transaction_max_amount: "9"}',
        [("0", "500", "0", "0", None, None, None), ("500", None, "0.012", "0", None, None, None)],
    ),
    (
        "percentage",
        '{rate_percent: "12345678901234567890.1234567890123456"}',
        [("0", None, "123456789012345678.901234567890123456", "0", None, None, None)],
    ),
    (
        "graduated_percentage",
        '{tiers: [{up_to: 10, rate_percent: "2"}, {up_to: null, flat_amount: "1"}]}',
        [("0", "10", "0.02", "0", None, None, None), ("10", None, "0", "1", None, None, None)],
    ),
    ("dynamic", '{amount: "$.cost[0].usd"}', [("0", None, "0", "0", None, None, None)]),
]


def on_tokens(charge: str) -> str:
    return charge.replace("meter_id: seconds", "meter_id: tokens")


def test_a_count_of_free_events_may_be_quoted_like_a_quantity(landing: Path) -> None:
    """It stands among quantities, which may be either. What no integer holds is refused."""

    def told(count: str) -> str:
        return on_tokens(
            priced("percentage", f'{{rate_percent: "1", free_units_per_events: {count}}}')
        )

    def properties(count: str) -> str:
        plans = PLANS[: PLANS.index("          - charge_key")] + f"          - {{{told(count)}}}\n"
        [charge] = load(landing, meters=METERS, plans=plans).charges
        return charge.properties

    assert properties('"3"') == properties("3")
    assert charge_errors(landing, told('"2147483648"')) == [
        "properties.free_units_per_events: must be at most 2147483647: '2147483648'"
    ]
    assert charge_errors(landing, told('"3.0"')) == [
        "properties.free_units_per_events: must be a whole number without quotes, not '3.0'"
    ]


@pytest.mark.parametrize(("model", "properties", "expected"), MODELS)
def test_every_model_becomes_tiers(
    landing: Path, model: str, properties: str, expected: list[tuple[str | None, ...]]
) -> None:
    charge = on_tokens(priced(model, properties))
    plans = PLANS[: PLANS.index("          - charge_key")] + f"          - {{{charge}}}\n"
    tiers = load(landing, meters=METERS, plans=plans).tiers
    found = [
        (
            tier.from_quantity,
            tier.up_to,
            tier.unit_amount,
            tier.flat_amount,
            tier.package_size,
            tier.package_amount,
            tier.package_rounding,
        )
        for tier in tiers
    ]
    assert found == [
        (*(None if each is None else Decimal(each) for each in tier[:6]), tier[6])
        for tier in expected
    ]
    assert [tier.tier_index for tier in tiers] == list(range(1, len(expected) + 1))


def test_columns_that_a_book_does_not_use_leave_its_digest(landing: Path) -> None:
    said = load(landing, meters=METERS, plans=PLANS).tiers[0]
    assert said.package_size is None
    # sha256 of the book's rows as they were before tiers had packages.
    assert load(landing, meters=METERS, plans=PLANS).digest == (
        "6e2822f7e12c99394dd60615facb555b5cfc9a9e44d496b2707a967aa19afc7d"
    )


@pytest.mark.parametrize(
    ("model", "properties", "expected"),
    [
        (
            "package",
            '{package_size: 0, amount: "5"}',
            "properties.package_size: must be above zero",
        ),
        ("package", "{package_size: 1}", "properties.amount: is missing"),
        (
            "package",
            '{package_size: 1, amount: "1", rounding: half_up}',
            "properties.rounding: unknown rounding 'half_up': must be one of up, down",
        ),
        (
            "volume_package",
            '{tiers: [{up_to: 5, package_size: 1, amount: "1"}]}',
            "properties.tiers[0].up_to: must be null in the last tier, not 5",
        ),
        (
            "percentage",
            "{rate_percent: 1}",
            'properties.rate_percent: must be a quoted decimal string: write "1" instead of 1',
        ),
        (
            "percentage",
            '{rate_percent: "0.12345678901234567"}',
            "properties.rate_percent: has 17 decimal places, more than 16: 0.12345678901234567",
        ),
        (
            "graduated_percentage",
            '{tiers: [{up_to: null, rate_percent: "0.12345678901234567"}]}',
            "properties.tiers[0].rate_percent: has 17 decimal places, more than 16: "
            "0.12345678901234567",
        ),
        (
            "percentage",
            '{rate_percent: "1", per_transaction_min_amount: "9", per_transaction_max_amount: "5"}',
            "properties.per_transaction_min_amount: is above the per_transaction_max_amount: 9 > 5",
        ),
        (
            "dynamic",
            "{amount: cost}",
            "properties.amount: must be a path like $.tokens, not 'cost'",
        ),
    ],
)
def test_a_model_with_a_mistake_is_refused(
    landing: Path, model: str, properties: str, expected: str
) -> None:
    assert charge_errors(landing, on_tokens(priced(model, properties))) == [expected]


def later_errors(landing: Path, meter: str, charge: str) -> list[str]:
    """The errors of a charge on a meter given as a flow mapping, without the charge's path."""
    meters = f"{METERS}  - {{meter_id: later, {meter}}}\n"
    charge = charge.replace("meter_id: seconds", "meter_id: later")
    plans = PLANS[: PLANS.index("          - charge_key")] + f"          - {{{charge}}}\n"
    prefix = "plans.yaml:8: plans[0].versions[0].charges[0]."
    return [line.removeprefix(prefix) for line in errors(landing, meters=meters, plans=plans)]


@pytest.mark.parametrize(
    ("meter", "kind"),
    [
        ("source: compute, measure: seconds", "source 'compute'"),
        ("source: storage, measure: bytes", "source 'storage'"),
        ("source: events, event_type: a, aggregation: max, value: $.a", "aggregation 'max'"),
    ],
)
def test_what_looks_at_events_needs_a_meter_that_has_some(
    landing: Path, meter: str, kind: str
) -> None:
    whole = '{rate_percent: "1", free_units_per_total_aggregation: 5, fixed_amount: "0"}'
    plans = PLANS[: PLANS.index("          - charge_key")]
    charge = priced("percentage", whole).replace("meter_id: seconds", "meter_id: later")
    meters = f"{METERS}  - {{meter_id: later, {meter}}}\n"
    assert load(landing, meters=meters, plans=f"{plans}          - {{{charge}}}\n").charges

    needs = "needs a meter of source 'quantities', or one that is a sum or count of events"
    by_event = (
        '{rate_percent: "1", fixed_amount: "1", free_units_per_events: 0, '
        'per_transaction_min_amount: "0", per_transaction_max_amount: "1"}'
    )
    assert sorted(later_errors(landing, meter, priced("percentage", by_event))) == [
        f"properties.{key}: {needs}: 'later' is of {kind}"
        for key in (
            "fixed_amount",
            "free_units_per_events",
            "per_transaction_max_amount",
            "per_transaction_min_amount",
        )
    ]
    assert later_errors(landing, meter, priced("dynamic", "{amount: $.cost}")) == [
        "model: model 'dynamic' needs a meter that is a sum or count of events: "
        f"'later' is of {kind}"
    ]


def test_a_dynamic_price_has_no_place_for_included_units(landing: Path) -> None:
    charge = priced("dynamic", "{amount: $.cost}") + ", included_quantity: 1"
    assert charge_errors(landing, on_tokens(charge)) == [
        "included_quantity: does not go with model 'dynamic': each event says what it costs"
    ]
    measured = later_errors(landing, "source: quantities", priced("dynamic", "{amount: $.cost}"))
    assert measured == [
        "model: model 'dynamic' needs a meter that is a sum or count of events: "
        "'later' is of source 'quantities'"
    ]


@pytest.mark.parametrize("factor", ["1000", '"1000"', '"0.5"'])
def test_a_transform_is_read(landing: Path, factor: str) -> None:
    charge = f"{STANDARD}, transform: {{operation: divide, factor: {factor}, rounding: up}}"
    plans = PLANS[: PLANS.index("          - charge_key")] + f"          - {{{charge}}}\n"
    (row,) = load(landing, meters=METERS, plans=plans).charges
    assert (row.transform_operation, row.transform_factor, row.transform_rounding) == (
        "divide",
        Decimal(factor.strip('"')),
        "up",
    )


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("{operation: divide}", "transform.factor: is missing"),
        ('{operation: divide, factor: "0"}', "transform.factor: must be above zero"),
        (
            "{operation: divide, factor: 0.5}",
            'transform.factor: must be a quoted decimal string: write "0.5" instead of 0.5',
        ),
        (
            "{operation: add, factor: 2}",
            "transform.operation: unknown operation 'add': must be one of divide, multiply",
        ),
        (
            "{operation: divide, factor: 2, rounding: even}",
            "transform.rounding: unknown rounding 'even': must be one of none, up, down, half_up",
        ),
    ],
)
def test_a_transform_with_a_mistake_is_refused(
    landing: Path, transform: str, expected: str
) -> None:
    assert charge_errors(landing, f"{STANDARD}, transform: {transform}") == [expected]


@pytest.mark.parametrize(
    "meter",
    [
        "source: events, event_type: a, aggregation: count",
        "source: events, event_type: a, aggregation: weighted_sum, value: '$.a.b[0]'",
        "source: quantities, rounding: {mode: up}",
        "source: compute, measure: seconds, rounding: {mode: half_up, places: 2}",
    ],
)
def test_events_and_rounded_meters_can_be_charged(landing: Path, meter: str) -> None:
    meters = f"{METERS}  - {{meter_id: later, {meter}}}\n"
    charged = PLANS.replace("meter_id: seconds", "meter_id: later")
    assert [row.meter_id for row in load(landing, meters=meters, plans=charged).charges] == [
        "later"
    ]


def test_a_threshold_is_read(landing: Path) -> None:
    threshold = 'currency: usd\n        threshold_amount: "100.00"'
    plans = PLANS.replace("currency: usd", threshold)
    assert load(landing, meters=METERS, plans=plans).versions[0].threshold_amount == Decimal(100)


def test_a_threshold_of_nothing_is_refused(landing: Path) -> None:
    """It would cut a statement at every hour; null is none."""
    line = 'currency: usd\n        threshold_amount: "0"'
    assert plan_errors(landing, "currency: usd", line) == [
        "plans.yaml:7: plans[0].versions[0].threshold_amount: must be above zero"
    ]


def test_a_plan_may_be_yearly(landing: Path) -> None:
    yearly = 'currency: usd\n        interval: year\n        annual_discount_percent: "20"'
    first = load(landing, meters=METERS, plans=PLANS.replace("currency: usd", yearly)).versions[0]
    assert (first.interval, first.annual_discount_percent) == ("year", Decimal(20))


def test_a_plan_keeps_its_interval(landing: Path) -> None:
    second = "{valid_from: 2026-05-01T00:00:00Z, currency: usd, interval: year}"
    assert errors(landing, meters=METERS, plans=f"{PLANS}      - {second}\n") == [
        "plans.yaml:12: plans[0].versions[1].interval: 'year' after 'month': "
        "a plan keeps its interval; make it another plan"
    ]
