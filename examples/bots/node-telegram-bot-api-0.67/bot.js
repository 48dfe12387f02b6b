// A bot on node-telegram-bot-api 0.67 behind the gate.
import { createServer } from "node:http";
import TelegramBot from "node-telegram-bot-api";

// Neither polling nor webHook: its own server wants the bot's token in the path.
const bot = new TelegramBot(process.env.TELEGRAM_BOT_TOKEN, { baseApiUrl: process.env.TELEGRAM_API });

bot.on("text", (message) => bot.sendMessage(message.chat.id, message.text).catch(console.error));

// The gate checks the secret.
createServer(async (req, res) => {
  try {
    bot.processUpdate(JSON.parse(Buffer.concat(await req.toArray()).toString()));
  } catch (err) {
    console.error(err);
    res.statusCode = 500; // Telegram sends the update again
  }
  res.end();
}).listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
