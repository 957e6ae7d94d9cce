"""What every engine is given: a small simulated shop, and a file of rows that engines
are known to disagree on.
"""

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.customer_api.records import customer_rows, read_record
from ecom_assets_tests.command import HEADER
from ecom_sandbox.shop.customers import make_customers
from ecom_sandbox.shop.shop import generate

FIRST_DAY, LAST_DAY = date(2026, 3, 27), date(2026, 4, 1)
RANGES = ((date(2026, 3, 31), LAST_DAY), (FIRST_DAY, date(2026, 3, 31)))
"""Runs of which the later one is of earlier days and computes a day again; Berlin's clocks change
on the 29th.
"""

ODD_ROWS = """
odd-1,Zoë,page_view,2026-03-28T22:59:59.999999Z,,,s-Ä,"https://shop.example/?utm_source=a,b&utm_medium=c""d",,
odd-2,zoë,page_view,2026-03-28T23:00:00Z,,,S-ä,https://shop.example/ünï/日本,,
odd-3,_z,product_view,2026-03-29T00:59:59.999999Z,p\\1,B,s-1,https://shop.example/%20\\n,,
odd-3,_z,product_view,2026-03-29T00:59:59.999999Z,p\\1,a,s-1,https://shop.example/%20\\n,,
odd-4,_z,product_view,2026-03-29T01:00:00Z,p1,_a,s-1,https://shop.example/,,0.005
odd-5,A b,add_to_cart,2026-03-29T23:59:59.5Z,p1,'quoted',s-2,https://shop.example/,,19.999
odd-6,A b,purchase,2026-03-30T00:10:00.000001Z,,,s-2,https://shop.example/,,100000000
odd-7,A b,purchase,2026-03-30T00:10:00.000001Z,,,s-2,https://shop.example/,,1e2
odd-8, NULL ,page_view,2026-03-30T10:00:00Z,,,,https://shop.example/,,
odd-9,,page_view,2026-03-30T10:00:00Z,,,s-3,https://shop.example/,,
odd-10,ann,page_view,2026-03-30T10:00:00Z,,,s-3,https://shop.example/,,
odd-11,ann,purchase,2026-03-30T10:00:01Z,,,s-3,https://shop.example/,,-5
odd-12,ann,purchase,2026-03-30T10:00:02Z,,,s-3,https://shop.example/,,twelve
odd-13,ann," page_view",2026-03-30T10:00:03Z,,,s-3,https://shop.example/,,
odd-13b,ann,"page	view",2026-03-30T10:00:03Z,,,s-3,https://shop.example/,,
odd-13c,ann,商品 を 見た 🛒,2026-03-30T10:00:03Z,,,s-3,https://shop.example/,,
odd-13d,anon-s-5,page_view,2026-03-30T10:00:04Z,,,s-6,https://shop.example/,,
odd-13e,user-anon-s-5,page_view,2026-03-30T10:00:04Z,,,s-7,https://shop.example/,,
odd-13f,,page_view,2026-03-30T10:00:04Z,,,s-5,https://shop.example/,,
odd-13g,,page_view,2026-03-30T10:00:05Z,,,s-7,https://shop.example/,,
odd-13h,ann,$teleport,2026-03-30T10:00:03Z,,,s-3,https://shop.example/,,
odd-14,ann,page_view,yesterday,,,s-3,https://shop.example/,,
odd-15,ann,page_view,2026-03-31T23:45:00+01:00,,,s-3,https://shop.example/,,
odd-16,bea,search,2026-03-29T21:58:00Z,,,s-4,https://shop.example/s?x=1&q=%C3%9Cber++Schuhe%2f&utm_source=a,,
odd-17,bea,product_view,2026-03-29T22:01:00Z,p1,A → b,s-4,https://shop.example/,,
odd-18,bea,search,2026-03-29T22:02:00Z,,,s-4,https://shop.example/?q=&b=2,,
odd-19,bea,add_to_cart,2026-03-29T22:03:00Z,p1,(exit),s-4,https://shop.example/,,
odd-20,bea,product_view,2026-03-29T22:03:00Z,p1,(exit),s-4,https://shop.example/,,
odd-21,cleo,purchase,2026-03-30T11:00:00Z,,,s-5,https://shop.example/,,9999999999999999.99
odd-22,cleo,purchase,2026-03-30T11:00:01Z,,,s-5,https://shop.example/,,-1e20
"""
DEVICE_HEADER = f"{HEADER},anonymous_id,properties"
FEW_SHARE: dict[str, Any] = {
    "identity_device_users": 4,
    "identity_session_users": 3,
    "identity_user_devices": 5,
    "identity_group_users": 4,
}
"""Bounds of the identity rule that a few rows reach."""
PREVIOUS = '"{""previous_id"": ""%s""}"'
DEVICE_ROWS = {
    date(2026, 3, 29): """
dev-1,,page_view,2026-03-27T09:00:00Z,,,,https://shop.example/,,,D-1,
dev-2,,page_view,2026-03-27T09:20:00Z,,,,https://shop.example/,,,D-1,
dev-3,Dora,login,2026-03-27T09:40:00Z,,,,https://shop.example/,,,D-1,
dev-4,,page_view,2026-03-27T10:10:00Z,,,,https://shop.example/,,,D-1,
dev-5,,page_view,2026-03-27T22:59:59.999999Z,,,,https://shop.example/,,,D-1,
dev-6,emil,login,2026-03-28T23:10:00Z,,,,https://shop.example/,,,D-1,
dev-7,,page_view,2026-03-28T23:10:00Z,,,,https://shop.example/,,,D-1,
dev-8,,page_view,2026-03-29T01:30:00Z,,,,https://shop.example/,,,D-1,
dev-9,,page_view,2026-03-27T12:00:00Z,,,s-d,https://shop.example/,,,d-1,
dev-10,,page_view,2026-03-28T12:00:00Z,,,s-d,https://shop.example/,,,"Gerät ""2"" \\é",
dev-11,,page_view,2026-03-28T12:00:01Z,,,s-d,https://shop.example/,,,"Gerät ""2"" \\é",
dev-12,,page_view,2026-03-27T15:00:00Z,,,,https://shop.example/,,,D-3,
dev-13,,page_view,2026-03-28T15:00:00Z,,,,https://shop.example/,,,NULL,
dev-14,finn,login,2026-03-28T15:00:00Z,,,,https://shop.example/,,,NULL,
dev-15,Guest,login,2026-03-28T16:00:00Z,,,,https://shop.example/,,,D-4,
dev-16,,page_view,2026-03-28T16:00:01Z,,,,https://shop.example/,,,D-4,
dev-17,,page_view,2026-03-27T17:00:00Z,,,s-one,https://shop.example/,,,,
dev-18,gina,login,2026-03-27T17:05:00Z,,,s-one,https://shop.example/,,,,
""",
    date(2026, 3, 31): """
late-1,hugo,login,2026-03-28T08:00:00Z,,,,https://shop.example/,,,D-3,
late-2,hugo,identify,2026-03-30T08:00:00Z,,,,https://shop.example/,,,"Gerät ""2"" \\é",
late-3,anon-D-3,login,2026-03-30T09:00:00Z,,,,https://shop.example/,,,D-5,
late-4,,page_view,2026-03-30T09:00:00.000001Z,,,,https://shop.example/,,,D-5,
""",
    date(2026, 4, 1): """
late-5,ines,login,2026-03-31T23:00:00Z,,,,https://shop.example/,,,d-1,
late-6,,page_view,2026-03-31T23:00:00Z,,,,https://shop.example/,,,d-1,
""",
}
"""Rows by day of arrival: two users of a device, sign-ins at once, over midnight,
late and on later days, odd ids.
"""


