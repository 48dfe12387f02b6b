// A bot on Telegraf, on node:http.
import { AsyncLocalStorage } from "node:async_hooks";
import type { ServerResponse } from "node:http";
import { Telegraf } from "telegraf";
import { callbackQuery } from "telegraf/filters";
import { attend, fail, serve, wait } from "./report.js";

const { BOT_TOKEN, BOT_SECRET, BOT_API } = process.env;

const bot = new Telegraf(BOT_TOKEN!, {
  telegram: { apiRoot: BOT_API! },
  handlerTimeout: Infinity, // in place of 90 seconds
});
bot.use(attend);
bot.hears(/^say (.+)/, (ctx) => ctx.reply(ctx.match[1]));
// Telegraf makes few calls within the answer to Telegram: this one, but no
// sendMessage.
bot.hears(/^reply /, (ctx) => ctx.sendChatAction("typing"));
bot.hears(/^throw (\d+)$/, fail);
bot.hears(/^slow (.+)$/, (ctx) => wait(ctx.match[1]));
bot.on(callbackQuery("data"), (ctx) => ctx.answerCbQuery(`✓ ${ctx.callbackQuery.data}`));

// Without this Telegraf answers 200 and lets the process die.
const answer = new AsyncLocalStorage<ServerResponse>();
bot.catch((err) => {
  console.error(String(err));
  answer.getStore()!.statusCode = 500;
});

const webhook = bot.webhookCallback("/updates", { secretToken: BOT_SECRET || undefined });
serve((req, res) => answer.run(res, () => webhook(req, res)));
