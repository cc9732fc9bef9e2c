// The chat page: asks, shows the answer as it arrives, opens its sources beside it.
// Without this script the same page works through plain forms and links (chat.html).

const HISTORY_LIMIT = 20;
const TURN_LIMIT = 8_000; // characters of one entry of the history
const QUESTION_LIMIT = 500;
const COUNTER_FROM = 400;
const SUGGESTIONS_SHOWN = 3;
const QUIET_MS = 2_000; // a quick answer is announced only once, when it is there
const STORAGE_KEY = "mundap.turns.3"; // count up when the shape of a reply changes

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
const languageMenu = document.querySelector(".languages");

const messages = JSON.parse(byId("messages").textContent);
const wideScreen = matchMedia("(min-width: 60rem)");
const touch = matchMedia("(pointer: coarse)");
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

let turns = [];
let running = null; // AbortController of the question being answered
let openedLink = null; // citation whose source is in the panel

// --- Text -----------------------------------------------------------------

function t(key, values = {}) {
  return messages[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Language of a quote by its letters, so that it is read out and broken into lines rightly. */
function scriptLanguage(text) {
  if (/\p{Script=Hangul}/u.test(text)) return "ko";
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return "ja";
  if (/\p{Script=Han}/u.test(text)) return "zh";
  // Letters such as à are French too, so they count on a Vietnamese page alone.
  if (/[ạ-ỹ]/i.test(text) || (document.documentElement.lang === "vi" && /[à-ư]/i.test(text))) return "vi";
  if (/[a-z]/i.test(text)) return "en";
  return null;
}

const longDate = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeZone: "UTC" });

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

/** The version of the answer goes along, since a span of one may be another text in the next. */
function inVersion(sources, version) {
  return sources.map((source) => ({ ...source, url: `${source.url}&version=${encodeURIComponent(version)}` }));
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
    const attributes = { class: "cite", lang: document.documentElement.lang, "aria-label": label };
    return element("sup", {}, documentLink(url, title, attributes, `[${n}]`));
  });
  // What turns the direction of text must turn nothing beside the sentence.
  const words = element("bdi", {}, ...emphasised(text, cited));
  return element("p", { class: "sentence", lang: scriptLanguage(text) }, words, ...links);
}

/** When a document was published and which department answers for it, or nothing. */
function imprint({ date, department }) {
  const parts = [];
  if (date) parts.push(element("time", { datetime: date }, longDate.format(new Date(date))));
  if (department) parts.push(" ", element("span", { lang: scriptLanguage(department) }, department));
  return parts.length ? [element("span", { class: "imprint" }, ...parts)] : [];
}

/** `text` is cut short unless `whole` is set: what a sentence was written from must be there to compare. */
function sourceItem(url, title, marker, text, described = {}, whole = false) {
  return element(
    "li",
    {},
    documentLink(
      url,
      title,
      { class: "source" },
      element("span", { class: "source-number" }, marker),
      element("bdi", { class: "source-title", lang: scriptLanguage(title) }, title),
      ...imprint(described),
      element(
        "span",
        { class: whole ? "source-quote whole" : "source-quote", lang: scriptLanguage(text) },
        whole ? text : beginning(text),
      ),
    ),
  );
}

function citedSources(citations, whole) {
  const items = citations.map((cited) => sourceItem(cited.url, cited.title, `${cited.n}`, cited.quote, cited, whole));
  return [element("h3", {}, t("chat.sources")), element("ol", { class: "sources" }, ...items)];
}

function nearestPassages(passages) {
  const items = passages.map((passage) => sourceItem(passage.url, passage.title, icon("quote"), passage.text, passage));
  return [element("h3", {}, t("chat.related")), element("ul", { class: "sources" }, ...items)];
}

/** Of what could be asked next, what was neither asked nor shown after an earlier answer. */
function notShownBefore(questions) {
  const known = new Set(turns.flatMap(({ question, reply }) => [question, ...reply.suggestions]));
  return questions.filter((question) => !known.has(question)).slice(0, SUGGESTIONS_SHOWN);
}

