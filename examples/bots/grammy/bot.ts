// A bot on grammY behind the gate. It answers within its answer to Telegram's
// request, which saves a call.
import { createServer } from "node:http";
import { Bot, webhookCallback } from "grammy";

const bot = new Bot(process.env.TELEGRAM_BOT_TOKEN!, {
  client: {
    apiRoot: process.env.TELEGRAM_API ?? "https://api.telegram.org",
    canUseWebhookReply: (method) => method === "sendMessage",
  },
});

bot.on("message:text", (ctx) => ctx.reply(ctx.message.text));

// No secretToken, which is the gate's to check, and no bot.start(), which polls.
const webhook = webhookCallback(bot, "http");
createServer((req, res) => {
  webhook(req, res).catch((err) => {
    console.error(err);
    res.writeHead(500).end(); // Telegram sends the update again
  });
}).listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
