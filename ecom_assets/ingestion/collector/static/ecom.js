/* ecom_assets: sends a page's events to the collector that serves this script.
   <script async src=".../ecom.js" data-key="KEY"></script>
   ecom("page"), ecom("product_view", {product_id: "4711"}), ecom("identify", "user-7"), ecom("consent", true) */
(function (w, d) {
  var data = d.currentScript.dataset, url = data.to || d.currentScript.src.replace(/[^/]*$/, "collect");
  var NAME = "ecom.", MOST = 3e4, wait = 1e3, flight = [], memory = {}, stored = 1, timer;
  var consent = get("consent");
  if (consent == null) consent = data.consent == "required" ? 0 : 1;
  stored = stored && consent == 1; /* until then, nothing is kept beyond this page */
  function get(name) {
    try { if (stored) return JSON.parse(localStorage.getItem(NAME + name)); } catch (e) { stored = 0; }
    return memory[name];
  }
  function set(name, value) {
    try { if (stored) return localStorage.setItem(NAME + name, JSON.stringify(value)); } catch (e) { stored = 0; }
    memory[name] = value;
  }
  function id() {
    return w.crypto && crypto.randomUUID ? crypto.randomUUID() : [Date.now(), Math.random(), Math.random()].join("").replace(/0?\./g, "-");
  }
  function now() { return new Date().toISOString(); }
  function body(events) {
    get("device") || set("device", id());
    return JSON.stringify({ key: data.key, device: get("device"), sent_at: now(), batch: events });
  }
  function without(events) {
    return (get("queue") || []).filter(function (event) {
      return !events.some(function (other) { return other.event_id == event.event_id; });
    });
  }
  /* What is not under way, from the front: half of what a browser sends from a page that closes, but one at least. */
  function front() {
    var size = 200;
    return consent == 1 ? without(flight).filter(function (event, at) {
      return (size += encodeURI(JSON.stringify(event)).length) < MOST || !at;
    }) : [];
  }
  function later(s) {
    clearTimeout(timer);
    timer = setTimeout(send, s ? s * 1e3 : wait = Math.min(wait * 2, 6e4));
  }
  function send() {
    if (flight[0] || !(flight = front())[0]) return;
    fetch(url, { method: "POST", body: body(flight), credentials: "include", keepalive: true, headers: { "Content-Type": "text/plain" } })
      .then(function (answer) {
        /* What is wrong with a body does not heal; a key, a quota or a server may. */
        var over = answer.ok || answer.status == 400 || answer.status == 413;
        if (over) { set("queue", without(flight)); wait = 1e3; }
        flight = [];
        over ? send() : later(+answer.headers.get("Retry-After"));
      }, function () { flight = []; later(); });
  }
  /* A beacon has no answer, so its events stay queued and go again: the collector's readers count them once. */
  function leave() {
    var events = front();
    events[0] && navigator.sendBeacon(url, body(events));
  }
  function ecom(type, fields) {
    if (type == "consent") {
      var held = memory;
      consent = fields ? 1 : -1;
      memory = {};
      stored = 1;
      if (fields) {
        held.user && set("user", held.user);
        set("queue", (get("queue") || []).concat(held.queue || []));
      } else ["queue", "device", "user"].forEach(function (name) { set(name, null); });
      set("consent", consent);
    } else if (consent >= 0) {
      if (type == "identify") { set("user", fields); fields = {}; }
      var event = { event_id: id(), event_type: type == "page" ? "page_view" : type, event_timestamp: now(), page_url: location.href };
      if (d.referrer) event.referrer_url = d.referrer;
      if (get("user")) event.user_id = get("user");
      set("queue", (get("queue") || []).concat(Object.assign(event, fields)).slice(-1e3));
    }
    send();
  }
  var early = w.ecom && w.ecom.q || [];
  w.ecom = ecom;
  w.addEventListener("pagehide", leave);
  d.addEventListener("visibilitychange", function () { d.visibilityState == "hidden" && leave(); });
  data.auto == "false" || ecom("page");
  early.forEach(function (call) { ecom.apply(0, call); });
  send();
})(window, document);
