// What the page does in the visitor's browser without asking the server: shortcut, words that scripts say, the memory of the
// texts over a reload, earlier turns, links that carry a comparison, the history. Knows element ids of the layout. Texts
// are put into fields and text nodes only, never into HTML.
window.inform = (() => {
  const TEXTS_KEY = "inform-demo-texts";
  const BATCH_KEY = "inform-demo-batch";
  const HISTORY_KEY = "inform-demo-history";
  const HISTORY_OFF_KEY = "inform-demo-history-off";
  const MOST_ENTRIES = 50;
  const N_BEFORE_TURNS = 4; // prompt, answer A, answer B, system prompt
  const LINK_PREFIX = "#compare=";
  const MOST_LINK_BYTES = 8_000_000; // unpacked: a small link can hold a huge text

  // The page's labels go by the browser's first language as well.
  const first = navigator.language.toLowerCase().split("-")[0];
  const language = first in window.informWords ? first : "en";
  const say = (key) => window.informWords[language][key];
  document.documentElement.lang = language;

  let recalled = false;
  let turnsShown = 0;
  let asked = null; // the texts of the comparison under way, and when it was asked for
  let written = []; // the texts in the fields, as last told
  let opened = null;
  let keptAt = null; // when the history's entry of the verdict shown was made

  // A field that was never touched holds null.
  const asTexts = (values) => values.map((value) => value ?? "");
  const isEqual = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const isTexts = (value) => Array.isArray(value) && value.every((text) => typeof text === "string");

  // Storage may be full or forbidden, and what it holds may be anything: the page works without it. It is given by name:
  // where it is forbidden, `localStorage` alone throws.
  const read = (storage, key) => {
    try {
      return JSON.parse(window[storage].getItem(key));
    } catch {
      return null;
    }
  };
  const write = (storage, key, value) => {
    try {
      window[storage].setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false; // Only the memory is lost.
    }
  };

  // --- Earlier turns: the style sheet shows the exchanges whose numbers stand in data-turns.
  const setTurnsShown = (n) => {
    turnsShown = n;
    const context = document.getElementById("context");
    if (context) context.dataset.turns = Array.from({ length: n }, (_, i) => i + 1).join(" ");
  };
  const showTurns = (texts) => {
    const last = texts.findLastIndex((text) => text);
    setTurnsShown(Math.floor(last / 2) + 1);
  };
  const addTurn = () => setTurnsShown(turnsShown + 1);
  const removeTurn = (i, texts) => {
    const rest = [...asTexts(texts).slice(0, 2 * i), ...asTexts(texts).slice(2 * i + 2), "", ""];
    setTurnsShown(Math.max(0, turnsShown - 1));
    return rest;
  };
  const fill = (texts) => {
    showTurns(texts.slice(N_BEFORE_TURNS));
    // What stands before the prompt is part of the question: it must not stay behind a fold.
    const fold = document.querySelector("#context > .label-wrap");
    if (texts.slice(N_BEFORE_TURNS - 1).some((text) => text) && !fold?.classList.contains("open")) fold?.click();
    return texts;
  };

  // --- Links: the texts, deflated, after the "#", which browsers do not send.
  const pump = async (bytes, transform, most = Infinity) => {
    const reader = new Blob([bytes]).stream().pipeThrough(transform).getReader();
    const chunks = [];
    let n = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Uint8Array(await new Blob(chunks).arrayBuffer());
      n += value.length;
      if (n > most) throw new Error("too much");
      chunks.push(value);
    }
  };
  const share = async (texts) => {
    const bytes = await pump(new TextEncoder().encode(JSON.stringify(asTexts(texts))), new CompressionStream("deflate-raw"));
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    const code = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    return { __type__: "update", value: location.origin + location.pathname + LINK_PREFIX + code, visible: true };
  };
  const readLink = async (n) => {
    const code = location.hash.slice(LINK_PREFIX.length).replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
    const unpacked = await pump(bytes, new DecompressionStream("deflate-raw"), MOST_LINK_BYTES);
    const texts = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(unpacked));
    if (!isTexts(texts) || texts.length !== n) throw new Error("not texts");
    return texts;
  };
  const isLinked = () => location.hash.startsWith(LINK_PREFIX);
  // A reload shall bring back what was typed since.
  const dropLink = () => history.replaceState(null, "", location.pathname + location.search);
  // A link put into the address bar of a tab that shows the page loads nothing by itself. The browser asks before texts
  // are lost that the history does not hold; for whoever stays and writes on, the link is dropped.
  addEventListener("hashchange", () => {
    if (!recalled || !isLinked()) return;
    const isLost = written.some((text) => text) && !entries().some((entry) => isEqual(entry.texts, written));
    if (isLost) addEventListener("beforeunload", (event) => event.preventDefault(), { once: true });
    location.reload();
  });
  addEventListener("input", () => recalled && isLinked() && dropLink());

  // --- The memory of this tab. The fields also report a change when they first appear, empty.
  const remember = (texts) => {
    if (!recalled) return;
    written = asTexts(texts);
    write("sessionStorage", TEXTS_KEY, written);
    // A change is told a moment late: it may be one that the comparison under way has already seen.
    document.getElementById("verdict")?.classList.toggle("is-stale", asked === null || !isEqual(written, asked.texts));
  };
  const note = (key) => `<p class="placeholder">${say(key)}</p>`;
  const recall = async (values) => {
    const texts = asTexts(values);
    const stored = read("sessionStorage", TEXTS_KEY);
    const known = isTexts(stored) && stored.length === texts.length && !texts.some((text) => text) ? stored : texts;
    let told = "compare_empty_verdict";
    recalled = true;
    if (isLinked()) {
      const linked = readLink(texts.length);
      dropLink(); // it has read it
      try {
        return [...fill(await linked), note("compare_share_opened")];
      } catch {
        told = "compare_share_broken";
      }
    }
    return [...fill(known), note(told)];
  };

  // --- Comparing
  const startCompare = () => {
    asked = { texts: null, at: performance.now() };
    // The result of the comparison before must not come back with the new verdict: laying out a long trace takes a while.
    document.getElementById("result")?.classList.add("is-old");
  };
  const showResult = () => document.getElementById("result")?.classList.remove("is-old");
  const noteAsked = (texts) => {
    asked.texts = asTexts(texts);
    document.getElementById("verdict")?.classList.remove("is-stale");
  };
  const showVerdict = () =>
    requestAnimationFrame(() => {
      const verdict = document.getElementById("verdict");
      if (!verdict) return;
      const top = verdict.getBoundingClientRect().top;
      if (top >= 0 && top < window.innerHeight * 0.6) return;
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      verdict.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    });
  // Parsed apart from the page, where nothing in it can run.
  const factsOf = (html) => new DOMParser().parseFromString(html, "text/html").querySelector(".verdict")?.dataset;
  const finishCompare = (html) => {
    showVerdict();
    const facts = factsOf(html);
    if (!asked || !facts?.words) return "";
    const seconds = Math.max(0, (performance.now() - asked.at) / 1000 - Number(facts.elapsed));
    const words = say("page_seconds").replace("{seconds:.2f}", seconds.toFixed(2));
    keptAt = Date.now();
    keep({ words: facts.words, rewards: facts.rewards, texts: asked.texts, at: keptAt });
    return `<dl class="provenance"><div><dt>${say("compare_waited")}</dt><dd>${words}</dd></div></dl>`;
  };
  // Verdict, published rewards, and the column with the rest.
  const emptyResults = () => [note("compare_empty_verdict"), "", { __type__: "update", visible: false }];

  // --- History, in this browser only
  const isEntry = (entry) =>
    isTexts(entry?.texts) && entry.texts.length > 0 && typeof entry.words === "string" && typeof entry.rewards === "string";
  const entries = () => {
    const stored = read("localStorage", HISTORY_KEY);
    return Array.isArray(stored) ? stored.filter(isEntry).slice(0, MOST_ENTRIES) : [];
  };
  const setEntries = (list) => {
    const kept = list.slice(0, MOST_ENTRIES);
    // Where they do not fit, the oldest go; one that does not even fit alone costs no other its place.
    while (!write("localStorage", HISTORY_KEY, kept) && kept.length > 1) kept.pop();
    drawHistory();
  };
  const isKept = () => read("localStorage", HISTORY_OFF_KEY) !== true;
  const keep = (entry) => {
    if (isKept()) setEntries([entry, ...entries()]);
  };
  // The words follow the tie band, which may be moved afterwards.
  const retold = (html) => {
    const words = factsOf(html)?.words;
    if (words) setEntries(entries().map((entry) => (entry.at === keptAt ? { ...entry, words } : entry)));
  };
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const entryRow = (entry) => {
    const title = entry.texts[0].trim().slice(0, 80);
    const open = () => {
      opened = entry.texts;
      document.getElementById("reopen")?.click();
    };
    // Another tab may have moved it in the list since.
    const isSame = (other) => other.at === entry.at && isEqual(other.texts, entry.texts);
    const remove = () => setEntries(entries().filter((_, i, all) => i !== all.findIndex(isSame)));
    const button = (key, onclick) =>
      element("button", { type: "button", onclick, ariaLabel: `${say(key)}: ${title}` }, say(key));
    return element(
      "li",
      {},
      element("span", { className: "history-title" }, title),
      element("span", { className: "history-facts" }, `${entry.words} · ${entry.rewards}`),
      element("span", { className: "history-actions" }, button("compare_history_open", open), button("compare_history_delete", remove)),
    );
  };
  const drawHistory = () => {
    const list = document.querySelector("#history ul");
    if (!list) return;
    const rows = entries().map(entryRow);
    list.replaceChildren(...(rows.length ? rows : [element("li", { className: "note" }, say("compare_history_empty"))]));
  };
  const mountHistory = (root) => {
    const box = element("input", { type: "checkbox", checked: isKept() });
    box.onchange = () => write("localStorage", HISTORY_OFF_KEY, !box.checked);
    const clear = element("button", { type: "button", onclick: () => setEntries([]) }, say("compare_history_clear"));
    const label = element("label", {}, box, ` ${say("compare_history_keep")}`);
    root.replaceChildren(
      element(
        "details",
        {},
        element("summary", {}, say("compare_history")),
        element("p", { className: "note" }, say("compare_history_note")),
        element("p", { className: "history-actions" }, label, clear),
        element("ul"),
      ),
    );
    drawHistory();
  };
  addEventListener("storage", ({ key }) => [HISTORY_KEY, null].includes(key) && drawHistory());
  const reopened = () => {
    const texts = opened ?? [];
    document.getElementById("prompt")?.scrollIntoView({ block: "center" });
    return fill(texts);
  };

  // --- Batch: steps follow one another until the file is done or Stop was pressed.
  let batchStopped = false;
  const press = (id) => document.getElementById(id)?.click();
  const startBatch = () => {
    batchStopped = false;
    return [
      { __type__: "update", value: say("batch_running"), interactive: false },
      { __type__: "update", interactive: true },
    ];
  };
  const stopBatch = () => {
    batchStopped = true;
    return { __type__: "update", interactive: false };
  };
  const endBatch = () => press("batch-end");
  // The key of the file on the server, which brings it back after a reload.
  const keepBatch = (key) => write("sessionStorage", BATCH_KEY, key);
  const keptBatch = () => read("sessionStorage", BATCH_KEY) ?? "";
  const nextBatch = (html) => press(html.includes('data-state="running"') && !batchStopped ? "batch-next" : "batch-end");
  const save = (text, name, type) => {
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  const copy = async (text, id) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard without https: the way before there was one.
      const field = element("textarea", { value: text });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    const button = document.getElementById(id);
    button.textContent = say("compare_export_copied");
    setTimeout(() => (button.textContent = say("compare_export_copy")), 1500);
  };

  // --- Waiting: Gradio tells the place in its queue in figures that change ten times a second, too fast for an eye and a
  // screen reader: "queue: 1/2 | 3.4/7.6s". Its own words are out of sight.
  // Without a place nobody is before us any more; the model may still be loading.
  const tellWait = (busy) => {
    const tracker = busy.closest("#verdict, #rank-verdict, #batch-progress")?.querySelector(".progress-text");
    const state = tracker?.textContent ?? "";
    const [, place, count, seconds] = state.match(/(?:(\d+)\/(\d+) )?\|[^/]*(?:\/([\d.]+)s)?/) ?? [];
    const isServed = tracker && !place && document.querySelector("#model-status .badge-ready");
    const words = [
      say(isServed ? "compare_computing" : "compare_busy_verdict"),
      place ? say("page_place").replace("{place}", place).replace("{count}", count) : "",
      seconds ? say("page_expected").replace("{seconds}", Math.ceil(seconds)) : "",
    ];
    const told = words.filter(Boolean).join(" ");
    if (busy.textContent !== told) busy.textContent = told;
  };
  // Why a batch failed, for a screen reader; its progress is figures that nobody could listen to.
  const tellBatch = () => {
    const region = document.querySelector("#batch-told [role=status]");
    const words = document.querySelector("#batch-progress [data-state=failed] p, #batch-progress .message");
    if (region && region.textContent !== (words?.textContent ?? "")) region.textContent = words?.textContent ?? "";
  };
  setInterval(() => {
    document.querySelectorAll("[data-busy]").forEach(tellWait);
    tellBatch();
  }, 500);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    const button = document.getElementById("compare");
    if (!button || button.disabled || !button.offsetParent) return;
    event.preventDefault();
    button.click();
  });

  return {
    language, say, remember, recall, fill, showTurns, addTurn, removeTurn, share, startCompare, noteAsked, finishCompare,
    emptyResults, mountHistory, reopened, retold, showResult, startBatch, stopBatch, endBatch, keepBatch, keptBatch, nextBatch, save, copy,
  };
})();
