"""A stand-in of Shopify's Admin GraphQL API: the part of its documented schema that is asked for,
pages, and costs.

Queries are executed by graphql-core, so a field or an argument that the schema does not have is
refused.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    IntValueNode,
    OperationDefinitionNode,
    build_schema,
    get_named_type,
    graphql_sync,
    parse,
)
from graphql.language.ast import FragmentSpreadNode, InlineFragmentNode, SelectionNode

from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.shop_apis import ShopApi

# Source: "Order", "CustomerVisit", "SalesAgreement", "Sale", "OrderSortKeys", "inventoryItems" and
# "InventoryItem", Admin GraphQL API 2026-07, shopify.dev.
_AGREEMENT = (
    "id: ID! reason: OrderActionType! happenedAt: DateTime! sales(first: Int, after: String): "
    "SaleConnection!"
)
_SALE = (
    "id: ID! actionType: SaleActionType! lineType: SaleLineType! quantity: Int totalAmount: "
    "MoneyBag! totalTaxAmount: MoneyBag! totalDiscountAmountBeforeTaxes: MoneyBag!"
)
_SCHEMA = f"""
type Query {{
  orders(first: Int, after: String, sortKey: OrderSortKeys, query: String): OrderConnection!
  order(id: ID!): Order
  inventoryItems(first: Int, after: String, query: String): InventoryItemConnection!
}}
scalar DateTime scalar URL scalar UnsignedInt64 scalar Decimal scalar CurrencyCode
enum OrderSortKeys {{ CREATED_AT ID PROCESSED_AT UPDATED_AT }}
enum OrderActionType {{ ORDER ORDER_EDIT REFUND RETURN UNKNOWN }}
enum SaleActionType {{ ORDER RETURN UNKNOWN UPDATE }}
enum SaleLineType {{ ADDITIONAL_FEE ADJUSTMENT DUTY FEE GIFT_CARD PRODUCT SHIPPING TIP UNKNOWN }}
type PageInfo {{ hasNextPage: Boolean! endCursor: String }}
type OrderConnection {{ nodes: [Order!]! pageInfo: PageInfo! }}
type Order {{
  id: ID! legacyResourceId: UnsignedInt64! name: String! processedAt: DateTime!
  updatedAt: DateTime! test: Boolean! currencyCode: CurrencyCode!
  sourceName: String email: String phone: String customer: Customer
  discountCodes: [String!]! paymentGatewayNames: [String!]! tags: [String!]!
  customerJourneySummary: CustomerJourneySummary
  shippingAddress: MailingAddress agreements(first: Int, after: String): SalesAgreementConnection!
}}
type Customer {{ legacyResourceId: UnsignedInt64! firstName: String lastName: String }}
type CustomerJourneySummary {{ lastVisit: CustomerVisit }}
type CustomerVisit {{ landingPage: URL }}
type MailingAddress {{ city: String province: String country: String }}
type SalesAgreementConnection {{ nodes: [SalesAgreement!]! pageInfo: PageInfo! }}
interface SalesAgreement {{ {_AGREEMENT} }}
type OrderAgreement implements SalesAgreement {{ {_AGREEMENT} }}
type SaleConnection {{ nodes: [Sale!]! pageInfo: PageInfo! }}
interface Sale {{ {_SALE} }}
type ProductSale implements Sale {{ {_SALE} lineItem: LineItem! }}
type UnknownSale implements Sale {{ {_SALE} }}
type MoneyBag {{ shopMoney: MoneyV2! }}
type MoneyV2 {{ amount: Decimal! currencyCode: CurrencyCode! }}
type LineItem {{ sku: String title: String! vendor: String variant: ProductVariant }}
type ProductVariant {{ legacyResourceId: UnsignedInt64! displayName: String! }}
type InventoryItemConnection {{ nodes: [InventoryItem!]! pageInfo: PageInfo! }}
type InventoryItem {{
  legacyResourceId: UnsignedInt64! sku: String updatedAt: DateTime! unitCost: MoneyV2
  variant: ProductVariant!
}}
"""
SINGLE_QUERY_LIMIT = 1000


@dataclass
class Bucket:
    """Points that queries spend, and that come back over time."""

    most: float = 1000
    restored_per_s: float = 1e6
    left: float = 1000
    at_s: float = field(default_factory=time.monotonic)

    def spend(self, points: float) -> tuple[bool, Row]:
        """Return whether the points were there, and the status of the bucket."""
        now = time.monotonic()
        self.left, self.at_s = (
            min(self.most, self.left + (now - self.at_s) * self.restored_per_s),
            now,
        )
        is_enough = self.left >= points
        self.left -= points if is_enough else 0
        return is_enough, {
            "maximumAvailable": self.most,
            "currentlyAvailable": int(self.left),
            "restoreRate": self.restored_per_s,
        }


@dataclass
class ShopifyGraphql:
    """Orders as their documents have them, with plain lists of agreements and sales."""

    bucket: Bucket = field(default_factory=Bucket)
    error: Row | None = None
    throttled_count: int = 0

    def __post_init__(self) -> None:
        """Resolve the connections of the schema."""
        self._schema = build_schema(_SCHEMA)
        for kind, name in (("Order", "agreements"), ("OrderAgreement", "sales")):
            self._type(kind).fields[name].resolve = lambda row, info, **page: _page(
                row[info.field_name], _id, **page
            )
        self._interface("SalesAgreement").resolve_type = lambda *_: "OrderAgreement"
        self._interface("Sale").resolve_type = lambda row, *_: (
            "ProductSale" if "lineItem" in row else "UnknownSale"
        )

    def __call__(self, api: ShopApi, _path: str, body: Row) -> Row:
        """Execute a query."""
        query, variables, operation = (
            str(body["query"]),
            body["variables"],
            str(body["operationName"]),
        )
        cost = self.cost(query, operation)
        if cost > SINGLE_QUERY_LIMIT:
            return _refused(
                "Query cost exceeds the single query max cost limit (1000)", "MAX_COST_EXCEEDED"
            )
        is_enough, status = self.bucket.spend(cost)
        extensions = {
            "cost": {"requestedQueryCost": cost, "actualQueryCost": None, "throttleStatus": status}
        }
        if not is_enough:
            self.throttled_count += 1
            return {**_refused("Throttled", "THROTTLED"), "extensions": extensions}
        if self.error:
            return {"data": {"orders": None}, "errors": [self.error], "extensions": extensions}
        self._type("Query").fields["orders"].resolve = lambda _root, _info, **asked: _orders(
            api, **asked
        )
        self._type("Query").fields["order"].resolve = lambda _root, _info, id: next(  # noqa: A006 (Shopify's name)
            row for row in api.documents["orders"] if row["id"] == id
        )
        self._type("Query").fields["inventoryItems"].resolve = lambda _root, _info, **asked: _items(
            api, **asked
        )
        result = graphql_sync(
            self._schema, query, variable_values=variables, operation_name=operation
        )
        errors = (
            {"errors": [{"message": error.message} for error in result.errors]}
            if result.errors
            else {}
        )
        return {"data": result.data, **errors, "extensions": extensions}

    def _type(self, name: str) -> GraphQLObjectType:
        found = self._schema.type_map[name]
        assert isinstance(found, GraphQLObjectType)
        return found

    def _interface(self, name: str) -> GraphQLInterfaceType:
        found = self._schema.type_map[name]
        assert isinstance(found, GraphQLInterfaceType)
        return found

    def cost(self, query: str, operation: str) -> int:
        """Return 1 per object, 2 per connection, and what its nodes cost times the
        number that is asked for.
        """
        definitions = parse(query).definitions
        fragments = {
            part.name.value: part
            for part in definitions
            if isinstance(part, FragmentDefinitionNode)
        }

        def of(selections: Sequence[SelectionNode], owner: GraphQLNamedType) -> int:
            total = 0
            for selection in selections:
                if isinstance(selection, FragmentSpreadNode):
                    total += of(fragments[selection.name.value].selection_set.selections, owner)
                elif isinstance(selection, InlineFragmentNode):
                    assert selection.type_condition
                    total += of(
                        selection.selection_set.selections,
                        self._type(selection.type_condition.name.value),
                    )
                elif isinstance(selection, FieldNode) and selection.selection_set:
                    fields = owner.fields  # type: ignore[attr-defined]  # only objects and interfaces have selections
                    kind = get_named_type(fields[selection.name.value].type)
                    inner = of(selection.selection_set.selections, kind)
                    [times] = [
                        int(argument.value.value)
                        for argument in selection.arguments
                        if argument.name.value == "first"
                        and isinstance(argument.value, IntValueNode)
                    ] or [1]
                    total += 2 + times * inner if kind.name.endswith("Connection") else 1 + inner
            return total

        [wanted] = [
            part
            for part in definitions
            if isinstance(part, OperationDefinitionNode)
            and part.name
            and part.name.value == operation
        ]
        return of(wanted.selection_set.selections, self._type("Query"))


def _refused(message: str, code: str) -> Row:
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def _orders(api: ShopApi, first: int, sortKey: str, query: str, after: str | None = None) -> Row:  # noqa: N803 (Shopify's)
    assert sortKey == "UPDATED_AT"
    changed = _changed(api.documents["orders"], query)
    # A cursor is a place in this order, which holds though the order that was there has moved.
    rows = [row for row in sorted(changed, key=_place) if after is None or _place(row) > after]
    return _page(rows, _place, first)


def _items(api: ShopApi, first: int, query: str, after: str | None = None) -> Row:
    """Return a page of inventory items, which are in the order of their ids."""
    changed = _changed(api.documents["inventory_items"], query)
    rows = sorted(changed, key=lambda row: int(row["legacyResourceId"]))
    return _page(rows, lambda row: str(row["legacyResourceId"]), first, after)


def _changed(documents: Sequence[Row], query: str) -> list[Row]:
    """Return the documents that changed since the time in a query."""
    name, low = query.replace("'", "").split(":>=")
    assert name == "updated_at"
    since = datetime.fromisoformat(low)
    return [row for row in documents if datetime.fromisoformat(str(row["updatedAt"])) >= since]


def _place(order: Row) -> str:
    return f"{order['updatedAt']} {int(str(order['legacyResourceId'])):012}"


def _page(
    rows: Sequence[Row], cursor: Callable[[Row], str], first: int, after: str | None = None
) -> Row:
    start = 0 if after is None else [cursor(row) for row in rows].index(after) + 1
    nodes = rows[start : start + first]
    return {
        "nodes": nodes,
        "pageInfo": {
            "hasNextPage": len(rows) > start + first,
            "endCursor": cursor(nodes[-1]) if nodes else None,
        },
    }


def _id(node: Row) -> str:
    return str(node["id"])
