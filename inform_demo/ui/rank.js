// What the Rank tab does in the visitor's browser without asking the server: add, remove, undo, clear, the memory over a
// reload, reading a file, the shortcut. Knows element ids of the tab. Texts are put into fields only, never into HTML.
// The tab's values travel as one list: [number of answers, prompt, system prompt, answer 1, ..., answer 16].
window.informRank ??= (() => {
  const KEY = "inform-demo-rank";
  const FEWEST = 2;
  const MOST = 16;
  const N_BEFORE_ANSWERS = 3;

  let recalled = false;
  let shown = FEWEST;
  let asked = null; // what stood in the tab when the ranking was asked for
  let before = null; // what Undo brings back
  let pending = null; // what it would bring back if the change that is under way goes through
  let opened = null; // [name, bytes, text] of a file

  const classes = document.documentElement.classList;
  const say = (key) => window.inform.say(key);
  const note = (words) => {
    const p = document.createElement("p");
    p.className = "note";
    p.textContent = words;
    return p.outerHTML;
  };
  const emptyResults = () => [
    `<p class="placeholder">${say("rank_empty_result")}</p>`,
    { __type__: "update", visible: false },
  ];

  // --- The style sheet shows as many answers as the root has classes.
  const show = (n) => {
    shown = n;
    for (let i = 1; i <= MOST; i++) classes.toggle(`rank-${i}`, i <= n);
    classes.toggle("rank-few", n <= FEWEST);
    classes.toggle("rank-full", n >= MOST);
  };
  const focusAnswer = (i) =>
    requestAnimationFrame(() => document.querySelector(`.rank-answer-${i} textarea`)?.focus());
  const isValues = (values) =>
    Array.isArray(values) &&
    values.length === N_BEFORE_ANSWERS + MOST &&
    Number.isInteger(values[0]) &&
    values[0] >= FEWEST &&
    values[0] <= MOST &&
    values.slice(1).every((text) => typeof text === "string");
  const tidy = (values) => [values[0] ?? FEWEST, ...values.slice(1).map((text) => text ?? "")];
  const blank = () => [FEWEST, ...Array(N_BEFORE_ANSWERS - 1 + MOST).fill("")];
  const mark = (isStale) => document.getElementById("rank-verdict")?.classList.toggle("is-stale", isStale);
  const keepForUndo = (values) => {
    before = values;
    // The texts are others now, if only a system prompt that is folded away, which has no field to look at.
    asked = null;
    mark(true);
    classes.toggle("rank-can-undo", before !== null);
  };

  const add = (n) => {
    const more = Math.min(MOST, n + 1);
    show(more);
    focusAnswer(more);
    return more;
  };
  const remove = (i, given) => {
    const values = tidy(given);
    keepForUndo(values);
    const answers = values.slice(N_BEFORE_ANSWERS);
    answers.splice(i - 1, 1);
    const n = Math.max(FEWEST, values[0] - 1);
    show(n);
    focusAnswer(Math.min(i, n));
    return [n, values[1], values[2], ...answers, "", note(say("rank_removed").replace("{i}", i))];
  };
  const undo = (given) => {
    const values = before ?? tidy(given);
    keepForUndo(null);
    show(values[0]);
    document.querySelector("#rank-prompt textarea")?.focus();
    return [...values, note(say("rank_undone"))];
  };
  const clear = (given) => {
    keepForUndo(tidy(given));
    show(FEWEST);
    return [...blank(), note(say("rank_cleared")), ...emptyResults()];
  };
  const example = (given, values) => {
    keepForUndo(tidy(given));
    show(values[0]);
    return [...values, note(say("rank_example_filled")), ...emptyResults()];
  };

  // --- Pasted answers and files: the server reads them; what was there can be brought back if it took them over.
  const snapshot = (given) => {
    pending = tidy(given);
  };
  const settle = (given) => {
    const values = tidy(given);
    show(values[0]);
    if (pending && JSON.stringify(pending) !== JSON.stringify(values)) keepForUndo(pending);
    pending = null;
  };
  const openFile = async (input) => {
    const file = input.files[0];
    if (!file) return;
    let text = null;
    if (file.size <= Number(input.dataset.limit)) {
      try {
        text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      } catch {
        // Not text in UTF-8, or gone meanwhile: the server says so.
      }
    }
    opened = [file.name, file.size, text];
    input.value = ""; // so that the same file, mended, can be opened again
    document.getElementById("rank-open")?.click();
  };
  const takeFile = () => {
    const file = opened ?? ["", 0, null];
    opened = null;
    return file;
  };

  // --- The memory of this tab. The fields also report a change when they first appear, empty.
  const written = () =>
    JSON.stringify([shown, ...Array.from(document.querySelectorAll("#tab-rank textarea"), (field) => field.value)]);
  const remember = (given) => {
    if (!recalled) return;
    try {
      sessionStorage.setItem(KEY, JSON.stringify(tidy(given)));
    } catch {
      // Storage is full or forbidden: only the memory is lost.
    }
    // A change is told a moment late: it may be one that the ranking under way has already seen.
    mark(written() !== asked);
  };
  const recall = (given) => {
    recalled = true;
    const values = tidy(given);
    let stored = null;
    try {
      stored = JSON.parse(sessionStorage.getItem(KEY));
    } catch {
      // What it holds may be anything.
    }
    const known = isValues(stored) && !values.slice(1).some((text) => text) ? stored : values;
    show(known[0]);
    return known;
  };

  // --- Ranking
  const start = () => {
    asked = written();
    mark(false);
  };
  const finish = () =>
    requestAnimationFrame(() => {
      // A button that is switched off loses the focus.
      if (document.activeElement === document.body) document.getElementById("rank")?.focus({ preventScroll: true });
      const verdict = document.getElementById("rank-verdict");
      if (!verdict?.offsetParent) return;
      const top = verdict.getBoundingClientRect().top;
      if (top >= 0 && top < window.innerHeight * 0.6) return;
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      verdict.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    });

  document.addEventListener("change", (event) => {
    if (event.target.id === "rank-file") openFile(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    const button = document.getElementById("rank");
    if (!button || button.disabled || !button.offsetParent) return;
    event.preventDefault();
    button.click();
  });

  return { add, remove, undo, clear, example, snapshot, settle, takeFile, remember, recall, start, finish };
})();
