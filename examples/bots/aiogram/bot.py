"""A bot on aiogram 3 behind the gate: pip install aiogram"""

import os

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

dispatcher = Dispatcher()


@dispatcher.message(F.text)
async def echo(message: Message):
    await message.answer(message.text)


api = os.environ.get("TELEGRAM_API", "https://api.telegram.org")
session = AiohttpSession(api=TelegramAPIServer.from_base(api))
bot = Bot(os.environ["TELEGRAM_BOT_TOKEN"], session=session)

# No secret_token, which is the gate's to check, and no bot.set_webhook().
app = web.Application()
SimpleRequestHandler(dispatcher, bot).register(app, path="/")
web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", 8080)))
