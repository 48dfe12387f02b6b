// A bot on Telegraf behind the gate.
import { AsyncLocalStorage } from "node:async_hooks";
import { createServer, type ServerResponse } from "node:http";
import { Telegraf } from "telegraf";
import { message } from "telegraf/filters";

const bot = new Telegraf(process.env.TELEGRAM_BOT_TOKEN!, {
  telegram: { apiRoot: process.env.TELEGRAM_API ?? "https://api.telegram.org" },
});

bot.on(message("text"), (ctx) => ctx.reply(ctx.message.text));

// Without this Telegraf answers 200 when a handler fails, and the process ends.
const answer = new AsyncLocalStorage<ServerResponse>();
bot.catch((err) => {
  console.error(err);
  answer.getStore()!.statusCode = 500; // Telegram sends the update again
});

// No secretToken, which is the gate's to check, and no bot.launch(), which calls
// setWebhook or polls. The path is that of the webhook's address.
const webhook = bot.webhookCallback("/");
createServer((req, res) => {
  answer.run(res, () => webhook(req, res));
}).listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
