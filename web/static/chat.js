// The chat page: asks, shows the answer as it arrives, opens its sources beside it.
// Without this script the same page works through plain forms and links (chat.html).

const HISTORY_LIMIT = 20;
const QUESTION_LIMIT = 500;
const COUNTER_FROM = 400;
const STORAGE_KEY = "mundap.turns.1"; // count up when the shape of a reply changes

const byId = (id) => document.getElementById(id);
const workspace = byId("workspace");
const turnList = byId("turns");
const composer = byId("composer");
const input = byId("question");
const send = byId("send");
const stop = byId("stop");
const counter = byId("counter");
const announcer = byId("announcer");
const panel = byId("panel");

const messages = JSON.parse(byId("messages").textContent);
const wideScreen = matchMedia("(min-width: 60rem)");
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

let turns = [];
let running = null; // AbortController of the question being answered
let openedLink = null; // citation whose source is in the panel

// --- Text -----------------------------------------------------------------

function t(key, values = {}) {
  return messages[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Language of a quote by its script, so that it is read out and broken into lines rightly. */
function scriptLanguage(text) {
  if (/\p{Script=Hangul}/u.test(text)) return "ko";
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return "ja";
  if (/\p{Script=Han}/u.test(text)) return "zh";
  return null;
}

/** The server counts code points, JavaScript strings count UTF-16 units. */
function sliceCodePoints(text, start, end) {
  return Array.from(text).slice(start, end).join("");
}

function beginning(text, limit = 120) {
  const start = sliceCodePoints(text, 0, limit);
  return start === text ? text : `${start}…`;
}

// --- Elements -------------------------------------------------------------

/** Text only ever enters the page as text nodes; attributes of null are left out. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function icon(name) {
  const svgNamespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(svgNamespace, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(svgNamespace, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

function badge(status, label) {
  return element("p", { class: "badge" }, icon(status), " ", label);
}

function documentLink(url, title, attributes, ...children) {
  if (!url.startsWith("/documents/")) return element("span", {}, ...children);
  return element("a", { ...attributes, href: `${url}#cited`, "data-title": title }, ...children);
}

/** The sentence with the words that answer the question in <strong>. */
function emphasised(text, citations) {
  for (const { quote, focus } of citations) {
    if (!focus) continue;
    const words = sliceCodePoints(quote, ...focus);
    const quoteAt = text.indexOf(quote);
    const wordsAt =
      quoteAt >= 0 ? quoteAt + sliceCodePoints(quote, 0, focus[0]).length : text.indexOf(words);
    if (words && wordsAt >= 0) {
      const after = text.slice(wordsAt + words.length);
      return [text.slice(0, wordsAt), element("strong", {}, words), after];
    }
  }
  return [text];
}

function sentenceElement({ text, citations: numbers }, citations) {
  const cited = citations.filter(({ n }) => numbers.includes(n));
  const links = cited.map(({ n, url, title }) => {
    const label = `[${n}] ${t("chat.open_source", { title })}`;
    return element("sup", {}, documentLink(url, title, { class: "cite", "aria-label": label }, `[${n}]`));
  });
  return element("p", { class: "sentence", lang: scriptLanguage(text) }, ...emphasised(text, cited), ...links);
}

function sourceItem(url, title, marker, text) {
  return element(
    "li",
    {},
    documentLink(
      url,
      title,
      { class: "source" },
      element("span", { class: "source-number" }, marker),
      element("span", { class: "source-title", lang: scriptLanguage(title) }, title),
      element("span", { class: "source-quote", lang: scriptLanguage(text) }, beginning(text)),
    ),
  );
}

function citedSources(citations) {
  const items = citations.map(({ n, url, title, quote }) => sourceItem(url, title, `${n}`, quote));
  return [element("h3", {}, t("chat.sources")), element("ol", { class: "sources" }, ...items)];
}

function nearestPassages(passages) {
  const items = passages.map(({ url, title, text }) => sourceItem(url, title, icon("quote"), text));
  return [element("h3", {}, t("chat.related")), element("ul", { class: "sources" }, ...items)];
}

function suggestionButtons(questions) {
  const buttons = questions.map((question) =>
    element(
      "button",
      { type: "button", class: "suggestion", name: "question", value: question, lang: scriptLanguage(question) },
      question,
    ),
  );
  return element("div", { class: "suggestions", role: "group", "aria-label": t("chat.suggestions") }, ...buttons);
}

// --- Turns ----------------------------------------------------------------

function addTurn(question) {
  const heading = element(
    "h2",
    { class: "question", tabindex: "-1", lang: scriptLanguage(question) },
    element("span", { class: "visually-hidden", lang: document.documentElement.lang }, `${t("chat.your_question")}: `),
    question,
  );
  const turn = element("li", { class: "turn" }, heading, element("div", { class: "reply" }));
  turnList.append(turn);
  workspace.classList.add("has-turns");
  return turn;
}

/** For when the button that was pressed is about to leave the page. */
function focusQuestion(turn) {
  turn.querySelector(".question").focus({ preventScroll: true });
}

function fillReply(turn, status, ...children) {
  const card = turn.querySelector(".reply");
  card.dataset.status = status;
  card.replaceChildren(...children);
}

function showReply(turn, reply) {
  const parts = [badge(reply.status, t(`status.${reply.status}`))];
  if (reply.status === "answered") {
    parts.push(...reply.sentences.map((sentence) => sentenceElement(sentence, reply.citations)));
    const languages = reply.sentences.map(({ text }) => scriptLanguage(text));
    if (languages.some((language) => language && language !== document.documentElement.lang)) {
      parts.push(element("p", { class: "aside" }, t("chat.original_language")));
    }
    parts.push(...citedSources(reply.citations));
  } else {
    parts.push(element("p", { class: "answer-text", lang: reply.lang }, reply.answer));
  }
  if (reply.status === "related" && reply.related.length) parts.push(...nearestPassages(reply.related));
  fillReply(turn, reply.status, ...parts);
  if (reply.suggestions.length) turn.append(suggestionButtons(reply.suggestions));
}

function showSearching(turn) {
  const dots = element("span", { class: "dots", "aria-hidden": "true" }, ...[1, 2, 3].map(() => element("i")));
  fillReply(turn, "searching", element("p", { class: "badge" }, dots, " ", t("chat.searching")));
}

/** What had arrived before an interruption stays readable above its notice. */
function showInterrupted(turn, question, status, label, detail, requestId) {
  const parts = [badge(status, label), ...turn.querySelectorAll(".sentence")];
  parts.push(element("p", { class: "answer-text" }, detail));
  if (requestId) parts.push(element("p", { class: "aside" }, t("chat.request_id", { id: requestId })));
  const retry = element("button", { type: "button", class: "button secondary" }, icon("retry"), t("chat.retry"));
  retry.addEventListener("click", () => {
    focusQuestion(turn);
    ask(question, turn);
  });
  fillReply(turn, status, ...parts, retry);
}

// --- Conversation kept for this browser tab -------------------------------

function saveTurns() {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(turns));
  } catch {
    // Storage is full or blocked: the conversation lasts until the page closes.
  }
}

