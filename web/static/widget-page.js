// The page where staff make the tag: shows at once what the server makes of the form.
// Without this script the form's button does the same.

const PAUSE_MS = 300;

const byId = (id) => document.getElementById(id);
const form = byId("options");
const preview = byId("preview");
const accent = byId("accent");
const picker = byId("accent-picker");

/** The server may stand behind another that people know by another name. */
function nameServer(page) {
  for (const place of page.querySelectorAll(".server")) place.textContent = location.origin;
}

function wanted() {
  const given = [...new FormData(form)].filter(([, value]) => value);
  return `/widget?${new URLSearchParams(given)}`;
}

let newest = 0;
async function update() {
  const number = ++newest;
  const response = await fetch(wanted()).catch(() => null);
  if (!response?.ok || number !== newest) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (number !== newest) return;
  nameServer(page);
  for (const part of page.querySelectorAll("[data-live]")) {
    const shown = document.querySelector(`[data-live="${part.dataset.live}"]`);
    // What is the same is not put in anew: a screen reader would read it out again.
    if (shown.textContent !== part.textContent) shown.replaceChildren(...part.childNodes);
  }
  for (const link of document.querySelectorAll(".languages a")) {
    link.href = page.querySelector(`.languages a[lang="${link.lang}"]`).getAttribute("href");
  }
  history.replaceState(null, "", wanted());
  const { sample } = page.getElementById("preview").dataset;
  if (sample === preview.dataset.sample) return;
  preview.dataset.sample = sample;
  // Not by src: each would be one more step back in the browser's history.
  preview.querySelector("iframe").contentWindow.location.replace(sample);
}

let pause;
form.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(update, PAUSE_MS);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  update();
});
accent.addEventListener("input", () => {
  if (/^#[\da-f]{6}$/i.test(accent.value)) picker.value = accent.value;
});
picker.addEventListener("input", () => {
  accent.value = picker.value;
});

async function copy(text) {
  try {
    // Absent where the page came without TLS.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const { copies, done, failed } = button.dataset;
    const told = (await copy(byId(copies).textContent)) ? done : failed;
    const label = button.querySelector("span");
    const before = (label.dataset.before ??= label.textContent);
    label.textContent = byId("announcer").textContent = told;
    setTimeout(() => {
      label.textContent = before;
      byId("announcer").textContent = "";
    }, 3_000);
  });
}

for (const button of byId("widths").querySelectorAll("button")) {
  button.addEventListener("click", () => {
    preview.classList.toggle("narrow", button.dataset.width === "narrow");
    for (const other of byId("widths").children) other.setAttribute("aria-pressed", other === button);
  });
}

byId("widths").hidden = false;
byId("apply").hidden = true;
picker.hidden = false;
nameServer(document);