def device_rows(arrived: date) -> list[str]:
    """Return the rows with devices that arrive on a day; also ids that many share, and aliases."""
    rows = DEVICE_ROWS[arrived].strip().splitlines()
    at = f"{arrived}T18:0"
    rows += [
        f"share-{arrived}-{n},u{n},login,{at}{n}:00Z,,,,,,,D-shared,"
        for n in range(3 + (arrived.day == 31))
    ]
    rows += [f"share-{arrived}-n,,page_view,{at}9:00Z,,,,,,,D-shared,"]
    rows += [
        f"many-{arrived}-{n},everybody,login,{at}{n}:00Z,,,,,,,M-{arrived.day}-{n},"
        for n in range(2)
    ]
    rows += [f"many-{arrived}-n,,page_view,{at}9:00Z,,,,,,,M-{arrived.day}-0,"]
    rows += [
        f"one-{arrived}-{n},v{n},login,{at}{n}:00Z,,,s-shared,,,,,"
        for n in range(2 + (arrived.day == 31))
    ]
    aliases = {29: [("dora2", "Dora")], 31: [("dora3", "dora2"), ("Dora", "dora3")]}.get(
        arrived.day, []
    )
    aliases += [(f"g{n + 1}", f"g{n}") for n in range(arrived.day % 3, 5)]
    aliases += [("guest", "hugo"), ("hugo", "hugo"), ("ines", "O'Neil \u00e9")]
    rows += [
        f"alias-{arrived}-{n},{user},alias,{at}{n}:30Z,,,,,,,," + PREVIOUS % previous
        for n, (user, previous) in enumerate(aliases)
    ]
    return rows


