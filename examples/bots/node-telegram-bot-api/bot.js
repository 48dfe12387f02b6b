// A bot on node-telegram-bot-api 2 behind the gate.
import { Bot, startWebhook } from "node-telegram-bot-api/node";

const bot = new Bot(process.env.TELEGRAM_BOT_TOKEN, { apiRoot: process.env.TELEGRAM_API });

bot.hears(/.+/s, (ctx) => ctx.reply(ctx.message.text));

// Without this it answers 200 when a handler fails.
bot.catch((err) => {
  console.error(err);
  throw err; // it answers 500, and Telegram sends the update again
});

// The gate checks the secret.
await startWebhook(bot, {
  hostname: "127.0.0.1",
  port: Number(process.env.PORT ?? 8080),
  allowUnauthenticated: true,
});
