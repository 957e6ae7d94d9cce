"""Who is who in the simulated shop: recounts with SQL by the person of each event,
and the platform's own answers.
"""

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ecom_assets_tests.command import ecom
from ecom_assets_tests.sandbox.people_in_files import ids_of_people, people_of_events
from ecom_assets_tests.sandbox.shop_recount import CHECKED, Recount
from ecom_sandbox.shop.living import LivingShop

pytestmark = pytest.mark.xdist_group("shop_month")
STEPS = ["page_view", "product_view", "add_to_cart", "checkout_start", "purchase"]


@pytest.fixture(scope="module")
def people(month: Recount) -> Recount:
    """The month, with the table `known` of its clean events and their persons,
    and `owned` without robots.
    """
    who = people_of_events(month.folder)
    month.con.register("who", who)
    month.con.execute(
        """
        create or replace table known as
        select clean.*, who.person_id, who.is_bot, who.user_id as planned_user,
            who.anonymous_id as planned_device
        from clean join who using (event_id);
        create or replace table owned as from known where not is_bot
        """
    )
    month.con.register("ids", ids_of_people(who))
    return month


@pytest.mark.slow
def test_each_clean_event_has_one_person_and_the_ids_that_its_row_has(people: Recount) -> None:
    clean = people.truth["events"]["clean"]
    assert (
        people.value("select count(*) from known")
        == people.value("select count(*) from who")
        == clean
    )
    different = (
        "user_id is distinct from planned_user or anonymous_id is distinct from planned_device"
    )
    assert people.value(f"select count(*) from known where {different}") == 0
    assert (
        people.value("select count(distinct person_id) from owned")
        == people.truth["identity"]["people"]
        == 2_000
    )
    assert people.value("select count(*) from ids") == 2_000


@pytest.mark.slow
def test_a_user_id_is_of_one_person_but_for_that_of_guests(people: Recount) -> None:
    several = (
        "select user_id from owned where user_id is not null group by 1 having count(distinct "
        "person_id) > 1"
    )
    assert people.con.execute(several).fetchall() == [("guest",)]
    other = "user_id not in (person_id, 'app-' || person_id, 'guest')"
    assert people.value(f"select count(*) from known where {other}") == 0


def test_people_have_several_devices_and_households_share_one(people: Recount) -> None:
    identity = people.truth["identity"]
    used = "select distinct anonymous_id, person_id from owned where anonymous_id is not null"
    several = f"select 1 from ({used}) group by person_id having count(*) > 1"
    assert (
        people.value(f"select count(*) from ({several})")
        == identity["people_with_several_devices"]
        > 400
    )
    assert people.value(f"select count(distinct anonymous_id) from ({used})") == identity["devices"]
    people_on = (
        f"select anonymous_id, list(person_id::int order by person_id) as them from ({used}) "
        "group by 1"
    )
    shared = [them for _, them in people.con.execute(people_on).fetchall() if len(them) > 1]
    assert len(shared) == identity["shared_devices"]
    # 12 % of 1,000 pairs are 120 households. Nearly all of them meet on a device, and a few on a
    # second one.
    assert 90 < len(shared) < 150
    # The ids of the two are neighbours: 1000001 is person 0, the first of the first pair.
    assert all(len(them) == 2 and them[1] == them[0] + 1 and them[0] % 2 == 1 for them in shared)


def test_some_visits_to_a_shared_device_are_without_a_user(people: Recount) -> None:
    shared = "select anonymous_id from owned group by 1 having count(distinct person_id) > 1"
    visits = f"""
        select person_id, session_id, max(user_id) as user_id from owned
        where anonymous_id in ({shared}) group by 1, 2"""
    signed = people.value(f"select count(*) from ({visits}) where user_id is not null")
    unsigned = people.value(f"select count(*) from ({visits}) where user_id is null")
    assert signed > 100
    assert unsigned > 100
    both = (
        f"select 1 from owned where anonymous_id in ({shared}) and user_id = person_id group by "
        "anonymous_id"
    )
    assert people.value(f"select count(*) from ({both} having count(distinct user_id) = 2)") > 20


