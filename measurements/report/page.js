(() => {
  "use strict";
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  // A page opened from a file may be denied storage: the choice then lasts as long as the page.
  const stored = (() => { try { return localStorage.getItem("sametask-theme"); } catch { return null; } })();
  const current = () => root.dataset.theme || (prefersDark.matches ? "dark" : "light");
  const apply = (theme) => {
    if (theme) root.dataset.theme = theme;
    button.textContent = current() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${current() === "dark" ? "light" : "dark"} colours`);
  };
  const asked = location.hash.slice(1);
  apply(["dark", "light"].includes(asked) ? asked : stored);
  button.hidden = false;
  prefersDark.addEventListener("change", () => apply());
  button.addEventListener("click", () => {
    apply(current() === "dark" ? "light" : "dark");
    try { localStorage.setItem("sametask-theme", root.dataset.theme); } catch { /* denied: see above */ }
  });

  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    if (body.rows.length < 3) continue;
    table.querySelectorAll("thead th").forEach((head, column) => {
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.className = "sort";
      sorter.textContent = head.textContent;
      head.replaceChildren(sorter);
      sorter.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
        // Lines between groups mean something only in the order in which the report was written.
        for (const row of body.rows) row.classList.remove("group");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => row.cells[column].dataset.sort;
        const text = (row) => row.cells[column].textContent.trim();
        const missing = (row) => row.cells[column].classList.contains("missing");
        const rows = [...body.rows].sort((a, b) => {
          // What is missing stays at the end, whichever way the column is sorted.
          if (missing(a) !== missing(b)) return missing(a) ? 1 : -1;
          const order = value(a) !== undefined && value(b) !== undefined
            ? Number(value(a)) - Number(value(b))
            : text(a).localeCompare(text(b), "en", { numeric: true });
          return up ? order : -order;
        });
        body.append(...rows);
      });
    });
  }
})();
