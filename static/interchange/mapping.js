// The rules editor of a field mapping: an Alpine component. Rules are edited as objects and sent as
// JSON; the preview asks the hub what would be sent and marks problems at their rules.
function mappingEditor(previewUrl) {
  let serial = 0;
  const data = JSON.parse(document.getElementById("editor-data").textContent);
  const number = () => ++serial;
  const catalogue = Object.fromEntries(data.transforms.map((entry) => [entry.name, entry]));

  // How an option of a transform is edited, from its JSON Schema.
  const optionOf = (name, schema) => {
    const kinds = schema.anyOf ? schema.anyOf.filter((entry) => entry.type !== "null") : [schema];
    const first = kinds[0] || {};
    const choices = first.enum || (first.const ? [first.const] : null);
    const kind = choices ? "choice" : kinds.length > 1 ? "any" : first.type || "any";
    const hint = { object: '{"a": "b"}', array: '["a"]' }[kind] || (schema.default ?? "");
    return { name, label: (schema.title || name).toLowerCase(), kind, choices, hint };
  };
  const toText = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : value);
  const fromText = (value, kind) => {
    if (kind === "boolean") return Boolean(value);
    if (["string", "choice"].includes(kind)) return value;
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  };
  const open = (rule) => ({
    uid: number(),
    source: rule.source || "",
    target: rule.target || "",
    required: Boolean(rule.required),
    transforms: (rule.transforms || []).map(({ name, ...options }) => ({
      uid: number(),
      name,
      options: Object.fromEntries(Object.entries(options).map(([key, value]) => [key, toText(value)])),
    })),
  });

  return {
    rules: data.rules.map(open),
    problems: data.problems,
    transforms: data.transforms,
    target: "",
    event: "",
    integration: "",
    pasted: "",
    events: [],
    integrations: [],
    paths: [],
    timer: null,

    async init() {
      this.target = this.$root.dataset.target;
      const organization = document.querySelector("[name=organization]");
      const query = organization ? `?organization=${organization.value}` : "";
      const answer = await fetch(this.$root.dataset.integrations + query);
      if (!answer.ok) return;
      const known = await answer.json();
      this.events = known.events;
      this.integrations = known.integrations;
      await this.$nextTick();
      this.event = this.events[0]?.id || "";
      await this.chooseIntegration();
      this.$watch("target", () => this.chooseIntegration());
      if (this.rules.length && this.event) this.run();
    },
    async chooseIntegration() {
      await this.$nextTick();
      if (!this.matching().some((entry) => entry.id === this.integration)) {
        this.integration = this.matching()[0]?.id || "";
      }
    },
    matching() {
      const provider = this.target.split(":")[0];
      return this.integrations.filter((entry) => entry.provider === provider);
    },
    fields() {
      return data.targets[this.target] || [];
    },
    filled(name) {
      return this.rules.some((rule) => rule.target === name || rule.target.startsWith(`${name}.`));
    },
    labelOf: (name) => catalogue[name]?.label || name,
    helpOf: (name) => catalogue[name]?.help || "",
    optionsOf(name) {
      return Object.entries(catalogue[name]?.options || {}).map(([key, schema]) => optionOf(key, schema));
    },
    problemsOf(index) {
      return this.problems.filter((problem) => problem.rule === index + 1);
    },
    add(target) {
      this.rules.push(open({ target, required: this.fields().some((field) => field.name === target && field.required) }));
      const uid = this.rules.at(-1).uid;
      this.$nextTick(() => document.getElementById(`source${uid}`)?.focus());
    },
    remove(index) {
      this.rules.splice(index, 1);
      this.later();
    },
    move(index, by) {
      const [rule] = this.rules.splice(index, 1);
      this.rules.splice(index + by, 0, rule);
      this.later();
    },
    addStep(rule, name) {
      if (!name) return;
      const options = Object.fromEntries(
        this.optionsOf(name).map((option) => [option.name, toText(catalogue[name].options[option.name].default ?? "")]),
      );
      rule.transforms.push({ uid: number(), name, options });
      this.later();
    },
    // The rules as the hub keeps them: options left empty are left out.
    plain() {
      return this.rules.map((rule) => ({
        source: rule.source.trim(),
        transforms: rule.transforms.map((step) => {
          const entry = { name: step.name };
          this.optionsOf(step.name).forEach(({ name, kind }) => {
            const value = step.options[name];
            if (value !== "" && value !== undefined && value !== null) entry[name] = fromText(value, kind);
          });
          return entry;
        }),
        target: rule.target.trim(),
        required: rule.required,
      }));
    },
    prepare() {
      this.$refs.rules.value = JSON.stringify(this.plain());
    },
    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => (this.event || this.pasted.trim()) && this.run(), 500);
    },
    async run() {
      const body = { target: this.target, integration: this.integration, event: this.event, pasted: this.pasted, rules: this.plain() };
      const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
      const answer = await fetch(previewUrl, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": token },
        body: JSON.stringify(body),
      });
      if (!answer.ok) {
        this.$refs.result.textContent = "The preview did not work. Reload the page and try again.";
        return;
      }
      const shown = await answer.json();
      this.$refs.result.innerHTML = shown.html;
      this.problems = shown.problems;
      this.paths = shown.paths;
    },
  };
}
