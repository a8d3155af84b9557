// A form that is sent after the session ended would be answered by the sign-in page, and what was typed be
// gone. So the hub is asked before a form leaves; who is signed out meanwhile, or gets no answer, is told so,
// and the form stays as it is. What was typed is kept nowhere but in the page itself.
const SignedOut = (() => {
  const through = new WeakSet();
  const asking = new WeakSet();
  let entered = false;

  const place = () => document.querySelector("[data-signed-in]")?.dataset;
  const whyNot = async (address) => {
    try {
      const answer = await fetch(address, { redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") return "signed out";
      return answer.status >= 500 ? "silent" : "";
    } catch {
      return "silent";
    }
  };

  const WORDS = {
    "signed out": ["You are signed out; nothing was saved or done.", "What you entered is still here: sign in in another tab, come back, and send it again."],
    silent: ["The hub does not answer; nothing was saved or done.", "What you entered is still here: try again in a moment."],
  };
  const made = (name, properties, ...inner) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...inner);
    return element;
  };
  const tell = (why, again) => {
    if (document.querySelector("#signed-out[open]")) return;
    document.getElementById("signed-out")?.remove();
    const [title, help] = WORDS[why];
    const close = made("button", { type: "button", className: "ic-button", textContent: "Close" });
    const retry = made("button", { type: "button", className: "ic-button", textContent: "Send it again" });
    const link = made("a", { className: "ic-button ic-primary", href: place().signIn, target: "_blank", textContent: "Sign in in another tab" });
    const deeds = made("div", { className: "ic-actions" }, ...(why === "silent" ? [] : [link]), ...(again ? [retry] : []), close);
    const heading = made("h2", { id: "signed-out-title", className: "ic-strong", textContent: title });
    const dialog = made("dialog", { id: "signed-out", className: "ic-dialog" }, heading, made("p", { textContent: help }), deeds);
    dialog.setAttribute("aria-labelledby", "signed-out-title");
    close.addEventListener("click", () => dialog.close());
    retry.addEventListener("click", () => {
      dialog.close();
      again();
    });
    document.body.append(dialog);
    dialog.showModal();
  };

  const leave = async (form, button) => {
    if (asking.has(form)) return;
    asking.add(form);
    const why = await whyNot(place().signedIn);
    asking.delete(form);
    if (why) return tell(why, () => leave(form, button));
    const token = form.elements.namedItem("csrfmiddlewaretoken");
    if (token && freshToken()) token.value = freshToken();
    // A live part of the page may have been drawn anew meanwhile: what was pressed is done all the same.
    if (!form.isConnected) {
      form.setAttribute("hidden", "");
      document.body.append(form);
    }
    through.add(form);
    HTMLFormElement.prototype.requestSubmit.call(form, button);
    // What the browser's own checks hold back has not left.
    through.delete(form);
  };

  // The second time nobody is asked again: whoever had something to say about this form has said it. Who is
  // in a hurry and presses twice sends once.
  const secondTime = (event) => {
    const { target: form } = event;
    if (asking.has(form)) event.preventDefault();
    if (asking.has(form) || through.has(form)) event.stopImmediatePropagation();
  };
  window.addEventListener("submit", secondTime, true);
  window.addEventListener("submit", (event) => {
    const { target: form, submitter: button } = event;
    const method = button?.getAttribute("formmethod") || form.getAttribute("method") || "get";
    const leaving = form.getAttribute("action")?.endsWith("/logout/");
    if (event.defaultPrevented || !place() || method.toLowerCase() !== "post" || leaving) return;
    event.preventDefault();
    leave(form, button);
  });

  document.addEventListener("input", (event) => {
    entered ||= event.target.form?.getAttribute("method")?.toLowerCase() === "post";
  });
  return {
    // A part of the page asked for news and met the sign-in. Who has entered nothing is led there.
    met(verb) {
      if (!entered) window.location.reload();
      else if (verb === "post") tell("signed out");
    },
  };
})();