ORDER_HEADER = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
    "payment_amount,status"
)
ODD_ORDERS = """
1,Line-1,2026-03-28T22:59:59.999999Z,1,Zürich,c_1,Zoë,O'Neil,i\\1,"Hat, red",1,19.999,shipped
2,line-1,2026-03-28T23:00:00Z,1,zürich,C_1,zoë,O'Neil,i\\1,"Hat ""red"" one",2,0.005,shipped
3,line-1,2026-03-28T23:00:00Z,1,zürich,C_1,zoë,O'Neil,i\\1,"Hat ""red"" one",2,0.005,shipped
10,line-1,2026-03-29T23:00:00Z,1,zürich,C_1,zoë,O'Neil,i\\1,_hat,2,7,shipped
4,line-2,2026-03-30T10:00:00Z,,,c 2,,,i2,,1000000,100000000,shipped
5,line-3,2026-03-30T10:00:00Z,(all),東京,c 2,A,,i2,Ä,1,5,refunded
6,line-4,2026-03-30T10:00:00Z,2,_x,,,,i2,,1,5,shipped
7,line-5,2026-03-30T10:00:00Z,2,B,c 3,,,i2,,2.5,5,shipped
8,line-6,2026-03-30T10:00:00Z,2,a,c 3,,,i2,,1,-5,shipped
9,line-7,2026-03-30T10:00:00Z,2,A b,c 3,,,i2,,1,,shipped
11,line-8,yesterday,2,A b,c 3,,,i2,,1,5,shipped
12,line-9,2026-04-09T10:00:00Z,2,A b,c 3,,,i2,,1,5,shipped
13,line-10,2026-03-30T10:00:00Z,2,A b,c 3,,,i2,,0,5,shipped
14,line-11,2026-03-30T10:00:00Z,2,A b,c 3,,,i2,,1,5,lost
15,,2026-03-30T10:00:00Z,2,A b,c 3,,,i2,,1,5,shipped
16,line-12,2026-03-30T10:00:00Z,2,A b,c 3,,,i2,,1,1e20,shipped
17,line-13,2026-03-30T10:00:00Z,2,A b,c 3,,,i2,,1e30,5,shipped
18,line-14,2026-03-30T11:00:00Z,2,A b,c 4,,,i2,,1,10,shipped
19,line-15,2026-03-30T11:00:00Z,2,A b,c 4,,,i\\1,,2,20.005,shipped
20,line-16,2026-03-30T11:00:00Z,2,A b,c 4,,,,,1,1.99,refunded
21,line-17,2026-03-30T11:00:00Z,2,A b,c 4,,,refund,,1,40,refunded
"""
MORE_OF_REGULARS = "is_renewal,country,sales_channel,payment_method"
REGULARS = tuple(
    f"{100 + n},regular-{n},2026-03-{day}T1{n % 10}:00:00Z,2,A b,regular {who},,,i2,,1,"
    f"{7 * who % 11 + day * who % 5}.1{who % 10},shipped,"
    f"{('', 'no', 'yes')[n % 3]},{('Germany', 'Spain', '')[n % 3]},{('marketplace', 'web')[n % 2]},"
    f"{('PayPal', 'Card', '')[who % 3]}"
    for n, (who, day) in enumerate(
        (who, day) for who in range(24) for day in range(20 + who % 7, 32, 2 + who % 5)
    )
)
"""Lines of customers who come again, more or less often, so that there is
something to expect of them; some are renewals of subscriptions. Rules of costs are about their
countries, channels and payments.
"""
CATALOGUE = """product_id,name,category,stock,reorder_point,lead_time_days,unit_cost_amount
i2,Bär,Ünder_wear,0,1,7,0
1001,One,Shoes,1,5,3,9.5
1002,Two,Shoes,100000,,,10
1003,Three,Shoes,9,3,,7.1234567
1003,Three,Shoes,-2,3,,7.5
1005,Five,Shoes,many,,,ten
"""


