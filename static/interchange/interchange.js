// Small behaviours of the hub's pages; everything works without them.

// Buttons with data-copy put a text into the clipboard.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy || document.querySelector(button.dataset.copyFrom)?.textContent || "";
  navigator.clipboard.writeText(text.trim()).then(() => {
    const label = button.querySelector("[data-label]") || button;
    const before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => (label.textContent = before), 1500);
  });
});

// Forms with data-confirm ask first.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// The live part of the home page brings its figures along; the charts beside it take them.
document.addEventListener("htmx:afterSwap", () => {
  const figures = document.querySelector("#live [data-figures]");
  if (!figures || !window.Chart) return;
  Object.entries(JSON.parse(figures.textContent)).forEach(([key, { labels, data }]) => {
    const chart = Chart.getChart(document.querySelector(`[data-chart="${key}"] canvas`));
    if (!chart) return;
    chart.data.labels = labels;
    data.forEach((values, place) => (chart.data.datasets[place].data = values));
    chart.update("none");
  });
});

// What comes by itself says so when it stops coming; after a sign-out the page asks for a sign-in.
const showLive = (alive) =>
  document.querySelectorAll("[data-live]").forEach((sign) => {
    sign.classList.toggle("ic-lost", !alive);
    sign.lastChild.textContent = alive ? "Live" : "The hub does not answer";
  });
document.addEventListener("htmx:afterRequest", (event) => showLive(event.detail.successful));
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.xhr.responseURL.includes("/login/")) return;
  event.detail.shouldSwap = false;
  window.location.reload();
});
