// Narrows the actions of a route (and of each fallback) to those of the chosen integration.
(() => {
  const source = document.getElementById("action-map");
  if (!source) return;
  const actions = JSON.parse(source.textContent);

  const narrow = (integration) => {
    const action = document.getElementsByName(integration.name.replace(/integration$/, "action"))[0];
    if (!action) return;
    const known = actions[integration.value] || [];
    const chosen = action.value;
    action.replaceChildren(new Option(known.length ? "Choose an action" : "Choose an integration first", ""));
    known.forEach(([value, label]) => action.add(new Option(label, value, false, value === chosen)));
  };
  const isIntegration = (element) => element.matches?.("select[name$='integration']");

  document.addEventListener("change", (event) => isIntegration(event.target) && narrow(event.target));
  document.querySelectorAll("select[name$='integration']").forEach(narrow);
})();
