"""A bot on Flask alone behind the gate: pip install flask waitress

It answers within its answer to Telegram's request, so it needs no token.
"""

import os

from flask import Flask, request
from waitress import serve

app = Flask(__name__)


@app.post("/")
def update():
    message = request.get_json().get("message", {})
    if "text" not in message:
        return ""
    return {"method": "sendMessage", "chat_id": message["chat"]["id"], "text": message["text"]}


serve(app, host="127.0.0.1", port=int(os.environ.get("PORT", 8080)))
