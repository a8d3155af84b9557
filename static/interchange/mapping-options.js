// How the options of a transform are edited: from JSON Schema to inputs, and back to plain values.
const MappingOptions = (() => {
  let serial = 0;
  const LONG = 200;

  const kindOf = (schema) => {
    const kinds = schema.anyOf ? schema.anyOf.filter((entry) => entry.type !== "null") : [schema];
    if (kinds.length !== 1) return "any";
    const [only] = kinds;
    if (only.enum) return "choice";
    if (only.type === "string") return (only.maxLength || 0) > LONG * 5 ? "text" : "string";
    return { boolean: "boolean", integer: "number", number: "number", object: "table", array: "lines" }[only.type] || "any";
  };

  // Anything that JSON can say: what is typed is taken as text unless it is JSON.
  const readAny = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  const showAny = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return JSON.stringify(value);
    return typeof readAny(value) === "string" && !value.startsWith('"') ? value : JSON.stringify(value);
  };
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

  const show = {
    boolean: Boolean,
    choice: (value) => value ?? "",
    string: (value) => value ?? "",
    text: (value) => value ?? "",
    number: (value) => (value ?? "").toString(),
    lines: (value) => (value || []).join("\n"),
    table: (value) => Object.entries(value || {}).map(([key, inner]) => ({ uid: ++serial, key, value: showAny(inner) })),
    any: showAny,
  };
  const read = {
    boolean: Boolean,
    choice: (value) => value,
    string: (value) => value,
    text: (value) => value,
    number: (value) => (value === "" ? undefined : readAny(value)),
    lines: (value) => value.split("\n").filter((line, index, all) => line || (index < all.length - 1 && all.length > 1)),
    table: (rows) => Object.fromEntries(rows.filter((row) => row.key !== "").map((row) => [row.key, readAny(row.value)])),
    any: (value) => (value === "" ? undefined : readAny(value)),
  };

  // Describes every option of a transform, in the order of its schema.
  const describe = (transform) =>
    Object.entries(transform?.options || {}).map(([name, schema]) => ({
      name,
      kind: kindOf(schema),
      label: schema.title || name,
      help: schema.description || "",
      choices: schema.enum || [],
      path: name.endsWith("_source"),
      fallback: schema.default,
      required: (transform.required || []).includes(name),
    }));

  return {
    describe,
    open: (transform, values) =>
      Object.fromEntries(describe(transform).map((option) => [option.name, show[option.kind](values[option.name] ?? option.fallback)])),
    // Options that are as they would be anyway are left out.
    plain(transform, state) {
      const values = {};
      describe(transform).forEach((option) => {
        const value = read[option.kind](state[option.name]);
        const usual = read[option.kind](show[option.kind](option.fallback));
        if (value !== undefined && (option.required || !same(value, usual))) values[option.name] = value;
      });
      return values;
    },
    row: () => ({ uid: ++serial, key: "", value: "" }),
  };
})();
