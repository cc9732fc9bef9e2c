// The chat in the frame of a portal's page: takes the page's colour, and talks with the loader that made the frame.
// The loader may be an older one, which a tag has pinned: what is said between the two is only ever added to.
// It stands in the head without waiting, so that the first thing painted has the right colour.
(() => {
  "use strict";

  // A page that asks and asks must not keep the chat busy for ever.
  const MOST_WAITING = 10;
  const { documentElement } = document;
  const { accent, ink, host } = documentElement.dataset;
  if (accent) {
    documentElement.style.setProperty("--accent", accent);
    documentElement.style.setProperty("--accent-ink", ink);
  }

  // The browser knows for certain which page holds the frame, where it tells; else it is as the loader said.
  const portal = [location.ancestorOrigins?.[0], host].find((origin) => origin && origin !== "null");
  const isFramed = parent !== window && portal;

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
