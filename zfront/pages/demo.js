import { connect } from "/pages/transports.js";

const MOST = 200; // lines of a list
const MISSED_MS = [1500, 50]; // what was missed comes at once, and in one go
const NOTES = {
  sse: ["Server-Sent Events", "one answer that never ends. EventSource comes back by itself and says what it saw last."],
  ws: ["WebSocket", "both ways: a client can log in as further ids, and say how far it has come."],
  stream: ["JSON lines", "one object a line. Anything that can read lines is a client: curl, an app, another server."],
  poll: ["Long poll", "for clients that can do nothing else: each answer waits until there is something to say."],
};

const find = (id) => document.getElementById(id);
const plural = (count) => `${count} connection${count === 1 ? "" : "s"}`;
const counts = { received: 0, resumed: 0, gaps: 0 };
const watched = new Map(); // id -> its line
let connection = null;
let current = { id: "", offset: "" }; // who we are, and where
let missedUntil = 0; // what comes until then was sent while we were away
let isBack = false; // connected again, and nothing came yet

const form = (name) => Object.fromEntries(new FormData(find(name)));

function open() {
  connection?.close();
  const { id, transport } = form("connect");
  if (current.id !== id) current = { id, offset: "" };
  isBack = current.offset !== "";
  show("off", "Connecting…");
  offer("Cut");
  const [name] = NOTES[transport];
  const isOn = () => show("on", `Connected as ${id} by ${name}`);
  connection = connect(transport, { id, since: current.offset, watch: [...watched.keys()] }, {
    open: (offset) => {
      isOn();
      if (offset) {
        at(offset);
        isBack = false; // then there was nothing
        missedUntil = 0;
      } else if (isBack) {
        missedUntil = performance.now() + MISSED_MS[0];
        isBack = false;
      }
    },
    message: (one) => {
      isOn();
      at(one.offset);
      const now = performance.now();
      const wasMissed = now < missedUntil;
      if (wasMissed) missedUntil = Math.min(missedUntil, now + MISSED_MS[1]);
      count("received");
      if (wasMissed) count("resumed");
      const line = item(one.message, `for ${one.id} · ${time()} · ${one.offset}`);
      if (wasMissed) line.prepend(badge("resumed", "good"), " ");
      add("messages", line);
    },
    gap: (reason, offset) => {
      at(offset);
      count("gaps");
      const line = item(`Some messages are gone: ${reason}`, `${time()} · ${offset}`);
      line.prepend(badge("gap", "bad"), " ");
      add("messages", line);
    },
    presence: (one) => presence(one.id, one.connections),
    lost: (why) => {
      isBack = current.offset !== "";
      show("lost", why ? `Lost (${why}), trying again` : "Lost, trying again");
    },
    refused: (why) => {
      connection = null;
      offer("");
      show("lost", why ? `Refused: ${why}` : "Refused");
    },
  });
}

function cut() {
  connection.close();
  connection = null;
  offer("Come back");
  show("cut", "Cut. What is sent to you now is kept for a while");
  for (const id of watched.keys()) presence(id, -1);
}

// What can be done with the connection that there is; nothing: a new one can be made.
function offer(what) {
  const button = find("cut");
  button.disabled = !what;
  button.textContent = what || "Cut";
  button.classList.toggle("plain", !what);
  find("connecting").classList.toggle("plain", Boolean(what));
}

async function send({ id, message, key }) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    const answer = await fetch(`/api/send/${encodeURIComponent(id)}`, { method: "POST", body: message, headers });
    if (answer.status === 401) find("key").hidden = false;
    const receipt = await answer.json().catch(() => ({}));
    if (!answer.ok) return ["not sent", "bad", receipt.detail ?? receipt.title ?? `status ${answer.status}`];
    if (receipt.kept) return ["kept", "soft", "it was here a short while ago"];
    if (!receipt.connections) return ["nobody", "soft", "nobody is connected as it"];
    return ["delivered", "good", `handed to ${plural(receipt.connections)}`];
  } catch (error) {
    return ["not sent", "bad", error.message];
  }
}

// connections: -1 = not known
function presence(id, connections) {
  const line = watched.get(id);
  if (!line) return;
  line.dataset.state = connections > 0 ? "on" : "off";
  const [state] = line.getElementsByTagName("small");
  const text = connections < 0 ? "connect to see" : connections > 0 ? plural(connections) : "away";
  if (state.textContent !== text) state.textContent = text;
}

function watch(id) {
  if (watched.has(id)) return;
  const line = item(id, "connect to see");
  const leave = document.createElement("button");
  leave.type = "button";
  leave.className = "plain small";
  leave.textContent = "Remove";
  leave.setAttribute("aria-label", `Watch ${id} no more`);
  leave.addEventListener("click", () => {
    watched.delete(id);
    line.remove();
    if (connection) open();
  });
  line.append(leave);
  watched.set(id, line);
  find("presence").append(line);
  if (connection) open();
}

function at(offset) {
  if (!offset) return;
  current.offset = offset;
  find("offset").textContent = offset;
}

function count(name) {
  counts[name] += 1;
  find(name).textContent = counts[name].toLocaleString();
}

function show(state, text) {
  const line = find("state");
  line.dataset.state = state;
  if (line.textContent !== text) line.textContent = text;
}

function badge(text, kind) {
  const mark = document.createElement("span");
  mark.className = `badge ${kind}`;
  mark.textContent = text;
  return mark;
}

function item(text, note) {
  const line = document.createElement("li");
  const words = document.createElement("span");
  words.className = "words";
  words.textContent = text;
  const small = document.createElement("small");
  small.textContent = note;
  line.append(words, small);
  return line;
}

function add(list, line) {
  const all = find(list);
  all.prepend(line);
  while (all.children.length > MOST) all.lastChild.remove();
}

function time() {
  return new Date().toLocaleTimeString();
}

function describe() {
  const [name, text] = NOTES[form("connect").transport];
  const strong = document.createElement("strong");
  strong.textContent = name;
  find("note").replaceChildren(strong, `: ${text}`);
}

function invite() {
  const { id } = form("connect");
  const { id: to } = form("send");
  const other = to === id ? (id === "bob" ? "alice" : "bob") : to;
  const link = find("second");
  link.href = `/demo?${new URLSearchParams({ id: other, to: id })}`;
  link.textContent = `Open a second window as ${other}`;
}

function begin() {
  const query = new URLSearchParams(location.search);
  const [mine, by] = [find("connect").elements.id, find("connect").elements.transport];
  const [other, message] = [find("send").elements.id, find("send").elements.message];
  if (query.get("id")) mine.value = query.get("id");
  if (query.get("to")) other.value = query.get("to");
  if (query.get("by") in NOTES) by.value = query.get("by");
  find("watch").elements.id.value = other.value;

  find("connect").addEventListener("submit", (event) => {
    event.preventDefault();
    open();
  });
  find("connect").addEventListener("input", describe);
  find("cut").addEventListener("click", () => (connection ? cut() : open()));
  find("send").addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form("send");
    message.value = "";
    const [what, kind, why] = await send(said);
    const line = item(said.message, `to ${said.id} · ${why}`);
    line.prepend(badge(what, kind), " ");
    add("receipts", line);
  });
  message.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    find("send").requestSubmit();
  });
  find("watch").addEventListener("submit", (event) => {
    event.preventDefault();
    watch(form("watch").id);
  });
  for (const one of [mine, other]) one.addEventListener("input", invite);
  describe();
  invite();
}

begin();
