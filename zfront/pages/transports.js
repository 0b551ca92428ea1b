// Ways to receive: connect(transport, { id, since, watch }, listener) returns { close() }.
//
// listener.open(offset)  connected; without an offset: what was missed may follow
// listener.message({ id, offset, message })
// listener.gap(reason, offset)
// listener.presence({ id, connections })
// listener.lost(why)  the connection has ended; it is made anew by itself
// listener.refused(why)  the server won't have it; it is not
//
// EventSource comes back by itself; the others do so here, with the offset of the last thing that came.

const RETRY_MS = [500, 1500];
const WHO_MS = 2000; // a poll can't watch anybody, so it asks
const OPEN_MS = 300;

export function connect(transport, { id, since = "", watch = [] }, listener) {
  return ways[transport](`/${transport}/${encodeURIComponent(id)}`, since, watch, listener);
}

const ways = { sse, ws: again(ws), stream: again(stream), poll: again(poll) };

function url(path, since, watch) {
  const query = new URLSearchParams(watch.map((id) => ["watch", id]));
  if (since) query.set("since", since);
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

function text(base64) {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

function sse(path, since, watch, listener) {
  const source = new EventSource(url(path, since, watch));
  const id = decodeURIComponent(path.split("/").pop());
  const tell = (event, message) => listener.message({ id, offset: event.lastEventId, message });
  source.onopen = () => listener.open("");
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) listener.refused("");
    else listener.lost("");
  };
  source.onmessage = (event) => tell(event, event.data);
  source.addEventListener("binary", (event) => tell(event, text(event.data)));
  source.addEventListener("gap", (event) => listener.gap(event.data, event.lastEventId));
  source.addEventListener("presence", (event) => listener.presence(JSON.parse(event.data)));
  return { close: () => source.close() };
}

function tell(listener, one) {
  if (one.event === "open") listener.open(one.offset);
  else if (one.event === "gap") listener.gap(one.reason, one.offset);
  else if (one.event === "presence") listener.presence(one);
  else if ("base64" in one) listener.message({ ...one, message: text(one.base64) });
  else if ("message" in one) listener.message(one);
}

class Refused extends Error {}

async function ask(address, signal) {
  const answer = await fetch(address, { signal, cache: "no-store" });
  if (answer.status >= 400 && answer.status < 500) throw new Refused((await answer.text()).trim());
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer;
}

// Each of these resolves when its connection has ended.

function ws(path, since, watch, listener, signal) {
  return new Promise((done) => {
    const socket = new WebSocket(url(path, since, watch));
    socket.onopen = () => listener.open("");
    socket.onmessage = (event) => tell(listener, JSON.parse(event.data));
    socket.onclose = () => done();
    signal.addEventListener("abort", () => socket.close());
  });
}

async function stream(path, since, watch, listener, signal) {
  const answer = await ask(url(path, since, watch), signal);
  listener.open("");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) tell(listener, JSON.parse(line));
  }
}

async function poll(path, since, watch, listener, signal) {
  let offset = since;
  let isOpen = false;
  const open = (at) => {
    if (!isOpen) listener.open(at);
    isOpen = true;
  };
  // An answer that does not come at once: then nothing was missed.
  const waiting = setTimeout(() => open(offset), OPEN_MS);
  const asking = setInterval(() => who(watch, listener, signal), WHO_MS);
  try {
    who(watch, listener, signal);
    for (;;) {
      const answer = await ask(url(path, offset, []), signal);
      open("");
      const { messages } = answer.status === 204 ? { messages: [] } : await answer.json();
      for (const one of messages) tell(listener, one);
      const tag = answer.headers.get("ETag");
      if (tag) listener.here((offset = tag.replaceAll('"', "")));
    }
  } finally {
    clearTimeout(waiting);
    clearInterval(asking);
  }
}

async function who(watch, listener, signal) {
  if (!watch.length || signal.aborted) return;
  const query = new URLSearchParams(watch.map((id) => ["id", id]));
  try {
    const { ids } = await (await ask(`/api/who?${query}`, signal)).json();
    for (const one of ids) listener.presence(one);
  } catch {
    // It is asked again in a moment.
  }
}

function again(way) {
  return (path, since, watch, listener) => {
    const end = new AbortController();
    let offset = since;
    const follow = (at) => (offset = at || offset);
    const following = {
      ...listener,
      open: (at) => listener.open(at, follow(at)),
      message: (one) => (follow(one.offset), listener.message(one)),
      gap: (reason, at) => (follow(at), listener.gap(reason, at)),
      here: follow,
    };
    (async () => {
      while (!end.signal.aborted) {
        const error = await way(path, offset, watch, following, end.signal).catch((error) => error);
        if (end.signal.aborted) return;
        if (error instanceof Refused) return listener.refused(error.message);
        listener.lost(error?.message ?? "");
        const [least, most] = RETRY_MS;
        await new Promise((done) => setTimeout(done, least + Math.random() * (most - least)));
      }
    })();
    return { close: () => end.abort() };
  };
}