COSTS = """item_id,unit_cost_amount,valid_from_date,valid_until_date
i2,1.234567,2026-01-01,
i2,2.5,2026-03-30,2026-03-31
1001,10,,
1002,11,2026-03-01,
1002,12,2026-03-01,
1003,-1,2026-03-01,
i\\1,0,2026-03-01,
"""


def write_costs(folder: Path) -> Path:
    """Write what some items cost, and costs that contradict each other or cannot be."""
    costs = folder / "costs.csv"
    costs.write_text(COSTS, encoding="utf-8")
    arrived = datetime(2026, 3, 28, 10, tzinfo=UTC).timestamp()
    os.utime(costs, (arrived, arrived))
    return costs


ODD_SPEND = {
    date(2026, 3, 29): """
2026-03-28,,meta,act_2,1,Frühling “rot”,10.000001,12,345,1.5,20.005
2026-03-28,,meta,act_2,1,Frühling “rot”,-0.000001,,,,
2026-03-28,,meta,act_2,,_shoes\\1,0.1234565,20,0,,
2026-03-22,2026-03-28,meta,act_2,3,Week,70,7,7,7,7
2026-03-28,,Google,NULL,4,A b,5,,,,
2026-03-28,,tiktok,t-1,5,Zoë's brand,1e2,1,2,3,4
yesterday,,tiktok,t-1,5,Zoë's brand,1,1,2,3,4
2026-03-28,,tiktok,t-1,6,Lots,1e30,1,2,3,4
2026-03-28,,tiktok,t-1,7,None,,1,2,3,4
2026-03-28,,tiktok,t-1,8,Less,2,-1,1.5,many,4
""",
    date(2026, 3, 31): """
2026-03-28,,meta,act_2,1,FRÜHLING “rot”,9.5,12,345,1.5,20.005
2026-03-28,,meta,act_2,9,Other,1,1,1,,
2026-03-30,,meta,act_2,1,FRÜHLING “rot”,11,11,11,0,0
2026-03-30,,tiktok,t-1,10,Elsewhere,3,1,1,1,1
""",
    date(2026, 4, 1): """
2026-03-28,,meta,act_2,11,Alone,4,1,1,1,1
2026-03-30,,tiktok,t-1,5,Zoë's brand,4.999999,1,1,1,1
""",
}
"""Spend by day of arrival: corrected, of weeks, unreadable, with names that differ in capitals, and
days of accounts that come again with the same campaigns, more, and others.
"""


def write_ad_spend(folder: Path) -> str:
    """Write odd spend beside what the shop's platforms say into `folder`; return what is read."""
    columns = (
        "spend_date,until_date,platform,account_id,campaign_id,campaign_name,spend_amount,"
        "click_count,impression_count,platform_conversion_count,platform_conversion_amount,currency"
    )
    for arrived, rows in ODD_SPEND.items():
        of_day = folder / "odd_ads" / f"received_date={arrived}" / "spend.csv"
        of_day.parent.mkdir(parents=True)
        lines = (f"{row},USD" for row in rows.strip().splitlines())
        of_day.write_text("\n".join((columns, *lines)) + "\n", encoding="utf-8")
    return f"native={folder / 'shop' / 'ad_spend'},native={folder / 'odd_ads'}"


