// A bot on grammY, on node:http.
import { Bot, webhookCallback } from "grammy";
import { attend, fail, serve, wait } from "./report.js";

const { BOT_TOKEN, BOT_SECRET, BOT_API } = process.env;

const bot = new Bot(BOT_TOKEN!, {
  client: { apiRoot: BOT_API!, canUseWebhookReply: (method) => method === "sendMessage" },
});
bot.use(attend);
bot.hears(/^(?:say|reply) (.+)/, (ctx) => ctx.reply(ctx.match[1]));
bot.hears(/^throw (\d+)$/, fail);
bot.hears(/^slow (.+)$/, (ctx) => wait(ctx.match[1]));
bot.on("callback_query:data", (ctx) => ctx.answerCallbackQuery(`✓ ${ctx.callbackQuery.data}`));

const webhook = webhookCallback(bot, "http", {
  secretToken: BOT_SECRET || undefined,
  timeoutMilliseconds: Infinity, // in place of 10 seconds
});

serve(async (req, res) => {
  try {
    await webhook(req, res);
  } catch (err) {
    // node:http would let the process die.
    console.error(String(err));
    res.writeHead(500).end();
  }
});
