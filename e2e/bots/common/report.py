"""What the bots in Python have in common.

They tell on standard output, one JSON object a line, what comes to them and what
becomes of it.
"""

import collections
import json
import os
import sys
import threading

_lock = threading.Lock()
_gates = collections.defaultdict(threading.Event)
_tries = collections.Counter()


def report(event, **more):
    with _lock:
        print(json.dumps({"event": event, **more}), flush=True)


def fail(update_id, text):
    """Throws on the first tries of an update, on as many as "throw 2" says."""
    _tries[update_id] += 1
    if _tries[update_id] <= int(text.removeprefix("throw ")):
        raise RuntimeError(f"try {_tries[update_id]} of update {update_id}")


def wait(text):
    """Takes, for "slow x", until whoever started the bot says x on its standard
    input, which is held open."""
    _gates[text.removeprefix("slow ")].wait()


def obey():
    for line in sys.stdin:
        _gates[line.rstrip("\n")].set()
    os._exit(0)


threading.Thread(target=obey, daemon=True).start()
