"""A bot on python-telegram-bot.

It answers Telegram after its handler is through, or first, as start_webhook() does.
"""

import asyncio
import hmac
import json
import os
import signal

import tornado.web
from report import fail, report, wait
from telegram import Update
from telegram.ext import Application, ApplicationBuilder, CallbackQueryHandler, ExtBot, MessageHandler, filters

TOKEN, SECRET, API = (os.environ[name] for name in ("BOT_TOKEN", "BOT_SECRET", "BOT_API"))
HOST, PORT = os.environ["BOT_LISTEN"].split(":")
ANSWERS_FIRST = os.environ.get("BOT_ANSWERS") == "first"

HEADER = "X-Telegram-Bot-Api-Secret-Token"


async def say(update, context):
    await update.message.reply_text(context.match[1])


async def reply(update, context):
    answers[update.update_id] = {"method": "sendMessage", "chat_id": update.message.chat_id, "text": context.match[1]}


async def throw(update, context):
    fail(update.update_id, update.message.text)


async def slow(update, context):
    await asyncio.to_thread(wait, update.message.text)


async def press(update, context):
    await update.callback_query.answer("✓ " + update.callback_query.data)


answers = {}  # to Telegram, by update_id
failed = {}  # what was thrown, by update_id


async def keep(update, context):
    failed[update.update_id] = context.error


class Bot(ExtBot):
    async def set_webhook(self, *args, **kwargs):
        return True  # the gate's to do, and start_webhook() would in any case


class Attentive(Application):
    """Reports when an update's handler begins and when it is through."""

    async def process_update(self, update):
        report("began", update_id=update.update_id)
        await super().process_update(update)
        if update.update_id not in failed:
            report("handled", update_id=update.update_id)


def arrived(self):
    # Before the framework sees it, so that what it turns away shows too.
    report("arrived", path=self.request.path, secret=self.request.headers.get(HEADER))


class Webhook(tornado.web.RequestHandler):
    at_work = set()

    async def post(self):
        self.at_work.add(self)
        if SECRET and not hmac.compare_digest(self.request.headers.get(HEADER, ""), SECRET):
            raise tornado.web.HTTPError(403)
        app = self.settings["app"]
        update = Update.de_json(json.loads(self.request.body), app.bot)
        await app.process_update(update)
        # process_update hands on nothing that was thrown.
        if error := failed.pop(update.update_id, None):
            raise error
        if answer := answers.pop(update.update_id, None):
            body = json.dumps(answer)
            report("answered", body=body)
            self.set_header("Content-Type", "application/json")
            self.write(body)

    def on_finish(self):
        self.at_work.discard(self)


async def answer_after(app, stop):
    server = tornado.web.Application([("/updates", Webhook)], app=app).listen(PORT, HOST)
    report("listening")
    await stop.wait()
    report("stopping")
    server.stop()
    while Webhook.at_work:
        await asyncio.sleep(0.02)


async def answer_first(app, stop):
    await app.updater.start_webhook(HOST, PORT, "updates", secret_token=SECRET or None)
    report("listening")
    await stop.wait()
    report("stopping")
    await app.updater.stop()


async def main():
    tornado.web.RequestHandler.prepare = arrived
    builder = ApplicationBuilder().application_class(Attentive).bot(Bot(TOKEN, base_url=API + "/bot"))
    app = (builder if ANSWERS_FIRST else builder.updater(None)).build()
    app.add_handler(MessageHandler(filters.Regex(r"^say (.+)"), say))
    app.add_handler(MessageHandler(filters.Regex(r"^reply (.+)"), reply))
    app.add_handler(MessageHandler(filters.Regex(r"^throw \d+$"), throw))
    app.add_handler(MessageHandler(filters.Regex(r"^slow "), slow))
    app.add_handler(CallbackQueryHandler(press))
    app.add_error_handler(keep)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with app:
        await app.start()
        await (answer_first if ANSWERS_FIRST else answer_after)(app, stop)
        await app.stop()


asyncio.run(main())
