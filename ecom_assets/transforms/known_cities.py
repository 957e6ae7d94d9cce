"""Region and country of city names that are known here. Not here: cities that an order source describes itself.

Raise `VERSION` with every change: each row of `mart.city` says by which version it was looked up.
"""

VERSION = "2026-11"

KNOWN_CITIES: dict[str, tuple[str, str]] = {
    "Berlin": ("Berlin", "Germany"),
    "Hamburg": ("Hamburg", "Germany"),
    "Munich": ("Bavaria", "Germany"),
    "Cologne": ("North Rhine-Westphalia", "Germany"),
    "Vienna": ("Vienna", "Austria"),
    "Zurich": ("Zurich", "Switzerland"),
    "Paris": ("Île-de-France", "France"),
    "Lyon": ("Auvergne-Rhône-Alpes", "France"),
    "London": ("England", "United Kingdom"),
    "Manchester": ("England", "United Kingdom"),
    "Madrid": ("Community of Madrid", "Spain"),
    "Barcelona": ("Catalonia", "Spain"),
    "Milan": ("Lombardy", "Italy"),
    "Rome": ("Lazio", "Italy"),
    "Amsterdam": ("North Holland", "Netherlands"),
    "Warsaw": ("Masovia", "Poland"),
    "Stockholm": ("Stockholm", "Sweden"),
    "Copenhagen": ("Capital Region", "Denmark"),
    "New York": ("New York", "United States"),
    "Los Angeles": ("California", "United States"),
    "Chicago": ("Illinois", "United States"),
    "Toronto": ("Ontario", "Canada"),
    "Tokyo": ("Tokyo", "Japan"),
    "Sydney": ("New South Wales", "Australia"),
    "Москва": ("Moscow", "Russia"),
    "Ростов": ("Rostov Oblast", "Russia"),
    "Ярославль": ("Yaroslavl Oblast", "Russia"),
}
"""City name: region, country."""
