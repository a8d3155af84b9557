// Small behaviours of the hub's pages; everything works without them.

// The hub shows times in the zone of whoever looks; the browser knows which that is.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const secure = location.protocol === "https:" ? "; secure" : "";
if (zone) document.cookie = `timezone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax${secure}`;

// Buttons with data-copy put a text into the clipboard. Browsers hide navigator.clipboard where a hub is
// opened over plain HTTP by another name than localhost; there a selected text is copied as by hand.
const copied = (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = Object.assign(document.createElement("textarea"), { value: text, ariaLabel: "What is copied" });
  area.className = "sr-only";
  (document.querySelector("dialog[open]") || document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return Promise.resolve(done);
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy || document.querySelector(button.dataset.copyFrom)?.textContent || "";
  const done = await copied(text.trim());
  button.focus();
  const label = button.querySelector("[data-label]") || button;
  button.dataset.words ||= label.textContent;
  label.textContent = done ? "Copied" : "Select and copy it by hand";
  setTimeout(() => (label.textContent = button.dataset.words), 1500);
});

// Whoever signs in again in another tab gets a new token; a form that stayed open here takes it along.
const freshToken = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
document.addEventListener("submit", (event) => {
  const field = event.target.elements?.namedItem?.("csrfmiddlewaretoken");
  if (field && freshToken()) field.value = freshToken();
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

// What comes by itself says so when it stops coming; after a sign-out the page asks for a sign-in
// (signed-out.js), unless something is entered in it.
const showLive = (alive) =>
  document.querySelectorAll("[data-live]").forEach((sign) => {
    sign.classList.toggle("ic-lost", !alive);
    sign.lastChild.textContent = alive ? "Live" : "The hub does not answer";
  });
document.addEventListener("htmx:afterRequest", (event) => showLive(event.detail.successful));
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.xhr.responseURL.includes("/login/")) return;
  event.detail.shouldSwap = false;
  SignedOut.met(event.detail.requestConfig.verb);
});

// Guided form: holds what is typed against the declared pattern. The hub judges; this only tells sooner.
const patterns = {};
const patternOf = (text) => {
  if (!(text in patterns)) {
    try {
      patterns[text] = new RegExp(`^(?:${text})$`, "u");
    } catch {
      patterns[text] = null; // a pattern that only the hub understands
    }
  }
  return patterns[text];
};
const judge = (input, hurry) => {
  const note = input.closest(".ic-field")?.querySelector("[data-note]");
  const pattern = patternOf(input.dataset.pattern);
  if (!note || !pattern) return;
  const typed = input.value.trim();
  const parts = "each" in input.dataset ? typed.split(/[\n,]/).map((part) => part.trim()).filter(Boolean) : [typed];
  const fits = parts.every((part) => pattern.test(part));
  // Half a key is no mistake yet: it is named when the field is left, and taken back as soon as it fits.
  const text = !typed ? "" : fits ? "Has the expected form." : hurry && !note.textContent ? "" : "Not the expected form yet.";
  if (note.textContent !== text) note.textContent = text;
  note.toggleAttribute("data-fits", Boolean(typed) && fits);
  if (fits) input.removeAttribute("aria-invalid");
};
["input", "change"].forEach((name) =>
  document.addEventListener(name, (event) => event.target.matches?.("[data-pattern]") && judge(event.target, name === "input"))
);

// The sandbox takes any credential of the right form: what is empty is filled with the examples.
document.addEventListener("click", (event) => {
  const form = event.target.closest("[data-samples]")?.closest("form");
  form?.querySelectorAll("[data-example]").forEach((input) => {
    if (input.value || !input.dataset.example || input.matches(":disabled")) return;
    input.value = input.dataset.example;
    if (input.dataset.pattern) judge(input, false);
  });
});

// On a narrow screen a table's rows stand as blocks without their head: each cell says its column.
const labelCells = (root) =>
  root.querySelectorAll("table.ic-stackable").forEach((table) => {
    const heads = [...(table.tHead?.rows[0]?.cells || [])].map((cell) => cell.textContent.trim());
    [...table.rows].forEach((row) => {
      if (row.parentElement === table.tHead) return;
      [...row.cells].slice(1).forEach((cell) => {
        const head = heads[cell.cellIndex];
        if (head && !cell.querySelector("input, select, button, .ic-button")) cell.dataset.label = head;
      });
    });
  });
