// A bot on Telegraf that takes updates over TLS and checks the secret by itself.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Telegraf } from "telegraf";

const { BOT_PORT, BOT_TOKEN, BOT_SECRET, BOT_CERT, BOT_KEY } = process.env;

const bot = new Telegraf(BOT_TOKEN);
// Known beforehand, so that Telegraf does not ask with getMe.
bot.botInfo = { id: 1, is_bot: true, first_name: "Bot", username: "bench_bot" };
bot.on("message", () => {});

const options = { cert: readFileSync(BOT_CERT), key: readFileSync(BOT_KEY), keepAliveTimeout: 75_000 };
createServer(options, bot.webhookCallback("/", { secretToken: BOT_SECRET })).listen(Number(BOT_PORT), "127.0.0.1");