def test_visits_of_two_people_to_one_device_are_apart_unless_it_is_handed_over(
    people: Recount,
) -> None:
    spans = (
        "select anonymous_id, session_id, min(t) as b, max(t) as e from owned where session_id <> "
        "'' group by 1, 2"
    )
    close = f"""
        select count(*) from ({spans}) x join ({spans}) y using (anonymous_id)
        where x.session_id <> y.session_id and x.b <= y.b and y.b <= x.e + interval 30 minutes"""
    assert people.value(close) == 0
    handed = (
        "select session_id from owned where session_id <> '' group by 1 having count(distinct "
        "person_id) = 2"
    )
    assert (
        people.value(f"select count(*) from ({handed})")
        == people.truth["identity"]["handovers"]
        > 10
    )
    types = f"""
        select event_type, row_number() over (partition by session_id order by t, event_id) as nth
        from owned join ({handed}) using (session_id) where person_id::int % 2 = 0"""
    assert people.pairs(
        f"select event_type, count(*) from ({types}) where nth = 1 group by 1"
    ).keys() == {"page_view"}


def test_people_sign_in_from_the_start_or_late_or_never(people: Recount) -> None:
    identity = people.truth["identity"]
    never = "select 1 from owned group by person_id having count(*) filter (user_id <> 'guest') = 0"
    assert (
        people.value(f"select count(*) from ({never})")
        == identity["people_who_never_signed_in"]
        > 500
    )
    first = "select person_id, arg_min(session_id, t) as session_id from owned group by 1"
    later = f"""
        select person_id from owned where user_id <> 'guest' and person_id not in (
          select person_id from owned join ({first}) using (person_id, session_id)
          where user_id <> 'guest'
        ) group by 1"""
    assert (
        people.value(f"select count(*) from ({later})")
        == identity["people_who_signed_in_late"]
        > 500
    )
    assert (
        people.value("select count(*) from owned where user_id is null")
        == identity["userless_events"]
    )


def test_some_browsers_forget_their_cookie_and_get_another(people: Recount) -> None:
    # 12 % of visits are on the second browser, so a first one has most events; its cookies follow
    # one another.
    spans = (
        "select person_id, user_agent, anonymous_id, min(t) as b, max(t) as e from owned group by "
        "all"
    )
    changed = f"""
        select distinct x.person_id, x.user_agent from ({spans}) x
        join ({spans}) y using (person_id, user_agent)
        where x.e < y.b and x.anonymous_id <> y.anonymous_id"""
    found = people.value(f"select count(*) from ({changed})")
    # 15 % of 2,000 usual browsers forget theirs once in 30 days: 300, of which some 90 are used
    # before and after it.
    assert 60 < people.truth["identity"]["cleared_browsers"] <= found
    assert people.truth["identity"]["cleared_browsers"] < 300


def test_an_alias_names_the_former_id_which_is_never_used_again(people: Recount) -> None:
    planted = people.truth["identity"]["aliases"]
    found = "select properties->>'previous_id', user_id from clean where event_type = 'alias'"
    assert people.pairs(found) == planted
    # 4 % of the 60 % with an account are 48 people, of whom some come after the time of their
    # change, and not new.
    assert 15 < len(planted) < 48
    for former, present in planted.items():
        assert former == f"app-{present}"
    times = f"""
        select person_id, max(t) filter (user_id like 'app-%') as former,
            min(t) filter (user_id = person_id) as present,
            min(t) filter (event_type = 'alias') as changed
        from owned where person_id in {tuple(planted.values())} group by 1"""
    assert (
        people.value(f"select count(*) from ({times}) where changed is null or former > changed")
        == 0
    )
    assert people.value(f"select max(changed - present) < interval 1 second from ({times})")
    assert people.value(f"select count(*) from ({times}) where former is not null") > 5
    assert (
        people.value(
            "select count(*) from clean where event_type = 'alias' and anonymous_id is null"
        )
        == 0
    )
    assert (
        people.value(
            "select count(*) from owned where user_id like 'app-%' and user_id not in "
            f"{tuple(planted)}"
        )
        == 0
    )


def test_guests_share_one_account_on_far_more_than_fifty_devices(people: Recount) -> None:
    guest = people.truth["identity"]["guest"]
    used = people.value(
        f"select count(distinct anonymous_id) from owned where user_id = '{guest['user_id']}'"
    )
    # The shop is open for 30 days, so that they are the most within 30 days too.
    assert used == guest["devices"] == guest["most_devices_in_30_days"] > 100
    assert people.value("select count(distinct person_id) from owned where user_id = 'guest'") > 100
    mixed = (
        "select 1 from clean group by session_id having max(user_id) = 'guest' and min(user_id) "
        "<> 'guest'"
    )
    assert people.value(f"select count(*) from ({mixed})") == 0, (
        "a visit of a guest has no other user"
    )