// Unfold names the cells of a narrow list by their model's fields, which begin with a small letter.
const nameCells = () =>
  document.querySelectorAll("#result_list [data-label]").forEach((cell) => {
    cell.dataset.label = cell.dataset.label.replace(/^./, (letter) => letter.toUpperCase());
  });
document.addEventListener("DOMContentLoaded", () => {
  labelCells(document);
  nameCells();
});
document.addEventListener("htmx:afterSettle", () => labelCells(document));

// Schedules and time zones are offered by name; the browser knows the zones.
const OFFERED = {
  schedules: [
    ["*/15 * * * *", "Every 15 minutes"],
    ["0 * * * *", "Every hour"],
    ["0 6 * * *", "Every day at 06:00"],
    ["0 6 * * 1-5", "On weekdays at 06:00"],
    ["0 6 * * 1", "On Mondays at 06:00"],
    ["0 6 1 * *", "On the first day of the month at 06:00"],
  ],
  zones: ["UTC", ...(Intl.supportedValuesOf?.("timeZone") || [])].map((name) => [name, ""]),
};
document.addEventListener("focusin", ({ target }) => {
  const kind = target.dataset?.offer;
  if (!kind || target.list) return;
  if (!document.getElementById(`offered-${kind}`)) {
    const list = Object.assign(document.createElement("datalist"), { id: `offered-${kind}` });
    OFFERED[kind].forEach(([value, words]) => list.append(new Option(words, value)));
    document.body.append(list);
  }
  target.setAttribute("list", `offered-${kind}`);
});

// A sync's form shows what its direction needs; the hub judges all of it.
const showDirection = () => {
  const direction = document.querySelector("#sync_form [name=direction]")?.value;
  if (!direction) return;
  for (const way of ["push", "pull"])
    document.querySelectorAll(`.ic-only-${way}`).forEach((part) => (part.hidden = way !== direction));
};
document.addEventListener("DOMContentLoaded", showDirection);
document.addEventListener("change", showDirection);

// Back to a form as it was left.
document.addEventListener("click", (event) => event.target.closest("[data-back]") && history.back());

// The pictures of the icon font are words of it; who hears the page shall not hear "account_tree Flow".
// Where the picture is all that a button has, its word stays: "search" is better than nothing.
const hideIcons = () =>
  document.querySelectorAll(".material-symbols-outlined:not([aria-hidden])").forEach((icon) => {
    const control = icon.closest("a, button");
    const words = (control?.textContent || "").replace(icon.textContent, "").trim();
    if (!control || words || control.hasAttribute("aria-label")) icon.setAttribute("aria-hidden", "true");
  });
document.addEventListener("DOMContentLoaded", hideIcons);
document.addEventListener("htmx:afterSettle", hideIcons);

// Links without an address are buttons (the filters of a list): reached and pressed without a mouse too.
document.addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll("a[x-on\\:click]:not([href])").forEach((link) => {
    link.setAttribute("role", "button");
    link.tabIndex = 0;
  })
);
document.addEventListener("keydown", (event) => {
  if (!["Enter", " "].includes(event.key) || !event.target.matches?.("a[role=button]:not([href])")) return;
  event.preventDefault();
  event.target.click();
});

// Two boxes that scroll have the same name for who hears the page; the menu's gets its own.
window.addEventListener("load", () =>
  document.querySelector("#nav-sidebar .simplebar-content-wrapper")?.setAttribute("aria-label", "Entries of the menu")
);

// A column of buttons has no head to read; who hears the page is told what stands there.
document.addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll("main thead th").forEach((head) => {
    if (head.textContent.trim() || head.querySelector("input, [aria-label]")) return;
    const words = Object.assign(document.createElement("span"), { className: "sr-only", textContent: "What to do" });
    head.append(words);
  })
);
