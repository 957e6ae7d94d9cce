"""The gate's checks, for every source: what came, what was refused,
and what is kept although its source lost it.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest

from ecom_assets.behaviour.events.contracts import QuarantinedEvents
from ecom_assets.core.tables.check import CheckResult, TableCheck
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.received import FileRows, SourceGate
from ecom_assets.core.warehouse.day_notes import AbsentDays, Withdrawals
from ecom_assets.core.warehouse.raw_slices import is_guarded
from ecom_assets.ingestion.sources.checks import SOURCES, GatedSource, source_checks
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.each import each

MONDAY = date(2026, 3, 2)
TODAY = MONDAY + timedelta(days=28)
BY_DAY = [source for source in SOURCES if not source.brings_all]
WHOLE = [source for source in SOURCES if source.brings_all]
RECEIVED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC).replace(tzinfo=None)


def ended(days: Days) -> Days:
    """Return the days before today."""
    return Days.from_dates(day for day in days.dates if day < TODAY)


def no_currency() -> str:
    """Return the currency of a shop that has none set."""
    return ""


def check_of(source: GatedSource, name: str) -> TableCheck:
    actual = source_checks(SourceGate(), late_days=7, ended=ended, currency=no_currency)
    tables = {source.raw, source.quarantine}
    return next(row for row in actual if row.name == name and row.contract in tables)


def raw(source: GatedSource, counts: Mapping[date, int]) -> ir.Table:
    rows = [
        {str(source.raw.day_column): day} for day, count in counts.items() for _ in range(count)
    ]
    return ibis.memtable(rows, schema=ibis.schema({str(source.raw.day_column): "date"}))


def notes(*rows: dict[str, Any]) -> ir.Table:
    return ibis.memtable(list(rows), schema=schema_of(Withdrawals))


def note(source: GatedSource, day: date, *, gone: bool, stored: int = 5) -> dict[str, Any]:
    return {
        "received_date": day,
        "source_table": source.raw.qualified_name(),
        "stored_count": stored,
        "offered_count": 0,
        "noticed_at": RECEIVED_AT,
        "withdrawn_at": RECEIVED_AT if gone else None,
        "run_id": "run",
    }


def absences(source: GatedSource, *days: date, kept: int = 0) -> ir.Table:
    rows = [
        {
            "received_date": day,
            "source_table": source.raw.qualified_name(),
            "kept_count": kept,
            "noticed_at": RECEIVED_AT,
            "run_id": "run",
        }
        for day in days
    ]
    return ibis.memtable(rows, schema=schema_of(AbsentDays))


def came(
    source: GatedSource,
    counts: Mapping[date, int],
    *days: date,
    withdrawn: ir.Table | None = None,
    absent: ir.Table | None = None,
) -> CheckResult:
    actual: CheckResult = check_of(source, "enough_came").evaluate(
        Days.from_dates(days),
        raw(source, counts),
        notes() if withdrawn is None else withdrawn,
        absences(source) if absent is None else absent,
    )
    return actual


def weekly(*counts: int) -> dict[date, int]:
    """Return rows of the same weekday of consecutive weeks,
    the last of them a week before today.
    """
    first = TODAY - timedelta(days=7 * len(counts))
    return {first + timedelta(days=7 * number): count for number, count in enumerate(counts)}


def test_every_source_has_a_gate_that_blocks_and_says_what_it_keeps() -> None:
    assert [source.noun for source in SOURCES] == ["events", "orders", "customers", "stock"]
    checks = source_checks(SourceGate(), late_days=7, ended=ended, currency=no_currency)
    assert {(check.name, check.blocking) for check in checks} == {
        ("enough_came", True),
        ("enough_came_of_public_keys", False),
        ("few_were_refused", True),
        ("very_few_were_refused", False),
        ("little_money_was_refused", False),
        ("reasons_are_usual", False),
        ("no_day_lost_its_rows", False),
        ("each_day_has_an_increment", False),
        ("the_source_answered", False),
    }


@pytest.mark.parametrize("source", BY_DAY, ids=lambda source: source.noun)
def test_a_day_with_less_than_a_fifth_of_what_is_usual_stops_with_one_sentence(
    source: GatedSource,
) -> None:
    counts = weekly(1000, 1000, 1000, 1000, 199)
    day = max(counts)
    result = came(source, counts, day)
    assert (result.broken_count, result.observed, result.limit) == (1, 199, 200)
    assert result.metadata["sentence"] == (
        f"Only 199 rows of {source.noun} came on {day}, where 1,000 are usual, and 200 the least; "
        "fix the source and run the day again, or if that is right set ECOM_GATE_FALL_SHARE "
        "above 0.8."
    )
    assert came(source, {**counts, day: 200}, day).broken_count == 0


@pytest.mark.parametrize("source", BY_DAY, ids=lambda source: source.noun)
def test_small_shops_first_runs_and_a_day_that_is_still_on_raise_no_alarm(
    source: GatedSource,
) -> None:
    small = weekly(9, 9, 9, 9)
    assert came(source, small, TODAY - ONE_DAY).broken_count == 0
    first_run = weekly(1000, 1000, 1000, 1000, 1)
    assert came(source, first_run, *first_run).broken_count == 0
    assert came(source, {**weekly(1000, 1000), TODAY: 3}, TODAY).broken_count == 0


@pytest.mark.parametrize("source", BY_DAY, ids=lambda source: source.noun)
def test_nothing_at_all_stops_where_something_is_usual_or_there_never_was_any(
    source: GatedSource,
) -> None:
    never = came(source, {}, MONDAY)
    assert (never.broken_count, never.metadata["sentence"]) == (
        1,
        (
            f"No {source.noun} came for {MONDAY}; look at where they come from (`ecom doctor`), "
            "and run these days again."
        ),
    )
    day = TODAY - timedelta(days=7)
    usual = {day: count for day, count in weekly(40, 40, 40, 0).items() if count}
    assert "where some 40 rows are usual" in came(source, usual, day).metadata["sentence"]
    assert came(source, dict.fromkeys(usual, 9), day).broken_count == 0


class FilesOfLater:
    """Files whose only rows are of the day after today."""

    @staticmethod
    def file_rows(days: Days | None) -> list[FileRows]:
        """Return what counting the files finds."""
        later = TODAY + ONE_DAY
        return [FileRows("later.csv", 5, {later: 5})] if days is None or later in days.dates else []


@pytest.mark.parametrize("source", BY_DAY, ids=lambda source: source.noun)
def test_days_before_the_first_row_of_the_files_owe_nothing(source: GatedSource) -> None:
    evaluate = check_of(source, "enough_came").evaluate
    assert (
        evaluate(
            Days.from_dates([MONDAY]), raw(source, {}), notes(), absences(source), FilesOfLater()
        ).broken_count
        == 0
    )


@pytest.mark.parametrize("source", BY_DAY, ids=lambda source: source.noun)
def test_days_that_somebody_let_go_are_missed_by_nobody(source: GatedSource) -> None:
    day = TODAY - timedelta(days=7)
    counts = weekly(1000, 1000, 1000)
    counts.pop(day)
    assert (
        came(source, counts, day, withdrawn=notes(note(source, day, gone=False))).broken_count == 1
    )
    assert (
        came(source, counts, day, withdrawn=notes(note(source, day, gone=True))).broken_count == 0
    )


@pytest.mark.parametrize("source", BY_DAY, ids=lambda source: source.noun)
def test_days_of_which_the_source_has_nothing_owe_nothing_but_not_where_nothing_ever_came(
    source: GatedSource,
) -> None:
    day = TODAY - timedelta(days=7)
    counts = weekly(1000, 1000, 1000)
    counts.pop(day)
    assert came(source, counts, day).broken_count == 1
    assert came(source, counts, day, absent=absences(source, day)).broken_count == 0
    other = next(candidate for candidate in BY_DAY if candidate is not source)
    assert came(source, counts, day, absent=absences(other, day)).broken_count == 1
    never = came(source, {}, day, absent=absences(source, day))
    assert (never.broken_count, "No " in never.metadata["sentence"]) == (1, True)


def test_days_without_an_increment_are_named_and_warn_only() -> None:
    [orders] = [source for source in SOURCES if source.noun == "orders"]
    check = check_of(orders, "each_day_has_an_increment")
    two = absences(orders, MONDAY, MONDAY + ONE_DAY, kept=400)
    result: CheckResult = check.evaluate(Days((MONDAY, MONDAY + ONE_DAY)), two)
    assert (check.warns, result.broken_count) == (True, 2)
    assert result.metadata["sentence"] == (
        "The source of orders has no increment of 2026-03-02, 2026-03-03; the 800 rows that came "
        "of them otherwise stay, and all other days are built."
    )
    assert check.evaluate(Days((TODAY,)), two).broken_count == 0


@pytest.mark.parametrize("source", WHOLE, ids=lambda source: source.noun)
def test_what_is_received_whole_each_time_is_compared_with_the_times_before(
    source: GatedSource,
) -> None:
    before = {MONDAY: 500, MONDAY + ONE_DAY: 520}
    day = MONDAY + 3 * ONE_DAY
    assert came(source, {**before, day: 101}, day).broken_count == 1
    assert came(source, {**before, day: 102}, day).broken_count == 0
    assert came(source, before, day).broken_count == 0
    assert came(source, {MONDAY: 1}, MONDAY).broken_count == 0


@each("source", SOURCES)
def test_days_that_their_source_lost_are_reported_with_the_command_that_lets_them_go(
    source: GatedSource,
) -> None:
    kept = notes(note(source, MONDAY, gone=False), note(source, MONDAY + ONE_DAY, gone=True))
    result: CheckResult = check_of(source, "no_day_lost_its_rows").evaluate(None, kept)
    assert result.broken_count == 1
    assert result.metadata["sentence"] == (
        f"The source of {source.noun} has 0 of the 5 rows that {source.raw.qualified_name()} has "
        "of 2026-03-02, which were kept; put them back, or let them go with `ecom run --from "
        "2026-03-02 --to 2026-03-02 --allow-withdrawal`."
    )
    other = next(candidate for candidate in SOURCES if candidate is not source)
    assert check_of(other, "no_day_lost_its_rows").evaluate(None, kept).broken_count == 0


def test_every_raw_table_of_an_asset_says_which_days_it_keeps_of_a_source_that_lost_them() -> None:
    checks = source_checks(SourceGate(), late_days=7, ended=ended, currency=no_currency)
    said = {check.contract for check in checks if check.name == "no_day_lost_its_rows"}
    assert said == {contract for contract in ALL if is_guarded(contract)}


def refused(
    source: GatedSource,
    received: int,
    refused_count: int,
    check: str = "few_were_refused",
    reason: str = "too_late",
) -> CheckResult:
    assert source.quarantine
    rows = [{"received_date": MONDAY, "event_date": MONDAY, "event_at": RECEIVED_AT}] * received
    received_rows = ibis.memtable(
        rows,
        schema=ibis.schema(
            {"received_date": "date", "event_date": "date", "event_at": "timestamp(6)"}
        ),
    )
    column = str(source.quarantine.day_column)
    refused_rows = ibis.memtable(
        [{column: MONDAY, "reject_reason": reason}] * refused_count,
        schema=ibis.schema({column: "date", "reject_reason": "string"}),
    )
    actual: CheckResult = check_of(source, check).evaluate(
        Days((MONDAY,)), received_rows, refused_rows
    )
    return actual


@pytest.mark.parametrize(
    "source", [source for source in SOURCES if source.quarantine], ids=lambda source: source.noun
)
def test_more_than_half_refused_stops_and_so_do_all_of_twelve(source: GatedSource) -> None:
    result = refused(source, 12, 12)
    assert (result.broken_count, result.observed, result.limit) == (1, 12, 6)
    assert result.metadata["sentence"].startswith(
        f"Of 12 rows of {source.noun}, 12 (100%) were refused, more than "
        "ECOM_GATE_REFUSED_SHARE=0.5 allows; "
    )
    assert refused(source, 12, 11).broken_count == 0
    assert refused(source, 200, 101).broken_count == 1
    assert refused(source, 200, 100).broken_count == 0
    assert refused(source, 0, 0).broken_count == 0


def test_refused_rows_of_public_keys_close_no_gate_and_hide_no_fault_of_others() -> None:
    def share(refused_by: Mapping[Any, int], received_by: Mapping[Any, int]) -> CheckResult:
        kinds = {"event_date": "date", "event_at": "timestamp(6)", "sent_by": "string"}
        row = {"received_date": MONDAY, "event_date": MONDAY, "event_at": RECEIVED_AT}
        received_rows = ibis.memtable(
            [row | {"sent_by": by} for by, count in received_by.items() for _ in range(count)],
            schema=ibis.schema({"received_date": "date"} | kinds),
        )
        bad = {"accounted_date": MONDAY, "reject_reason": "too_late"}
        refused_rows = ibis.memtable(
            [bad | {"sent_by": by} for by, count in refused_by.items() for _ in range(count)],
            schema=ibis.schema(
                {"accounted_date": "date", "reject_reason": "string", "sent_by": "string"}
            ),
        )
        check = check_of(SOURCES[0], "few_were_refused")
        result: CheckResult = check.evaluate(Days((MONDAY,)), received_rows, refused_rows)
        return result

    page = "public-key:1a2b3c4d"
    # 2,000 events of 1999 by a stranger beside 1,500 good ones of the shop.
    assert share({page: 2000}, {page: 2000, "key:5e6f7a8b": 1500}).broken_count == 0
    # Nor do good rows of strangers hide that most of the shop's own are refused.
    result = share({None: 900}, {page: 100_000, None: 1000})
    assert (result.broken_count, result.observed, result.limit) == (1, 900, 500)
    # Nor does one key's good rows hide another's; a first attempt with a few rows stops nobody.
    good = {"key:5e6f7a8b": 5000}
    result = share({"key:0badc0de": 120}, good | {"key:0badc0de": 150})
    assert (result.broken_count, result.observed, result.limit) == (1, 120, 75)
    assert result.metadata["sentence"].startswith(
        "Of 150 rows of events sent by key:0badc0de, 120 (80%) were refused, more than "
        "ECOM_GATE_REFUSED_SHARE=0.5"
    )
    assert share({"key:0badc0de": 99}, good | {"key:0badc0de": 99}).broken_count == 0
    assert share({page: 5000}, {page: 5000}).broken_count == 0, "a shop with pages only is warned"


EVENTS = SOURCES[0]
PAGE = "public-key:1a2b3c4d"


def came_by(
    counts: Mapping[Any, Mapping[date, int]], *days: date, check: str = "enough_came"
) -> CheckResult:
    rows = [
        {"received_date": day, "sent_by": sender}
        for sender, by_day in counts.items()
        for day, count in by_day.items()
        for _ in range(count)
    ]
    received_rows = ibis.memtable(
        rows, schema=ibis.schema({"received_date": "date", "sent_by": "string"})
    )
    result: CheckResult = check_of(EVENTS, check).evaluate(
        Days.from_dates(days), received_rows, notes(), absences(EVENTS)
    )
    return result


def test_a_flood_by_a_public_key_makes_no_normal_day_look_incomplete() -> None:
    own = weekly(200, 200, 200, 200, 190)
    day = max(own)
    flood = weekly(5000, 5000, 5000, 5000, 0)
    assert came_by({"key:5e6f7a8b": own, PAGE: flood}, day).broken_count == 0
    # Nor do rows of a stranger hide that most of the shop's own are missing.
    missing = own | {day: 39}
    result = came_by({None: missing, PAGE: dict.fromkeys(own, 5000)}, day)
    assert (result.broken_count, result.observed, result.limit) == (1, 39, 40)


def test_a_shop_with_pages_only_is_warned_of_days_with_few_rows_and_not_stopped() -> None:
    counts = {PAGE: weekly(1000, 1000, 1000, 1000, 100)}
    day = max(counts[PAGE])
    assert came_by(counts, day).broken_count == 0
    assert came_by({PAGE: weekly(1000, 1000, 1000, 1000, 0)}, day).broken_count == 0
    check = check_of(EVENTS, "enough_came_of_public_keys")
    assert (check.warns, check.blocking) == (True, False)
    result = came_by(counts, day, check=check.name)
    assert (result.broken_count, result.observed, result.limit) == (1, 100, 200)
    assert came_by({None: counts[PAGE]}, day, check=check.name).broken_count == 0
    assert came_by({}, day).broken_count == 1, "nothing at all still stops"


def test_reasons_of_a_public_key_alone_are_no_news_where_others_send_too() -> None:
    def risen(refused_rows: Mapping[str | None, int]) -> int:
        before = MONDAY - ONE_DAY
        row = {"event_at": RECEIVED_AT}
        rows = [
            row | {"received_date": day, "event_date": day, "sent_by": sender}
            for day in (before, MONDAY)
            for sender in (None, PAGE)
            for _ in range(500)
        ]
        kinds = {
            "received_date": "date",
            "event_date": "date",
            "event_at": "timestamp(6)",
            "sent_by": "string",
        }
        bad = {"accounted_date": MONDAY, "reject_reason": "too_late"}
        quarantine = [
            bad | {"sent_by": sender}
            for sender, count in refused_rows.items()
            for _ in range(count)
        ]
        refused_kinds = {"accounted_date": "date", "reject_reason": "string", "sent_by": "string"}
        result: CheckResult = check_of(EVENTS, "reasons_are_usual").evaluate(
            Days((MONDAY,)),
            ibis.memtable(rows, schema=ibis.schema(kinds)),
            ibis.memtable(quarantine, schema=ibis.schema(refused_kinds)),
        )
        return result.broken_count

    assert risen({PAGE: 500}) == 0
    assert risen({PAGE: 500, None: 50}) == 1


FAR = MONDAY + timedelta(days=200)
STOPS, WARNS = "few_were_refused", "very_few_were_refused"


class Files:
    """A file with some rows of each of two days that are far from each other."""

    def __init__(self, first: int, last: int) -> None:
        self.rows = {MONDAY: first, FAR: last}

    def file_rows(self, _days: Days | None) -> list[FileRows]:
        """Return its rows, whatever the days."""
        return [FileRows("a.csv", sum(self.rows.values()), self.rows)]


@each("source", BY_DAY)
@each(
    "part, good, bad, broken",
    [
        (
            MONDAY,
            {FAR: 12},
            {MONDAY: 1},
            {WARNS},
        ),  # the bad row comes first, and the good ones are not loaded yet
        (FAR, {MONDAY: 12}, {FAR: 1}, {WARNS}),
        (MONDAY, {FAR: 300}, {MONDAY: 1}, set()),
        (FAR, {MONDAY: 300}, {FAR: 1}, set()),
        (FAR, {}, {MONDAY: 2, FAR: 1}, {STOPS, WARNS}),
        (FAR, {MONDAY: 100}, {FAR: 100}, {WARNS}),
        (FAR, {MONDAY: 100}, {FAR: 101}, {STOPS, WARNS}),
    ],
)
def test_the_rows_of_all_parts_of_a_run_that_is_split_count_together(
    source: GatedSource, part: date, good: dict[date, int], bad: dict[date, int], broken: set[str]
) -> None:
    came = {day: good.get(day, 0) + bad.get(day, 0) for day in (MONDAY, FAR)}
    rows = [
        {
            "received_date": day,
            "event_date": day,
            "event_at": datetime(day.year, day.month, day.day, 12),  # noqa: DTZ001 (UTC, as tables have it)
        }
        for day, count in came.items()
        if day <= part
        for _ in range(count)
    ]
    kinds = {"received_date": "date", "event_date": "date", "event_at": "timestamp(6)"}
    assert source.quarantine
    column = str(source.quarantine.day_column)
    reasons = [
        {column: day, "reject_reason": "too_late"}
        for day, count in bad.items()
        for _ in range(count)
    ]
    for name in (STOPS, WARNS):
        check = check_of(source, name)
        assert (check.sees_parts, check.source) == (True, source.resource)
        result = check.function(
            Days((part,)),
            ibis.memtable(rows, schema=ibis.schema(kinds)),
            ibis.memtable(reasons, schema=ibis.schema({column: "date", "reject_reason": "string"})),
            Files(came[MONDAY], came[FAR]),
            parts=Days((MONDAY, FAR)),
        )
        assert isinstance(result, CheckResult)
        assert bool(result.broken_count) == (name in broken), name


@pytest.mark.parametrize(
    "source", [source for source in SOURCES if source.quarantine], ids=lambda source: source.noun
)
def test_more_than_a_twentieth_refused_is_a_warning(source: GatedSource) -> None:
    for received, count, broken in ((200, 10, 0), (200, 11, 1), (12, 1, 1), (12, 12, 1), (0, 0, 0)):
        assert refused(source, received, count, "very_few_were_refused").broken_count == broken, (
            received,
            count,
        )
    result = refused(source, 981, 353, "very_few_were_refused")
    assert result.metadata["sentence"].startswith(
        f"Of 981 rows of {source.noun}, 353 (36%) were refused; "
    )
    why = (
        "most often (353) too_late. The row arrived more than ECOM_LATE_DAYS after its day; "
        "deliver sooner"
    )
    assert why in result.metadata["sentence"]


@pytest.mark.parametrize(
    ("currency", "said"), [("JPY", "1,251"), ("", "1,250.50"), ("KWD", "1,250.500")]
)
def test_refused_money_is_said_in_the_digits_of_its_currency(currency: str, said: str) -> None:
    """A third of a day's money, 1,250.50 of 3,751.50, is refused; yen have no half."""
    [orders] = [source for source in SOURCES if source.noun == "orders"]
    column = str(orders.quarantine.day_column) if orders.quarantine else ""
    kinds = {"received_date": "date", column: "date", "payment_amount": "decimal(18, 4)"}
    kept = {"received_date": MONDAY, column: MONDAY, "payment_amount": Decimal("2501.0000")}
    lost = kept | {"payment_amount": Decimal("1250.5000"), "reject_reason": "amount_too_large"}
    received_rows = ibis.memtable(
        [kept, {name: lost[name] for name in kept}], schema=ibis.schema(kinds)
    )
    refused_rows = ibis.memtable([lost], schema=ibis.schema(kinds | {"reject_reason": "string"}))
    checks = source_checks(SourceGate(), late_days=7, ended=ended, currency=lambda: currency)
    [money] = [
        row
        for row in checks
        if row.name == "little_money_was_refused" and row.contract is orders.quarantine
    ]
    result = money.evaluate(Days((MONDAY,)), received_rows, refused_rows)
    sentence = f"Of the orders of {MONDAY}, {said} (33% of their money) in 1 row were refused"
    assert result.metadata["sentence"].startswith(sentence)
    assert [row["amount"] for row in result.examples] == [said.replace(",", "")]


