"""What a page of the dashboard is made of.

A file in `pages/` declares a `DashboardPage`: its address, its place in the navigation, and its
`Section`s, each a function that gets a `View` and returns a block (`blocks.py`). A `View` is one
request: the parameters of the address (`Filters` and subclasses), the answers of the API's routes
to them, and links to other pages. What a form changes is an `Action`. `all_pages` finds the files.
"""

import pkgutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from importlib import import_module
from inspect import signature
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar, get_args, get_origin
from urllib.parse import quote, urlencode

from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from ecom_assets.behaviour.events.names import PLAIN, event_name
from ecom_assets.behaviour.questions.answer import ORDERS
from ecom_assets.behaviour.questions.fields import Day
from ecom_assets.core.errors import DefinitionError, EcomError, did_you_mean
from ecom_assets.core.http_server.addresses import is_loopback_name
from ecom_assets.core.http_server.callers import CALLER, Scope, may, name_of_caller
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.queries import LENGTHS, NOTHING, Period, Reading, TimeRange
from ecom_assets.interfaces.api.auth.callers import ON_THIS_MACHINE
from ecom_assets.interfaces.api.parameters import (
    DaysParameters,
    RequestContext,
    csv_of,
)
from ecom_assets.interfaces.api.routes.boards import store_of
from ecom_assets.interfaces.api.store.store import IN_SCOPE, PublishedStore
from ecom_assets.interfaces.boards.model import Annotation, slug_of
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard import pages
from ecom_assets.interfaces.dashboard.blocks import Block, Notice, Why
from ecom_assets.interfaces.dashboard.charts import annotations_of
from ecom_assets.interfaces.dashboard.filled_by import filling_page
from ecom_assets.interfaces.dashboard.sessions import PREFIX, token_of
from ecom_assets.interfaces.dashboard.wording import needs_key
from ecom_assets.interfaces.explain.question import is_explained
from ecom_assets.orchestration.rules import event_labels

Group = Literal["Shop", "Behaviour", "Operation"]
GROUPS: Final[tuple[Group, ...]] = ("Shop", "Behaviour", "Operation")
"""The groups of the navigation, in order."""
DATES: Final = ("start_date", "end_date")
WHY: Final = "why"
"""The path of the page that explains a number."""
A = TypeVar("A", bound=BaseModel)


Offset = Annotated[int | None, Field(ge=0, le=1_000_000, json_schema_extra={"starts_over": True})]
"""How many rows of a list are before those that a page shows; with another choice, none."""


class PageParameters(BaseModel):
    """The parameters in the address of a page: none here.

    Subclasses add choices, and `Filters` the days, too.
    """

    model_config = ConfigDict(extra="forbid")

    @property
    def days(self) -> dict[str, str]:
        """Return no days."""
        return {}

    def on(self, newest: date) -> Self:  # noqa: ARG002 (subclasses need it)
        """Return the choices where the data end on a day."""
        return self

    def begun(self, reading: Reading, parameters: Collection[str]) -> Self:  # noqa: ARG002 (as above)
        """Return the choices of an address with these parameters, where they depend on the data."""
        return self


class Filters(PageParameters):
    """The parameters in the address of a page: the days, and in subclasses the choices of the page.

    Fields whose type is a `Literal` become selects, with the field's title as their label; those
    that declare `is_typed` become text fields.
    """

    DAYS: ClassVar[tuple[str, ...]] = ("time_range", *DATES)

    time_range: TimeRange | None = Field(None, title="Days")
    start_date: Day | None = Field(None, title="From")
    end_date: Day | None = Field(None, title="To")

    @property
    def days(self) -> dict[str, str]:
        """Return the days in the format of the address and of the API's parameters."""
        days = self.model_dump(mode="json", include=set(self.DAYS), exclude_none=True)
        return {name: str(value) for name, value in days.items()}

    def on(self, newest: date) -> Self:
        """Return the choices where the data end on a day.

        Days of one's own without a first or a last day get it: a form sends them empty, where they
        were emptied, or where the page had no numbers to take them from.

        Raises:
            DefinitionError: The days end before they start, or are too many.
        """
        days = self.time_range, self.start_date, self.end_date
        if self.time_range == "custom" or (self.time_range is None and any(days)):
            end = self.end_date or max(newest, self.start_date or newest)
            days = "custom", self.start_date or end - (LENGTHS["month"] - 1) * ONE_DAY, end
        Period.from_range(newest, *days)
        return self.model_copy(update=dict(zip(self.DAYS, days, strict=True)))


