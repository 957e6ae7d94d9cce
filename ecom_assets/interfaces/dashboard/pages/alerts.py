"""Alerts: the numbers that are watched, their incidents,
and the back-test of each on the shop's history.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from ecom_assets.behaviour.questions.fields import commas
from ecom_assets.core.errors import DefinitionError, EcomError, UsageError
from ecom_assets.core.http_server.callers import Scope, ScopeNeededError
from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import webhooks_of
from ecom_assets.core.tables.contract import HIDDEN, Format
from ecom_assets.interfaces.api.visible_saved import (
    lacking_scopes,
    scopes_to_watch,
    visible_content,
)
from ecom_assets.interfaces.boards.incidents import IncidentLog
from ecom_assets.interfaces.boards.model import (
    LEAST_SAMPLE,
    USUAL_SPREADS,
    Board,
    BoardMail,
    NumberAlert,
    SavedQuestion,
    shop_numbers,
)
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    Custom,
    DataTable,
    Notice,
    Several,
    TableColumn,
)
from ecom_assets.interfaces.dashboard.board_tiles import offered_numbers
from ecom_assets.interfaces.dashboard.forms import offered_by
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    ActionResult,
    DashboardPage,
    PageParameters,
    Section,
    View,
    address_of,
)
from ecom_assets.interfaces.dashboard.pages.boards import version_number
from ecom_assets.interfaces.dashboard.rendering import sentence_of
from ecom_assets.interfaces.watching.messages import WAS
from ecom_assets.interfaces.watching.numbers import title_of, watches_rate
from ecom_assets.interfaces.watching.rule import AlertFinding, Episode, ValueFormat
from ecom_assets.interfaces.watching.watch import BackTest, back_test_in

WHEN: Final = {
    "unexpected": "is unexpected for its weekday and hour",
    "falls": "falls by more than",
    "rises": "rises by more than",
    "below": "is below",
    "above": "is above",
}
CHANGES: Final = frozenset({"falls", "rises"})
BOUNDS: Final = frozenset({"below", "above"})
EVERY: Final = {"day": "each day", "week": "each week", "hour": "each hour"}
COMPARED: Final = {
    "week_before": "the same weekday a week before",
    "period_before": "the period right before",
}
EVERY_MAIL: Final = {
    "day": "each day",
    "week": "each Monday",
    "month": "on the first of each month",
}
FIELDS: Final = (
    "name",
    "description",
    "number",
    "value",
    "every",
    "when",
    "limit",
    "least_count",
    "compared_with",
    "quiet",
    "owner",
)
LISTS: Final = ("emails", "by")
HOOK: Final = "webhook."
"""What the names of the boxes of webhooks begin with."""
HISTORY: Final = (
    TableColumn("first", "Since"),
    TableColumn("last", "Last period"),
    TableColumn("value", "Value"),
    TableColumn("reason", "Why"),
)
NOT_SHOWN: Final = (
    "What watches costs or people is shown to keys with the scope costs or personal only."
)
NOT_FOUND: Final = (
    "The number is not in the answer to its question; a key that may see people sees why."
)
NAMES_PEOPLE: Final = (
    "This alert has the value of a breakdown, or addresses, which need a key that may see "
    "people to be seen or changed."
)
INCIDENTS: Final = (
    TableColumn("alert", "Alert", href="href"),
    *HISTORY,
    TableColumn("state", "State"),
)


class AlertsChoices(PageParameters):
    """A new alert's number, where another page names it."""

    question: str = Field("", title="Question", max_length=80)
    measure: str = Field("", title="Number", max_length=80)
    value: str = Field("", title="Value of its breakdown", max_length=500)


def mails(view: View) -> Block:
    """Return which boards are sent by e-mail, and the form of another one."""
    store = BoardStore(view.context.settings)
    names = {board.slug: board.content["name"] for board in store.newest(Board)}

    def addresses(version: KeptVersion[BoardMail]) -> str:
        content = visible_content(version, view.request.scope, store)
        return ", ".join(content["emails"]) if "emails" in content else HIDDEN

    rows = [
        {
            "version": version,
            "emails": addresses(version),
            "name": names.get(version.content["board"], version.content["board"]),
            "href": address_of("board", {"board": version.content["board"]}),
            "words": EVERY_MAIL[version.item.every],
        }
        for version in store.newest(BoardMail)
    ]
    has_mail = bool(view.context.settings.smtp_url.get_secret_value())
    values = {
        "mails": rows,
        "boards": list(names.items()),
        "every": list(EVERY_MAIL.items()),
        "has_mail": has_mail,
    }
    return Custom("mail_list.html", values)


