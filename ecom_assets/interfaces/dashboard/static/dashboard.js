// What pages do in the browser: charts in the colours of the theme, the menu, and forms that show at once what is chosen.
(() => {
  "use strict";
  const root = document.documentElement;
  const views = new Map();

  // Theme
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const themeButton = document.getElementById("theme");
  const nameTheme = () => { themeButton.textContent = isDark() ? "Light" : "Dark"; themeButton.setAttribute("aria-label", `Change to the ${isDark() ? "light" : "dark"} theme`); };
  if (themeButton) {
    themeButton.hidden = false;
    nameTheme();
    themeButton.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* kept for this page only */ }
      nameTheme();
      drawAll();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { nameTheme(); drawAll(); });
  }

  // The page that is open is in sight in a long menu.
  const shown = document.querySelector("#navigation [aria-current]"), list = document.getElementById("navigation");
  if (shown && list.scrollHeight > list.clientHeight) list.scrollTop = shown.offsetTop - list.clientHeight / 2;

  // Menu on small screens
  const menu = document.querySelector(".menu-button"), navigation = document.getElementById("navigation");
  if (menu) {
    menu.hidden = false;
    menu.addEventListener("click", () => menu.setAttribute("aria-expanded", String(navigation.classList.toggle("open"))));
  }

  // Filters: a choice is shown at once; dates are there for the custom range only.
  for (const form of document.querySelectorAll("form.filters")) {
    const range = form.querySelector("#time-range"), dates = form.querySelector("#dates");
    const showDates = () => { if (range && dates) { dates.hidden = range.value !== "custom"; for (const one of dates.querySelectorAll("input")) one.disabled = dates.hidden; } };
    showDates();
    form.querySelector(".apply").hidden = !range || range.value !== "custom";
    form.addEventListener("change", (event) => {
      showDates();
      form.querySelector(".apply").hidden = !range || range.value !== "custom";
      if (event.target.tagName === "SELECT" && !(range && event.target === range && range.value === "custom")) form.requestSubmit();
    });
    form.addEventListener("submit", () => { for (const one of form.querySelectorAll("input")) if (!one.value) one.disabled = true; });
  }

  // Charts
  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  function config() {
    const text = colour("text"), muted = colour("muted"), grid = colour("grid");
    const font = getComputedStyle(document.body).fontFamily;
    const palette = Array.from({ length: 12 }, (_, n) => n + 1).map((n) => colour(`c${n}`));
    return {
      background: "transparent", font, padding: 2,
      view: { stroke: null },
      axis: { domain: false, ticks: false, grid: true, gridColor: grid, labelColor: muted, titleColor: muted, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400, labelPadding: 6 },
      axisX: { domain: true, domainColor: grid },
      legend: { labelColor: text, titleColor: muted, labelFontSize: 12, orient: "top", symbolType: "circle", title: null, labelLimit: 260 },
      header: { labelColor: text, titleColor: muted },
      text: { color: text, fontSize: 12 },
      mark: { color: palette[0] },
      rule: { color: muted },
      line: { strokeWidth: 2 },
      range: { category: palette, ramp: [colour("low"), colour("high")], heatmap: [colour("low"), colour("high")], ordinal: [colour("low"), colour("high")] },
    };
  }

  // `"color": "theme.c2"` in a specification is the second colour of the theme.
  const themed = (value) => {
    if (typeof value === "string") return value.startsWith("theme.") ? colour(value.slice(6)) : value;
    if (Array.isArray(value)) return value.map(themed);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, themed(one)]));
    return value;
  };

  // Lines have as many colours as the theme; the next ones have them again with other dashes.
  const DASHES = [[1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 2, 1, 2]];
  const dashed = (spec, names, count) => {
    if (spec.layer) return { ...spec, layer: spec.layer.map((one) => dashed(one, names, count)) };
    const colour = spec.encoding?.color;
    if ((spec.mark?.type || spec.mark) !== "line" || colour?.type !== "nominal") return spec;
    const each = { ...colour, legend: { symbolType: "stroke", symbolSize: 300, symbolStrokeWidth: 2 } };
    const dashes = names.map((_, place) => DASHES[Math.floor(place / count) % DASHES.length]);
    return { ...spec, encoding: { ...spec.encoding, color: { ...each, scale: { domain: names } }, strokeDash: { ...each, scale: { domain: names, range: dashes } } } };
  };
  // On a phone, names beside a chart leave it two thirds of the width; those that are cut are whole in its table.
  const narrowed = (value, most) => {
    if (Array.isArray(value)) return value.map((one) => narrowed(one, most));
    if (!value || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, name === "labelLimit" ? Math.min(one, most) : narrowed(one, most)]));
  };

  async function draw(data) {
    const place = document.getElementById(data.dataset.for);
    if (!place || !window.ecomVega) return;
    const { View, parse, compile, expressionInterpreter } = window.ecomVega;
    const { spec, rows, shapes, currencySign } = JSON.parse(data.textContent);
    const style = config();
    const series = JSON.stringify(spec).match(/"color":\s*\{"field":\s*"(\w+)","type":\s*"nominal"/);
    const names = series ? [...new Set(rows.map((row) => String(row[series[1]] ?? "")))] : [];
    const wide = (name) => Math.min(200, 6.5 * name.length) + 34;
    // A legend in one line is cut; on phones its end stands above the end of the plot, so that it can begin above the axis.
    if (place.clientWidth < 560) {
      style.legend = { ...style.legend, columns: Math.max(2, Math.floor(place.clientWidth / 150)), layout: { top: { anchor: "end" } } };
    } else if (names.reduce((sum, name) => sum + wide(name), 40) > place.clientWidth) {
      style.legend = { ...style.legend, columns: Math.max(2, Math.floor((place.clientWidth - 40) / Math.max(...names.map(wide)))) };
    }
    let made = themed(spec);
    const colours = style.range.category.length;
    if (names.length > colours) made = dashed(made, names, colours);
    if (place.clientWidth < 560) made = narrowed(made, Math.round(place.clientWidth / 3));
    const lines = style.legend.columns ? Math.ceil(names.length / style.legend.columns) : 1;
    if (lines > 2 && made.height) { made.height += 18 * (lines - 2); place.style.minHeight = `${made.height}px`; }  // the legend takes its lines from the chart
    if (made.projection) { made.height = Math.min(made.height, Math.round(place.clientWidth * 0.55)); place.style.minHeight = `${made.height}px`; }
    if (!(made.$schema || "").includes("/vega/")) {
      const params = [{ name: "currencySign", value: currencySign }, ...(made.params || [])];
      const full = { width: "container", autosize: { type: "fit", contains: "padding" }, ...made, params, data: made.data || { values: rows }, config: { ...style, ...(made.config || {}) } };
      made = compile(full).spec;
    } else {
      made = { ...made, data: [{ name: "table", values: rows }, ...(made.data || [])], width: Math.max(place.clientWidth, 600) - 4 };  // narrower, the names of steps lie upon each other
      if (place.clientWidth < 600) place.tabIndex = 0;
    }
    views.get(place)?.finalize();
    const runtime = parse(made, style, { ast: true });
    const view = new View(runtime, { expr: expressionInterpreter, renderer: "canvas", container: place, hover: true, logLevel: 1, tooltip: showTip });
    views.set(place, view);
    await view.runAsync();
    place.removeAttribute("aria-busy");
    const canvas = place.querySelector("canvas");
    if (canvas) { canvas.setAttribute("aria-hidden", "true"); canvas.removeAttribute("role"); canvas.removeAttribute("aria-roledescription"); }
  }

  const allData = () => document.querySelectorAll("script.chart-data");
  function drawAll() { for (const data of allData()) if (views.has(document.getElementById(data.dataset.for))) draw(data); }
  function drawSeen() {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) {
        seen.unobserve(entry.target);
        draw(document.querySelector(`script.chart-data[data-for="${entry.target.id}"]`));
      }
    }, { rootMargin: "200px" });
    for (const data of allData()) { const place = document.getElementById(data.dataset.for); if (place) { place.style.minHeight = `${place.dataset.height}px`; seen.observe(place); } }
  }
  addEventListener("DOMContentLoaded", drawSeen);  // the scripts of charts are there by then
  document.addEventListener("ecom:added", drawSeen);  // tiles of a board, which are asked afterwards
  let wait;
  addEventListener("resize", () => { clearTimeout(wait); wait = setTimeout(() => { for (const [place] of views) { const data = document.querySelector(`script.chart-data[data-for="${place.id}"]`); if (data && JSON.parse(data.textContent).spec.$schema) draw(data); } }, 150); });
  // What is printed has to be drawn before: a chart takes longer than the browser waits, the map most. So charts that were not
  // seen are drawn once nothing else is to do, and paper shows them as they are (static/dashboard.css scales them).
  const idle = window.requestIdleCallback || ((run) => setTimeout(run, 300));
  const drawRest = () => {
    const left = [...allData()].find((data) => { const place = document.getElementById(data.dataset.for); return place && !views.has(place) && !place.dataset.tried; });
    if (!left) return;
    document.getElementById(left.dataset.for).dataset.tried = "yes";
    draw(left).finally(() => idle(drawRest));
  };
  addEventListener("load", () => idle(drawRest));
  document.addEventListener("ecom:added", () => idle(drawRest));
  addEventListener("beforeprint", () => { for (const data of allData()) if (!views.has(document.getElementById(data.dataset.for))) draw(data); });

  // Pages that read their numbers again
  const again = document.querySelector(".sections[data-refresh-s]"), pause = document.getElementById("pause");
  if (again && pause) {
    let isPaused = false;
    pause.hidden = false;
    pause.addEventListener("click", () => { isPaused = !isPaused; pause.textContent = isPaused ? "Go on" : "Pause"; });
    const read = async () => {
      const busy = isPaused || document.hidden || again.contains(document.activeElement) || again.querySelector("details[open]");
      if (busy) return;
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".sections");
        if (fresh) { again.replaceChildren(...fresh.children); drawSeen(); }
      } catch { /* the server is away: the numbers stay, and the next reading tries again */ }
    };
    let timer = setInterval(read, 1000 * Number(again.dataset.refreshS));
    if (again.dataset.stream && "EventSource" in window) {  // numbers come as they change; the timer is for when it is cut
      const stream = new EventSource(again.dataset.stream);
      let isReading = false, isStale = false;
      const now = async () => {
        if (isReading) { isStale = true; return; }
        isReading = true;
        await read();
        isReading = false;
        if (isStale) { isStale = false; now(); }
      };
      stream.addEventListener("realtime", now);
      stream.addEventListener("open", () => { clearInterval(timer); timer = 0; });
      stream.addEventListener("error", () => { timer = timer || setInterval(read, 1000 * Number(again.dataset.refreshS)); });
      addEventListener("pagehide", () => stream.close());  // a browser has six connections to a host
    }
  }

  // The text beside the pointer: text nodes only, so that no name of a product is read as HTML.
  let tip;
  function showTip(_handler, event, _item, value) {
    if (!tip) { tip = document.body.appendChild(document.createElement("div")); tip.id = "tip"; tip.setAttribute("aria-hidden", "true"); }
    if (value === null || value === undefined || value === "") { tip.hidden = true; return; }
    tip.replaceChildren();
    if (typeof value === "object") {
      const list = tip.appendChild(document.createElement("dl"));
      for (const [name, text] of Object.entries(value)) {
        list.appendChild(document.createElement("dt")).textContent = name;
        list.appendChild(document.createElement("dd")).textContent = String(text);
      }
    } else tip.textContent = String(value);
    tip.hidden = false;
    const left = Math.min(event.pageX + 14, scrollX + root.clientWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${event.pageY + 14}px`;
  }

  // PNG of a chart, on the colour of the panel
  for (const button of document.querySelectorAll("button.png")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const place = document.getElementById(button.dataset.for);
      if (!views.has(place)) await draw(document.querySelector(`script.chart-data[data-for="${place.id}"]`));
      const drawn = await views.get(place).toCanvas(2);
      const paper = document.createElement("canvas");
      [paper.width, paper.height] = [drawn.width, drawn.height];
      const pen = paper.getContext("2d");
      pen.fillStyle = colour("panel");
      pen.fillRect(0, 0, paper.width, paper.height);
      pen.drawImage(drawn, 0, 0);
      const link = document.createElement("a");
      const heading = document.getElementById(button.dataset.for.replace("-plot", "-title"));
      link.download = `${((heading && heading.textContent) || "chart").trim().toLowerCase().replace(/[^a-z0-9]+/g, "-")}.png`;
      link.href = paper.toDataURL("image/png");
      link.click();
    });
  }
})();
