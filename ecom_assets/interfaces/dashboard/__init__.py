"""The dashboard: pages for people over the numbers of the HTTP API, in its process,
under `/dashboard`.

A page is one file in `pages/`, found by being there:

    PAGE = DashboardPage("stock", "Stock", group="Shop", position=30, summary="What to order
    again.", sections=(
        Section("Alerts", alerts),
    ))

    def alerts(view: View) -> Block:
        answer = view.answer(products.inventory_alerts, limit=20) return DataTable(answer["alerts"],
        COLUMNS, csv=view.csv("/analytics/inventory/alerts", limit=1000))

`view.answer` calls the route of the API with the days of the address, so a page shows what the API
answers and holds no SQL. A section that cannot be shown, because the shop lacks its source or the
caller a scope, shows the sentence of the error and leaves the other sections as they are. Choices
in the address are fields of a `Filters` subclass, as `asks` of the page; a `Literal` field becomes
a select. Blocks are in `blocks.py`, charts in `charts.py`, forms that change something in `app.py`.
"""
