import { connect } from "/pages/transports.js";

const MOST = 200; // lines of a list
const find = (id) => document.getElementById(id);
let connection = null;
let offset = ""; // of the last message that was seen
let isResuming = false;
const watched = new Set();

find("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  offset = "";
  isResuming = false;
  open();
});

find("cut").addEventListener("click", () => {
  if (connection) {
    connection.close();
    connection = null;
    isResuming = true;
    show("cut", "cut: what is sent to you now is kept for a while");
    find("cut").textContent = "Come back";
  } else {
    open();
  }
});

find("send").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { id, message } = Object.fromEntries(new FormData(event.target));
  add("receipts", await send(id, message), `to ${id}`);
});

find("watch").addEventListener("submit", (event) => {
  event.preventDefault();
  watched.add(new FormData(event.target).get("id"));
  if (connection) open();
  else presence();
});

function open() {
  connection?.close();
  const { id, transport } = Object.fromEntries(new FormData(find("connect")));
  show("off", "connecting");
  find("cut").disabled = false;
  find("cut").textContent = "Cut";
  connection = connect(transport, id, offset, {
    open: (at) => {
      offset = at || offset;
      show("on", `connected as ${id}`);
    },
    message: (one) => {
      show("on", `connected as ${id}`);
      offset = one.offset;
      add("messages", one.message, `for ${one.id}, at ${new Date().toLocaleTimeString()}`, isResuming && "resumed");
    },
    gap: (reason) => add("messages", `some messages are gone: ${reason}`, "", "gap"),
    presence: ({ id: who, online, connections }) => presence(who, online, connections),
    lost: () => show("cut", "lost, trying again"),
  }, [...watched]);
  setTimeout(() => (isResuming = false), 2000);
}

async function send(id, message) {
  try {
    const answer = await fetch(`/api/send/${encodeURIComponent(id)}`, { method: "POST", body: message });
    const receipt = await answer.json();
    if (!answer.ok) return receipt.detail ?? receipt.title ?? `status ${answer.status}`;
    if (receipt.kept) return "kept: it was here a short while ago";
    if (!receipt.connections) return "nobody is there";
    return `handed to ${receipt.connections} connection${receipt.connections === 1 ? "" : "s"}`;
  } catch (error) {
    return `not sent: ${error.message}`;
  }
}

function presence(who, online, connections) {
  if (who) {
    const line = find(`who-${who}`) ?? document.createElement("li");
    line.id = `who-${who}`;
    line.textContent = `${who} is ${online ? `there, on ${connections} connection${connections === 1 ? "" : "s"}` : "away"}`;
    find("presence").append(line);
  } else {
    find("presence").textContent = "";
    for (const id of watched) find("presence").append(item(id, "connect to see whether it is there"));
  }
}

function show(state, text) {
  const line = find("state");
  line.dataset.state = state;
  if (line.textContent !== text) line.textContent = text;
}

function item(text, note, kind) {
  const line = document.createElement("li");
  line.textContent = text;
  if (kind) line.className = kind;
  if (note) {
    const small = document.createElement("small");
    small.textContent = note;
    line.append(small);
  }
  return line;
}

function add(list, text, note, kind) {
  const all = find(list);
  all.prepend(item(text, note, kind));
  while (all.children.length > MOST) all.lastChild.remove();
}
