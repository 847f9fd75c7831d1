// The chat of a website with Levqor's support: a button, and a dialog in a shadow tree of its own. It needs nothing of the page but one line:
//   <script src="https://api.levqor.ai/widget.js" data-support-email="support@levqor.ai" defer></script>
// It calls the gateway that it came from. It stores the conversation's id and token, and nothing else. It makes text from text only, and its
// styles are a constructed sheet, so a content security policy without `unsafe-inline` and with Trusted Types allows it.
(() => {
  "use strict";
  const script = document.currentScript;
  const api = new URL(script.src).origin;
  const mail = script.dataset.supportEmail || "support@levqor.ai";
  const KEY = "levqor-chat", LONGEST = 4000, SILENCE_MS = 20000, POLL_MS = 8000, PERSON = "STATE_WITH_PERSON";

  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; --back: #fff; --text: #1a1d23; --quiet: #4a5362; --soft: #eef1f6; --line: #767f8d; --main: #1f4fc4; --on: #fff; --bad: #a3161b;
      color-scheme: light dark; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; color: var(--text); }
    @media (prefers-color-scheme: dark) { :host { --back: #16181d; --text: #e8eaee; --quiet: #b6bdc9; --soft: #2a2f38; --line: #8b94a3; --main: #9dbdff; --on: #0b1530; --bad: #ffaaa5; } }
    * { box-sizing: border-box; } [hidden] { display: none !important; }
    button, input, textarea { font: inherit; color: inherit; margin: 0; }
    button { border: 1px solid var(--line); border-radius: 8px; background: var(--back); padding: 6px 12px; min-height: 36px; cursor: pointer; }
    button.main, .launch { background: var(--main); color: var(--on); border-color: var(--main); }
    button[aria-disabled=true] { opacity: .6; cursor: default; }
    a { color: var(--main); } :focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
    .launch { position: fixed; right: 16px; bottom: 16px; z-index: 2147483646; display: flex; align-items: center; gap: 8px; min-height: 48px; padding: 8px 20px 8px 16px;
      border-radius: 24px; font-weight: 600; box-shadow: 0 2px 10px #0006; }
    svg { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
    dialog { position: fixed; inset: auto 16px 16px auto; z-index: 2147483647; margin: 0; padding: 0; width: 400px; height: min(640px, calc(100dvh - 32px)); max-width: none; max-height: none;
      border: 1px solid var(--line); border-radius: 14px; background: var(--back); color: inherit; box-shadow: 0 8px 32px #0006; overflow: hidden; }
    dialog[open] { display: flex; flex-direction: column; } dialog::backdrop { background: var(--back); }
    header { display: flex; align-items: center; gap: 12px; padding: 12px 12px 12px 16px; border-bottom: 1px solid var(--line); }
    header div { flex: 1; min-width: 0; } h2 { margin: 0; font-size: 17px; line-height: 1.3; } .state { margin: 0; font-size: 14px; color: var(--quiet); }
    .icon { width: 40px; min-height: 40px; padding: 0; display: grid; place-items: center; border-color: transparent; }
    .log { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 16px; outline-offset: -4px; }
    ol { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: 12px; }
    li { max-width: 88%; padding: 8px 12px; border-radius: 12px; background: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere; align-self: flex-start; }
    li.you { background: var(--main); color: var(--on); align-self: flex-end; } li.note { background: none; padding: 0; max-width: none; font-size: 14px; color: var(--quiet); }
    .who { display: block; font-size: 13px; font-weight: 600; } .sources { margin: 8px 0 0; font-size: 14px; white-space: normal; }
    .foot { border-top: 1px solid var(--line); padding: 12px 16px; display: grid; gap: 10px; }
    form { display: grid; gap: 8px; margin: 0; } .row { display: flex; gap: 8px; align-items: end; flex-wrap: wrap; } .say { flex-wrap: nowrap; }
    label { display: grid; gap: 2px; font-size: 14px; } input, textarea { width: 100%; padding: 8px 10px; border: 1px solid var(--line); border-radius: 8px; background: var(--back); font-size: 16px; }
    #mail-error { color: var(--bad); } .say label { flex: 1; } textarea { resize: none; height: 64px; } .small { font-size: 14px; } p { margin: 0; }
    .alert { border: 1px solid var(--bad); border-radius: 8px; padding: 8px 12px; font-size: 14px; display: grid; gap: 8px; } .alert > p { color: var(--bad); }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @media (max-width: 480px) { dialog { inset: 0; width: 100%; height: 100dvh; border: 0; border-radius: 0; } }
    @media (max-height: 420px) { .foot { padding: 6px 12px; gap: 4px; } textarea { height: 42px; } }
    @media (forced-colors: active) { li { border: 1px solid; } }
    @media (prefers-reduced-motion: no-preference) { dialog[open] { animation: rise .16s ease-out; } .log { scroll-behavior: smooth; } @keyframes rise { from { transform: translateY(12px); opacity: 0; } } }`);

  /** An element with these properties (`aria…` and others with a dash as attributes) and children. Text children stay text. */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.includes("-") || name === "role") element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children);
    return element;
  }
  function icon(path) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  }
  const mailLink = () => make("a", { href: "mailto:" + mail, textContent: mail });

  // The parts of the page.
  const launch = make("button", { className: "launch", type: "button", "aria-haspopup": "dialog" }, icon("M21 12a8 8 0 0 1-8 8H4l2-3a8 8 0 1 1 15-5z"), "Help");
  const title = make("h2", { id: "title", textContent: "Levqor support" });
  const who = make("p", { className: "state", id: "state", textContent: "A program answers" });
  const shut = make("button", { className: "icon", type: "button", "aria-label": "Close the chat" }, icon("M6 6l12 12M18 6L6 18"));
  const list = make("ol");
  const log = make("div", { className: "log", tabIndex: 0, role: "region", "aria-label": "Conversation" }, list);
  const live = make("div", { className: "unseen", role: "status", "aria-live": "polite" });
  const trouble = make("div", { className: "alert", hidden: true, role: "alert" });
  const text = make("textarea", { maxLength: LONGEST, name: "text", autocomplete: "off", enterKeyHint: "send" });
  const sendButton = make("button", { className: "main", type: "submit", textContent: "Send" });
  const say = make("form", { className: "row say", noValidate: true }, make("label", {}, "Your message", text), sendButton);
  const person = make("button", { className: "small", type: "button", textContent: "Talk to a person" });
  const anew = make("button", { className: "small", type: "button", textContent: "New conversation" });
  const choices = make("div", { className: "row" }, person, anew);
  const nameField = make("input", { name: "name", autocomplete: "name", maxLength: 100 });
  const mailField = make("input", { name: "email", type: "email", autocomplete: "email", maxLength: 254, "aria-describedby": "mail-error" });
  const mailError = make("p", { id: "mail-error", className: "small", hidden: true });
  const askButton = make("button", { className: "main", type: "submit", textContent: "Ask for a person" });
  const back = make("button", { type: "button", textContent: "Back" });
  const ask = make("form", { hidden: true, noValidate: true, "aria-label": "Talk to a person" },
    make("p", { className: "small", textContent: "You find the reply here. If you give us your address, you get it by mail too." }),
    make("label", {}, "Your name (optional)", nameField), make("label", {}, "Your mail address (optional)", mailField), mailError, make("div", { className: "row" }, askButton, back));
  const dialog = make("dialog", { "aria-labelledby": "title", "aria-describedby": "state" },
    make("header", {}, make("div", {}, title, who), shut), log, make("div", { className: "foot" }, trouble, choices, say, ask), live);

  // What is known of the conversation. `saved` is all that the browser keeps.
  let saved = null, conversation = null, busy = false, starting = null, retry = null, timer = 0, unsent = null;
  const shown = new Map();
  function remember(value) {
    saved = value;
    // A browser may refuse storage: the conversation then lasts as long as the page.
    try { value ? localStorage.setItem(KEY, JSON.stringify(value)) : localStorage.removeItem(KEY); } catch { /* said above */ }
  }
  try {
    const { id, token } = JSON.parse(localStorage.getItem(KEY)) || {};
    if (typeof id === "string" && typeof token === "string") saved = { id, token };
  } catch { /* what is there is not ours, or nothing may be read */ }

  /** A refusal of the gateway (RFC 9457), or no answer at all. */
  class Failure extends Error {
    constructor(problem, wait = 0) { super(problem?.detail || "no answer"); this.problem = problem; this.wait = wait; }
  }
  async function call(path, body, { key, accept = "application/json", patience } = {}) {
    const headers = { accept, ...(body && { "content-type": "application/json" }), ...(key && { "idempotency-key": key }) };
    const init = { method: body ? "POST" : "GET", headers, credentials: "omit", signal: patience?.signal ?? AbortSignal.timeout(SILENCE_MS) };
    const response = await fetch(api + "/v1/conversations" + path, body ? { ...init, body: JSON.stringify(body) } : init)
      .catch(() => { throw new Failure(null); });
    if (response.ok) return response;
    throw new Failure(await response.json().catch(() => null) || {}, Number(response.headers.get("retry-after")) || 0);
  }
  const json = async (...request) => (await call(...request)).json().catch(() => { throw new Failure(null); });
  const path = (verb) => "/" + encodeURIComponent(saved.id) + verb;
  const withToken = (body) => ({ ...body, conversation_token: saved.token });
  const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, "0")).join("");

  /** Posts the text, and hands each part of the answer to `onPart`. Returns the whole answer, or null if the stream broke. */
  async function stream(body, key, onPart) {
    const patience = new AbortController();
    let clock = setTimeout(() => patience.abort(), SILENCE_MS);
    try {
      const response = await call(path(":stream"), body, { key, accept: "text/event-stream", patience });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { value, done } = await reader.read().catch(() => ({ done: true }));
        if (done) return null;
        clearTimeout(clock);
        clock = setTimeout(() => patience.abort(), SILENCE_MS);
        const events = (rest + value).split(/\r?\n\r?\n/);
        rest = events.pop();
        for (const event of events) {
          const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
          if (!data) continue;
          const part = JSON.parse(data);
          if (/^event: ?error/m.test(event)) throw new Failure(part);
          if (part.answer) return part.answer;
          onPart(part);
        }
      }
    } catch (error) {
      if (error instanceof Failure) throw error;
      return null;
    } finally { clearTimeout(clock); patience.abort(); }
  }

  // What is shown.
  function toEnd() { log.scrollTop = log.scrollHeight; }
  function line(kind, author, words) {
    const item = make("li", { className: kind }, ...(author ? [make("span", { className: "who", textContent: author })] : []), make("span", { textContent: words }));
    list.append(item);
    toEnd();
    return item;
  }
  const authorOf = (turn) => (turn.outcome === "OUTCOME_REPLIED" ? "Our team" : "Assistant (a program)");
  function sources(turn) {
    const named = (turn.sources || []).map(({ title, heading, url }) => {
      const name = heading ? `${title}: ${heading}` : title;
      return /^https?:\/\//.test(url) ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer", textContent: name }) : make("span", { textContent: name });
    });
    const parts = named.flatMap((name, n) => (n ? [", ", name] : [name]));
    return named.length ? [make("p", { className: "sources" }, named.length > 1 ? "Sources: " : "Source: ", ...parts)] : [];
  }
  /** Shows a turn, once: a turn that grew takes the place of what was shown. Returns whether it is new. */
  function showTurn(turn) {
    const before = shown.get(turn.position);
    const now = JSON.stringify([turn.customer_text, turn.reply, turn.outcome]);
    if (before?.now === now) return false;
    const items = [];
    if (turn.customer_text) items.push(line("you", "You", turn.customer_text));
    if (turn.reply) items.push(line("them", authorOf(turn), turn.reply));
    items.at(-1)?.append(...(turn.reply ? sources(turn) : []));
    before?.items[0]?.before(...items);
    before?.items.forEach((item) => item.remove());
    shown.set(turn.position, { now, items });
    toEnd();
    return true;
  }
  function announce(words) { live.textContent = ""; setTimeout(() => { live.textContent = words; }, 50); }
  function settle(next) {
    conversation = next ?? conversation;
    const taken = conversation?.state === PERSON;
    who.textContent = taken ? "A person answers" : "A program answers";
    person.textContent = taken ? "Get the reply by mail" : "Talk to a person";
    askButton.textContent = taken ? "Send my address" : "Ask for a person";
    person.hidden = taken && !!conversation.customer_email;
    clearTimeout(timer);
    if (dialog.open && taken) timer = setTimeout(poll, POLL_MS);
  }
  async function poll() {
    if (!busy && navigator.onLine && document.visibilityState === "visible") await refresh().catch(() => { /* the next one asks again */ });
    settle();
  }
  function work(on) {
    busy = on;
    for (const button of [sendButton, askButton, person, anew]) button.setAttribute("aria-disabled", String(on));
    log.setAttribute("aria-busy", String(on));
  }
  function calm() { trouble.hidden = true; trouble.replaceChildren(); retry = null; }
  /** Says what went wrong, with a way to go on and the address of support. A message that is refused is given back to be changed. */
  function fail(error, again, message) {
    const reason = error.problem?.reason;
    const kept = unsent ? " Your message is not lost." : "";
    const refused = message && ["INVALID_REQUEST", "HIGH_RISK_DATA"].includes(reason);
    const words = !navigator.onLine ? "You are offline." + kept
      : reason === "RATE_LIMITED" ? `You sent many messages. Try again in ${error.wait || 60} seconds.`
      : reason === "CONVERSATION_FULL" ? "This conversation is full. Please begin a new one."
      : reason === "INVALID_REQUEST" ? "This was not accepted: " + ((error.problem.errors || []).map((e) => e.description).join("; ") || error.problem.detail) + "."
      : reason === "HIGH_RISK_DATA" ? "This was not accepted: " + error.problem.detail + "."
      : "Support does not answer at the moment." + kept;
    const button = make("button", { type: "button", textContent: refused ? "Change the message" : "Try again" });
    button.addEventListener("click", () => {
      calm();
      (ask.hidden ? text : mailField).focus();
      if (!refused) return again();
      unsent?.forEach((item) => item.remove());
      unsent = null;
      text.value = [message, text.value].filter(Boolean).join("\n");
    });
    retry = refused ? null : again;
    trouble.replaceChildren(make("p", { textContent: words }), make("div", { className: "row" }, button), make("span", {}, "Or write to ", mailLink(), "."));
    trouble.hidden = false;
    toEnd();
  }
  function forget() {
    remember(null);
    conversation = null;
    shown.clear();
    list.replaceChildren();
    settle();
  }

  // What the visitor does.
  async function create() {
    const made = await json("", {}, { key: newKey() });
    remember({ id: made.conversation.conversation_id, token: made.conversation_token });
    line("note", "", made.notice);
    announce(made.notice);
    settle(made.conversation);
  }
  async function refresh() {
    const got = await json(path("?conversation_token=" + encodeURIComponent(saved.token)));
    const fresh = got.turns.filter(showTurn).filter((turn) => turn.reply);
    if (fresh.length && conversation) announce(fresh.map((turn) => authorOf(turn) + ": " + turn.reply).join("\n"));
    settle(got.conversation);
  }
  /** Begins the conversation, or goes on with the stored one. What support does not know any more is forgotten. */
  function ready() {
    if (conversation) return Promise.resolve();
    starting ??= (saved ? refresh().catch((error) => {
      if (error.problem?.reason !== "CONVERSATION_NOT_FOUND") throw error;
      forget();
      return create();
    }) : create()).finally(() => { starting = null; });
    return starting;
  }
  const begin = () => ready().then(calm, (error) => fail(error, begin));

  async function send({ words, key, again }) {
    if (busy) return;
    calm();
    work(true);
    unsent?.forEach((item) => item.remove());
    unsent = null;
    try {
      await ready();
      const before = conversation.turn_count;
      const arrived = async () => { await refresh(); return conversation.turn_count > before; };
      if (again && await arrived()) return;
      unsent = [line("you", "You", words), line("them", "Assistant (a program)", "Looking for an answer …")];
      announce("Looking for an answer …");
      const reply = unsent[1].lastChild;
      let begun = "";
      let answer = await stream(withToken({ text: words }), key, ({ piece, withdrawn }) => {
        // What an AI wrote did not hold in the end: another answer follows.
        if (withdrawn) begun = "";
        if (piece) begun += piece;
        reply.textContent = begun || "Looking for an answer …";
        toEnd();
      });
      unsent.forEach((item) => item.remove());
      // A stream that broke: the answer may be stored already, and if not, it comes whole.
      if (!answer && await arrived()) { unsent = null; return; }
      answer ??= await json(path(":post"), withToken({ text: words }), { key });
      unsent = null;
      showTurn(answer.turn);
      settle(answer.conversation);
      announce(authorOf(answer.turn) + ": " + answer.turn.reply);
    } catch (error) {
      const gone = error.problem?.reason === "CONVERSATION_NOT_FOUND";
      unsent?.forEach((item) => item.remove());
      if (gone) forget();
      unsent = [line("you", "You (not sent)", words)];
      fail(error, () => send({ words, key: gone ? newKey() : key, again: !gone }), words);
    } finally { work(false); }
  }
  async function askForPerson() {
    if (busy) return;
    const email = mailField.value.trim();
    mailError.hidden = !email || mailField.validity.valid;
    mailField.setAttribute("aria-invalid", String(!mailError.hidden));
    if (!mailError.hidden) {
      mailError.textContent = "This is not a mail address. It looks like name@example.com.";
      return mailField.focus();
    }
    calm();
    work(true);
    try {
      await ready();
      const answer = await json(path(":requestPerson"), withToken({ customer_name: nameField.value.trim(), customer_email: email }), { key: newKey() });
      showTurn(answer.turn);
      settle(answer.conversation);
      showForm(false);
      announce(answer.turn.reply);
    } catch (error) { fail(error, askForPerson); } finally { work(false); }
  }
  function showForm(on) {
    ask.hidden = !on;
    say.hidden = choices.hidden = on;
    toEnd();
    (on ? nameField : text).focus();
  }
  function open() {
    launch.hidden = true;
    // On a telephone the dialog covers the page, so the page behind it must not be reached.
    if (matchMedia("(max-width: 480px)").matches) dialog.showModal(); else dialog.show();
    text.focus();
    toEnd();
    begin().then(() => settle());
  }
  function submit() {
    const words = text.value.trim();
    if (!words || busy) return;
    text.value = "";
    send({ words, key: newKey() });
  }

  launch.addEventListener("click", open);
  shut.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { clearTimeout(timer); launch.hidden = false; launch.focus(); });
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape" && !event.isComposing) { event.preventDefault(); if (ask.hidden) dialog.close(); else showForm(false); }
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
  });
  say.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  ask.addEventListener("submit", (event) => { event.preventDefault(); askForPerson(); });
  person.addEventListener("click", () => { if (!busy) showForm(true); });
  back.addEventListener("click", () => showForm(false));
  anew.addEventListener("click", () => { if (!busy) { forget(); text.focus(); begin(); } });
  addEventListener("offline", () => { if (dialog.open) fail(new Failure(null), retry ?? begin); });
  addEventListener("online", () => { const again = retry; if (again) { calm(); again(); } });

  const host = make("div", { id: "levqor-chat" });
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  root.append(launch, dialog);
  document.body.append(host);
})();
