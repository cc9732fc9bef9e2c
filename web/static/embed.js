// The chat in the frame of a portal's page: takes the page's colour, and talks with the loader that made the frame.
// The loader may be an older one, which a tag has pinned: what is said between the two is only ever added to.
// It stands in the head without waiting, so that the first thing painted has the right colour.
(() => {
  "use strict";

  // A page that asks and asks must not keep the chat busy for ever.
  const MOST_WAITING = 10;
  const { documentElement } = document;
  const { accent, ink, host, languages } = documentElement.dataset;
  if (accent) {
    documentElement.style.setProperty("--accent", accent);
    documentElement.style.setProperty("--accent-ink", ink);
  }

  // The browser knows for certain which page holds the frame, where it tells; else it is as the loader said.
  const portal = [location.ancestorOrigins?.[0], host].find((origin) => origin && origin !== "null");
  const isFramed = parent !== window && portal;

  // The language that a person chose in the frame goes before the tag's. A cookie would follow them from portal to
  // portal; this storage the browser keeps apart for each.
  const LANGUAGE_KEY = "mundap.lang";

  function chosenLanguage() {
    try {
      return localStorage.getItem(LANGUAGE_KEY);
    } catch {
      return null; // the browser gives the frame no storage
    }
  }

  function rememberLanguage(language) {
    try {
      localStorage.setItem(LANGUAGE_KEY, language);
    } catch {
      // Storage is full or blocked: the choice lasts until the portal's page is left.
    }
  }

  const chosen = isFramed && chosenLanguage();
  if (languages.split(" ").includes(chosen) && chosen !== documentElement.lang) {
    const address = new URL(location);
    address.searchParams.set("lang", chosen);
    location.replace(address);
    return; // this page is about to go, so it must not say that it is ready
  }

  function tell(type, values = {}) {
    if (isFramed) parent.postMessage({ mundap: type, ...values }, portal);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const composer = document.getElementById("composer");
    const input = document.getElementById("question");
    const stop = document.getElementById("stop");
    const close = document.getElementById("embed-close");
    const waiting = []; // questions that were asked while another was being answered

    /** As if it had been typed; what a person is typing stays. */
    function ask(question) {
      if (!stop.hidden) {
        if (waiting.length < MOST_WAITING) waiting.push(question);
        return;
      }
      const draft = input.value;
      input.value = question;
      composer.requestSubmit();
      input.value = draft;
      input.dispatchEvent(new Event("input"));
    }

    /** On a touch screen the text field would bring up a keyboard over what there is to read. */
    function takeFocus() {
      if (matchMedia("(pointer: coarse)").matches) document.getElementById("main").focus({ preventScroll: true });
      else input.focus({ preventScroll: true });
    }

    window.addEventListener("message", ({ source, origin, data }) => {
      if (!isFramed || source !== parent || origin !== portal) return;
      if (data?.mundap === "ask" && typeof data.text === "string") {
        ask(Array.from(data.text).slice(0, input.maxLength).join(""));
      }
      if (data?.mundap === "focus") takeFocus();
    });

    document.addEventListener("mundap:settled", ({ detail: { status, reply } }) => {
      // Neither the question nor the answer: what a person asks is not the portal's to know.
      if (reply) tell("answer", { id: reply.id, status, lang: reply.lang, sources: reply.citations.length });
      else if (status === "failed") tell("error");
      if (waiting.length) ask(waiting.shift());
    });

    for (const link of document.querySelectorAll(".languages a")) {
      link.addEventListener("click", () => isFramed && rememberLanguage(link.lang));
    }
    close.hidden = !isFramed;
    close.addEventListener("click", () => tell("close"));
    // Seen before the page's own handlers: what is open inside closes first.
    const inner = () => document.querySelector("dialog[open], .languages[open]");
    window.addEventListener(
      "keydown",
      ({ key, isComposing }) => {
        if (key === "Escape" && !isComposing && !inner()) tell("close");
      },
      { capture: true },
    );
    tell("ready");
  });
})();
