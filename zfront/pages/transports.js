// Ways to receive: connect(transport, id, since, listener) returns { close() }.
//
// listener.open(offset), .message({ id, offset, message }), .gap(reason), .presence({ id, online }), .lost().
// EventSource comes back by itself; the others do so here, with the offset of the last thing that came.

const RETRY_MS = [1000, 3000];

export function connect(transport, id, since, listener, watch = []) {
  return ways[transport](`/${transport}/${encodeURIComponent(id)}`, since, listener, watch);
}

const ways = { sse, ws: again(ws), stream: again(stream), poll: again(poll) };

function url(path, since, watch) {
  const query = new URLSearchParams(watch.map((id) => ["watch", id]));
  if (since) query.set("since", since);
  return query.size ? `${path}?${query}` : path;
}

function sse(path, since, listener, watch) {
  const source = new EventSource(url(path, since, watch));
  const id = decodeURIComponent(path.split("/").pop());
  source.onopen = () => listener.open("");
  source.onerror = () => listener.lost();
  source.onmessage = (event) => listener.message({ id, offset: event.lastEventId, message: event.data });
  source.addEventListener("gap", (event) => listener.gap(event.data, event.lastEventId));
  source.addEventListener("presence", (event) => listener.presence(JSON.parse(event.data)));
  return { close: () => source.close() };
}

function tell(listener, one) {
  if (one.event === "open") listener.open(one.offset);
  else if (one.event === "gap") listener.gap(one.reason, one.offset);
  else if (one.event === "presence") listener.presence(one);
  else if ("offset" in one) listener.message({ ...one, message: one.message ?? atob(one.base64) });
}

// Each of these resolves when its connection has ended.

function ws(path, since, listener, watch, signal) {
  return new Promise((done) => {
    const socket = new WebSocket(url(path, since, watch));
    socket.onmessage = (event) => tell(listener, JSON.parse(event.data));
    socket.onclose = done;
    signal.addEventListener("abort", () => socket.close());
  });
}

async function stream(path, since, listener, watch, signal) {
  const answer = await fetch(url(path, since, watch), { signal });
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

async function poll(path, since, listener, watch, signal) {
  let offset = since;
  for (;;) {
    listener.open("");
    const answer = await fetch(url(path, offset, watch), { signal, cache: "no-store" });
    if (answer.status === 200) for (const one of (await answer.json()).messages) tell(listener, one);
    else if (answer.status !== 204) throw new Error(`status ${answer.status}`);
    const tag = answer.headers.get("ETag");
    if (tag) listener.here((offset = tag.replaceAll('"', "")));
  }
}

function again(way) {
  return (path, since, listener, watch) => {
    const end = new AbortController();
    let offset = since;
    const follow = (at) => (offset = at || offset);
    const following = {
      open: (at) => listener.open(follow(at)),
      message: (one) => (follow(one.offset), listener.message(one)),
      gap: (reason, at) => (follow(at), listener.gap(reason)),
      presence: (one) => listener.presence(one),
      here: follow,
    };
    (async () => {
      while (!end.signal.aborted) {
        await way(path, offset, following, watch, end.signal).catch(() => {});
        if (end.signal.aborted) return;
        listener.lost();
        const [least, most] = RETRY_MS;
        await new Promise((done) => setTimeout(done, least + Math.random() * (most - least)));
      }
    })();
    return { close: () => end.abort() };
  };
}
