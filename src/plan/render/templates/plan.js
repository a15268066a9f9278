(() => {
  "use strict";
  const form = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const items = [...document.querySelectorAll("[data-item]")];
  const groups = [...document.querySelectorAll("[data-group]")];
  const keys = ["state", "severity", "account", "owner"];
  const filter = () => {
    const chosen = new FormData(form);
    const words = String(chosen.get("text") || "").trim().toLowerCase();
    const active = words !== "" || keys.some((key) => chosen.get(key));
    let count = 0;
    for (const item of items) {
      const fits = keys.every((key) => !chosen.get(key) || item.dataset[key] === chosen.get(key))
        && (words === "" || item.textContent.toLowerCase().includes(words));
      item.hidden = !fits;
      count += fits ? 1 : 0;
    }
    for (const group of groups) {
      group.hidden = active && !group.querySelector("[data-item]:not([hidden])");
    }
    shown.textContent = active ? `${count} of ${items.length} findings` : `${items.length} findings`;
  };
  form.hidden = items.length < 2;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });
})();
