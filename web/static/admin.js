// The page of the staff. Everything it shows and does goes through /api/admin with the token, which stays in this tab.

const TOKEN = "mundap-token";
const BUSY_MS = 1_000;
const QUIET_MS = 5_000;
const FILES_A_PAGE = 50;
const ENTRIES_A_PAGE = 25;
const SECTIONS = ["documents", "index", "questions", "feedback", "audit"];

const byId = (id) => document.getElementById(id);
const messages = JSON.parse(byId("messages").textContent);
const lang = document.documentElement.lang;
const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });

const ERRORS = {
  document_exists: "admin.error_document_exists",
  document_too_large: "admin.error_document_too_large",
  document_empty: "admin.error_document_empty",
  document_not_found: "admin.error_document_not_found",
  format_unknown: "admin.error_format_unknown",
  invalid_name: "admin.error_invalid_name",
  source_unwritable: "admin.error_source_unwritable",
  index_busy: "admin.error_index_busy",
  build_not_running: "admin.error_build_not_running",
  version_unusable: "admin.error_version_unusable",
  storage_unavailable: "admin.error_storage_unavailable",
  network: "admin.error_network",
};
const STATES = {
  indexed: ["admin.state_indexed", "is-good"],
  changed: ["admin.state_changed", "is-open"],
  new: ["admin.state_new", "is-open"],
  skipped: ["admin.state_skipped", "is-wrong"],
  removed: ["admin.state_removed", ""],
};
const STEPS = {
  Reading: "admin.step_reading",
  Splitting: "admin.step_splitting",
  Analysing: "admin.step_analysing",
  Embedding: "admin.step_embedding",
  Suggesting: "admin.step_suggesting",
  Asking: "admin.step_asking",
  Grading: "admin.step_grading",
};
const COUNTS = {
  added: "admin.count_added",
  changed: "admin.count_changed",
  removed: "admin.count_removed",
  renamed: "admin.count_renamed",
  unchanged: "admin.count_unchanged",
  skipped: "admin.count_skipped",
};
const ACTIONS = {
  sign_in: "admin.did_sign_in",
  upload: "admin.did_upload",
  replace: "admin.did_replace",
  remove: "admin.did_remove",
  build: "admin.did_build",
  build_end: "admin.did_build_end",
  stop_build: "admin.did_stop_build",
  publish: "admin.did_publish",
  roll_back: "admin.did_roll_back",
  export: "admin.did_export",
  purge: "admin.did_purge",
};
const REASONS = {
  wrong: "feedback.wrong",
  irrelevant: "feedback.irrelevant",
  incomplete: "feedback.incomplete",
  outdated: "feedback.outdated",
  other: "feedback.other",
};