@dataclass(frozen=True)
class Section:
    """A part of a page: a heading, and the function that makes the block below it.

    `width` is how much of the page's width it takes where there is room.
    """

    title: str
    build: Callable[["View"], Block]
    width: Literal["full", "half", "third", "two-thirds"] = "full"
    is_titled: bool = True
    """Whether the heading is seen; it is always there for screen readers."""
    needs: tuple[Scope, str] | None = None
    """What a key needs to see it, and what the sentence calls it that others see in its place."""

    def block(self, view: "View") -> Block:
        """Return what it shows, or to keys without the scope that it needs, which one that is."""
        if self.needs is None or view.may(self.needs[0]):
            return self.build(view)
        scope, what = self.needs
        is_of_people = scope is Scope.PERSONAL
        return Notice(
            needs_key(what, scope), "info" if is_of_people else "empty", is_shown_once=True
        )

    @property
    def key(self) -> str:
        """Return its id in the page, by its title: no other section of a page has the same."""
        return slug_of(self.title)

    @property
    def anchor(self) -> str:
        """Return the end of an address that leads to it."""
        return f"#{self.key}"


@dataclass(frozen=True)
class ActionRequest:
    """One use of an action: the request, and the fields of its form."""

    request: Request
    form: Mapping[str, str]

    @property
    def caller(self) -> str:
        """Return the name of who sends the form."""
        return name_of_caller(self.request.scope) or ON_THIS_MACHINE

    @property
    def board_store(self) -> BoardStore:
        """Return the store of boards and saved questions,
        as the routes of the API open it for this caller.
        """
        return store_of(self.request)

    @contextmanager
    def request_context(self) -> Iterator[RequestContext]:
        """Open the published data, as a route of the API sees them."""
        store: PublishedStore = self.request.app.state.store
        with store.reading(self.request.scope.get(IN_SCOPE)) as reading:
            yield RequestContext(self.request, reading)


@dataclass(frozen=True)
class ActionResult:
    """The sentence about the result of an action, and the address of the page that shows it."""

    sentence: str
    address: str


@dataclass(frozen=True)
class Action:
    """An action of a form: `run` returns its result as a sentence for the person, or raises.

    With an `ActionResult` it leads to another page than the form names.

    `path` is the last part of its address, below that of the page.
    """

    path: str
    run: Callable[[ActionRequest], str | ActionResult]
    scope: Scope = Scope.ADMIN


@dataclass(frozen=True)
class DashboardPage:
    """A page: its path below `/dashboard`, its position in the navigation, and its sections.

    Attributes:
        path: The last part of its address.
        group: The heading that it stands under in the navigation, where pages are sorted by
            `position`.
        summary: What it answers, in a sentence.
        asks: The model of the parameters in its address.
        refresh_s: Seconds after which the sections are read again by themselves; None for never.
        stream: Path of a stream of server-sent events; each lets the sections be read again at
            once.
        actions: What its forms do; see `app.py`.
        title_of: The heading, where it depends on the request.
        has_comparison: Whether its numbers stand beside those of the period before.
        is_ad_hoc: Whether its sections ask ad-hoc questions.
        builder: The `Builder` of its question, where its address is the form of one.
        under: The path of the listed page that it is a part of, whose entry of the navigation
            stands for it; empty for none.
        lead: What stands above the question of a builder, such as links to other parts.
        has_lists: Whether another form of it chooses from the lists of builders.
        needs_published: Whether it can be shown only once something is published.
        scope: What a key needs to see it, besides `read`; the navigation of others leaves it out.
        scripts: Files of `static/` that only this page needs.
    """

    path: str
    title: str
    sections: tuple[Section, ...]
    group: Group = "Shop"
    position: int = 100
    summary: str = ""
    asks: type[PageParameters] = Filters
    refresh_s: int | None = None
    stream: str = ""
    is_listed: bool = True
    under: str = ""
    lead: Section | None = None
    actions: tuple[Action, ...] = ()
    title_of: Callable[["View"], str] | None = None
    has_comparison: bool = True
    is_ad_hoc: bool = False
    builder: Any = None
    has_lists: bool = False
    needs_published: bool = True
    scope: Scope = Scope.READ
    scripts: tuple[str, ...] = ()

    @property
    def is_compared(self) -> bool:
        """Return whether the line of days names the period before; builders compare nothing."""
        return self.has_comparison and issubclass(self.asks, Filters)

    @property
    def address(self) -> str:
        """Return its path from the root."""
        return f"{PREFIX}/{self.path}"


