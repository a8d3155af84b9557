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
