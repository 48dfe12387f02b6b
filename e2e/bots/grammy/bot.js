// A bot on grammY in webhook mode, on node:http. It says on standard output, one
// JSON object a line, what came to it, what it handled and what it answered.
import { createServer } from "node:http";
import { Bot, webhookCallback } from "grammy";

const { BOT_LISTEN, BOT_TOKEN, BOT_SECRET } = process.env;

// Writing to a pipe is synchronous in Node: what was reported before a kill is
// not lost.
const report = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const bot = new Bot(BOT_TOKEN, {
  // Known beforehand, so that grammY does not ask with getMe.
  botInfo: { id: 1, is_bot: true, first_name: "Bot", username: "e2e_bot" },
  client: { canUseWebhookReply: (method) => method === "sendMessage" },
});

bot.use(async (ctx, next) => {
  await next();
  report({ event: "handled", update_id: ctx.update.update_id });
});

bot.hears(/^say (.+)/, (ctx) => ctx.reply(ctx.match[1]));

// "throw 2" fails on its first two tries.
const tries = new Map();
bot.hears(/^throw (\d+)$/, (ctx) => {
  const id = ctx.update.update_id;
  tries.set(id, (tries.get(id) ?? 0) + 1);
  if (tries.get(id) <= Number(ctx.match[1])) {
    throw new Error(`try ${tries.get(id)} of update ${id}`);
  }
});

const webhook = webhookCallback(bot, "http", { secretToken: BOT_SECRET || undefined });

const server = createServer(async (req, res) => {
  // Before grammY sees it, so that what grammY turns away shows too.
  report({ event: "arrived", path: req.url, secret: req.headers["x-telegram-bot-api-secret-token"] });
  const end = res.end;
  res.end = function (body, ...rest) {
    if (body) report({ event: "answered", body: String(body) });
    return end.call(this, body, ...rest);
  };
  try {
    await webhook(req, res);
  } catch (err) {
    // node:http would let the process die; web frameworks answer 500.
    console.error(err.message);
    res.writeHead(500).end();
  }
});

const [host, port] = BOT_LISTEN.split(":");
server.listen(Number(port), host, () => report({ event: "listening" }));

// Whoever started the bot holds its standard input open.
process.stdin.on("end", () => process.exit()).resume();
