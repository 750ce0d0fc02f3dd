// What the page does in the visitor's browser without asking the server: the shortcut, the memory of the four texts, and
// bringing the verdict into view. Knows element ids of layout.py; reads and writes no HTML.
window.inform = (() => {
  // The page's labels go by the browser's first language as well.
  const first = navigator.language.toLowerCase().split("-")[0];
  const language = first in window.informWords ? first : "en";
  const say = (key) => window.informWords[language][key];

  const KEY = "inform-demo-texts";

  let recalled = false;

  // Storage may be full or forbidden; the page works without it.
  const remember = (...texts) => {
    // The fields also report a change when they first appear, empty.
    if (!recalled) return;
    try {
      sessionStorage.setItem(KEY, JSON.stringify(texts.map((text) => text ?? "")));
    } catch {
      // Nothing to do: only the memory over a reload is lost.
    }
    document.getElementById("verdict")?.classList.add("is-stale");
  };

  const recall = (...texts) => {
    recalled = true;
    if (texts.some((text) => text)) return texts;
    try {
      const stored = JSON.parse(sessionStorage.getItem(KEY));
      if (Array.isArray(stored) && stored.length === texts.length && stored.every((text) => typeof text === "string")) {
        return stored;
      }
    } catch {
      // Unreadable memory counts as none.
    }
    return texts;
  };

  const startCompare = () => document.getElementById("verdict")?.classList.remove("is-stale");

  const showVerdict = () =>
    requestAnimationFrame(() => {
      const verdict = document.getElementById("verdict");
      if (!verdict) return;
      const top = verdict.getBoundingClientRect().top;
      if (top >= 0 && top < window.innerHeight * 0.6) return;
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      verdict.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    const button = document.getElementById("compare");
    if (!button || button.disabled) return;
    event.preventDefault();
    button.click();
  });

  return { language, say, remember, recall, startCompare, showVerdict };
})();