def write_orders(folder: Path) -> tuple[list[str], Path]:
    """Write odd order lines beside the shop's report into `folder`; return the paths to read,
    and a catalogue.
    """
    odd = folder / "odd_orders" / "increment_date=2026-03-30" / "user_order_log_inc.csv"
    odd.parent.mkdir(parents=True)
    odd.write_text(ORDER_HEADER + ODD_ORDERS, encoding="utf-8")
    regular = odd.parents[1] / "increment_date=2026-03-31" / "user_order_log_inc.csv"
    regular.parent.mkdir()
    regular.write_text(
        "\n".join((f"{ORDER_HEADER},{MORE_OF_REGULARS}", *REGULARS)) + "\n", encoding="utf-8"
    )
    catalogue = folder / "catalogue.csv"
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    return [str(folder / "shop" / "orders.parquet"), str(odd.parents[1])], catalogue


ODD_CUSTOMERS: list[Any] = [
    {
        "id": 1,
        "email": "zoë@ÜBER.example",
        "first_name": "Jose\u0301",
        "last_name": "Núñez",
        "country": "us",
    },
    {
        "id": 2,
        "email": "a'b@x-y.example",
        "first_name": "\t李",
        "last_name": "\\n",
        "city": "TOKYO",
    },
    {
        "id": 3,
        "created_at": "0001-01-01T00:00:00Z",
        "updated_at": "9999-12-31T23:59:59Z",
        "country": "Germany",
    },
    {
        "id": 4,
        "created_at": "2026-03-29T00:59:59.999999+01:00",
        "last_login_at": "2026-03-30T22:00:00Z",
        "city": "",
    },
    {"id": "four"},
    "a line",
]


class FixedCustomers:
    """The shop's customers as an API returns them on three of the days, with moves,
    copies and odd records between.
    """

    def __init__(self) -> None:
        """Make the shop's customers."""
        days = (LAST_DAY - FIRST_DAY).days + 1
        records = make_customers(seed=11, visitors=150, first_day=FIRST_DAY, days=days).records
        moved = [
            record | {"city": "Sydney", "country": "AU"} if record["id"] % 3 else record
            for record in records
        ]
        fetches = ([*records, *ODD_CUSTOMERS], [*moved[20:], *ODD_CUSTOMERS[1:]], moved)
        self._fetches = dict(zip((FIRST_DAY, date(2026, 3, 29), LAST_DAY), fetches, strict=True))

    def received(self, days: Days) -> SliceOutput:
        """Return what was received, on those of the days on which anything was."""
        answer = Days.from_dates(day for day in days.dates if day in self._fetches)
        tables = [
            customer_rows(
                (read_record(fetch, 1, n) for n, fetch in enumerate(self._fetches[day], start=1)),
                day,
                "test",
            ).to_pyarrow()
            for day in answer.dates
        ]
        con = connect()
        con.con.register(
            "received", pa.concat_tables([customer_rows((), FIRST_DAY, "").to_pyarrow(), *tables])
        )
        return SliceOutput(con.table("received"), answer)


def write_shop(folder: Path) -> list[str]:
    """Write landing folders and the odd rows into `folder`; return the paths to read."""
    days = (LAST_DAY - FIRST_DAY).days + 1
    generate(folder / "shop", days=days, visitors=150, seed=11, first_day=FIRST_DAY)
    odd = folder / "odd" / "received_date=2026-03-31" / "odd.csv"
    odd.parent.mkdir(parents=True)
    odd.write_text(HEADER + ODD_ROWS, encoding="utf-8")
    for arrived in DEVICE_ROWS:
        devices = folder / "odd" / f"received_date={arrived}" / "devices.csv"
        devices.parent.mkdir(exist_ok=True)
        devices.write_text(
            "\n".join([DEVICE_HEADER, *device_rows(arrived)]) + "\n", encoding="utf-8"
        )
    return [str(folder / "shop" / "events"), str(folder / "odd")]