def test_the_people_who_come_back_are_those_of_a_recount(people: Recount) -> None:
    retention = people.truth["identity"]["weekly_retention"]
    weeks = """
        with came as (select distinct person_id, date_trunc('week', t)::date as week from owned),
        placed as (select *, min(week) over (partition by person_id) as cohort from came)
        select cohort::varchar, (week - cohort) // 7 as nth, count(*) from placed
        group by 1, 2 order by 1, 2"""
    cohorts: dict[str, list[int]] = {}
    for cohort, nth, count in people.con.execute(weeks).fetchall():
        cohorts.setdefault(cohort, []).append(count)
        assert nth == len(cohorts[cohort]) - 1
    assert retention["cohorts"] == cohorts
    # The shop closes on Friday, 30 January: the week of the 26th is not over, so that of the 19th
    # has no week 1 yet.
    whole = [counts for cohort, counts in cohorts.items() if cohort < "2026-01-19"]
    assert retention["week_1_rate"] == sum(counts[1] for counts in whole) / sum(
        counts[0] for counts in whole
    )


@pytest.fixture(scope="module")
def named(people: Recount, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of the month as if everybody had always been signed in with the final id."""
    path = tmp_path_factory.mktemp("named") / "events.parquet"
    columns = (
        "event_id, person_id as user_id, event_type, event_timestamp, product_id, product_category"
    )
    others = "page_url, referrer_url, cart_value, received_at"
    people.con.execute(
        f"copy (select {columns}, null::text as session_id, {others} from owned) to '{path}'"
    )
    return path


@pytest.mark.slow
def test_the_platform_finds_the_retention_of_people_if_it_is_told_who_they_are(
    people: Recount, named: Path, home: Path
) -> None:
    result = ecom("retention", "--events", named, "--json", home=home)
    assert result.exit_code == 0, result.err
    found = {cohort["cohort"]: cohort["returned"] for cohort in result.json["cohorts"]}
    assert found == people.truth["identity"]["weekly_retention"]["cohorts"]


@pytest.mark.slow
def test_the_platform_finds_the_funnel_of_people_if_it_is_told_who_they_are(
    people: Recount, named: Path, home: Path
) -> None:
    result = ecom("funnel", "--events", named, "--steps", ",".join(STEPS), "--json", home=home)
    assert result.exit_code == 0, result.err
    found = {step["event_type"]: step["count"] for step in result.json["steps"]}
    assert found == people.truth["identity"]["funnel_people"]
    assert list(found) == STEPS


def test_the_smallest_shop_has_one_person(tmp_path: Path) -> None:
    tiny = Recount(tmp_path / "tiny", days=1, visitors=1)
    assert ids_of_people(people_of_events(tiny.folder))["person_id"].to_pylist() == ["1000001"]
    assert tiny.truth["identity"]["people"] == 1
    assert tiny.truth["identity"]["weekly_retention"]["week_1_rate"] is None


@pytest.mark.slow
def test_the_people_of_a_living_shop_are_the_same_in_all_months(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    LivingShop(folder, date(2026, 3, 9), new_people=200).grow()
    con = duckdb.connect()
    con.execute(CHECKED.format(out=folder))
    con.register("who", people_of_events(folder))
    assert con.sql("from clean anti join who using (event_id)").fetchall() == []
    assert con.sql("from who anti join clean using (event_id)").fetchall() == []
    months = json.loads((folder / "truth.json").read_text())["months"]
    aliases = {
        former: user
        for truth in months.values()
        for former, user in truth["identity"]["aliases"].items()
    }
    assert len(aliases) > 2
    found = con.sql(
        "select properties->>'previous_id', user_id from clean where event_type = 'alias'"
    ).fetchall()
    assert dict(found) == aliases
    late = """
        select * from clean a join clean b on b.user_id = a.properties->>'previous_id' and b.t > a.t
        where a.event_type = 'alias'"""
    assert con.sql(late).fetchall() == []
    assert "weekly_retention" not in months["2026-02"]["identity"], (
        "who comes back in another month is not in it"
    )
    assert (
        max(truth["identity"]["guest"]["most_devices_in_30_days"] for truth in months.values()) > 10
    )
