// What the bots in TypeScript have in common: they tell on standard output, one
// JSON object a line, what comes to them and what becomes of it.
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { createInterface } from "node:readline";

type Report =
  | { event: "listening" | "stopping" }
  | { event: "arrived"; path?: string; secret?: string | string[] }
  | { event: "began" | "handled"; update_id: number }
  | { event: "answered"; body: string };

// Writing to a pipe is synchronous in Node: what was reported before a kill is
// not lost.
const report = (what: Report) => process.stdout.write(JSON.stringify(what) + "\n");

// Context is what the handlers here need of a framework's.
interface Context {
  update: { update_id: number };
}

// attend reports when an update's handler begins and when it is through.
export async function attend(ctx: Context, next: () => Promise<void>) {
  const { update_id } = ctx.update;
  report({ event: "began", update_id });
  await next();
  report({ event: "handled", update_id });
}

// fail throws on the first tries of an update, on as many as it says.
const tries = new Map<number, number>();
export function fail(ctx: Context & { match: ArrayLike<string> }) {
  const id = ctx.update.update_id;
  const n = (tries.get(id) ?? 0) + 1;
  tries.set(id, n);
  if (n <= Number(ctx.match[1])) {
    throw new Error(`try ${n} of update ${id}`);
  }
}

// wait takes until whoever started the bot says the name on its standard input,
// which is held open.
const gates = new Map<string, Gate>();
export const wait = (name: string) => gate(name).opened;

interface Gate {
  open: () => void;
  opened: Promise<void>;
}

function gate(name: string) {
  let found = gates.get(name);
  if (!found) {
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    found = { open, opened };
    gates.set(name, found);
  }
  return found;
}

// serve hands requests to the framework, and ends by SIGTERM once those under way
// are answered.
export function serve(webhook: RequestListener) {
  const atWork = new Set<ServerResponse>();
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
    res.end = (...args: unknown[]) => {
      if (args[0]) report({ event: "answered", body: String(args[0]) });
      return Reflect.apply(end, res, args);
    };
    webhook(req, res);
  });
  const [host, port] = process.env.BOT_LISTEN!.split(":");
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