@each("reason", ["without_consent", "left_out"])
@each("check", ["few_were_refused", "very_few_were_refused"])
def test_rows_that_are_left_out_rightly_neither_stop_nor_warn(check: str, reason: str) -> None:
    [events] = [source for source in SOURCES if source.quarantine is QuarantinedEvents]
    assert refused(events, 200, 150, check).broken_count == 1
    assert refused(events, 200, 150, check, reason).broken_count == 0


@pytest.mark.parametrize(
    "source", [source for source in BY_DAY if source.quarantine], ids=lambda source: source.noun
)
def test_a_reason_that_takes_far_more_rows_than_in_the_week_before_is_a_warning(
    source: GatedSource,
) -> None:
    # Each day of the week before, 2 of 200 rows: 1 %. Three times that and a hundredth more is 4 %:
    # 8 of 200.
    assert source.quarantine
    column = str(source.quarantine.day_column)
    week = [MONDAY - n * ONE_DAY for n in range(1, 8)]

    def checked(today: int, *, other: int = 0) -> CheckResult:
        rows = [
            {
                "received_date": day,
                "event_date": day,
                "event_at": datetime(day.year, day.month, day.day, 12),  # noqa: DTZ001 (UTC, as tables have it)
            }
            for day in (MONDAY, *week)
            for _ in range(200)
        ]
        kinds = {"received_date": "date", "event_date": "date", "event_at": "timestamp(6)"}
        reasons = [(day, "unparseable_timestamp") for day in week for _ in range(2)]
        reasons += [(MONDAY, "unparseable_timestamp")] * today + [
            (MONDAY, "missing_identity")
        ] * other
        refused_rows = ibis.memtable(
            [{column: day, "reject_reason": reason} for day, reason in reasons],
            schema=ibis.schema({column: "date", "reject_reason": "string"}),
        )
        received_rows = ibis.memtable(rows, schema=ibis.schema(kinds))
        actual: CheckResult = check_of(source, "reasons_are_usual").evaluate(
            Days((MONDAY,)), received_rows, refused_rows
        )
        return actual

    assert checked(8).broken_count == 0
    assert checked(9).metadata["sentence"] == (
        f"Of the {source.noun}, other shares than on the days before are refused: "
        "unparseable_timestamp 4.5% instead of 1.0%; look at what their source has changed, and "
        "run these days again."
    )
    assert (checked(0, other=2).broken_count, checked(0, other=3).broken_count) == (0, 1)


def test_so_are_lines_of_stock_that_say_nothing() -> None:
    [stock] = [source for source in SOURCES if not source.quarantine]
    rows = [
        {"received_date": MONDAY, "reject_reason": reason}
        for reason in [None] * 18 + ["missing_stock"] * 2
    ]
    table = ibis.memtable(
        rows, schema=ibis.schema({"received_date": "date", "reject_reason": "string"})
    )
    result: CheckResult = check_of(stock, "very_few_were_refused").evaluate(
        Days((MONDAY,)), table, table
    )
    assert result.metadata["sentence"].startswith(
        "Of 20 rows of stock, 2 (10%) were refused; raw.stock has the reason"
    )