function savedTurns() {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY)) ?? [];
  } catch {
    return [];
  }
}

function forgetTurns() {
  try {
    sessionStorage.removeItem(STORAGE_KEY);
  } catch {
    // Nothing could have been stored either.
  }
}

function restoreTurns() {
  const posted = JSON.parse(byId("posted-turns").textContent);
  turnList.replaceChildren();
  turns = posted.length ? posted : savedTurns();
  for (const { question, reply } of turns) showReply(addTurn(question), reply);
  saveTurns();
}

function history() {
  const entries = turns.flatMap(({ question, reply }) => [
    { role: "user", content: question },
    { role: "assistant", content: reply.answer },
  ]);
  return entries.slice(-HISTORY_LIMIT);
}

// --- Asking ---------------------------------------------------------------

/** A failure the server described (application/problem+json). */
class Problem extends Error {
  constructor({ title, detail, request_id: requestId }) {
    super(detail || title || t("chat.failed_detail"));
    this.requestId = requestId;
  }
}

async function* serverEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value.replaceAll("\r", "");
    const complete = buffer.split("\n\n");
    buffer = complete.pop();
    for (const lines of complete) {
      const name = /^event: ?(.*)$/m.exec(lines)?.[1];
      const data = [...lines.matchAll(/^data: ?(.*)$/gm)].map((match) => match[1]).join("\n");
      if (name && data) yield { name, data: JSON.parse(data) };
    }
  }
}

async function streamReply(turn, question, signal) {
  const response = await fetch("/api/chat", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ question, history: history(), lang: document.documentElement.lang }),
    signal,
  });
  if (!response.ok) throw new Problem(await response.json().catch(() => ({})));

  const citations = [];
  for await (const { name, data } of serverEvents(response)) {
    if (name === "status" && data.status === "answered") {
      fillReply(turn, data.status, badge(data.status, t(`status.${data.status}`)));
    } else if (name === "citation") {
      citations.push(data);
    } else if (name === "delta" && turn.querySelector(".reply").dataset.status === "answered") {
      turn.querySelector(".reply").append(sentenceElement(data, citations));
    } else if (name === "error") {
      throw new Problem(data);
    } else if (name === "done") {
      return data;
    }
  }
  throw new Problem({ detail: t("chat.failed_cut") });
}

function failureDetail(failure) {
  if (failure instanceof Problem) return failure.message;
  // fetch and its stream report a lost connection as a TypeError.
  return t(failure instanceof TypeError ? "chat.failed_network" : "chat.failed_detail");
}