def save_mail(request: ActionRequest) -> ActionResult:
    """Send a board by e-mail from now on."""
    sent = request.form
    fields = {
        "board": sent.get("board", ""),
        "every": sent.get("every", "week"),
        "emails": commas(sent.get("emails", "")),
    }
    mail = BoardMail.from_mapping({**fields, **({"at": sent["at"]} if sent.get("at") else {})})
    board = request.board_store.get(Board, mail.board).item
    request.board_store.save_new(mail, request.caller)
    return ActionResult(
        f"“{board.name}” is sent {EVERY_MAIL[mail.every]} at {mail.at}.", address_of("alerts", {})
    )


class AlertChoices(PageParameters):
    """Which alert."""

    alert: str = Field("", title="Alert", max_length=80)


def alert_address(slug: str) -> str:
    """Return the address of an alert."""
    return address_of("alert", {"alert": slug})


def in_words(alert: NumberAlert, store: BoardStore) -> str:
    """Return when there is a message, such as "each day,
    if it falls by more than 20% against …".
    """
    words, limit = f"{EVERY[alert.every]}, if it {WHEN[alert.when]}", limit_in_words(alert, store)
    if alert.when == "unexpected":
        is_usual = alert.limit in {None, USUAL_SPREADS}
        return words if is_usual else f"{words}, {limit} usual spreads"
    if alert.when in CHANGES:
        return f"{words} {limit} against {COMPARED[alert.compared_with]}"
    return f"{words} {limit}"


def limit_in_words(alert: NumberAlert, store: BoardStore) -> str:
    """Return the bound of an alert as a person writes it: a share in percent; empty without one."""
    if alert.limit is None:
        return ""
    if _is_share(alert.when, alert.measure, alert.question, alert.number, store):
        return f"{100 * alert.limit:g}%"
    return f"{alert.limit:g}"


def _is_share(
    when: str, measure: str | None, question: str | None, number: str, store: BoardStore
) -> bool:
    """Return whether a bound is a share: of a change, or of a number that is a rate."""
    if when not in BOUNDS:
        return when in CHANGES
    if measure is not None:
        named = shop_numbers().get(measure)
        return named is not None and named.measure.shown_as == "rate"
    saved = store.find(SavedQuestion, question) if question else None
    try:
        return saved is not None and watches_rate(saved.item, number)
    except EcomError:  # a question of an older release, which cannot be read
        return False


def alerts(view: View) -> Block:
    """Return the alerts that the caller may see, and the form of a new one."""
    settings = view.context.settings
    names, log = question_names(settings), IncidentLog(settings)
    versions = BoardStore(settings).newest(NumberAlert)
    rows = [_row(view, version, log, names) for version in versions if _may_see(view, [version])]
    values = {"alerts": rows, "hidden_count": len(versions) - len(rows), "version": None}
    return Custom("alert_list.html", values | _form_values(view, _begun(view)))


def _may_see(view: View, versions: Sequence[KeptVersion[NumberAlert]]) -> bool:
    """Return whether the caller may see the numbers that versions of an alert watch."""
    store = BoardStore(view.context.settings)
    return not any(scopes_to_watch(version, view.request.scope, store) for version in versions)


def _hides_values(view: View, slug: str) -> bool:
    """Return whether a version of an alert has a value that the caller may not see."""
    store, scope = BoardStore(view.context.settings), view.request.scope
    for version in store.versions(NumberAlert, slug):
        visible = visible_content(version, scope, store)
        if any(version.content.get(name) and name not in visible for name in ("value", "number")):
            return True
    return False


def _sentence(title: str, said: str | None, whole: str, *, is_hidden: bool) -> str:
    """Return a title with what is said of it; what an older release kept as a whole may name a
    value.
    """
    if said is None or not said.startswith(WAS):
        return HIDDEN if is_hidden else whole
    return f"{title} {said}"


def question_names(settings: Settings) -> dict[str, str]:
    """Return the names of the saved questions, by their ids."""
    return {
        question.slug: question.content["name"]
        for question in BoardStore(settings).newest(SavedQuestion)
    }


