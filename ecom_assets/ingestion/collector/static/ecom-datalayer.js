/* ecom_assets: sends the e-commerce events of Google Tag Manager's data layer (GA4's names) by ecom.js, loaded before or
   after it. Consent is that of analytics_storage, as gtag("consent", ...) says it. */
(function (w) {
  var TYPES = {
    page_view: "page_view", view_item: "product_view", view_item_list: "category_view", search: "search",
    view_search_results: "search", add_to_cart: "add_to_cart", remove_from_cart: "remove_from_cart",
    begin_checkout: "checkout_start", purchase: "purchase", refund: "refund", select_item: "select_item",
    view_cart: "view_cart", add_shipping_info: "add_shipping_info", add_payment_info: "add_payment_info"
  };
  var TEXTS = ["transaction_id", "currency", "tax", "shipping", "coupon", "search_term", "item_list_name"];
  var layer = w.dataLayer = w.dataLayer || [], model = {}, user, own = layer.push;
  w.ecom = w.ecom || function () { (w.ecom.q = w.ecom.q || []).push(arguments); };
  /* As Tag Manager merges pushes: objects into each other, all else in place of what was there. */
  function merge(into, from) {
    for (var name in from) {
      var value = from[name], isObject = value && typeof value == "object" && !Array.isArray(value);
      into[name] = isObject ? merge(into[name] && typeof into[name] == "object" ? into[name] : {}, value) : value;
    }
    return into;
  }
  /* One event for each product that goes into or out of a cart; else one, of the first product, with all in a property. */
  function send(type, sale) {
    var items = sale.items || [], each = /_cart$/.test(type) && items.length > 1 && type != "view_cart" ? items : [items[0] || {}];
    each.forEach(function (item) {
      var fields = { product_id: item.item_id || item.item_name, product_category: item.item_category };
      var amount = each.length > 1 ? item.price * (item.quantity || 1) : sale.value;
      if (amount != null && amount == +amount) fields.cart_value = +amount;
      TEXTS.forEach(function (name) { if (sale[name] != null) fields[name] = sale[name]; });
      if (item.quantity) fields.quantity = item.quantity;
      if (items.length > each.length) fields.items = items;
      w.ecom(type, fields);
    });
  }
  /* gtag() pushes its arguments. */
  function command(args) {
    var storage = args[0] == "consent" && args[2] && args[2].analytics_storage;
    if (storage == "granted") w.ecom("consent", true);
    if (storage == "denied" && args[1] == "update") w.ecom("consent", false);
    if (args[0] == "event" && TYPES[args[1]]) send(TYPES[args[1]], args[2] || {});
  }
  function take(entry) {
    if (!entry || typeof entry != "object") return;
    if (Object.prototype.toString.call(entry) == "[object Arguments]") return command(entry);
    merge(model, entry);
    if (model.user_id && model.user_id != user) w.ecom("identify", user = model.user_id);
    if (TYPES[entry.event]) send(TYPES[entry.event], model.ecommerce || {});
  }
  [].slice.call(layer).forEach(take);
  layer.push = function () {
    var result = own.apply(layer, arguments);
    [].forEach.call(arguments, take);
    return result;
  };
})(window);
