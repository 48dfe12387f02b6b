// What the bots in Node have in common: they tell on standard output, one JSON
// object a line, what comes to them and what becomes of it.
import { createServer } from "node:http";
import { createInterface } from "node:readline";

// Writing to a pipe is synchronous in Node: what was reported before a kill is
// not lost.
export const report = (event) => process.stdout.write(JSON.stringify(event) + "\n");

// attend reports when an update's handler begins and when it is through.
export async function attend(ctx, next) {
  report({ event: "began", update_id: ctx.update.update_id });
  await next();
  report({ event: "handled", update_id: ctx.update.update_id });
}

// fail throws on the first tries of an update, on as many as it says.
const tries = new Map();
export function fail(ctx) {
  const id = ctx.update.update_id;
  tries.set(id, (tries.get(id) ?? 0) + 1);
  if (tries.get(id) <= Number(ctx.match[1])) {
    throw new Error(`try ${tries.get(id)} of update ${id}`);
  }
}

// wait takes until whoever started the bot says the name on its standard input,
// which is held open.
const gates = new Map();
export const wait = (name) => gate(name).opened;

function gate(name) {
  if (!gates.has(name)) {
    let open;
    const opened = new Promise((resolve) => (open = resolve));
    gates.set(name, { open, opened });
  }
  return gates.get(name);
}

// serve hands requests to the framework, and ends by SIGTERM once those under way
// are answered.
export function serve(webhook) {
  const atWork = new Set();
  let stopping = false;
  const server = createServer((req, res) => {
    atWork.add(res);
    res.on("close", () => {
      atWork.delete(res);
      if (stopping && atWork.size === 0) process.exit();
    });
    // Before the framework sees it, so that what it turns away shows too.
    report({ event: "arrived", path: req.url, secret: req.headers["x-telegram-bot-api-secret-token"] });
    const end = res.end;
    res.end = function (body, ...rest) {
      if (body) report({ event: "answered", body: String(body) });
      return end.call(this, body, ...rest);
    };
    webhook(req, res);
  });
  const [host, port] = process.env.BOT_LISTEN.split(":");
  server.listen(Number(port), host, () => report({ event: "listening" }));

  process.on("SIGTERM", () => {
    // The callback of close waits for connections that are kept open, too.
    server.close();
    stopping = true;
    report({ event: "stopping" });
    if (atWork.size === 0) process.exit();
  });
  const stdin = createInterface({ input: process.stdin });
  stdin.on("line", (name) => gate(name).open());
  stdin.on("close", () => process.exit());
}