@dataclass
class View:
    """One request for a page: its choices, and the numbers of the API for them."""

    page: DashboardPage
    filters: Any
    """The page's `asks`, filled from the address."""
    context: RequestContext
    ranges: list[NamedValues] = field(default_factory=list)
    """The range of each answer so far, for the line that says which days the page covers."""
    outcome: Any = None
    """The answer to the question of the page, once a section asked it."""
    _answers: dict[Any, Answer] = field(default_factory=dict)

    @property
    def request(self) -> Request:
        """Return the request."""
        return self.context.request

    @property
    def currency(self) -> str:
        """Return the currency of all amounts."""
        return self.context.currency

    def answer(self, route: Callable[..., Answer], /, **parameters: Any) -> Answer:  # noqa: ANN401 (any parameter of a route)
        """Return the answer of a GET route of the API,
        for the days of the page if the route takes days.

        Raises:
            EcomError: What the route raises, such as `NoSourceError`.
        """
        function = getattr(route, "func", route)
        kind = parameters_of(function)
        days = self.filters.days if issubclass(kind, DaysParameters) else {}
        query = kind.model_validate({**days, **parameters})
        called = function, str(getattr(route, "keywords", {})), query.model_dump_json()
        if called not in self._answers:
            self._answers[called] = route(self.context, parameters=query)
            self.ranges.append(self._answers[called]["range"])
        return self._answers[called]

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Return what the shop's mapping of events calls event types and properties.

        A mapping that cannot be read has none here: the run over its files says what is wrong.
        """
        try:
            return event_labels(self.context.settings)
        except EcomError:
            return {}

    def event(self, event_type: str) -> str:
        """Return what people call an event type."""
        return event_name(event_type, self.labels)

    def step(self, name: str) -> str:
        """Return what people call a step of a path: an event type that has a name, or whatever else
        steps are, as it is.
        """
        return self.event(name) if name in self.labels or name in PLAIN else name

    def who_opens(self) -> str:
        """Return who can open a link to a page of this server."""
        if self.request.scope.get(CALLER) is not None:
            return "Opens for everybody who has a key for these pages."
        if is_loopback_name(self.context.settings.api_host):
            return "Opens on this machine only: these pages are not served to others."
        return "Opens for everybody who reaches this server: it asks nobody for a key."

    def csv(self, path: str, *, with_days: bool = True, **parameters: Any) -> str:  # noqa: ANN401 (as above)
        """Return the address of a route's answer as CSV, for the days of the page."""
        days = self.filters.days if with_days else {}
        query = {name: str(value) for name, value in parameters.items() if value is not None}
        return f"{path}?{urlencode({**days, **query, 'format': 'csv'})}"

    def link(self, path: str, **choices: Any) -> str:  # noqa: ANN401 (any choice of a page)
        """Return the address of a page,
        with the days that were chosen on this one if that page takes days.
        """
        page = next(page for page in all_pages() if page.path == path)
        return address_of(path, {**self._days_for(page), **choices})

    def _days_for(self, page: DashboardPage) -> NamedValues:
        """Return the chosen days as parameters of another page;
        a builder takes the dates that they are.
        """
        days: Mapping[str, str] = self.filters.days
        if not days or issubclass(page.asks, Filters):
            return days
        is_entry = page.is_listed or page.under
        takes_dates = is_entry and page.asks.model_fields.keys() >= set(DATES)
        return {name: self.ranges[0][name] for name in DATES} if takes_dates and self.ranges else {}

    def explorer(
        self, label: str, *by: str, measures: str, **choices: str
    ) -> tuple[tuple[str, str], ...]:
        """Return the link to the page that asks sales by some dimensions, for the days of this one,
        with other choices of that page; none where there are no order lines.
        """
        if self.context.reading.known.get(ORDERS, NOTHING).first is None:
            return ()
        parameters = {"measures": measures, "by": ", ".join(by), **choices}
        return ((label, self.link("sales-explorer", **parameters)),)

    def product(self, row: NamedValues) -> Row:
        """Return a row of a product with its `name` and `href`, the address of its page."""
        product_id = row["product_id"]
        return {
            **row,
            "name": row["product_name"] or product_id,
            "href": self.link("product", product=product_id),
        }

    @staticmethod
    def address(path: str, **choices: Any) -> str:  # noqa: ANN401 (any choice of a page)
        """Return the address of a page, whatever is chosen on this one."""
        return address_of(path, choices)

    def here(self, **choices: Any) -> str:  # noqa: ANN401 (as above)
        """Return the address of this page with some choices changed; None takes one out."""
        current = self.filters.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return address_of(self.page.path, {**current, **choices})

    def why(self, why: Why | None) -> str:
        """Return the address of the explanation of a number, for the days of this page;
        empty if it has none.

        A number that no table holds, such as the distinct customers of a period, has none.
        """
        if why is None or not is_explained(why.table.qualified_name(), why.column):
            return ""
        days = {name: self.ranges[0][name] for name in DATES} if self.ranges else {}
        return address_of(
            WHY, {"table": why.table.qualified_name(), "column": why.column, **days, **why.where}
        )

    @cached_property
    def annotations(self) -> list[Annotation]:
        """Return what people noted on days, which charts over time mark."""
        return annotations_of(self.context.settings)

    @property
    def token(self) -> str:
        """Return the token that the forms of this page carry."""
        return token_of(self.request)

    def may(self, scope: Scope) -> bool:
        """Return whether the caller has a scope, as `callers.may`."""
        return may(self.request.scope, scope)

    def filled_by(self, name: str) -> tuple[str, str] | None:
        """Return the address and the title of the page that fills a number which is not known; None
        if no page does, the caller may not see it, or nothing is known of the days.
        """
        page = filling_page(name, self.page.path) if name else None
        no_days = bool(self.ranges) and all(answer.get("data") == "none" for answer in self.ranges)
        if page is None or no_days or page.path == self.page.path or not self.may(page.scope):
            return None
        return self.link(page.path), page.title

    def action(self, path: str) -> Action:
        """Return an action of the page, for its form."""
        return next(action for action in self.page.actions if action.path == path)


