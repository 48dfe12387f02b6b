"""A bot on Flask alone, which is a view. waitress serves it."""

import hmac
import os

from flask import Flask, abort, request
from report import fail, report, wait
from waitress import create_server

SECRET = os.environ["BOT_SECRET"]

app = Flask(__name__)


@app.before_request
def arrived():
    # Before the view, so that what it turns away shows too.
    secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
    report("arrived", path=request.path, secret=secret)


@app.post("/updates")
def update():
    secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
    if SECRET and not hmac.compare_digest(secret, SECRET):
        abort(403)
    update = request.get_json()
    report("began", update_id=update["update_id"])
    answer = handle(update)
    report("handled", update_id=update["update_id"])
    return answer


def handle(update):
    if "callback_query" in update:
        query = update["callback_query"]
        return {"method": "answerCallbackQuery", "callback_query_id": query["id"], "text": "✓ " + query["data"]}
    message = update["message"]
    command, _, rest = message["text"].partition(" ")
    match command:
        case "say" | "reply":
            return {"method": "sendMessage", "chat_id": message["chat"]["id"], "text": rest}
        case "throw":
            fail(update["update_id"], message["text"])
        case "slow":
            wait(message["text"])
    return ""


@app.after_request
def answered(response):
    if response.is_json:
        report("answered", body=response.get_data(as_text=True))
    return response


host, port = os.environ["BOT_LISTEN"].split(":")
server = create_server(app, host=host, port=int(port))
report("listening")
server.run()
