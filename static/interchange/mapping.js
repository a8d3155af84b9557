// The rules editor of a field mapping: an Alpine component. Rules are edited as objects and sent as
// JSON; the preview asks the hub what would be sent and marks problems at their rules.
function mappingEditor() {
  let serial = 0;
  let asked = 0;
  const data = JSON.parse(document.getElementById("editor-data").textContent);
  const catalogue = Object.fromEntries(data.transforms.map((entry) => [entry.name, entry]));
  const openStep = ({ name, ...options }) => ({
    uid: ++serial,
    name,
    // A step that this hub does not know is kept as it came.
    raw: catalogue[name] ? null : options,
    options: MappingOptions.open(catalogue[name], options),
  });
  const open = (rule) => ({
    uid: ++serial,
    source: rule.source || "",
    target: rule.target || "",
    required: Boolean(rule.required),
    transforms: (rule.transforms || []).map(openStep),
  });

  return {
    ...MappingSend,
    rules: data.rules.map(open),
    problems: data.problems,
    values: {},
    outputs: [],
    suggestions: {},
    transforms: data.transforms,
    // The rule that somebody is at, the one that is being dragged, and what is said to a screen reader.
    root: null,
    at: null,
    dragged: null,
    said: "",
    target: "",
    event: "",
    integration: "",
    pasted: "",
    // Why what was pasted cannot be read.
    unread: "",
    events: [],
    integrations: [],
    paths: [],
    // Whether ``paths`` are those of an event before: the present one cannot be read, or there is none yet.
    pathsAreOld: false,
    timer: null,
    changed: false,
    busy: false,
    saving: false,
    // Why nothing can be asked or saved now: "signed out", or "silent" where the hub does not answer.
    away: "",

    async init() {
      // Kept, because $root and $refs know nothing any more once the rule that asked is removed.
      this.root = this.$root;
      this.target = this.root.dataset.target;
      await this.load();
      this.$watch("target", () => {
        this.chooseIntegration();
        this.later();
      });
      window.addEventListener("beforeunload", (event) => this.changed && event.preventDefault());
    },
    // Events and integrations to try the mapping with: those of its organization.
    async load() {
      const { sources, mapping } = this.root.dataset;
      const answer = await fetch(`${sources}?${new URLSearchParams({ organization: this.organization(), mapping })}`);
      if (!answer.ok) return;
      const known = await answer.json();
      this.events = known.events;
      this.integrations = known.integrations;
      this.maySend = known.may_send;
      // The choices are drawn first, so that the chosen one is there to be shown.
      await this.$nextTick();
      this.event = this.events[0]?.id || "";
      this.chooseIntegration();
      if (this.event) this.run();
    },
    part(name) {
      return this.root.querySelector(`[x-ref=${name}]`);
    },
    organization() {
      return this.root.querySelector("[name=organization]")?.value || this.root.dataset.organization;
    },
    groups() {
      const names = [...new Set(this.events.map((entry) => entry.group))];
      return names.map((name) => ({ name, entries: this.events.filter((entry) => entry.group === name) }));
    },
    matching() {
      const [provider, action] = this.target.split(":");
      if (!action) return [];
      return this.integrations.filter((entry) => (!provider || entry.provider === provider) && entry.actions.includes(action));
    },
    chooseIntegration() {
      if (!this.matching().some((entry) => entry.id === this.integration)) {
        this.integration = this.matching()[0]?.id || "";
      }
    },

    fields() {
      return data.targets[this.target] || [];
    },
    filled(name) {
      return this.rules.some((rule) => rule.target === name || rule.target.startsWith(`${name}.`));
    },
    missing() {
      return this.fields().filter((field) => field.required && !field.depth && !this.filled(field.name));
    },
    outputOf(name) {
      return this.outputs.find((entry) => entry.field === name && entry.change !== "gone");
    },
    holds() {
      return this.pathsAreOld ? "What the last event that could be read holds" : "What it holds";
    },
    used(path) {
      return this.rules.some((rule) => rule.source === path);
    },
    // A part of the event goes into the rule that somebody is at, if that has no source yet; else into a new one.
    take(path) {
      const rule = this.rules.find((entry) => entry.uid === this.at && !entry.source.trim());
      if (rule) rule.source = path;
      else this.rules.push(open({ source: path }));
      this.focus(`target${(rule || this.rules.at(-1)).uid}`);
      this.later();
    },
    // Takes a suggestion: into the rule that has this field and no source, else as a new rule.
    use(name) {
      const rule = this.rules.find((entry) => entry.target === name && !entry.source.trim());
      const required = this.fields().some((field) => field.name === name && field.required);
      const { source } = this.suggestions[name];
      if (rule) rule.source = source;
      else this.rules.push(open({ target: name, source, required }));
      delete this.suggestions[name];
      this.focus(`source${(rule || this.rules.at(-1)).uid}`);
      this.later();
    },
    labelOf: (name) => catalogue[name]?.label || name,
    helpOf: (name) => catalogue[name]?.help || "Interchange does not know this step.",
    optionsOf: (name) => MappingOptions.describe(catalogue[name]),
    needsSource: (rule) => !rule.transforms.some((step) => catalogue[step.name]?.takes_nothing),
    problemsOf(index) {
      return this.problems.filter((problem) => problem.rule === index + 1);
    },

    add(target) {
      this.rules.push(open({ target, required: this.fields().some((field) => field.name === target && field.required) }));
      this.focus(`source${this.rules.at(-1).uid}`);
      this.later();
    },
    remove(index) {
      this.rules.splice(index, 1);
      this.focus(this.rules.length ? `source${this.rules[Math.min(index, this.rules.length - 1)].uid}` : "add-rule");
      this.later();
    },
    move(index, by) {
      const [rule] = this.rules.splice(index, 1);
      this.rules.splice(index + by, 0, rule);
      const last = index + by === 0 || index + by === this.rules.length - 1;
      this.focus(last ? `source${rule.uid}` : `${by < 0 ? "up" : "down"}${rule.uid}`);
      this.said = `Rule moved to place ${index + by + 1} of ${this.rules.length}.`;
      this.later();
    },
    // Alt and an arrow move the rule that one is in, and stay in the same input.
    shift(index, by) {
      if (index + by < 0 || index + by >= this.rules.length) return;
      const { id } = document.activeElement;
      this.move(index, by);
      this.focus(id);
    },
    grab(rule, event) {
      this.dragged = rule.uid;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", rule.target);
      event.dataTransfer.setDragImage(event.target.closest(".ic-rule"), 16, 16);
    },
    // The dragged rule takes the place of the one it is over, once the pointer is past its middle.
    over(index, event) {
      const from = this.rules.findIndex((rule) => rule.uid === this.dragged);
      if (from < 0 || from === index) return;
      const { top, height } = event.currentTarget.getBoundingClientRect();
      const below = event.clientY > top + height / 2;
      if (below !== from < index) return;
      this.rules.splice(index, 0, ...this.rules.splice(from, 1));
      this.changed = true;
    },
    drop() {
      if (this.dragged === null) return;
      this.dragged = null;
      this.later();
    },
    addStep(rule, name) {
      if (!name) return;
      rule.transforms.push(openStep({ name }));
      this.later();
    },
    removeStep(rule, position) {
      rule.transforms.splice(position, 1);
      this.later();
    },
    addRow(rows) {
      rows.push(MappingOptions.row());
      this.focus(`key${rows.at(-1).uid}`);
    },
    focus(id) {
      this.$nextTick(() => document.getElementById(id)?.focus());
    },

    // The rules as the hub keeps them.
    plain() {
      return this.rules.map((rule) => ({
        source: rule.source.trim(),
        transforms: rule.transforms.map((step) => ({
          name: step.name,
          ...(step.raw || MappingOptions.plain(catalogue[step.name], step.options)),
        })),
        target: rule.target.trim(),
        required: rule.required,
      }));
    },
    // Saving asks for the preview first: who was signed out meanwhile is told so, and loses no rule.
    async save(form) {
      if (this.saving) return;
      this.saving = true;
      clearTimeout(this.timer);
      await this.run();
      this.saving = false;
      if (this.away) return;
      this.part("rules").value = JSON.stringify(this.plain());
      this.changed = false;
      form.submit();
    },
    later() {
      this.changed = true;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.run(), 400);
    },
    post(address, body) {
      const token = freshToken() || document.querySelector("[name=csrfmiddlewaretoken]").value;
      return fetch(address, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": token },
        body: JSON.stringify(body),
      }).catch(() => null);
    },
    async run() {
      // A page that is being left has no editor any more.
      if (!this.root.isConnected) return;
      const turn = ++asked;
      const { target, integration, event, pasted } = this;
      const { mapping } = this.root.dataset;
      const body = { organization: this.organization(), mapping, target, integration, event, pasted, rules: this.plain() };
      this.busy = true;
      const answer = await this.post(this.root.dataset.preview, body);
      // An answer that a later question has overtaken is of no use.
      if (turn !== asked) return;
      this.busy = false;
      this.away = !answer ? "silent" : answer.redirected ? "signed out" : "";
      if (this.away) return;
      if (!answer.ok) {
        this.part("result").textContent = "The preview did not work. Reload the page and try again.";
        return;
      }
      const shown = await answer.json();
      this.part("result").innerHTML = shown.html;
      this.unread = shown.unread;
      this.problems = shown.problems;
      this.values = shown.values;
      this.outputs = shown.outputs;
      this.suggestions = shown.suggestions;
      // They stay while an event is typed, which is no JSON at most of its strokes.
      this.pathsAreOld = !shown.paths.length;
      if (shown.paths.length) this.paths = shown.paths;
    },
  };
}