@cache
def parameters_of(route: Callable[..., Any]) -> type[BaseModel]:
    """Return the model of the parameters of a route's function."""
    kind = signature(route).parameters["parameters"].annotation
    model: type[BaseModel] = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return model


def address_of(path: str, choices: NamedValues) -> str:
    """Return the address of a page with its choices; those that are None or empty are left out."""
    query = {
        name: str(value) for name, value in choices.items() if value is not None and value != ""
    }
    return f"{PREFIX}/{path}" + (f"?{urlencode(query)}" if query else "")


def read_filters(kind: type[A], parameters: Iterable[tuple[str, str]]) -> A:
    """Return the choices of an address; fields that a form sends empty count as missing.

    Raises:
        DefinitionError: A choice is unknown or has a wrong value.
    """
    choices = {name: value for name, value in parameters if value.strip()}
    if (
        choices.get("time_range", "custom") != "custom"
    ):  # a form sends its dates whatever range is chosen
        choices = {name: value for name, value in choices.items() if name not in DATES}
    try:
        return kind.model_validate(choices)
    except ValidationError as error:
        problems = "; ".join(
            _fault(kind, detail["type"], ".".join(map(str, detail["loc"])), detail["msg"])
            for detail in error.errors()
        )
        raise DefinitionError(f"This address cannot be shown: {problems}.") from error


def _fault(kind: type[BaseModel], code: str, name: str, message: str) -> str:
    if code == "extra_forbidden":
        near, mark, _ = did_you_mean(name, kind.model_fields).partition("?")
        return f"unknown parameter `{name}`{f'; {near}?' if mark else ''}"
    return f"{name or 'its filters'}: {message[:1].lower()}{message[1:]}"


@cache
def all_pages() -> tuple[DashboardPage, ...]:
    """Return the pages in the order of the navigation: every module in `pages/` has one,
    or several as `PAGES`.

    Raises:
        DefinitionError: Two pages have one address, of which the second would never be shown.
    """
    every: list[DashboardPage] = []
    for info in pkgutil.iter_modules(pages.__path__):
        # Found by the folder, so that a page is one file and nothing else.
        module = import_module(f"{pages.__name__}.{info.name}")
        every += module.PAGES if hasattr(module, "PAGES") else [module.PAGE]
    titles: dict[str, str] = {}
    for page in every:
        if page.path in titles:
            raise DefinitionError(
                f"The pages {titles[page.path]!r} and {page.title!r} are both at "
                f"{PREFIX}/{page.path}; give one of them another address."
            )
        titles[page.path] = page.title

    def position(page: DashboardPage) -> tuple[int, int, str]:
        return GROUPS.index(page.group), page.position, page.path

    return tuple(sorted(every, key=position))


def csv_address(answer: Answer, *lists: str) -> str:
    """Return the list of an answer as the address of a CSV file,
    which a browser saves without another request; for the names of its lists see `csv_of`.
    """
    return data_address("text/csv", csv_of(jsonable_encoder(answer), lists))


def data_address(kind: str, text: str) -> str:
    """Return a text as an address of its own."""
    return f"data:{kind};charset=utf-8,{quote(text)}"