function suggestionButtons(questions) {
  const buttons = questions.map((question) =>
    element(
      "button",
      { type: "button", class: "suggestion", name: "question", value: question, lang: scriptLanguage(question) },
      question,
    ),
  );
  return element("div", { class: "suggestions", role: "group", "aria-label": t("chat.next_questions") }, ...buttons);
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

/** `said` is true once the asker has said whether the answer helped. */
function showReply(turn, question, reply, said = false) {
  const parts = [badge(reply.status, t(`status.${reply.status}`))];
  const citations = inVersion(reply.citations, reply.index_version);
  const related = inVersion(reply.related, reply.index_version);
  if (reply.status === "answered") {
    parts.push(...reply.sentences.map((sentence) => sentenceElement(sentence, citations)));
    const written = reply.mode === "generative";
    const languages = reply.sentences.map(({ text }) => scriptLanguage(text));
    if (reply.notice) parts.push(element("p", { class: "aside" }, noticeText(reply.notice)));
    if (written) parts.push(element("p", { class: "aside" }, t("chat.written")));
    else if (languages.some((language) => language && language !== document.documentElement.lang)) {
      parts.push(element("p", { class: "aside" }, t("chat.original_language")));
    }
    parts.push(...citedSources(citations, written));
  } else {
    parts.push(element("p", { class: "answer-text", lang: reply.lang }, reply.answer));
  }
  if (reply.status === "related" && related.length) parts.push(...nearestPassages(related));
  if (reply.masked.length) parts.push(element("p", { class: "aside" }, t("chat.masked")));
  if (["answered", "related", "not_found"].includes(reply.status)) parts.push(replyActions(question, reply, said));
  fillReply(turn, reply.status, ...parts);
  if (reply.suggestions.length) turn.append(suggestionButtons(reply.suggestions));
}

/** In the language that the page has now. */
function noticeText({ code, text }) {
  return messages[`notice.${code}`] ?? text;
}

// --- What can be done with a reply: copy it, say whether it helped ---------

function actionButton(name, label, attributes, act) {
  const button = element("button", { type: "button", class: "action", ...attributes }, icon(name), " ", label);
  button.addEventListener("click", () => act(button));
  return button;
}

function replyActions(question, reply, said) {
  const copy = actionButton("copy", t("chat.copy"), { "aria-label": t("chat.copy_label") }, () =>
    copyText(replyAsText(question, reply)),
  );
  return element("div", { class: "reply-actions" }, copy, said ? feedbackThanks() : feedbackChoice(question, reply));
}

function replyAsText(question, reply) {
  const address = (url) => new URL(url, location.href).href;
  const sources = inVersion(reply.citations, reply.index_version).map(({ n, title, date, department, url }) =>
    [`[${n}] ${title}`, date && longDate.format(new Date(date)), department, address(url)].filter(Boolean).join(" · "),
  );
  const nearest = inVersion(reply.related, reply.index_version).map(({ title, text, url }) => `“${text}” ${title} · ${address(url)}`);
  return [question, "", reply.answer, "", ...sources, ...nearest].join("\n").trim();
}

async function copyText(text) {
  try {
    // Pages that are not served over HTTPS have no clipboard, and a browser may refuse it.
    await (navigator.clipboard?.writeText(text) ?? Promise.reject()).catch(() => copyBySelection(text));
    announce(t("chat.copied"));
    showToast(t("chat.copied"));
  } catch {
    announce(t("chat.copy_failed"));
    showToast(t("chat.copy_failed"), true);
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const area = element("textarea", { class: "visually-hidden", "aria-hidden": "true" });
  area.value = text;
  (panel.open ? panel : document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  if (!copied) throw new Error("copy");
}

/** A new node each time: setting the same text again would change nothing, and nothing would be said. */
function announce(text) {
  announcer.replaceChildren(text);
}

let toastTimer = 0;

/** For the eyes alone; the announcer says the same to screen readers. What failed stays until the next key or press. */
function showToast(text, failed = false) {
  const toast = byId("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  if (!failed) toastTimer = setTimeout(hideToast, 5_000);
}

function hideToast() {
  byId("toast").hidden = true;
}

function feedbackThanks() {
  return element("p", { class: "feedback", tabindex: "-1" }, t("feedback.thanks"));
}

function feedbackChoice(question, reply) {
  const choice = element("div", { class: "feedback", role: "group", "aria-label": t("feedback.question") });
  choice.append(
    element("span", { "aria-hidden": "true" }, t("feedback.question")),
    actionButton("yes", t("feedback.yes"), {}, () => sendFeedback(choice, question, reply, { helpful: true })),
    actionButton("no", t("feedback.no"), { "aria-expanded": "false" }, (button) => {
      const open = choice.parentElement.querySelector("form");
      if (open) closeFeedbackForm(open, button);
      else choice.after(feedbackForm(choice, button, question, reply));
      button.setAttribute("aria-expanded", `${!open}`);
      choice.parentElement.querySelector("form input")?.focus();
    }),
  );
  return choice;
}

function feedbackForm(choice, opener, question, reply) {
  const reasons = ["wrong", "irrelevant", "incomplete", "outdated", "other"].map((reason) =>
    element(
      "label",
      {},
      element("input", { type: "radio", name: "reason", value: reason, required: "" }),
      " ",
      t(`feedback.${reason}`),
    ),
  );
  const comment = element("textarea", { name: "comment", rows: "2", maxlength: "1000", autocomplete: "off" });
  const cancel = element("button", { type: "button", class: "button secondary" }, t("feedback.cancel"));
  const form = element(
    "form",
    { class: "feedback-form" },
    element("fieldset", {}, element("legend", {}, t("feedback.reason")), ...reasons),
    element("label", { class: "comment" }, t("feedback.comment"), comment),
    element("p", { class: "aside" }, t("feedback.privacy")),
    element("button", { class: "button" }, t("feedback.send")),
    cancel,
  );
  cancel.addEventListener("click", () => closeFeedbackForm(form, opener));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { reason, comment: said } = Object.fromEntries(new FormData(form));
    sendFeedback(choice, question, reply, { helpful: false, reason, comment: said });
  });
  return form;
}

function closeFeedbackForm(form, opener) {
  form.remove();
  opener.setAttribute("aria-expanded", "false");
  opener.focus();
}

async function sendFeedback(choice, question, reply, opinion) {
  const body = JSON.stringify({ answer_id: reply.id, question, ...opinion });
  const headers = { "Content-Type": "application/json" };
  const response = await fetch("/api/feedback", { method: "POST", headers, body }).catch(() => null);
  if (!response?.ok) {
    announce(t("feedback.failed"));
    showToast(t("feedback.failed"), true);
    return;
  }
  const kept = turns.find((turn) => turn.reply.id === reply.id);
  if (kept) kept.said = true;
  saveTurns();
  const thanks = feedbackThanks();
  choice.parentElement.querySelector("form")?.remove();
  choice.replaceWith(thanks);
  thanks.focus({ preventScroll: true });
}

function dots() {
  return element("span", { class: "dots", "aria-hidden": "true" }, ...[1, 2, 3].map(() => element("i")));
}

function showSearching(turn) {
  fillReply(turn, "searching", element("p", { class: "badge" }, dots(), " ", t("chat.searching")));
}

/** Below the sentences that are there already. */
function writingLine() {
  return element("p", { class: "aside writing" }, dots(), " ", t("chat.writing"));
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
    const saved = JSON.parse(sessionStorage.getItem(STORAGE_KEY));
    return Array.isArray(saved) ? saved : [];
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

/** The key of what Mundap says itself, such as a refusal; undefined of an answer. */
function noticeKey({ answer }) {
  return Object.keys(messages).find((key) => key.startsWith("reply.") && messages[key] === answer);
}

/** A turn in the language that the page has now: quotes stay as they are, questions to go on with don't fit any more. */
function translated({ question, reply, said, notice = noticeKey(reply) }) {
  const { lang } = document.documentElement;
  const suggestions = reply.lang === lang ? reply.suggestions : [];
  const inLanguage = notice in messages ? { answer: t(notice), lang } : {};
  return { question, said, notice, reply: { ...reply, ...inLanguage, suggestions } };
}

function restoreTurns() {
  const posted = JSON.parse(byId("posted-turns").textContent);
  turnList.replaceChildren();
  turns = (posted.length ? posted : savedTurns()).map(translated);
  for (const { question, reply, said } of turns) showReply(addTurn(question), question, reply, said);
  saveTurns();
}

function history() {
  const entries = turns.flatMap(({ question, reply }) => [
    { role: "user", content: question },
    { role: "assistant", content: sliceCodePoints(reply.answer, 0, TURN_LIMIT) },
  ]);
  return entries.slice(-HISTORY_LIMIT);
}

// --- Asking ---------------------------------------------------------------

/** A failure the server described (application/problem+json). Its code has a text in each language, its detail none. */
class Problem extends Error {
  constructor({ code, request_id: requestId }) {
    const known = `error.${code}` in messages;
    super(known ? t(`error.${code}`, { limit: QUESTION_LIMIT }) : t("chat.failed_detail"));
    this.requestId = requestId;
  }
}

class CutOff extends Error {}

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
      // Not by a pattern of lines: those end at U+2028 too, which a document may hold.
      const values = (field) =>
        lines.split("\n").flatMap((line) => (line.startsWith(field) ? line.slice(field.length).replace(/^ /, "") : []));
      const [name] = values("event:");
      const data = values("data:").join("\n");
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
      fillReply(turn, data.status, badge(data.status, t(`status.${data.status}`)), writingLine());
    } else if (name === "citation") {
      citations.push(data);
    } else if (name === "delta" && turn.querySelector(".reply").dataset.status === "answered") {
      turn.querySelector(".writing").before(sentenceElement(data, citations));
    } else if (name === "error") {
      throw new Problem(data);
    } else if (name === "done") {
      return data;
    }
  }
  throw new CutOff();
}

