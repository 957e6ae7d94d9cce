"""The draft of a mapping of events or of order lines: its steps, in their order."""

from dataclasses import dataclass, replace
from typing import Final

from ecom_assets.ingestion.sources.proposal.drafts.asked_columns import (
    ask_for_amount_of_events,
    ask_for_missing,
    ask_for_no_goods,
    ask_for_nobody,
    ask_for_sources,
)
from ecom_assets.ingestion.sources.proposal.drafts.cancelled_pieces import (
    find_cancelled_pieces,
    note_cancelled_pieces,
)
from ecom_assets.ingestion.sources.proposal.drafts.cents import find_cents
from ecom_assets.ingestion.sources.proposal.drafts.cost_of_lines import find_cost_of_lines
from ecom_assets.ingestion.sources.proposal.drafts.draft import ORDER_ID, Draft, file_lines
from ecom_assets.ingestion.sources.proposal.drafts.found_columns import (
    find_amount_of_rows,
    find_converted_amount,
    find_currency,
    find_currency_of_events,
    find_finer_type,
    find_item_of_lines,
    find_kinds_of_rows,
    find_order_number,
    find_order_of_events,
    find_paid_back,
    find_person,
    find_pieces,
    find_product,
    find_two_sides,
    find_visitor,
    refuse_log_of_states,
)
from ecom_assets.ingestion.sources.proposal.drafts.goods_amounts import find_amounts
from ecom_assets.ingestion.sources.proposal.drafts.goods_of_refunds import find_goods_of_refunds
from ecom_assets.ingestion.sources.proposal.drafts.proven_claims import proof_lines
from ecom_assets.ingestion.sources.proposal.drafts.refund_rows import (
    ask_for_list_of_refunds,
    condition_of_refunds,
    lines_below_zero,
    note_pieces_that_went_back,
    share_what_was_paid_back,
)
from ecom_assets.ingestion.sources.proposal.drafts.tax_inside import find_tax_inside
from ecom_assets.ingestion.sources.proposal.drafts.written_events import (
    campaign_by_source,
    event_type_lines,
    note_test_events,
    other_member_lines,
    weight_lines,
)
from ecom_assets.ingestion.sources.proposal.drafts.written_fields import field_line, id_line
from ecom_assets.ingestion.sources.proposal.drafts.written_rows import (
    find_flags,
    find_states,
    find_states_beside,
    row_lines,
    status_lines,
)
from ecom_assets.ingestion.sources.proposal.fields import HELPERS, MappingKind, found_fields
from ecom_assets.ingestion.sources.proposal.questions import COLUMNS, NOBODY
from ecom_assets.ingestion.sources.proposal.states import column_of_states
from ecom_assets.ingestion.sources.record_feed import feeds

ASKED_OF_VALUES: Final = frozenset({"cart_value", ORDER_ID, "user_id", "anonymous_id"})
"""Fields that a file may lack, and that are asked where its values show some of several columns."""
CHARGES_FOUND = ("shipping_amount", "tax_amount")


@dataclass
class RowDraft(Draft):
    """A mapping of events or order lines that is being written."""

    def __post_init__(self) -> None:
        """Find the fields."""
        columns = {name: self.answers[name] for name in COLUMNS if name in self.answers}
        said = columns.pop("customer_id", "")
        self.found = dict(found_fields(self.values, self.kind, columns))
        order = self.found.get("order_id")
        self.is_person_asked = self.kind is MappingKind.ORDERS and "customer_id" not in self.found
        if said and said != NOBODY and not (order and said == order.value.name):
            columns["customer_id"] = said
            self.found = dict(found_fields(self.values, self.kind, columns))
        elif said:
            self.found.pop("customer_id", None)
        if self.kind is MappingKind.EVENTS and "event_type" not in columns:
            find_finer_type(self)
        if self.kind is MappingKind.EVENTS:
            find_visitor(self)
            find_amount_of_rows(self)
            find_currency_of_events(self)
            find_order_of_events(self)
        if self.kind is MappingKind.ORDERS:
            if "status" not in columns and (status := column_of_states(self.values, self.found)):
                self.found["status"] = status
            find_pieces(self)
            find_two_sides(self)
            find_currency(self)
            find_converted_amount(self)
            find_person(self)
            find_order_number(self)
            find_paid_back(self)
            find_product(self)
            find_item_of_lines(self)
            if "status" not in columns:
                find_kinds_of_rows(self)
            refuse_log_of_states(self)
            find_cost_of_lines(self)
            find_amounts(self)
            find_tax_inside(self)
        if not self.has_row_per_order():  # a charge of a whole order would be counted once per line
            self.found = {
                name: match for name, match in self.found.items() if name not in CHARGES_FOUND
            }

    def lines(self) -> list[str]:
        """Return the lines of the mapping,
        but for those about the encoding and the shape of the file.
        """
        kind = feeds()[self.kind].model.kind
        is_events = self.kind is MappingKind.EVENTS
        names = [name for name in kind.required if name != kind.id]
        if is_events and not {"user_id", "session_id"} & self.found.keys():
            names.append("user_id")
        ask_for_missing(self, names)
        if is_events:
            ask_for_amount_of_events(self)
            ask_for_sources(self)
            note_test_events(self)
        asked = [question.key for question in self.questions if question.key in ASKED_OF_VALUES]
        if self.source and "page_url" not in self.found:
            asked.append("page_url")
        others = dict.fromkeys((*self.found, *asked))
        names += [name for name in others if name not in {*names, kind.id, *HELPERS}]
        find_cents(self)
        if not is_events:
            ask_for_list_of_refunds(self)
            share_what_was_paid_back(self)
            ask_for_nobody(self)
            ask_for_no_goods(self)
        states = None if is_events else find_states(self)
        self.cancelled_lines = [] if is_events else find_cancelled_pieces(self)
        self.other_states = find_states_beside(self, states) if states else []
        self.flags = find_flags(self, states)
        self.refund = "" if is_events else condition_of_refunds(self, states)
        if not is_events:
            note_pieces_that_went_back(self)
            find_goods_of_refunds(self, states)
        states = replace(states, is_final=bool(self.refund)) if states else None
        if states and states.is_final:
            names.remove("status")
        below_zero = [] if is_events else lines_below_zero(self)
        fields = [
            id_line(self, kind.id),
            *(field_line(self, name) for name in names),
            *campaign_by_source(self),
            *self.currency_lines(),
            *(other_member_lines(self, names) if is_events else []),
        ]
        note_cancelled_pieces(self)
        return [
            *file_lines(self.values),
            *row_lines(self, states),
            *self.numeral_lines(),
            *below_zero,
            "fields:",
            *fields,
            *status_lines(self, states),
            *(event_type_lines(self) if is_events else []),
            *(weight_lines(self) if is_events else proof_lines(self)),
            "other_columns: properties" if is_events else "other_columns: ignore",
        ]
