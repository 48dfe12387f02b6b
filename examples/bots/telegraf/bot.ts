// A bot on Telegraf behind the gate.
import { createServer } from "node:http";
import { Telegraf } from "telegraf";
import { message } from "telegraf/filters";

const bot = new Telegraf(process.env.TELEGRAM_BOT_TOKEN!, {
  telegram: { apiRoot: process.env.TELEGRAM_API ?? "https://api.telegram.org" },
});

bot.on(message("text"), (ctx) => ctx.reply(ctx.message.text));

// No secretToken, which is the gate's to check, and no bot.launch(), which calls
// setWebhook or polls. The path is that of the webhook's address.
createServer(bot.webhookCallback("/")).listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