function failureDetail(failure) {
  if (failure instanceof Problem) return failure.message;
  if (failure instanceof CutOff) return t("chat.failed_cut");
  if (!navigator.onLine) return t("chat.offline");
  // fetch and its stream report a lost connection as a TypeError.
  return t(failure instanceof TypeError ? "chat.failed_network" : "chat.failed_detail");
}

async function ask(question, turn = addTurn(question)) {
  if (running) return;
  running = new AbortController();
  let reply = null;
  announce("");
  showSearching(turn);
  const quiet = setTimeout(() => announce(t("chat.searching")), QUIET_MS);
  updateComposer();
  turn.scrollIntoView({ block: "start", behavior: reducedMotion.matches ? "auto" : "smooth" });
  try {
    reply = await streamReply(turn, question, running.signal);
    reply.suggestions = notShownBefore(reply.suggestions);
    showReply(turn, question, reply);
    turns.push({ question, reply, notice: noticeKey(reply) });
    saveTurns();
    announce(`${t("chat.ready")} ${t(`status.${reply.status}`)}`);
  } catch (failure) {
    if (failure.name === "AbortError") {
      showInterrupted(turn, question, "stopped", t("chat.stopped"), t("chat.stopped_detail"));
      announce(t("chat.stopped"));
    } else {
      const detail = failureDetail(failure);
      showInterrupted(turn, question, "failed", t("chat.failed"), detail, failure.requestId);
      announce(`${t("chat.failed")} ${detail}`);
    }
  } finally {
    clearTimeout(quiet);
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
  // The button just pressed may now be hidden, which would drop the focus. In the field, a phone's keyboard would rise.
  if (focusInComposer && document.activeElement !== input) {
    if (touch.matches && turnList.lastElementChild) focusQuestion(turnList.lastElementChild);
    else input.focus();
  }
}

function submitQuestion() {
  const question = input.value.trim();
  if (!question || running) return;
  input.value = "";
  ask(question);
}

// --- Source panel ---------------------------------------------------------

function showPanel() {
  // Beside the chat it is part of the page; over the chat it must hold the focus, and what is said must be said in it.
  if (wideScreen.matches) return panel.show();
  moveNotices(panel);
  panel.showModal();
}

function moveNotices(place) {
  announce(""); // or what was said last might be said again
  place.append(announcer, byId("toast"));
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
  byId("panel-title").lang = scriptLanguage(link.dataset.title) ?? "";
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
    frame.contentDocument.querySelector('a[href="#cited"]')?.addEventListener("click", (event) => {
      event.preventDefault();
      frame.contentDocument.getElementById("cited").focus({ preventScroll: true });
      scrollToCited(frame);
    });
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
  if (event.key !== "Escape" || event.isComposing) return;
  if (languageMenu.open) {
    languageMenu.open = false;
    languageMenu.querySelector("summary").focus();
  } else if (panel.open) {
    panel.close();
  }
}

panel.addEventListener("close", () => {
  byId("panel-body").replaceChildren();
  moveNotices(byId("main"));
  openedLink?.removeAttribute("aria-current");
  (openedLink?.isConnected ? openedLink : input).focus(); // its answer may have been asked for anew
  openedLink = null;
});
byId("panel-close").addEventListener("click", () => panel.close());
document.addEventListener("keydown", closeOnEscape);
document.addEventListener("pointerdown", ({ target }) => {
  if (!languageMenu.contains(target)) languageMenu.open = false;
});

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
input.addEventListener("input", () => {
  const counted = !counter.hidden;
  updateComposer();
  if (input.value.length >= QUESTION_LIMIT) {
    announce(t("chat.full", { limit: QUESTION_LIMIT }));
    showToast(t("chat.full", { limit: QUESTION_LIMIT }));
  } else if (!counted && !counter.hidden) {
    announce(counter.textContent);
  }
});
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

for (const press of ["keydown", "pointerdown"]) document.addEventListener(press, hideToast);
// What has the focus must not lie under the composer, which grows with its text.
new ResizeObserver(() =>
  document.documentElement.style.setProperty("--composer-height", `${composer.offsetHeight}px`),
).observe(composer);

byId("panel-copy").addEventListener("click", () => copyText(openedLink.href));
byId("print").addEventListener("click", () => print());

byId("keys").hidden = false;
input.setAttribute("aria-describedby", "notice keys");
byId("print").hidden = false;
input.required = false; // an empty question is kept back by the disabled button instead
restoreTurns();
updateComposer();