def _begun(view: View) -> Answer:
    """Return the fields of a new alert: of the number that the address names."""
    subject = (
        f"question:{view.filters.question}"
        if view.filters.question
        else f"measure:{view.filters.measure}"
    )
    empty = dict.fromkeys((*FIELDS, *LISTS), "")
    usual = {"when": "unexpected", "every": "day", "compared_with": "week_before"}
    usual["least_count"] = str(LEAST_SAMPLE)
    return {**empty, **usual, "of": subject, "value": view.filters.value, "webhooks": ()}


def _form_values(view: View, fields: NamedValues) -> Answer:
    settings = view.context.settings
    return {
        "offered": offered_by(view),
        "fields": fields,
        "questions": list(question_names(settings).items()),
        "numbers": offered_numbers(view),
        "when": list(WHEN.items()),
        "every": list(EVERY.items()),
        "compared": list(COMPARED.items()),
        "webhooks": sorted(webhooks_of(settings.webhooks)),
        "has_mail": bool(settings.smtp_url.get_secret_value()),
        "default_emails": ", ".join(settings.alert_email) if view.may(Scope.PERSONAL) else "",
    }


def _state(state: object, *, is_on: bool, is_open: bool) -> str:
    """Return in a few words how an alert stands; `state` is None until it was looked at."""
    if not is_on:
        return "Off"
    if is_open:
        return "Incident"
    return "As expected" if state else "Not looked at yet"


def _row(
    view: View, version: KeptVersion[NumberAlert], log: IncidentLog, saved: Mapping[str, str]
) -> Answer:
    alert, state = version.item, log.state(version.slug)
    is_hidden = _hides_values(view, version.slug)
    title = _number_name(alert, saved, is_hidden=is_hidden)
    newest = next(iter(log.incidents(version.slug, 1)), None)
    is_open = newest is not None and newest.over_in is None
    return {
        "version": version,
        "href": alert_address(version.slug),
        "number": title,
        "words": in_words(alert, BoardStore(view.context.settings)),
        "state": _state(state, is_on=alert.is_on, is_open=is_open),
        "is_open": is_open and alert.is_on,
        "sentence": _sentence(title, state.sentence, state.sentence, is_hidden=is_hidden)
        if state
        else "",
    }


def _number_name(alert: NumberAlert, saved: Mapping[str, str], *, is_hidden: bool) -> str:
    if alert.measure:
        return shop_numbers()[alert.measure].measure.label
    name = saved.get(str(alert.question), f"{alert.question} (deleted)")
    return title_of(name, _shown_value(alert.value, is_hidden=is_hidden))


def _shown_value(value: str | None, *, is_hidden: bool) -> str | None:
    return HIDDEN if value and is_hidden else value


def _found(finding: NamedValues, *, is_hidden: bool) -> dict[str, str]:
    """Return the title of what an incident found, and the sentence about it."""
    said = finding.get("said")
    title = finding["title"]
    if is_hidden:
        value = _shown_value(finding.get("of_value"), is_hidden=True)
        title = HIDDEN if said is None else title_of(finding["name"], value)
    sentence = _sentence(title, said, finding["sentence"], is_hidden=is_hidden)
    return {"alert": title, "reason": sentence}


def incidents(view: View) -> Block:
    """Return the newest incidents of the alerts that the caller may see."""
    store = BoardStore(view.context.settings)
    newest = IncidentLog(view.context.settings).incidents(limit=50)
    # An alert that was deleted, or watches something else now, has its incidents still.
    slugs = {incident.alert for incident in newest}
    may_see = {slug: _may_see(view, store.versions(NumberAlert, slug)) for slug in slugs}
    hides_values = {slug: _hides_values(view, slug) for slug in slugs}
    rows = [
        {
            **_found(incident.finding, is_hidden=hides_values[incident.alert]),
            "href": alert_address(incident.alert),
            "first": _period_name(incident.first_period),
            "last": _period_name(incident.last_period),
            "value": incident.finding["value"],
            "state": "over" if incident.over_in else "going on",
        }
        for incident in newest
        if may_see[incident.alert]
    ]
    hidden = NOT_SHOWN if len(rows) < len(newest) else ""
    return DataTable(rows, INCIDENTS, note=hidden, empty=hidden or "There was no incident yet.")


def opened(view: View) -> KeptVersion[NumberAlert]:
    """Return the alert of an address.

    Raises:
        NotKeptError: There is no such alert.
        ScopeNeededError: It is about costs or people, which the caller may not see.
    """
    version = BoardStore(view.context.settings).get(NumberAlert, view.filters.alert)
    store = BoardStore(view.context.settings)
    for scope in scopes_to_watch(version, view.request.scope, store):
        raise ScopeNeededError(
            f"The alert {version.item.name!r} watches what a key without the scope {scope.value!r} "
            f"may not see; use one of `ecom api-key create --scope read --scope {scope.value}`.",
            scope,
        )
    return version


