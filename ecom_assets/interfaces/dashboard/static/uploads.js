// Sends files as they are dropped or chosen, each with its progress, and follows what goes on.
(() => {
  "use strict";
  const form = document.querySelector("form.drop");
  if (form) {
    const input = form.querySelector("input[type=file]"), list = form.querySelector(".uploading");
    const token = form.querySelector("[name=token]").value;
    const most = Number(form.dataset.maxBytes);
    const kept = [];
    let sending = 0, failed = 0;
    input.multiple = true;
    input.required = false;
    form.querySelector(".buttons").hidden = true;
    form.classList.add("ready");
    form.querySelector(".drop-words").textContent = `Drag them here, or click to choose. ${form.querySelector(".drop-words").textContent}`;

    const go = () => { location.href = `${form.dataset.next}?files=${kept.join(",")}`; };
    const end = (item, sentence, tone) => {
      item.querySelector("progress")?.remove();
      item.querySelector("button")?.remove();
      item.querySelector(".said").textContent = sentence;
      item.classList.add(tone);
    };
    const over = () => {
      sending -= 1;
      if (sending || !kept.length) return;
      if (!failed) { go(); return; }
      if (form.querySelector(".go-on")) return;
      const on = document.createElement("button");
      on.type = "button";
      on.className = "main go-on";
      on.textContent = kept.length === 1 ? "Go on with the file that arrived" : `Go on with the ${kept.length} files that arrived`;
      on.addEventListener("click", go);
      list.after(on);
    };
    const refuse = (item, sentence) => { failed += 1; end(item, sentence, "bad"); over(); };

    const send = (file) => {
      sending += 1;
      const item = list.appendChild(document.createElement("li"));
      const name = item.appendChild(document.createElement("strong"));
      name.textContent = file.name;
      const said = item.appendChild(document.createElement("span"));
      said.className = "said";
      if (!file.size) { refuse(item, "This file is empty; choose one with some rows."); return; }
      if (file.size > most) { refuse(item, `This file is larger than ${form.dataset.maxMb} MB; export fewer days at a time, and bring several files.`); return; }
      const bar = document.createElement("progress");
      bar.max = 1; bar.value = 0;
      bar.setAttribute("aria-label", `Sending ${file.name}`);
      const cancel = document.createElement("button");
      cancel.type = "button";
      cancel.className = "button";
      cancel.textContent = "Cancel";
      cancel.setAttribute("aria-label", `Cancel ${file.name}`);
      item.append(bar, cancel);
      const request = new XMLHttpRequest();
      cancel.addEventListener("click", () => request.abort());
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) { bar.value = event.loaded / event.total; said.textContent = `${Math.floor(100 * bar.value)} %`; }
      });
      request.addEventListener("load", () => {
        let answer = {};
        try { answer = JSON.parse(request.responseText); } catch { /* a proxy's page: the sentence below */ }
        if (request.status === 200) { kept.push(answer.id); end(item, "arrived", "good"); over(); return; }
        refuse(item, answer.detail || `The file did not arrive (the server says ${request.status}); try again.`);
      });
      request.addEventListener("error", () => refuse(item, "The connection broke, and nothing of the file is kept; try again."));
      request.addEventListener("abort", () => refuse(item, "Cancelled: nothing of it is kept."));
      request.open("POST", form.action);
      request.setRequestHeader("x-form-token", token);
      request.setRequestHeader("x-file-name", encodeURIComponent(file.name));
      request.setRequestHeader("accept", "application/json");
      request.setRequestHeader("content-type", "application/octet-stream");
      request.send(file);
    };
    const take = (files) => { failed = 0; form.querySelector(".go-on")?.remove(); for (const file of files.sort((one, other) => one.lastModified - other.lastModified)) send(file); };  // of an order in several exports, the one that was sent last counts

    input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
    form.addEventListener("submit", (event) => event.preventDefault());
    let depth = 0;  // dragging over what is inside leaves and enters again
    const field = form.querySelector(".drop-field");
    field.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; field.classList.add("over"); });
    field.addEventListener("dragleave", () => { depth -= 1; if (!depth) field.classList.remove("over"); });
    field.addEventListener("dragover", (event) => event.preventDefault());
    field.addEventListener("drop", (event) => { event.preventDefault(); depth = 0; field.classList.remove("over"); take([...event.dataTransfer.files]); });
    // A file that misses the field must not replace the page.
    for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => { if (!field.contains(event.target)) event.preventDefault(); });
  }

  // The shop's zone is most often that of the browser: it is chosen at first, and stands there to be changed.
  const choose = () => {
    const zone = document.querySelector('select[name="shop.timezone"]');
    if (!zone || zone.value) return;
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if ([...zone.options].some((one) => one.value === here)) zone.value = here;
  };
  choose();

  // Who says that a file is something else sees at once what is open of it then.
  document.addEventListener("change", (event) => {
    if (/^\d+\.kind$/.test(event.target.name)) event.target.form.submit();
  });

  // Pages that follow something look again until it is over.
  const follow = () => {
    const mark = document.querySelector("[data-again-s]");
    if (!mark) return;
    setTimeout(async () => {
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
        if (fresh) {
          const open = [...document.querySelectorAll("main details")].map((one) => one.open);
          const main = document.querySelector("main");
          main.replaceChildren(...document.adoptNode(fresh).childNodes);
          choose();
          document.querySelectorAll("main details").forEach((one, place) => { if (open[place]) one.open = true; });
        }
      } catch { /* the server is away: the next look tries again */ }
      follow();
    }, 1000 * Number(mark.dataset.againS));
  };
  follow();
})();
