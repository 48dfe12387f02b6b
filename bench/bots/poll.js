// A bot on grammY that polls by itself, or without long polling takes updates over HTTP
// behind a gate. For each line of its standard input it prints which updates it has
// handled since the last one, and when.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Bot, webhookCallback } from "grammy";

const { BOT_PORT, BOT_TOKEN, BOT_API, BOT_ANSWERS } = process.env;

const bot = new Bot(BOT_TOKEN, {
  client: { apiRoot: BOT_API },
  // Known beforehand, so that grammY does not ask with getMe.
  botInfo: { id: 1, is_bot: true, first_name: "Bot", username: "bench_bot" },
});

const now = () => performance.timeOrigin + performance.now(); // in ms, since 1970
let handled = [];
bot.on("message", async (ctx) => {
  const began = now();
  if (BOT_ANSWERS) await ctx.reply(ctx.message.text);
  handled.push({ id: ctx.update.update_id, began, ended: now() });
});

createInterface({ input: process.stdin })
  .on("line", () => {
    console.log(JSON.stringify(handled));
    handled = [];
  })
  .on("close", () => process.exit());

if (BOT_PORT) createServer({ keepAliveTimeout: 75_000 }, webhookCallback(bot, "http")).listen(Number(BOT_PORT), "127.0.0.1");
else bot.start();
