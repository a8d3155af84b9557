// “Send this one now” of the rules editor: the part of its Alpine component that asks, sends, and shows
// what became of it.
const MappingSend = {
  asking: false,
  sending: false,
  where: "sandbox",
  sendError: "",
  maySend: false,

  chosen() {
    return this.matching().find((entry) => entry.id === this.integration);
  },
  // Why it cannot be sent now; empty where it can.
  unsendable() {
    if (!this.root?.dataset.mapping) return "Save the mapping first.";
    if (this.changed) return "Save first: what is sent is made by the saved rules.";
    if (!this.event && !this.pasted.trim()) return "Choose or paste an event first.";
    if (!this.event && this.unread) return "Mend the pasted event first.";
    return this.chosen() ? "" : "Choose the integration first.";
  },
  sendWords() {
    const entry = this.events.find(({ id }) => id === this.event);
    return `${entry ? entry.label : "The pasted event"}: this one delivery only; no route is asked. It is in the queue and the log like any other.`;
  },
  sandboxWords() {
    if (this.chosen()?.sandbox) return `${this.chosen().label} is the built-in stand-in: nothing real happens.`;
    const twin = this.matching().find((entry) => entry.sandbox && entry.provider === this.chosen()?.provider);
    return twin
      ? `By ${twin.label}, the built-in stand-in: nothing real happens.`
      : "By the built-in stand-in: nothing real happens. An integration for trying out is made for it, once.";
  },
  ask() {
    this.where = "sandbox";
    this.sendError = "";
    this.part("dialog").showModal();
    this.asking = true;
  },
  async send() {
    this.sending = true;
    const { integration, event, pasted, where } = this;
    const mapping = this.root.dataset.mapping;
    const body = { organization: this.organization(), mapping, integration, event, pasted, where, rules: this.plain() };
    const answer = await this.post(this.root.dataset.send, body);
    this.sending = false;
    this.part("dialog").close();
    this.away = !answer ? "silent" : answer.redirected ? "signed out" : "";
    if (this.away) return;
    const told = await answer.json().catch(() => ({}));
    this.sendError = told.live ? "" : told.error || "It could not be sent. Reload the page and try again.";
    if (told.live) htmx.ajax("GET", told.live, { target: this.part("sent"), swap: "innerHTML" });
  },
};
