"""A run over HTTP from Python, with nothing but the standard library: start it, follow its events, look at its result and its file.

ISO_URL and ISO_TOKEN are what `iso-runtime serve` printed. It asserts what it shows, and exits non-zero where that is not so.
"""

import http.client
import json
import os
import urllib.error
import urllib.request
import uuid

URL = os.environ["ISO_URL"].rstrip("/")
HEADERS = {"Authorization": f"Bearer {os.environ['ISO_TOKEN']}"}

CODE = """
import os
print("counting")
open(os.environ["OUTPUT_DIR"] + "/sum.txt", "w").write(str(sum(range(101))))
"""


def ask(path, body=None, **headers):
    """The answer, to be read. An error's body is the problem document: HTTPError.read() has it."""
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    return urllib.request.urlopen(urllib.request.Request(URL + path, data, HEADERS | headers))


def events(run_id, user):
    """Each event once; a connection that was cut is taken up again after the last one that came."""
    last = 0
    while True:
        try:
            with ask(f"/v1/runs/{run_id}/events?user={user}", **{"Last-Event-ID": str(last)}) as stream:
                for line in stream:
                    if line.startswith(b"data: "):
                        event = json.loads(line[6:])
                        last = event["seq"]
                        yield event
                        if event["type"] == "run.finished":
                            return
        except (ConnectionError, http.client.IncompleteRead):
            pass


# With a key of its own a request may be sent again where its answer was lost: it is the same run.
key = str(uuid.uuid4())
request = {"userId": "dave", "code": CODE, "contract": [{"path": "sum.txt", "description": "a sum"}]}
with ask("/v1/runs", request, Prefer="respond-async", **{"Idempotency-Key": key}) as answer:
    run = json.load(answer)
print("taken:", run["runId"])

result = None
for event in events(run["runId"], "dave"):
    if event["type"] == "output":
        print("printed:", event["text"], end="")
    if event["type"] == "run.finished":
        result = event["result"]
assert result["status"] == "succeeded", result["error"]
assert result["output"]["stdout"]["text"] == "counting\n"
assert result["contract"][0]["status"] == "satisfied"

with ask("/v1/workspace/files/sum.txt?user=dave") as answer:
    text = answer.read().decode()
print("sum.txt:", text)
assert text == "5050"

try:
    ask(f"/v1/runs/{run['runId']}?user=somebody-else")
    raise SystemExit("another user found the run")
except urllib.error.HTTPError as error:
    problem = json.load(error)
    assert (error.code, problem["code"]) == (404, "not_found")
print("not found by another user:", problem["detail"])