def state(view: View) -> Block:
    """Return what the alert says of the newest period, and the switch."""
    version, settings = opened(view), view.context.settings
    row = _row(view, version, IncidentLog(settings), question_names(settings))
    return Custom("alert_state.html", {"row": row})


def tested(view: View) -> Block:
    """Return the number of each period with the bounds,
    and the incidents that there would have been.
    """
    version = opened(view)
    context, is_hidden = view.context, _hides_values(view, version.slug)
    try:
        test = back_test_in(context.settings, version.item, context.reading, view.request)
    except ScopeNeededError as error:
        return Notice(sentence_of(error), "info")
    except EcomError as error:  # such as that no day has the value
        return Notice(NOT_FOUND if is_hidden else sentence_of(error))
    if not test.found:
        return Notice(
            "Too few complete periods are known to compare with: nothing can be expected yet.",
            "info",
        )
    names = question_names(context.settings)
    title = _number_name(version.item, names, is_hidden=is_hidden)
    count = len(test.incidents)
    incidents = {0: "No incident", 1: "1 incident"}.get(count, f"{count} incidents")
    summary = f"{incidents} in {len(test.found)} periods"
    kind = _kind_of(test.shown)
    rows = [_drawn(finding) for finding in test.found]
    columns = (
        TableColumn("start", "Period", "text"),
        TableColumn("value", title, kind),
        TableColumn("low", "At least", kind),
        TableColumn("high", "At most", kind),
        TableColumn("state", "Says"),
    )
    chart = Chart(
        _bounded(kind, title),
        rows,
        columns,
        f"{title} by period as a line, with its bounds and incidents.",
        note=f"{summary}, had it been on. Nothing is sent for them.",
    )
    history = [_episode(test, episode) for episode in reversed(test.incidents)]
    return Several((chart, DataTable(history, HISTORY))) if history else chart


def _kind_of(value_format: ValueFormat) -> Format:
    if value_format.is_rate:
        return "rate"
    if value_format.currency:
        return "money"
    return "count" if value_format.is_count else "decimal"


def _drawn(finding: AlertFinding) -> Answer:
    return {
        "start": charts.day_of(finding.point.starts_at.isoformat()),
        "value": finding.point.value,
        "low": finding.low,
        "high": finding.high,
        "state": finding.reason if finding.is_breach else "as expected",
        "breach": finding.point.value if finding.is_breach else None,
    }


def _episode(test: BackTest, episode: Episode) -> dict[str, str]:
    return {
        "first": _period_name(episode.first.point.starts_at),
        "last": _period_name(episode.last.point.starts_at),
        "value": test.shown(episode.first.point.value or 0.0),
        "reason": episode.first.reason,
    }


def _period_name(start: datetime) -> str:
    """Return the day of a period, with its hour where it does not begin at midnight."""
    return f"{start:%a %Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _bounded(kind: str, title: str) -> charts.Spec:
    day = charts.day_axis("start")
    value = charts.number("value", kind)
    tips = [
        charts.day_tip("start"),
        charts.tip("value", kind, title),
        charts.tip("low", kind, "At least"),
        charts.tip("high", kind, "At most"),
        charts.tip("state", "text", "Says"),
    ]
    within = {"y": {**value, "field": "low"}, "y2": {"field": "high"}}
    dashed = {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1, "opacity": 0.6}
    band = {"mark": {"type": "area", "opacity": 0.15}, "encoding": within}
    bounds = [
        {"mark": dashed, "encoding": {"y": {**value, "field": name}}} for name in ("low", "high")
    ]
    line = {
        "mark": {"type": "line", "point": {"size": 14}},
        "encoding": {"y": value, "tooltip": tips},
    }
    breach = {
        "mark": {"type": "point", "filled": True, "size": 90, "color": "#c2410c"},
        "encoding": {"y": {**value, "field": "breach"}, "tooltip": tips},
    }
    return {"encoding": {"x": day}, "layer": [band, *bounds, line, breach]}


