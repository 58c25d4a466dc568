// Runs before the page is painted, so that nobody sees it in the other colours first.
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const apply = (theme) => { if (theme === "light" || theme === "dark") root.dataset.theme = theme; };
  root.classList.add("js");
  apply(stored());
  addEventListener("storage", () => apply(stored()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    apply(isDark ? "light" : "dark");
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* it holds for this page */ }
  });
})();
