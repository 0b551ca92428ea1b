// zcomet.js: the messages of an id in a page, over restarts, lost networks and the ends of tokens.
//
//   const stream = zcomet.subscribe("user:7", {
//     token: async () => (await (await fetch("/zcomet/token/", { method: "POST" })).json()).token,
//     onMessage: ({ id, message }) => console.log(id, message),
//   });
//   stream.close();
//
// options, all of which may be missing:
//   url         where zfront is, with a slash at its end; "/": where this page is
//   token       gives a token, or a promise of one; called for each connection; null: it is over, the user is out
//   credentials true: cookies go along, for zfront --auth-url
//   ids, watch  further ids, and ids whose presence is wanted
//   since       an offset: what came behind it is given first
//   onMessage({ id, offset, message })  text, or a Uint8Array where a message is no text
//   onGap(reason, offset)               some messages before the next one are gone
//   onPresence({ id, connections })
//   onState(state, why)                 "open"; "waiting": it comes back by itself; "refused", "closed": it does not
//
//   keep        a name: the offset is kept under it in sessionStorage, so that nothing is missed between two pages
//
// zcomet.page(options) does the same with what {% zcomet_stream %} of Django puts into a page; null where nobody is
// logged in.
//
// It reads /stream by fetch, and not with EventSource: that can't send a header, and gives up at the first 401 or 503.
(function (scope) {
  "use strict";
  const FIRST_MS = 1000;
  const LONGEST_MS = 30000;
  const SILENT_MS = 60000; // zfront writes each 25 s
  const nothing = () => {};

  class Refused extends Error {}

  function subscribe(id, options = {}) {
    const { url = "/", token, ids = [], watch = [], onMessage = nothing, onGap = nothing } = options;
    const { onPresence = nothing, onState = nothing } = options;
    const { keep = "", credentials = false } = options;
    let offset = options.since || (keep && sessionStorage.getItem(keep)) || "";
    let isClosed = false;
    let failures = 0;
    let abort = null;
    let wake = nothing;

    function address() {
      const query = new URLSearchParams([...ids.map((one) => ["id", one]), ...watch.map((one) => ["watch", one])]);
      if (offset) query.set("since", offset);
      const text = query.toString();
      return `${url}stream/${encodeURIComponent(id)}${text ? `?${text}` : ""}`;
    }

    // true: the connection is to be made anew at once.
    function take(one) {
      if (one.offset) offset = one.offset;
      if (one.offset && keep) sessionStorage.setItem(keep, offset);
      if (one.event === "open") onState("open", "");
      else if (one.event === "gap") onGap(one.reason, one.offset);
      else if (one.event === "presence") onPresence({ id: one.id, connections: one.connections });
      else if ("base64" in one) onMessage({ id: one.id, offset: one.offset, message: bytes(one.base64) });
      else if ("message" in one) onMessage({ id: one.id, offset: one.offset, message: one.message });
      return one.event === "expiring" || one.event === "expired";
    }

    async function once() {
      const given = token ? await token() : "";
      if (isClosed) return;
      if (token && !given) throw new Refused("there is no token");
      abort = new AbortController();
      const answer = await fetch(address(), {
        headers: token ? { Authorization: `Bearer ${given}` } : {},
        credentials: credentials ? "include" : "same-origin",
        signal: abort.signal,
        cache: "no-store",
      });
      if (!answer.ok) {
        const why = `${answer.status} ${(await answer.text()).trim()}`;
        const isFinal = answer.status >= 400 && answer.status < 500 && ![401, 408, 429].includes(answer.status);
        throw isFinal ? new Refused(why) : new Error(why);
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let silence = 0;
      try {
        for (let rest = ""; ; ) {
          clearTimeout(silence);
          silence = setTimeout(() => abort.abort(), SILENT_MS);
          const { done, value } = await reader.read();
          if (done) return;
          const lines = (rest + value).split("\n");
          rest = lines.pop();
          for (const line of lines) {
            if (line && !isClosed) {
              failures = 0;
              if (take(JSON.parse(line))) return;
            }
          }
        }
      } finally {
        clearTimeout(silence);
        abort.abort();
      }
    }

    async function run() {
      while (!isClosed) {
        let why = "";
        let isQuick = true;
        try {
          await once();
        } catch (error) {
          why = error.message;
          isQuick = false;
          if (error instanceof Refused) {
            isClosed = true;
            onState("refused", why);
            return;
          }
        }
        if (isClosed) break;
        onState("waiting", why);
        const most = isQuick ? FIRST_MS : Math.min(LONGEST_MS, FIRST_MS * 2 ** failures++);
        await new Promise((resolve) => {
          wake = resolve;
          setTimeout(resolve, most * (0.2 + 0.8 * Math.random()));
        });
      }
      onState("closed", "");
    }

    // A page that the browser keeps for its "back" holds no connection; when it is shown again it goes on.
    const hide = () => abort && abort.abort();
    addEventListener("pagehide", hide);
    run();
    return {
      close() {
        isClosed = true;
        removeEventListener("pagehide", hide);
        wake();
        if (abort) abort.abort();
      },
      get offset() {
        return offset;
      },
    };
  }

  function bytes(base64) {
    return Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  }

  function page(options = {}) {
    const element = document.getElementById("zcomet");
    if (!element) return null;
    const { id, url, token_url: tokenUrl, csrf } = JSON.parse(element.textContent);
    // The cookie is newer where somebody logged in in another tab; it may not be readable.
    const newest = () => (document.cookie.match(/(?:^|; )csrftoken=([^;]*)/) || [])[1] || csrf;
    async function token() {
      const answer = await fetch(tokenUrl, { method: "POST", headers: { "X-CSRFToken": newest() } });
      if (answer.status === 401) return null;
      if (!answer.ok) throw new Error(`${tokenUrl}: ${answer.status}`);
      return (await answer.json()).token;
    }
    return subscribe(id, { url, token, keep: `zcomet ${id}`, ...options });
  }

  scope.zcomet = { subscribe, page };
})(globalThis);