function t(key, values = {}) {
  return messages[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** What comes from outside is only ever text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

const mark = (text, kind = "") => el("span", { class: `mark ${kind}` }, text);
const time = (iso) => el("time", { datetime: iso }, moment.format(new Date(iso)));
const english = (text) => el("span", { lang: "en" }, text);

function bytes(size) {
  const power = size < 1_000 ? 0 : size < 1_000_000 ? 1 : 2;
  const unit = ["byte", "kilobyte", "megabyte"][power];
  return new Intl.NumberFormat(lang, { style: "unit", unit, maximumFractionDigits: 1 }).format(size / 1_000 ** power);
}

function duration(seconds) {
  if (seconds < 90) return t("admin.seconds", { count: Math.ceil(seconds) });
  return t("admin.minutes", { count: Math.ceil(seconds / 60) });
}

// A region that already says it would stay silent.
function announce(text) {
  byId("announcer").textContent = "";
  setTimeout(() => (byId("announcer").textContent = text), 50);
}

function tell(text, isGood = false) {
  const kind = isGood ? "is-good" : "is-wrong";
  const shown = el("p", { class: `verdict ${kind}` }, icon(isGood ? "answered" : "failed"), el("span", {}, text));
  byId("problem").replaceChildren(shown);
}

// ----- the interface of the server

class Problem extends Error {
  constructor(status, problem = {}, wait = null) {
    super(problem.detail ?? "");
    this.status = status;
    this.code = problem.code ?? "network";
    this.wait = wait;
  }

  get text() {
    if (this.code in ERRORS) return t(ERRORS[this.code]);
    return t("admin.error_other", { detail: this.message || this.status });
  }
}

function headers(token) {
  // A header takes bytes; a token may have letters that only UTF-8 has.
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return { Authorization: `Bearer ${bytes}` };
}

/** The reply of the server, or a Problem that says why there is none. */
async function send(path, { token = sessionStorage.getItem(TOKEN), json, ...options } = {}) {
  const extra = json ? { "Content-Type": "application/json" } : {};
  const body = json ? JSON.stringify(json) : options.body;
  let response;
  try {
    response = await fetch(`/api/admin/${path}`, { ...options, body, headers: { ...headers(token), ...extra } });
  } catch {
    throw new Problem(0);
  }
  if (response.ok) return response;
  const reply = await response.json().catch(() => ({}));
  const problem = new Problem(response.status, { code: "http_error", ...reply }, response.headers.get("Retry-After"));
  if ([401, 429].includes(problem.status) && !byId("workplace").hidden) signOut(signInProblem(problem));
  throw problem;
}

async function call(path, options) {
  return (await send(path, options)).json();
}

/** Do something that the staff asked for, and say what went wrong, and when the log doesn't know of it. */
async function act(path, options, done) {
  byId("problem").replaceChildren();
  try {
    const reply = await call(path, options);
    if (reply.audited === false) tell(t("admin.not_audited"));
    else if (done) tell(done, true);
    return reply;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (!byId("workplace").hidden) tell(problem.text);
    return null;
  }
}

const encoded = (docId) => docId.split("/").map(encodeURIComponent).join("/");

// ----- signing in and out

function signInProblem(problem) {
  if (problem.status === 429) return t("admin.wait", { seconds: problem.wait });
  if (problem.status === 401) return t("admin.wrong_token");
  return problem.text;
}

function signOut(why = "") {
  sessionStorage.removeItem(TOKEN);
  clearTimeout(watch.timer);
  byId("workplace").hidden = byId("sign-out").hidden = true;
  byId("sign-in").hidden = false;
  byId("sign-in-problem").textContent = why;
  byId("token").value = "";
  // Nothing of what was shown stays behind the form.
  for (const id of ["file-rows", "versions", "builds", "build-shown", "question-rows", "feedback-rows", "audit-rows", "uploads", "now"]) {
    byId(id).replaceChildren();
  }
  byId("token").focus();
}

async function signIn(token) {
  byId("sign-in-problem").textContent = "";
  try {
    await call("versions", { token });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    byId("sign-in").hidden = false;
    byId("sign-in-problem").textContent = signInProblem(problem);
    byId("token").focus();
    return;
  }
  sessionStorage.setItem(TOKEN, token);
  byId("sign-in").hidden = true;
  byId("workplace").hidden = byId("sign-out").hidden = false;
  show();
  byId("main").focus();
  watch();
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(byId("token").value.trim());
});
byId("sign-out").addEventListener("click", () => signOut());

// ----- sections

function show(moveFocus = false) {
  if (byId("workplace").hidden) return;
  const wanted = SECTIONS.find((name) => location.hash === `#${name}`) ?? SECTIONS[0];
  byId("problem").replaceChildren();
  for (const name of SECTIONS) {
    byId(`section-${name}`).hidden = name !== wanted;
    const link = document.querySelector(`.sections a[href="#${name}"]`);
    if (name === wanted) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (moveFocus) byId(`${wanted}-heading`).focus({ preventScroll: true });
  ({ documents: loadFiles, index: loadIndex, questions: loadQuestions, feedback: loadFeedback, audit: loadAudit })[wanted]();
}

window.addEventListener("hashchange", () => show(true));

/** The buttons to the pages before and after; nothing where there is one page alone. */
function fillPager(pager, page, pages, go) {
  if (pages <= 1) {
    pager.replaceChildren();
    return;
  }
  const button = (key, to) =>
    el("button", { class: "button secondary", type: "button", disabled: to < 1 || to > pages, onclick: () => go(to) }, t(key));
  const where = t("admin.page_of", { page: number.format(page), pages: number.format(pages) });
  pager.replaceChildren(button("admin.before", page - 1), el("span", {}, where), button("admin.after", page + 1));
}

function confirmed(title, text, yes) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// ----- documents

let files = [];
let filesPage = 1;
let uploadLimit = Infinity;

async function loadFiles() {
  const reply = await act("documents");
  if (!reply) return;
  files = reply.files;
  uploadLimit = reply.upload_limit;
  byId("files").accept = reply.formats.join(",");
  byId("upload-limits").textContent = t("admin.upload_limits", { size: bytes(uploadLimit), formats: reply.formats.join(" ") });
  const waiting = files.filter((file) => ["new", "changed", "removed"].includes(file.state)).length;
  byId("pending").hidden = !waiting;
  byId("pending").querySelector("p").textContent = t("admin.pending", { count: number.format(waiting) });
  showFiles();
}

function showFiles(page = 1) {
  const name = byId("filter-name").value.normalize("NFC").toLowerCase();
  const state = byId("filter-state").value;
  const found = files.filter(
    (file) => file.doc_id.normalize("NFC").toLowerCase().includes(name) && (!state || file.state === state),
  );
  const pages = Math.ceil(found.length / FILES_A_PAGE);
  filesPage = Math.max(1, Math.min(page, pages));
  const first = (filesPage - 1) * FILES_A_PAGE;
  byId("files-count").textContent = t("admin.files_count", { count: number.format(found.length) });
  byId("file-rows").replaceChildren(...found.slice(first, first + FILES_A_PAGE).map(fileRow));
  byId("no-files").hidden = found.length > 0;
  fillPager(byId("files-pager"), filesPage, pages, showFiles);
}

function fileRow(file) {
  const [key, kind] = STATES[file.state];
  const isThere = file.size !== null;
  const isRead = ["indexed", "changed"].includes(file.state);
  const name = isRead ? el("a", { href: `/documents/${encoded(file.doc_id)}` }, file.doc_id) : el("span", {}, file.doc_id);
  name.className = "file-name";
  const meta = isThere ? el("span", { class: "meta" }, bytes(file.size), " · ", time(file.changed)) : null;
  const why = file.reason ? el("span", { class: "meta why", lang: "en" }, file.reason) : null;
  const label = t("admin.remove_file", { name: file.doc_id });
  const button = el("button", { class: "icon-button", type: "button", "aria-label": label, title: t("admin.remove"), onclick: () => removeFile(file) });
  button.append(icon("remove"));
  return el("tr", {}, el("td", {}, name, meta, why), el("td", {}, mark(t(key), kind)), el("td", {}, isThere ? button : null));
}

async function removeFile(file) {
  const sure = await confirmed(t("admin.remove_title"), t("admin.remove_text", { name: file.doc_id }), t("admin.remove"));
  if (!sure) return;
  const reply = await act(`documents/${encoded(file.doc_id)}`, { method: "DELETE" });
  await loadFiles();
  if (reply?.audited) tell(t("admin.removed", { name: file.doc_id }), true);
  byId("files-card").querySelector("#refresh").focus();
}

byId("filter-name").addEventListener("input", () => showFiles());
byId("filter-state").addEventListener("change", () => showFiles());
byId("refresh").addEventListener("click", loadFiles);

let isUploading = false;
async function upload(chosen, replace) {
  if (isUploading || !chosen.length) return;
  isUploading = true;
  byId("problem").replaceChildren();
  const folder = byId("folder").value.trim().replace(/^\/+|\/+$/g, "");
  const rows = chosen.map((file) => el("li", {}, el("span", { class: "file-name" }, file.name), mark(t("admin.waiting"))));
  byId("uploads").replaceChildren(...rows);
  let taken = 0;
  for (const [at, file] of chosen.entries()) {
    rows[at].lastChild.replaceWith(mark(t("admin.sending"), "is-good"));
    const outcome = await uploadOne(file, folder, replace);
    taken += outcome.isTaken;
    rows[at].lastChild.replaceWith(...outcome.shown);
    if (byId("workplace").hidden) break;
  }
  isUploading = false;
  if (byId("workplace").hidden) return;
  announce(t("admin.uploads_done", { done: number.format(taken), count: number.format(chosen.length) }));
  if (taken === chosen.length) byId("upload").reset();
  await loadFiles();
}

async function uploadOne(file, folder, replace) {
  const path = folder ? `${folder}/${file.name}` : file.name;
  const refused = (problem) => [mark(t("admin.refused"), "is-wrong"), el("span", { class: "meta" }, problem.text)];
  if (file.size > uploadLimit) {
    return { isTaken: false, shown: refused(new Problem(413, { code: "document_too_large" })) };
  }
  try {
    const reply = await call(`documents/${encoded(path)}${replace ? "?replace=true" : ""}`, { method: "PUT", body: file });
    const unwritten = reply.audited ? null : el("span", { class: "meta" }, t("admin.not_audited"));
    const shown = [mark(t(reply.replaced ? "admin.replaced" : "admin.taken"), "is-good"), unwritten];
    return { isTaken: true, shown: shown.filter(Boolean) };
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const shown = refused(problem);
    if (problem.code === "document_exists") {
      const again = el("button", { class: "button secondary", type: "button" }, t("admin.replace_this"));
      again.addEventListener("click", async () => {
        const row = again.closest("li");
        again.disabled = true;
        const outcome = await uploadOne(file, folder, true);
        row.replaceChildren(row.firstChild, ...outcome.shown);
        announce(row.textContent);
        await loadFiles();
      });
      shown.push(again);
    }
    return { isTaken: false, shown };
  }
}

byId("upload").addEventListener("submit", (event) => {
  event.preventDefault();
  upload([...byId("files").files], byId("replace").checked);
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  byId("upload").addEventListener(kind, () => byId("upload").classList.toggle("dropping", kind === "dragenter" || kind === "dragover"));
}

// ----- builds

let shownBuild = null;
byId("build-shown").replaceChildren(el("p", { class: "empty" }, t("admin.no_build")));
let served = null;

/** See every second how far a build is, and every few whether one was started, or another version is answering. */
async function watch() {
  clearTimeout(watch.timer);
  if (byId("workplace").hidden) return;
  const build = await call("builds/latest").then((reply) => reply.build).catch(() => null);
  if (byId("workplace").hidden) return;
  if (build) showBuild(build);
  const isBusy = build?.state === "running";
  if (!isBusy || !served) await loadVersions();
  watch.timer = setTimeout(watch, isBusy ? BUSY_MS : QUIET_MS);
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(watch.timer) : watch()));

function showBuild(build) {
  const before = shownBuild;
  shownBuild = build;
  const isRunning = build.state === "running";
  byId("working").hidden = !isRunning;
  byId("start-build").disabled = isRunning;
  // What has ended doesn't change, and what someone has opened in it shall stay open.
  if (before?.build_id === build.build_id && before.updated === build.updated && before.state === build.state) return;
  byId("build-shown").replaceChildren(...(isRunning ? runningBuild(build) : endedBuild(build)));
  fillActions(build);
  const isSame = before?.build_id === build.build_id;
  if (isRunning && before && (!isSame || before.step !== build.step)) announce(stepName(build.step));
  if (!isRunning && isSame && before.state === "running") ended(build);
}

function ended(build) {
  announce(outcomeText(build));
  loadVersions();
  loadBuilds();
  if (location.hash !== "#index") loadFiles();
}

const stepName = (step) => (step in STEPS ? t(STEPS[step]) : step || t("admin.step_starting"));

function runningBuild(build) {
  const names = Object.keys(STEPS).filter((step) => !["Asking", "Grading"].includes(step) || build.evaluate);
  const at = names.indexOf(build.step);
  const steps = names.map((step, i) =>
    el("li", { class: i < at ? "is-done" : "", "aria-current": i === at ? "step" : null }, stepName(step)),
  );
  const bar = el("progress", { "aria-label": stepName(build.step), max: Math.max(1, build.total) });
  if (build.total) bar.value = build.done;
  const figures = el("p", { class: "figures" }, el("b", {}, stepName(build.step)));
  if (build.total) {
    const parts = [t("admin.done_of", { done: number.format(build.done), total: number.format(build.total) })];
    if (build.per_second) parts.push(t("admin.per_second", { rate: number.format(build.per_second) }));
    if (build.seconds_left) parts.push(t("admin.left", { time: duration(build.seconds_left) }));
    figures.append(el("span", {}, parts.join(" · ")));
  }
  return [el("p", { class: "hint" }, t("admin.began"), " ", time(build.began), " · ", modeText(build)), el("ol", { class: "steps" }, ...steps), bar, figures];
}

function modeText(build) {
  if (build.hold) return t(build.evaluate ? "admin.mode_hold" : "admin.mode_hold_only");
  return t(build.evaluate ? "admin.mode_gates" : "admin.mode_publish");
}

function outcomeText(build) {
  if (build.state === "failed") return t("admin.build_failed");
  if (build.held) return t("admin.build_held");
  return t(build.published ? "admin.build_published" : "admin.build_unchanged");
}

function endedBuild(build) {
  const kind = build.state === "failed" ? "is-wrong" : build.held ? "is-open" : "is-good";
  const shown = [
    el("p", { class: "outcome" }, mark(outcomeText(build), kind), time(build.updated)),
    el("p", { class: "hint" }, modeText(build), build.version ? ` · ${build.version}` : ""),
  ];
  if (build.error) shown.push(el("p", { class: "wrong", lang: "en" }, build.error));
  else if (build.state === "failed") shown.push(el("p", { class: "wrong" }, t("admin.build_died")));
  if (build.said.length) shown.push(el("pre", { class: "said", tabindex: "0", role: "region", "aria-label": t("admin.last_lines") }, build.said.join("\n")));
  if (build.report) shown.push(...reportParts(build.report));
  if (build.evaluation) shown.push(...evaluationParts(build.evaluation));
  return shown;
}

function tile(key, value) {
  return el("div", {}, el("dt", {}, t(key)), el("dd", {}, number.format(value)));
}

function reportParts(report) {
  const isTold = ([kind]) => kind !== "renamed" || report.counts.renamed;
  const tiles = Object.entries(COUNTS).filter(isTold).map(([kind, key]) => tile(key, report.counts[kind]));
  tiles.push(tile("admin.passages", report.passages));
  const lists = ["added", "changed", "removed"].map((kind) => [kind, report[kind].map((name) => el("li", {}, name))]);
  lists.push(["renamed", Object.entries(report.renamed).map(([now, before]) => el("li", {}, `${before} → ${now}`))]);
  const why = (one) => el("li", {}, el("b", {}, one.doc_id), " – ", english(one.reason));
  lists.push(["skipped", report.skipped.map(why)]);
  const details = lists
    .filter(([, items]) => items.length)
    .map(([kind, items]) => {
      const more = report.counts[kind] - items.length;
      const rest = more > 0 ? el("li", {}, t("admin.and_more", { count: number.format(more) })) : null;
      const heading = el("summary", {}, `${t(COUNTS[kind])} (${number.format(report.counts[kind])})`);
      return el("details", { open: kind === "skipped" }, heading, el("ul", {}, ...items, rest));
    });
  return [el("dl", { class: "tiles" }, ...tiles), ...details];
}

function gateSummary(evaluation) {
  if (evaluation.problem) return mark(t("admin.not_evaluated"), "is-open");
  const broken = evaluation.gates.filter((gate) => gate.broken).length;
  if (broken) return mark(t("admin.gates_broken", { count: number.format(broken) }), "is-wrong");
  return mark(t("admin.gates_hold", { count: number.format(evaluation.gates.length) }), "is-good");
}

function gateList(evaluation) {
  if (evaluation.problem) return el("p", { class: "row-body", lang: "en" }, evaluation.problem);
  const items = evaluation.gates.map((gate) =>
    el("li", {}, gate.broken ? mark(t("admin.broken"), "is-wrong") : mark(t("admin.holds"), "is-good"), english(gate.text)),
  );
  return el("ul", { class: "gates" }, ...items);
}

function evaluationParts(evaluation) {
  const asked = evaluation.questions ? t("admin.asked", { count: number.format(evaluation.questions) }) : "";
  return [
    el("h4", { class: "outcome" }, t("admin.evaluation"), gateSummary(evaluation), el("span", { class: "meta" }, asked)),
    gateList(evaluation),
  ];
}

function fillActions(build) {
  const buttons = [];
  if (build.state === "running") {
    buttons.push(el("button", { class: "button secondary", type: "button", onclick: () => stopBuild(build) }, t("admin.stop")));
  }
  if (build.held && versions.find((one) => one.version === build.version)?.held) {
    buttons.push(el("button", { class: "button", type: "button", onclick: () => publish(build.version) }, t("admin.publish_this")));
  }
  const hadFocus = byId("build-actions").contains(document.activeElement);
  byId("build-actions").replaceChildren(...buttons);
  if (hadFocus) (buttons[0] ?? byId("index-heading")).focus();
}

async function stopBuild(build) {
  if (await confirmed(t("admin.stop_title"), t("admin.stop_text"), t("admin.stop"))) {
    await act(`builds/${build.build_id}`, { method: "DELETE" });
    watch();
  }
}

byId("build").addEventListener("submit", async (event) => {
  event.preventDefault();
  const mode = new FormData(event.target).get("mode");
  const json = { evaluate: mode !== "publish", hold: mode === "hold" };
  const reply = await act("builds", { method: "POST", json });
  if (!reply) return;
  announce(t("admin.build_started"));
  showBuild(reply.build);
  watch();
});

// ----- versions

let versions = [];

async function loadIndex() {
  await Promise.all([loadVersions(), loadBuilds()]);
}

async function loadVersions() {
  const reply = await call("versions").catch(() => null);
  if (!reply) return;
  versions = reply.versions;
  served = reply.served;
  const label = (key, version) => el("span", {}, `${t(key)} `, el("b", {}, version || "–"));
  const now = [label("admin.served", reply.served)];
  if (reply.published !== reply.served) now.push(label("admin.published", reply.published));
  byId("now").replaceChildren(...now);
  const rows = versions.map((version) => versionRow(version, reply.published));
  const list = byId("versions");
  // Rows that are the same stay, with the focus and what is open in them.
  if (list.dataset.shown !== JSON.stringify(reply)) list.replaceChildren(...rows);
  list.dataset.shown = JSON.stringify(reply);
  if (shownBuild) fillActions(shownBuild);
}

function versionRow(version, published) {
  const marks = [];
  if (version.published) marks.push(mark(t("admin.published"), "is-good"));
  if (version.served) marks.push(mark(t("admin.served"), "is-good"));
  if (version.held) marks.push(mark(t("admin.held"), "is-open"));
  const counts = t("admin.version_counts", {
    documents: number.format(version.documents),
    passages: number.format(version.passages),
    skipped: number.format(version.skipped),
  });
  const text = el("div", { class: "row-text" }, el("p", { class: "row-head" }, time(version.created), ...marks), el("span", { class: "meta" }, counts), el("span", { class: "meta" }, version.version));
  const isOlder = published && version.version < published && !version.held;
  const key = isOlder ? "admin.roll_back" : "admin.publish";
  const name = `${t(key)}: ${moment.format(new Date(version.created))}`;
  const button = el("button", { class: "button secondary", type: "button", "aria-label": name, onclick: () => publish(version.version, isOlder) }, t(key));
  const gates = version.evaluation
    ? el("details", { class: "version-gates" }, el("summary", {}, t("admin.evaluation"), gateSummary(version.evaluation)), gateList(version.evaluation))
    : null;
  return el("li", {}, text, version.published ? null : button, gates);
}

async function publish(version, isOlder = false) {
  const title = t(isOlder ? "admin.roll_back_title" : "admin.publish_title");
  const yes = t(isOlder ? "admin.roll_back" : "admin.publish");
  if (!(await confirmed(title, t("admin.publish_text", { version }), yes))) return;
  await act(`versions/${encodeURIComponent(version)}/publish`, { method: "POST" }, t("admin.version_published", { version }));
  await loadVersions();
  byId("index-heading").focus({ preventScroll: true });
}

async function loadBuilds() {
  const reply = await call("builds").catch(() => null);
  if (!reply) return;
  const rows = reply.builds.map((build) => {
    const kind = build.state === "failed" ? "is-wrong" : build.held ? "is-open" : "is-good";
    const state = build.state === "running" ? t("admin.building_now") : outcomeText(build);
    const why = build.error ? el("span", { class: "meta", lang: "en" }, build.error) : null;
    return el("li", {}, el("div", { class: "row-text" }, el("p", { class: "row-head" }, time(build.began), mark(state, kind)), el("span", { class: "meta" }, modeText(build)), why));
  });
  byId("builds").replaceChildren(...rows);
}

// ----- questions, feedback and audit log

const STATUS_MARKS = { answered: "is-good", related: "is-open", not_found: "is-open" };

async function loadQuestions(page = 1) {
  const reply = await act(`questions?page=${page}&status=${byId("filter-status").value}`);
  if (!reply) return;
  byId("questions-count").textContent = number.format(reply.total);
  byId("questions-hint").textContent = reply.keeps_questions
    ? t("admin.questions_hint", { days: number.format(reply.retention_days) })
    : t("admin.questions_not_kept");
  const rows = reply.questions.map((one) => {
    const marks = [mark(t(`status.${one.status}`), STATUS_MARKS[one.status] ?? "")];
    if (one.helpful !== null) marks.push(mark(t(one.helpful ? "admin.helpful" : "admin.not_helpful"), one.helpful ? "is-good" : "is-open"));
    const seconds = new Intl.NumberFormat(lang, { style: "unit", unit: "second", maximumFractionDigits: 2 });
    const details = ` · ${one.lang} · ${seconds.format(one.milliseconds / 1_000)} · ${one.index_version}`;
    const head = el("p", { class: "row-head" }, el("span", {}, one.question), ...marks);
    return el("li", {}, el("div", { class: "row-text" }, head, el("span", { class: "meta" }, time(one.asked), details)));
  });
  if (!rows.length) rows.push(el("li", { class: "empty" }, t("admin.no_questions")));
  byId("question-rows").replaceChildren(...rows);
  fillPager(byId("questions-pager"), page, Math.ceil(reply.total / ENTRIES_A_PAGE), loadQuestions);
}

byId("filter-status").addEventListener("change", () => loadQuestions());
byId("questions-export").addEventListener("click", async () => {
  byId("problem").replaceChildren();
  try {
    // Not a link: the token goes in a header.
    const reply = await send("questions/export");
    const address = URL.createObjectURL(await reply.blob());
    el("a", { href: address, download: "questions.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    if (reply.headers.get("X-Audited") === "false") tell(t("admin.not_audited"));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    tell(problem.text);
  }
});

async function loadFeedback(page = 1) {
  const reply = await act(`feedback?page=${page}`);
  if (!reply) return;
  const all = reply.helpful + reply.not_helpful;
  byId("feedback-counts").replaceChildren(tile("admin.helpful", reply.helpful), tile("admin.not_helpful", reply.not_helpful));
  const rows = reply.feedback.map((one) => {
    const judged = one.helpful ? mark(t("admin.helpful"), "is-good") : mark(t("admin.not_helpful"), "is-open");
    const reason = one.reason ? mark(t(REASONS[one.reason])) : null;
    const question = one.question || t("admin.no_question");
    const comment = one.comment ? el("p", { class: "row-body" }, one.comment) : null;
    return el("li", {}, el("div", { class: "row-text" }, el("p", { class: "row-head" }, el("span", {}, question), judged, reason), comment, el("span", { class: "meta" }, time(one.sent))));
  });
  if (!rows.length) rows.push(el("li", { class: "empty" }, t("admin.no_feedback")));
  byId("feedback-rows").replaceChildren(...rows);
  fillPager(byId("feedback-pager"), page, Math.ceil(all / ENTRIES_A_PAGE), loadFeedback);
}

async function loadAudit(page = 1) {
  const reply = await act(`audit?page=${page}`);
  if (!reply) return;
  const rows = reply.entries.map((entry) => {
    const name = entry.action in ACTIONS ? t(ACTIONS[entry.action]) : entry.action;
    const outcome = entry.outcome === "done" ? mark(t("admin.outcome_done"), "is-good") : mark(entry.outcome, "is-wrong");
    return el("li", {}, el("div", { class: "row-text" }, el("p", { class: "row-head" }, el("span", {}, name), outcome), entry.subject ? el("p", { class: "row-body" }, entry.subject) : null, el("span", { class: "meta" }, time(entry.at))));
  });
  if (!rows.length) rows.push(el("li", { class: "empty" }, t("admin.no_audit")));
  byId("audit-rows").replaceChildren(...rows);
  fillPager(byId("audit-pager"), page, Math.ceil(reply.total / ENTRIES_A_PAGE), loadAudit);
}

byId("no-script").remove();
const kept = sessionStorage.getItem(TOKEN);
if (kept) signIn(kept);
else byId("sign-in").hidden = false;