def form(view: View) -> Block:
    """Return the form that changes the alert."""
    version = opened(view)
    if lacking_scopes(version, view.request.scope, BoardStore(view.context.settings)):
        return Notice(NAMES_PEOPLE, "info")
    alert = version.item
    values = {name: getattr(alert, name) for name in FIELDS}
    fields = {name: "" if value is None else value for name, value in values.items()}
    fields |= {name: ", ".join(getattr(alert, name)) for name in LISTS} | {
        "webhooks": alert.webhooks
    }
    fields["limit"] = limit_in_words(alert, BoardStore(view.context.settings))
    fields["of"] = f"question:{alert.question}" if alert.question else f"measure:{alert.measure}"
    return Custom("alert_form.html", {**_form_values(view, fields), "version": version})


def save(request: ActionRequest) -> ActionResult:
    """Save an alert as its form says; a new one is off until its back-test was seen."""
    sent, store = request.form, request.board_store
    kind, _, name = sent.get("of", "").partition(":")
    texts = {field: sent.get(field, "").strip() for field in FIELDS}
    fields: dict[str, Any] = {field: text for field, text in texts.items() if text}
    fields |= {field: commas(sent.get(field, "")) for field in LISTS if sent.get(field, "").strip()}
    fields["webhooks"] = sorted(
        field.removeprefix(HOOK) for field in sent if field.startswith(HOOK)
    )
    if kind not in {"question", "measure"} or not name:
        raise UsageError("This form names no number to watch; choose one, and save again.")
    fields[kind] = name
    if "limit" in fields:
        fields["limit"] = _limit(
            fields["limit"],
            is_share=_is_share(
                sent.get("when", ""),
                fields.get("measure"),
                fields.get("question"),
                texts["number"],
                store,
            ),
        )
    slug = sent.get("id", "")
    if not slug:
        alert = NumberAlert.from_mapping({"owner": request.caller, **fields})
        saved = store.save_new(alert, request.caller)
        sentence = f"“{alert.name}” is saved. Look at its back-test, then switch it on."
        return ActionResult(sentence, alert_address(saved.slug))
    is_on = store.get(NumberAlert, slug).item.is_on
    alert = NumberAlert.from_mapping({**fields, "is_on": is_on})
    saved = store.save(slug, alert, version_number(sent.get("version", "")), request.caller)
    return ActionResult(f"“{alert.name}” is saved as version {saved.number}.", alert_address(slug))


def switch(request: ActionRequest) -> ActionResult:
    """Switch an alert on or off."""
    sent, store = request.form, request.board_store
    slug = sent.get("id", "")
    is_on = sent.get("is_on") == "yes"
    alert = store.get(NumberAlert, slug).item.changed(is_on=is_on)
    store.save(slug, alert, version_number(sent.get("version", "")), request.caller)
    outcome = (
        "is watched from now on; its first look is at the newest period"
        if is_on
        else "is not watched any more"
    )
    return ActionResult(f"“{alert.name}” {outcome}.", alert_address(slug))


def _limit(text: str, *, is_share: bool) -> float:
    """Return a bound as it is kept: a share as a part of 1.

    Raises:
        DefinitionError: It is not a number, or a share above 1 without a sign, as 20 for 20 %.
    """
    is_percent = text.endswith("%")
    try:
        value = float(text.rstrip("%").strip()) / (100 if is_percent else 1)
    except ValueError as error:
        raise DefinitionError(f"`limit` is a number such as 0.2 or 20%, not {text!r}.") from error
    if is_share and not is_percent and value > 1:
        raise DefinitionError(
            f"A share of {text} would be {100 * value:,.0f} %; write {text}% if {text} percent is "
            "meant."
        )
    return value


def _heading(view: View) -> str:
    version = BoardStore(view.context.settings).find(NumberAlert, view.filters.alert)
    return opened(view).item.name if version else "Alert"


LIST: Final = DashboardPage(
    "alerts",
    "Alerts",
    (
        Section("Watched numbers", alerts),
        Section("Incidents", incidents),
        Section("Boards by e-mail", mails),
    ),
    position=17,
    summary=(
        "Get a message when a number changes: one for each incident, with what contributed most."
    ),
    asks=AlertsChoices,
    has_lists=True,
    actions=(
        Action("save", save, Scope.WRITE),
        Action("switch", switch, Scope.WRITE),
        Action("mail", save_mail, Scope.WRITE),
    ),
)
ALERT: Final = DashboardPage(
    "alert",
    "Alert",
    (
        Section("Now", state),
        Section("Back-test", tested),
        Section("The alert", form),
    ),
    asks=AlertChoices,
    is_listed=False,
    is_ad_hoc=True,
    has_lists=True,
    title_of=_heading,
)
PAGES: Final[Sequence[DashboardPage]] = (LIST, ALERT)