async function ask(question, turn = addTurn(question)) {
  if (running) return;
  running = new AbortController();
  let reply = null;
  announcer.textContent = "";
  showSearching(turn);
  updateComposer();
  turn.scrollIntoView({ block: "start", behavior: reducedMotion.matches ? "auto" : "smooth" });
  try {
    reply = await streamReply(turn, question, running.signal);
    showReply(turn, reply);
    turns.push({ question, reply });
    saveTurns();
    announcer.textContent = `${t("chat.ready")} ${t(`status.${reply.status}`)}`;
  } catch (failure) {
    if (failure.name === "AbortError") {
      showInterrupted(turn, question, "stopped", t("chat.stopped"), t("chat.stopped_detail"));
      announcer.textContent = t("chat.stopped");
    } else {
      const detail = failureDetail(failure);
      showInterrupted(turn, question, "failed", t("chat.failed"), detail, failure.requestId);
      announcer.textContent = `${t("chat.failed")} ${detail}`;
    }
  } finally {
    running = null;
    updateComposer();
    const { status } = turn.querySelector(".reply").dataset;
    document.dispatchEvent(new CustomEvent("mundap:settled", { detail: { status, reply } })); // for embed.js
  }
}

function updateComposer() {
  const focusInComposer = composer.contains(document.activeElement);
  send.hidden = Boolean(running);
  stop.hidden = !running;
  send.disabled = !input.value.trim();
  counter.hidden = input.value.length < COUNTER_FROM;
  counter.textContent = `${input.value.length} / ${QUESTION_LIMIT}`;
  // The button just pressed may now be hidden, which would drop the focus.
  if (focusInComposer) input.focus();
}

function submitQuestion() {
  const question = input.value.trim();
  if (!question || running) return;
  input.value = "";
  ask(question);
}

// --- Source panel ---------------------------------------------------------

function showPanel() {
  // Beside the chat it is part of the page; over the chat it must hold the focus.
  if (wideScreen.matches) panel.show();
  else panel.showModal();
}

/** Not by the fragment #cited: that would scroll the chat around the frame as well. */
function scrollToCited(frame) {
  const cited = frame.contentDocument.getElementById("cited");
  const above = frame.clientHeight * 0.3;
  if (cited) frame.contentWindow.scrollTo(0, cited.getBoundingClientRect().top - above);
}

function openSource(link) {
  const page = new URL(link.href);
  byId("panel-title").textContent = link.dataset.title;
  byId("panel-open").href = page;
  page.searchParams.set("embed", "1");
  page.searchParams.set("lang", document.documentElement.lang);
  page.searchParams.set("theme", document.documentElement.dataset.theme ?? "auto");
  page.hash = "";
  // A fresh frame each time: changing src would add a step to the browser's history.
  const frame = element("iframe", { src: page, title: t("chat.source_frame", { title: link.dataset.title }) });
  frame.addEventListener("load", () => {
    scrollToCited(frame);
    frame.contentWindow.addEventListener("keydown", closeOnEscape);
  });
  byId("panel-body").replaceChildren(frame);

  openedLink?.removeAttribute("aria-current");
  openedLink = link;
  link.setAttribute("aria-current", "true");
  if (!panel.open) showPanel();
  byId("panel-title").focus({ preventScroll: true });
  link.scrollIntoView({ block: "nearest" });
}

function closeOnEscape(event) {
  if (event.key === "Escape" && panel.open) panel.close();
}

panel.addEventListener("close", () => {
  byId("panel-body").replaceChildren();
  openedLink?.removeAttribute("aria-current");
  openedLink?.focus();
  openedLink = null;
});
byId("panel-close").addEventListener("click", () => panel.close());
document.addEventListener("keydown", closeOnEscape);

// --- The page's events ----------------------------------------------------

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-title]");
  const plainClick = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (link && plainClick && link.getAttribute("href").startsWith("/documents/")) {
    event.preventDefault();
    openSource(link);
  }

  const suggestion = event.target.closest("button[name=question]");
  if (suggestion) {
    event.preventDefault();
    if (running) return;
    const turn = addTurn(suggestion.value);
    focusQuestion(turn);
    ask(suggestion.value, turn);
  }
});

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  submitQuestion();
});
input.addEventListener("input", updateComposer);
input.addEventListener("keydown", (event) => {
  // While a Hangul or kana syllable is being composed, Enter belongs to the input method
  // (Safari says so only by the key code 229).
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submitQuestion();
});
stop.addEventListener("click", () => running?.abort());
byId("new-conversation").addEventListener("click", forgetTurns);
wideScreen.addEventListener("change", () => {
  const link = openedLink;
  if (link) {
    panel.close();
    panel.addEventListener("close", () => openSource(link), { once: true });
  }
});

byId("keys").hidden = false;
input.required = false; // an empty question is kept back by the disabled button instead
restoreTurns();
updateComposer();
