// Sets the chosen theme before anything is painted; without a choice, the system's holds.
(() => {
  document.documentElement.classList.add("js");
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch { /* storage is off: the system's theme holds */ }
})();
