"""A bot on aiogram 3 behind the gate: pip install aiogram"""

import os

from aiogram import Bot, Dispatcher, F
from aiogram.types import Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

dispatcher = Dispatcher()


@dispatcher.message(F.text)
async def echo(message: Message):
    await message.answer(message.text)


# No secret_token, which is the gate's to check, and no bot.set_webhook().
app = web.Application()
handler = SimpleRequestHandler(dispatcher, Bot(os.environ["TELEGRAM_BOT_TOKEN"]))
handler.register(app, path="/")
web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", 8080)))
