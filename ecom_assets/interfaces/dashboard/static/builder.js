// What the forms of builders, boards and alerts do in the browser: lists with search, conditions as rows, lines that are added, removed and
// moved, and days. Without it the same fields are typed; each of them keeps its name, so the address is the same.
(() => {
  "use strict";
  const form = document.querySelector("form.builder, form.picked");
  if (!form) return;
  const { lists, comparisons } = JSON.parse(document.getElementById("offered").textContent);
  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const announce = (text) => { spoken.textContent = text; };
  const spoken = form.querySelector("[role=status]") ?? form.appendChild(make("p", { className: "unseen" }));
  spoken.setAttribute("role", "status");
  let ids = 0;

  // On a phone the question is closed where there is an answer, so that the answer is seen first.
  const question = form.closest("details.question");
  if (question && matchMedia("(max-width: 64rem)").matches && !form.querySelector("[role=alert]")) question.open = false;

  // Save stands beside Ask, and its form below the question.
  document.querySelector("[data-opens]")?.addEventListener("click", (event) => {
    const opened = document.getElementById(event.target.dataset.opens);
    event.preventDefault();
    opened.open = true;
    opened.scrollIntoView({ block: "nearest" });
    opened.querySelector("input[name=name]").focus();
  });

  // Lists: those of the page, and values of a column, asked for once each
  const asked = new Map();
  const words = (text) => text.toLowerCase();
  const matching = (entries, text) => entries.filter((one) => words(`${one.label ?? ""} ${one.value}`).includes(words(text)));
  function valuesOf(column, search = "", eventType = "") {
    const query = new URLSearchParams({ column, search, time_range: "quarter", limit: 50, fields: "numbers" });
    if (eventType) query.set("event_type", eventType);
    const address = `${form.dataset.values}?${query}`;
    if (!asked.has(address)) {
      const answer = fetch(address, { headers: { accept: "application/json" } }).then(async (response) => {
        const body = await response.json();
        if (!response.ok) throw new Error(body.detail);
        return body.values.map((one) => ({ value: one.value, kind: one.kind, note: `${one.event_count.toLocaleString("en")} events` }));
      });
      answer.catch(() => asked.delete(address));
      asked.set(address, answer);
    }
    return asked.get(address);
  }
  // Keys of properties beside the columns; their names are what people read, the whole name stands beside it.
  const readable = (name) => { const key = name.replace(/^properties\./, "").replace(/^"|"$/g, "").replace(/_/g, " "); return key.charAt(0).toUpperCase() + key.slice(1); };
  const isOfOrders = lists.columns.some((one) => one.about === "orders");  // which have no keys of properties
  async function columns(text, name = "columns") {
    if (isOfOrders) return matching(lists[name], text);
    let keys = [];
    try { keys = (await valuesOf("properties")).map((one) => ({ ...one, label: readable(one.value), note: one.value, kind: "property" })); } catch { /* only the columns, then */ }
    const about = (who) => lists[name].filter((one) => one.about === who);
    const known = new Set(lists[name].map((one) => one.value));  // such as keys that the mapping has a label for
    return matching([...about("events"), ...keys.filter((one) => !known.has(one.value)), ...about("people")], text);
  }
  const labelOf = (column) => lists.columns.find((one) => one.value === column)?.label ?? (column.startsWith("properties.") ? readable(column) : column);
  const named = (text) => {
    const called = lists.columns.filter((one) => words(one.label) === words(text.trim()));
    return called.length === 1 ? called[0].value : text.trim();
  };
  const sources = {
    types: async (text) => matching(lists.types, text),
    segments: async (text) => matching(lists.segments, text),
    durations: async (text) => matching(lists.durations, text),
    zones: async (text) => matching(lists.zones, text),
    measures: async (text) => matching(lists.measures, text),
    dimensions: async (text) => matching(lists.dimensions, text),
    columns: (text) => columns(text),
    numbers: (text) => columns(text, "numbers"),
  };

  // A text field with a list (the combobox of the ARIA practices): `find` returns entries, `take` gets what is chosen.
  function combobox(input, find, take) {
    const list = make("ul", { className: "options", id: `list-${++ids}`, hidden: true });
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Suggestions");
    for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list", autocomplete: "off" })) input.setAttribute(name, value);
    list.addEventListener("mousedown", (event) => event.preventDefault());  // the field keeps the focus
    input.removeAttribute("list");
    input.after(list);
    input.parentElement.classList.add("combo");
    let entries = [], active = -1, turn = 0, wait, isWanted = false;  // the first entry, as soon as it is there
    const close = () => { list.hidden = true; active = -1; turn += 1; clearTimeout(wait); input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
    const point = (place) => {
      active = (place + entries.length) % entries.length;
      [...list.children].forEach((one, at) => one.setAttribute("aria-selected", String(at === active)));
      const chosen = list.children[active];
      input.setAttribute("aria-activedescendant", chosen.id);
      chosen.scrollIntoView({ block: "nearest" });
    };
    const pick = (entry) => { close(); take(entry.value, entry); };
    const say = (text) => { entries = []; active = -1; list.replaceChildren(make("li", { className: "none", textContent: text })); list.firstChild.setAttribute("role", "option"); list.firstChild.setAttribute("aria-disabled", "true"); };
    async function open(text) {
      const mine = ++turn;
      const slow = setTimeout(() => { if (mine === turn) { say("Searching…"); show(); } }, 150);
      try {
        const found = await find(text);
        if (mine !== turn) return;
        if (!found) { close(); return; }  // such as amounts, which are typed
        if (!found.length) say(text ? `Nothing has “${text}” in it; it is used as typed.` : "There is nothing to choose from.");
        else {
          entries = found.slice(0, 200);
          active = -1;
          list.replaceChildren(...entries.map((entry, at) => {
            const option = make("li", { id: `${list.id}-${at}` }, make("span", { textContent: entry.label ?? entry.value }), make("small", { textContent: entry.note ?? "" }));
            option.setAttribute("role", "option");
            option.setAttribute("aria-selected", "false");
            option.addEventListener("click", () => pick(entry));
            return option;
          }));
        }
      } catch (error) { if (mine === turn) say(error.message || "The suggestions cannot be read now."); }
      finally { clearTimeout(slow); }
      if (mine !== turn) return;
      show();
      if (isWanted && entries.length) point(0);
      isWanted = false;
    }
    const show = () => { list.hidden = false; input.setAttribute("aria-expanded", "true"); };
    input.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => open(input.value.trim()), 120); });
    input.addEventListener("click", () => { if (list.hidden) open(""); });
    input.addEventListener("keydown", async (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) await open("");
        if (!entries.length) isWanted = true;
        else point(event.key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
      } else if (event.key === "Enter" && !list.hidden && active >= 0) { event.preventDefault(); pick(entries[active]); }
      else if (event.key === "Escape" && !list.hidden) { event.preventDefault(); close(); }
    });
    input.addEventListener("blur", close);
    return { close };
  }

  // A field of the form with a list. Columns and event types are shown by what they are called, their names on hover; the field
  // itself holds the name.
  const typeCalled = (text) => { const found = lists.types.filter((one) => words(one.label) === words(text.trim())); return found.length === 1 ? found[0].value : text.trim(); };
  const labelOfType = (type) => lists.types.find((one) => one.value === type)?.label ?? type;
  const quoted = (input, value) => input.closest(".line") && /[:"]|\?$/.test(value) && !value.includes('"') ? `"${value}"` : value;
  function single(input) {
    const kind = input.dataset.suggests, isType = kind === "types", isNamed = isType || kind === "columns" || kind === "numbers";
    if (!isNamed) { combobox(input, sources[kind], (value) => { input.value = quoted(input, value); input.dispatchEvent(new Event("change", { bubbles: true })); }); return; }
    const seen = input.cloneNode();
    seen.removeAttribute("name");
    const called = isType ? labelOfType : labelOf;
    const hint = () => { seen.title = seen.value === input.value ? "" : input.value; };
    seen.value = input.value ? called(input.value) : "";
    hint();
    input.removeAttribute("id");
    input.type = "hidden";
    input.after(seen);
    combobox(seen, sources[kind], (value, entry) => { input.value = isType ? quoted(input, value) : value; seen.value = entry.label ?? value; hint(); input.dispatchEvent(new Event("change", { bubbles: true })); });
    seen.addEventListener("input", () => { input.value = (isType ? typeCalled : named)(seen.value); hint(); });
  }

  // Several values as chips, each of which can be taken out
  function chips(place, label, find, start, changed, show = (value) => String(value)) {
    let values = [...start];
    const row = make("div", { className: "chips" }), input = make("input", { type: "text", spellcheck: false });
    input.setAttribute("aria-label", label);
    const holder = make("div", { className: "chip-input" }, input);
    place.append(row, holder);
    const draw = () => row.replaceChildren(...values.map((value, at) => {
      const out = make("button", { type: "button", textContent: "×" });
      out.setAttribute("aria-label", `Remove ${show(value)}`);
      out.addEventListener("click", () => { values.splice(at, 1); draw(); changed(values); input.focus(); });
      return make("span", { className: "chip" }, make("span", { textContent: show(value) }), out);
    }));
    const add = (value, entry) => { input.value = ""; if (value !== "" && !values.includes(value)) { values.push(value); draw(); changed(values, entry); announce(`${show(value)} is added`); } };
    const list = combobox(input, find, add);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.defaultPrevented && input.value.trim()) { event.preventDefault(); list.close(); add(input.value.trim()); }
      if (event.key === "Backspace" && !input.value && values.length) { values.pop(); draw(); changed(values); }
    });
    input.addEventListener("blur", () => { if (input.value.trim()) add(input.value.trim()); });
    draw();
    return input;
  }
  const labelIn = (kind) => (value) => lists[kind].find((one) => one.value === value)?.label ?? labelOf(value);
  function many(input) {
    const kind = input.dataset.suggests;
    const start = input.value.split(/,(?!\s*-?\d)/).map((one) => one.trim()).filter(Boolean);
    const label = form.querySelector(`label[for="${input.id}"]`);
    const place = make("div", { className: "many" });
    input.after(place);
    const field = chips(place, label.textContent, sources[kind], start, (values) => { input.value = values.join(", "); }, kind === "types" ? labelOfType : labelIn(kind));
    field.placeholder = { types: "Search event types", measures: "Search numbers", dimensions: "Search dimensions" }[kind] ?? "Search columns";
    field.id = input.id;
    input.removeAttribute("id");
    input.type = "hidden";
  }

  // Conditions: rows of a column, a comparison and values; written as text where that can be read again, else as JSON
  const plain = /^[A-Za-z][\w ./-]*$/;
  const written = (value) => {
    if (typeof value !== "string") return String(value);
    if (plain.test(value) && value === value.trim() && !/^(true|false)$/i.test(value) && !/\s(or|and)\s/i.test(value)) return value;
    const quote = ["'", '"'].find((one) => !value.includes(one));
    return quote && !/[;\n'"]/.test(value) ? `${quote}${value}${quote}` : null;
  };
  const wanted = (operator) => ({ is_set: 0, is_not_set: 0, between: 2 })[operator] ?? 1;
  function asText({ column, operator, values }) {
    const parts = values.map(written), symbol = comparisons.find((one) => one.name === operator).symbol;
    if (parts.includes(null)) return null;
    return [column, symbol, parts.join(operator === "between" ? " and " : ", ")].filter(Boolean).join(" ");
  }
  const asJson = ({ column, operator, values }) => ({ column, operator, ...(values.length ? { value: ["one_of", "not_one_of", "between"].includes(operator) ? values : values[0] } : {}) });
  function conditions(input) {
    if (!input.dataset.rows) return;  // such as alternatives, which rows cannot show
    const rows = JSON.parse(input.dataset.rows), field = input.closest(".ask"), label = field.querySelector("label");
    const group = make("div", { className: "conditions" }), add = make("button", { type: "button", className: "add", textContent: "Add a condition" });
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", label.textContent.trim());
    if (input.closest(".line")) label.hidden = true; else { label.replaceWith(make("span", { className: "as-label", textContent: label.textContent.trim() })); }
    input.type = "hidden";
    input.removeAttribute("id");
    const keep = () => {
      const whole = rows.filter((row) => row.column && (row.values.length >= wanted(row.operator)));
      const texts = whole.map(asText);
      input.value = texts.includes(null) ? JSON.stringify(whole.map(asJson)) : texts.join("; ");
    };
    const draw = (focused) => {
      group.replaceChildren(...rows.map((row) => conditionRow(row, { keep, draw, rows, input })), add);
      add.textContent = rows.length ? "And another condition" : "Add a condition";
      (focused === undefined ? undefined : focused === rows.length ? add : group.children[focused].querySelector("input"))?.focus();
    };
    add.addEventListener("click", () => { rows.push({ column: "", operator: "equals", values: [] }); draw(rows.length - 1); });
    field.append(group);
    draw();
  }
  function conditionRow(row, { keep, draw, rows, input }) {
    const place = rows.indexOf(row) + 1, element = make("div", { className: "condition" });
    const column = make("input", { type: "text", placeholder: "column", spellcheck: false, value: row.column ? labelOf(row.column) : "" });
    column.setAttribute("aria-label", `Column of condition ${place}`);
    const holder = make("div", { className: "condition-column" }, column);
    combobox(column, sources.columns, (name, entry) => {
      column.value = entry.label ?? name;
      Object.assign(row, { column: name, values: [] });
      keep();
      drawValues();
      operator.focus();
    });
    column.addEventListener("input", () => { row.column = named(column.value); keep(); });
    const operator = make("select", {}, ...comparisons.map((one) => make("option", { value: one.name, textContent: one.label })));
    operator.setAttribute("aria-label", `Comparison of condition ${place}`);
    operator.value = row.operator;
    operator.addEventListener("change", () => { row.operator = operator.value; row.values = row.values.slice(0, wanted(row.operator)); keep(); drawValues(); });
    const remove = make("button", { type: "button", className: "remove", textContent: "×" });
    remove.setAttribute("aria-label", `Remove condition ${place}`);
    remove.addEventListener("click", () => { rows.splice(place - 1, 1); keep(); draw(rows.length); announce("The condition is removed"); });
    const values = make("div", { className: "condition-values" });
    const drawValues = () => { values.replaceChildren(...valueFields(row, place, keep, input)); };
    element.append(holder, operator, values, remove);
    drawValues();
    return element;
  }
  const kindOf = (column) => lists.columns.find((one) => one.value === column)?.kind ?? "property";
  // What somebody types is of the kind of the column; of a key of properties, of the kind that its values have.
  const typed = (text, column, known) => {
    const kind = kindOf(column), isNumber = text.trim() !== "" && Number.isFinite(Number(text));
    if (kind === "number") return isNumber ? Number(text) : text;
    if (kind === "boolean") return words(text) === "true" ? true : words(text) === "false" ? false : text;
    const found = known.find((one) => one.value === text)?.kind ?? (kind === "property" && known.length ? known[0].kind : "text");
    if (found === "number" && isNumber) return Number(text);
    return found === "boolean" && ["true", "false"].includes(text) ? text === "true" : text;
  };
  function valueFields(row, place, keep, input) {
    if (!wanted(row.operator)) return [];
    const label = `Value of condition ${place}`, line = input.closest(".line");
    let known = [];
    const find = async (text) => {
      if (!row.column) throw new Error("Choose a column first.");
      if (isOfOrders || kindOf(row.column) === "number") return null;
      if (kindOf(row.column) === "boolean") return [{ value: "true", label: "yes" }, { value: "false", label: "no" }];
      const type = line ? line.querySelector("input").value.replace(/^"(.*)"$|\?$/, "$1") : "";  // as it is written: quoted, or optional
      const found = await valuesOf(row.column, text, type === "*" ? "" : type);
      known = [...known, ...found];
      return found;
    };
    if (row.operator === "one_of" || row.operator === "not_one_of") {
      const holder = make("div", { className: "many" });
      chips(holder, label, find, row.values, (values) => { row.values = values.map((one) => typeof one === "string" ? typed(one, row.column, known) : one); keep(); });
      return [holder];
    }
    return Array.from({ length: wanted(row.operator) }, (_, at) => {
      const field = make("input", { type: "text", placeholder: "value", spellcheck: false, value: row.values[at] ?? "" });
      field.setAttribute("aria-label", at ? `Upper ${label.toLowerCase()}` : label);
      const holder = make("div", {}, field);
      const set = (text) => { if (text === "") row.values.splice(at, 1); else row.values[at] = typed(text, row.column, known); keep(); };
      combobox(field, find, (value) => { field.value = value; set(value); });
      field.addEventListener("input", () => set(field.value.trim()));
      return holder;
    });
  }

  // Lines of a list: added, removed and moved; their names follow their places.
  function lines(list) {
    const { row, most } = list.dataset, fresh = list.parentElement.querySelector("template");
    const nameOf = (at) => `${row} ${"letters" in list.dataset ? String.fromCharCode(65 + at) : at + 1}`;
    const add = make("button", { type: "button", className: "add", textContent: `Add a ${words(row) === "series" ? "series" : words(row)}` });
    list.after(add);
    const button = (text, label, act) => { const made = make("button", { type: "button", textContent: text, title: label }); made.setAttribute("aria-label", label); made.addEventListener("click", act); return made; };
    const number = () => {
      [...list.children].forEach((line, at) => {
        const called = nameOf(at), name = line.querySelector(".line-name");
        name.textContent = called;
        for (const part of line.querySelectorAll("[data-base]")) {
          const id = `f-${part.dataset.base}${at + 1}`, field = part.querySelector("[name]");
          field.name = `${part.dataset.base}${at + 1}`;
          const seen = part.querySelector("[id^=f-]");
          if (seen) seen.id = id;
          part.querySelector("label")?.setAttribute("for", id);
          const said = part.querySelector("label .unseen");
          if (said) said.textContent = ` (${words(called)})`;
        }
        name.htmlFor = line.querySelector("[id^=f-]").id;
        const move = (by) => () => {
          const other = list.children[at + by];
          if (by < 0) other.before(line); else other.after(line);
          number();
          announce(`${called} is now ${nameOf(at + by)}`);
          const moved = line.querySelector(by < 0 ? ".up" : ".down");
          (moved.disabled ? line.querySelector(by < 0 ? ".down" : ".up") : moved).focus();
        };
        const up = button("↑", `Move ${called} up`, move(-1)), down = button("↓", `Move ${called} down`, move(1));
        up.className = "up"; up.disabled = at === 0;
        down.className = "down"; down.disabled = at === list.children.length - 1;
        const out = button("×", `Remove ${called}`, () => { line.remove(); number(); announce(`${called} is removed`); (list.children[Math.min(at, list.children.length - 1)] ?? add).querySelector?.("input:not([type=hidden])")?.focus(); });
        out.hidden = list.children.length === 1;
        line.querySelector(".line-buttons").replaceChildren(up, down, out);
      });
      add.hidden = list.children.length >= Number(most);
    };
    add.addEventListener("click", () => {
      const line = fresh.content.firstElementChild.cloneNode(true);
      list.append(line);
      number();
      enhance(line);
      line.querySelector("input:not([type=hidden])").focus();
    });
    number();
  }

  // Days: a choice of the last days, or two dates, which always show the days that are looked at.
  const last = form.elements.namedItem("last"), from = form.elements.namedItem("start_date"), to = form.elements.namedItem("end_date");
  if (last && from && to) {
    const derived = new Set();
    const shown = (field, text) => { field.value = text; derived[text ? "add" : "delete"](field); };
    for (const field of [from, to]) if (!field.value && field.dataset.shown) shown(field, field.dataset.shown);
    const day = (at) => at.toISOString().slice(0, 10);
    last.addEventListener("change", () => {
      const count = Number.parseInt(last.value, 10), newest = new Date(`${form.dataset.newest}T00:00:00Z`);
      if (!last.value) { shown(from, ""); shown(to, ""); return; }
      shown(to, day(newest));
      shown(from, day(new Date(newest - (count - 1) * 86400000)));
    });
    for (const field of [from, to]) field.addEventListener("input", () => { derived.clear(); last.options[0].textContent = "Chosen days"; last.value = ""; });
    form.addEventListener("formdata", ({ formData }) => { for (const field of derived) formData.delete(field.name); });
  }
  if (form.method === "get") form.addEventListener("formdata", ({ formData }) => { for (const [name, value] of [...formData]) if (!value) formData.delete(name); });

  function enhance(part) {
    for (const input of part.querySelectorAll("input[data-suggests]")) {
      if (input.dataset.suggests === "conditions") conditions(input);
      else if ("many" in input.dataset) many(input);
      else single(input);
    }
  }
  enhance(form);
  for (const list of form.querySelectorAll("ol.lines[data-row]")) lines(list);
})();
