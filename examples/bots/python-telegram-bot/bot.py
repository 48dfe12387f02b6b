"""A bot on python-telegram-bot, version 20 or later, behind the gate.

Application.run_webhook() would call setWebhook in any case, so tornado serves
the updates: pip install "python-telegram-bot[webhooks]"
"""

import asyncio
import json
import os

import tornado.web
from telegram import Update
from telegram.ext import Application, MessageHandler, filters


async def echo(update, context):
    message = update.effective_message
    await message.reply_text(message.text)


class Webhook(tornado.web.RequestHandler):
    def initialize(self, bot):
        self.bot = bot

    async def post(self):
        update = Update.de_json(json.loads(self.request.body), self.bot.bot)
        await self.bot.process_update(update)


async def main():
    api = os.environ.get("TELEGRAM_API", "https://api.telegram.org")
    bot = (
        Application.builder()
        .token(os.environ["TELEGRAM_BOT_TOKEN"])
        .base_url(api + "/bot")
        .updater(None)  # which polls
        .build()
    )
    bot.add_handler(MessageHandler(filters.TEXT, echo))
    async with bot:
        await bot.start()
        server = tornado.web.Application([("/.*", Webhook, {"bot": bot})])
        server.listen(int(os.environ.get("PORT", 8080)), "127.0.0.1")
        await asyncio.Event().wait()


asyncio.run(main())
