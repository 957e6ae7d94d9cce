// Boards in the browser: tiles that are asked afterwards, moving and resizing tiles by pointer and keyboard, copying an address.
(() => {
  "use strict";
  const WIDTHS = ["third", "half", "two-thirds", "full"], SHARES = [1 / 3, 1 / 2, 2 / 3, 1];
  const AT_ONCE = 2;  // questions of one person that the server answers at a time

  // Tiles that are saved questions
  const waiting = [...document.querySelectorAll("[data-later]")];
  async function ask(body) {
    try {
      const answer = await fetch(body.dataset.later, { headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const content = page.querySelector(".tile-content") || page.querySelector("main .notice");
      body.replaceChildren(...(content ? [document.adoptNode(content)] : [text("This tile cannot be shown now; open the page again.")]));
    } catch { body.replaceChildren(text("The server does not answer; open the page again.")); }
    body.removeAttribute("aria-busy");
    document.dispatchEvent(new Event("ecom:added"));
  }
  function text(said) {
    const made = document.createElement("p");
    made.className = "empty";
    made.textContent = said;
    return made;
  }
  async function askNext() { for (let body = waiting.shift(); body; body = waiting.shift()) await ask(body); }
  addEventListener("DOMContentLoaded", () => { for (let n = 0; n < AT_ONCE; n += 1) askNext(); });

  // The address of a board for others
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const address = new URL(button.dataset.copy, location.href).href;
      if (navigator.clipboard) await navigator.clipboard.writeText(address);
      else {  // pages without https have no clipboard
        const field = document.createElement("textarea");
        field.value = address;
        button.after(field);
        field.select();
        document.execCommand("copy");
        field.remove();
      }
      button.textContent = "Copied";
    });
  }

  // Moving, resizing and removing tiles; the form says all of it without scripts too
  const grid = document.querySelector(".board-grid.edited");
  if (!grid) return;
  const status = document.getElementById("moved");
  const tiles = () => [...grid.querySelectorAll(":scope > .board-tile")];
  const nameOf = (tile) => tile.querySelector("h2").textContent;
  function number() { tiles().forEach((tile, place) => { tile.querySelector(".place input").value = String(place + 1); }); }
  function move(tile, to) {
    const others = tiles().filter((one) => one !== tile);
    const place = Math.max(0, Math.min(others.length, to));
    if (tiles().indexOf(tile) === place) return;
    grid.insertBefore(tile, others[place] || null);
    number();
    status.textContent = `${nameOf(tile)} is now tile ${place + 1} of ${others.length + 1}. Save the board to keep it.`;
  }
  function resize(tile, width) {
    tile.classList.remove(...WIDTHS);
    tile.classList.add(WIDTHS[width]);
    const select = tile.querySelector("select.width");
    if (select.value === WIDTHS[width]) return;
    select.value = WIDTHS[width];
    status.textContent = `${nameOf(tile)}: ${select.selectedOptions[0].textContent.trim().toLowerCase()}. Save the board to keep it.`;
  }
  const widthOf = (tile) => WIDTHS.indexOf(tile.querySelector("select.width").value);
  const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  for (const tile of tiles()) {
    const handle = tile.querySelector(".handle"), resizer = tile.querySelector(".resizer"), removed = tile.querySelector(".remove input");
    handle.hidden = resizer.hidden = false;
    tile.querySelector(".place").hidden = true;
    handle.addEventListener("keydown", (event) => {
      const here = tiles().indexOf(tile);
      const to = event.key === "Home" ? 0 : event.key === "End" ? tiles().length : event.key in STEPS ? here + STEPS[event.key] : null;
      if (to === null) return;
      event.preventDefault();
      move(tile, to);
      handle.focus();
      handle.scrollIntoView({ block: "nearest" });
    });
    resizer.addEventListener("keydown", (event) => {
      if (!(event.key in STEPS)) return;
      event.preventDefault();
      resize(tile, Math.max(0, Math.min(WIDTHS.length - 1, widthOf(tile) + STEPS[event.key])));
    });
    tile.querySelector("select.width").addEventListener("change", (event) => resize(tile, WIDTHS.indexOf(event.target.value)));
    removed.addEventListener("change", () => tile.classList.toggle("removed", removed.checked));
    drag(handle, (event) => {
      const under = document.elementFromPoint(event.clientX, event.clientY)?.closest(".board-tile");
      if (under && under !== tile && under.parentElement === grid) move(tile, tiles().indexOf(under));
    }, tile);
    drag(resizer, (event) => {
      const share = (event.clientX - tile.getBoundingClientRect().left) / grid.clientWidth;
      const nearest = SHARES.map((one) => Math.abs(one - share));
      resize(tile, nearest.indexOf(Math.min(...nearest)));
    }, tile);
  }
  function drag(button, moved, tile) {
    button.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      button.focus();
      tile.classList.add("moving");
      const stop = () => {
        tile.classList.remove("moving");
        removeEventListener("pointermove", moved);
        removeEventListener("pointerup", stop);
        removeEventListener("pointercancel", stop);
      };
      addEventListener("pointermove", moved);
      addEventListener("pointerup", stop);
      addEventListener("pointercancel", stop);
    });
  }
})();
