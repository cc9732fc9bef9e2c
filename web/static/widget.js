// The loader of the widget: adds a launcher to the page and, at its first opening, the chat in a frame.
// All stands in a closed shadow root with a style sheet of its own: neither CSS nor scripts of the page reach in, and
// no policy of the page needs to allow anything inline. tests/e2e/test_widget.py holds it below 6 kB.
(() => {
  "use strict";

  const script = document.currentScript ?? document.querySelector('script[src*="/widget"]');
  // An element with the id "Mundap" is a property of the window too.
  if (!script || window.Mundap?.destroy) return;

  const LABELS = {
    ko: { ask: "질문하기", open: "열기", close: "닫기", wait: "불러오는 중입니다", fail: "이 페이지에서는 열 수 없습니다.|새 탭에서 열기" },
    en: { ask: "Ask a question", open: "open", close: "close", wait: "Loading", fail: "This can’t be shown here.|Open it in a new tab" },
    ja: { ask: "質問する", open: "開く", close: "閉じる", wait: "読み込んでいます", fail: "ここでは表示できません。|新しいタブで開く" },
    zh: { ask: "提问", open: "打开", close: "关闭", wait: "正在加载", fail: "无法在此页面中显示。|在新标签页中打开" },
    vi: { ask: "Đặt câu hỏi", open: "mở", close: "đóng", wait: "Đang tải", fail: "Không thể hiển thị tại đây.|Mở trong tab mới" },
  };
  const EVENTS = ["ready", "open", "close", "answer", "error", "destroy"];

  // --- What the tag says: texts, cut as the server cuts them ------------------

  const server = new URL(script.src);
  const given = script.dataset;
  const text = (value, limit) => Array.from((value ?? "").replace(/[\u202a-\u202e\u2066-\u2069]/g, "").trim()).slice(0, limit).join("");
  const title = text(given.title, 40);
  const questions = (given.questions ?? "").split("|").slice(0, 5).map((question) => text(question, 100)).join("|");
  const theme = ["light", "dark"].includes(given.theme) ? given.theme : "";
  const side = given.position === "left" ? "left" : "right";
  const digits = /^#([\da-f]{3}|[\da-f]{6})$/i.exec(given.accent?.trim())?.[1] ?? "";
  const accent = digits && `#${digits.length === 3 ? digits.replace(/./g, "$&$&") : digits}`;
  const lang =
    [given.lang, document.documentElement.lang, ...navigator.languages]
      .map((tag) => (tag ?? "").split("-")[0].toLowerCase())
      .find((tag) => Object.hasOwn(LABELS, tag)) ?? "ko";
  const labels = LABELS[lang];
  const name = title || labels.ask;

  function frameAddress() {
    const values = { lang, theme, accent, title, greeting: text(given.greeting, 160), questions, host: location.origin };
    return `${new URL("embed", server)}?${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`;
  }

  /** Black or white, whichever has more contrast (WCAG 2). */
  function inkOn(colour) {
    const [red, green, blue] = [1, 3, 5]
      .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.1791 ? "#000" : "#fff";
  }

  // --- Look: sizes in em of the reader's own font size, whatever the page's is --

  const dark = "--surface: #1e2124; --text: #f4f5f6; --line: #58616a;";
  const css = `
:host { all: initial !important; position: fixed !important; inset: 0 auto auto 0 !important; z-index: 2147483000 !important; display: block !important; direction: ltr !important; }
:host::before, :host::after { display: none !important; }
.widget { --accent: ${accent || "#0b50d0"}; --ink: ${inkOn(accent || "#0b50d0")}; --surface: #fff; --text: #1e2124; --line: #cdd1d5; ${theme === "dark" ? dark : ""}
  font: 1em/1.5 "Pretendard GOV", "Noto Sans KR", "Malgun Gothic", system-ui, sans-serif; }
${theme ? "" : `@media (prefers-color-scheme: dark) { .widget { ${dark} } }`}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button { font: inherit; cursor: pointer; }
svg { flex: none; width: 1.5em; fill: none; stroke: currentColor; stroke-width: 1.9; stroke-linecap: round; stroke-linejoin: round; }
.launcher { position: fixed; bottom: max(1.25em, env(safe-area-inset-bottom)); ${side}: max(1.25em, env(safe-area-inset-${side}));
  display: flex; align-items: center; justify-content: center; gap: .5em; min-width: 3.5em; height: 3.5em; padding: 0 1.25em 0 1em;
  border: 2px solid #fff; border-radius: 2em; background: var(--accent); color: var(--ink); box-shadow: 0 .25em 1em rgb(0 0 0 / 30%); font-weight: 700; }
.launcher:hover { box-shadow: 0 .25em 1.5em rgb(0 0 0 / 50%); }
[aria-expanded=true] { padding: 0; }
[aria-expanded=true] :not(.cross, .cross *), [aria-expanded=false] .cross { display: none; }
.notice :focus-visible { outline: 2px solid; outline-offset: 2px; }
.launcher:focus-visible { outline: 3px solid #fff; box-shadow: 0 0 0 6px #0b50d0; }
dialog { position: fixed; inset: auto; bottom: calc(max(1.25em, env(safe-area-inset-bottom)) + 4.25em); ${side}: max(1.25em, env(safe-area-inset-${side}));
  width: 25.5em; height: min(42em, 100dvh - 6.5em); max-width: none; max-height: none; margin: 0; padding: 0; overflow: hidden;
  border: 1px solid var(--line); border-radius: 1em; background: var(--surface); color: var(--text); box-shadow: 0 .75em 3em rgb(0 0 0 / 30%); }
dialog[open] { display: flex; }
dialog:modal { inset: 0; width: 100%; height: 100dvh; border: 0; border-radius: 0; }
iframe { flex: 1; border: 0; }
.notice { position: absolute; inset: 0; display: grid; place-content: center; padding: 3em; background: var(--surface); text-align: center; word-break: keep-all; }
a { display: block; width: fit-content; margin: 1em auto 0; padding: .625em 1em; font-weight: 700; text-decoration: none; border-radius: .5em; background: var(--accent); color: var(--ink); }
.notice button { position: absolute; top: .375em; right: .375em; padding: .625em; border: 0; background: none; color: inherit; line-height: 0; }
@media (max-width: 40rem) { .launcher { padding: 0; } .launcher span { display: none; } }
@media (prefers-reduced-motion: no-preference) { dialog[open] { animation: rise .2s; } @keyframes rise { from { opacity: 0; transform: translateY(.75em); } } }
@media (forced-colors: active) { dialog, a { border: 2px solid; } .launcher:focus-visible { outline-color: Highlight; } }
@media print { :host { display: none !important; } }`;

  function styleSheet(rules) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(rules);
    return sheet;
  }

  // --- Elements ---------------------------------------------------------------

  function fill(node, attributes, ...children) {
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }
  const element = (tag, ...parts) => fill(document.createElement(tag), ...parts);
  const drawn = (tag, ...parts) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), ...parts);
  const icon = (kind, d) => drawn("svg", { class: kind, viewBox: "0 0 24 24", "aria-hidden": true }, drawn("path", { d }));
  const cross = () => icon("cross", "m6 6 12 12M18 6 6 18");

  const talk = icon("talk", "M6 4h12a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-5.5L8 21v-4H6a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zM8 9h8M8 12.5h5");
  const launcher = element("button", { class: "launcher", "aria-haspopup": "dialog" }, talk, cross(), element("span", {}, name));
  const said = element("div", { role: "status" });
  const shut = element("button", { "aria-label": labels.close }, cross());
  const notice = element("div", { class: "notice" }, said, shut);
  const panel = element("dialog", { "aria-label": name }, notice);
  const host = document.createElement("mundap-widget");
  const root = host.attachShadow({ mode: "closed" });
  root.adoptedStyleSheets = [styleSheet(css)];
  root.append(element("section", { class: "widget", lang, "aria-label": name }, launcher, panel));

  // --- The frame --------------------------------------------------------------

  let frame = null;
  let isReady = false;
  let asked = []; // for a frame that isn't ready
  let timer;

  const tell = (type, question) => frame.contentWindow.postMessage({ mundap: type, text: question }, server.origin);

  function loadFrame() {
    frame?.remove();
    isReady = false;
    notice.hidden = false;
    said.textContent = labels.wait;
    frame = element("iframe", {
      title: name,
      src: frameAddress(),
      allow: "clipboard-write",
      referrerpolicy: "origin",
      // Without leave to send the page around it elsewhere.
      sandbox: "allow-scripts allow-same-origin allow-forms allow-modals allow-downloads allow-popups allow-popups-to-escape-sandbox",
    });
    // A frame that the browser refuses to show is loaded too, but says nothing.
    frame.addEventListener("load", () => failIn(2_000));
    failIn(15_000);
    panel.prepend(frame);
  }

  function failIn(patience) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (isReady) return;
      const [problem, link] = labels.fail.split("|");
      const href = new URL(`./?lang=${lang}`, server);
      said.replaceChildren(problem, element("a", { href, target: "_blank", rel: "noopener" }, link));
      console.warn(`Mundap: ${server.origin} doesn't answer, or its MUNDAP_EMBED_ORIGINS is without ${location.origin}`);
      emit("error", { reason: "frame" });
    }, patience);
  }

  function hear({ source, origin, data, isTrusted }) {
    if (!frame || !isTrusted || source !== frame.contentWindow || origin !== server.origin) return;
    const { mundap: type, id, status, lang, sources } = data ?? {};
    if (type === "ready") {
      isReady = true;
      notice.hidden = true;
      if (root.activeElement) focusFrame();
      for (const question of asked.splice(0)) tell("ask", question);
    }
    if (type === "close") api.close();
    if (type === "answer") emit(type, { id, status, lang, sources });
    if (type === "error") emit(type, { reason: "answer" });
  }

  function focusFrame() {
    frame.focus();
    tell("focus");
  }

  // --- Opening and closing ----------------------------------------------------

  const small = matchMedia("(max-width: 40rem), (max-height: 30rem)");
  let isOpen = false;
  let opener; // what had the focus

  /** On a small screen a modal dialog over all of it, else beside what the page shows. */
  function showPanel() {
    panel.close();
    if (small.matches) panel.showModal();
    else panel.show();
    panel.ariaModal = small.matches;
  }

  function setOpen(value) {
    isOpen = value;
    launcher.ariaExpanded = value;
    launcher.ariaLabel = `${name} – ${value ? labels.close : labels.open}`;
  }

  function emit(type, detail = {}) {
    document.dispatchEvent(new CustomEvent(`mundap:${type}`, { detail: Object.freeze(detail) }));
  }

  const life = new AbortController();
  const { signal } = life;
  const api = Object.freeze({
    open() {
      if (isOpen || signal.aborted) return;
      attach();
      const { activeElement, body } = document;
      opener = [null, host, body].includes(activeElement) ? launcher : activeElement;
      setOpen(true);
      if (!isReady) loadFrame();
      showPanel();
      if (isReady) focusFrame();
      else shut.focus();
      emit("open");
    },
    close() {
      if (!isOpen) return;
      const { activeElement } = root;
      setOpen(false);
      clearTimeout(timer);
      panel.close();
      if (activeElement) (opener.isConnected ? opener : launcher).focus();
      emit("close");
    },
    ask(question) {
      api.open();
      const wanted = text(`${question}`, 500);
      if (!wanted || signal.aborted) return;
      if (isReady) tell("ask", wanted);
      else asked.push(wanted);
    },
    on(type, listener) {
      if (!EVENTS.includes(type) || typeof listener !== "function") throw new TypeError(`Mundap.on takes one of ${EVENTS} and a function`);
      const told = ({ detail }) => listener(detail);
      document.addEventListener(`mundap:${type}`, told);
      // With a deferred tag nobody can listen before it is ready.
      if (type === "ready" && isStarted) queueMicrotask(() => listener({}));
      return () => document.removeEventListener(`mundap:${type}`, told);
    },
    destroy() {
      if (signal.aborted) return;
      api.close();
      life.abort();
      observer.disconnect();
      host.remove();
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== shown);
      delete window.Mundap;
      emit("destroy");
    },
  });

  // --- Its place: beside the body, which applications replace --------------------

  let shown; // style sheet that shows the root element
  const { documentElement } = document;

  function attach() {
    if (signal.aborted || host.isConnected) return;
    const probe = element("i", {});
    documentElement.append(host, probe);
    // A rule that hides everything hides the root too, in which nothing can be shown; the rest of the page stays hidden.
    if (!shown && [probe, documentElement].every((node) => getComputedStyle(node).display === "none")) {
      shown = styleSheet(":root:not(#_) { all: revert !important; display: block !important; }");
      document.adoptedStyleSheets.push(shown);
    }
    probe.remove();
    if (isOpen) {
      loadFrame();
      showPanel();
    }
  }

  const observer = new MutationObserver(() => {
    if (host.isConnected) return;
    isReady = false;
    // Not at once: a page that takes it away each time must not hang.
    setTimeout(attach, 50);
  });

  launcher.addEventListener("click", () => (isOpen ? api.close() : api.open()));
  shut.addEventListener("click", api.close);
  root.addEventListener("keydown", ({ key, isComposing }) => key === "Escape" && !isComposing && api.close());
  // A browser also closes a modal dialog by itself: at the back gesture of a phone, for one.
  panel.addEventListener("close", () => panel.open || api.close());
  small.addEventListener("change", () => isOpen && showPanel(), { signal });
  window.addEventListener("message", hear, { signal });

  let isStarted = false;

  function start() {
    attach();
    observer.observe(documentElement, { childList: true });
    isStarted = true;
    emit("ready");
  }
  setOpen(false);
  window.Mundap = api;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start, { signal });
  else start();
})();
