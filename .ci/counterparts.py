"""The journey, the failure and the panic that counterparts has real receivers told of, and what these must have got."""

import hashlib
import hmac
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

LEVQOR, DEVTOOLS, BUGSINK, TOKEN, MAIL_PORT = sys.argv[1:]
DOOR = "http://" + os.environ["LEVQOR_HTTP_ADDR"]
LIST, REPLAY = ("levqor.billing.v1.BillingService/" + rpc for rpc in ("ListOrders", "ReplayStripeEvent"))
mails = []


def must(holds, sentence):
    if not holds:
        sys.exit("counterparts: " + sentence)


class Provider(http.server.BaseHTTPRequestHandler):
    """A mail provider with Resend's API, as far as we use it."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        mails.append(body["subject"])
        answer = json.dumps({"id": "mail-%d" % len(mails)}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def ask(url, token=None, body=None, headers=()):
    """Status, headers and body of an answer, whatever it is."""
    request = urllib.request.Request(url, data=body, headers=dict(headers))
    if token:
        request.add_header("authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode()


def until(what, look, seconds=30):
    begun = time.monotonic()
    while not (found := look()):
        must(time.monotonic() - begun < seconds, "waited %d s in vain for %s" % (seconds, what))
        time.sleep(0.2)
    return found


def levqor(*arguments):
    done = subprocess.run([LEVQOR, *arguments], capture_output=True, text=True)
    must(done.returncode == 0, "levqor %s: %s" % (" ".join(arguments), done.stderr or done.stdout))
    return done.stdout.strip()


def traces():
    """The spans of each trace that the receiver has, by the trace's id."""
    page = json.loads(ask(DEVTOOLS + "/v1/traces")[2])
    return {trace["traceId"]: trace["spans"] for trace in page["traces"]}


def name(span):
    service = span["attributes"]["service.name"].removeprefix("levqor-")
    service = span["attributes"].get("levqor.service", service)
    return "%s %s %s" % (service, span["kind"].lower(), span["name"])


def way(span, spans):
    """The names of a span and of all above it, from the root down."""
    by_id = {one["spanId"]: one for one in spans}
    names = []
    while span:
        names.insert(0, name(span))
        parent = span.get("parentSpanId")
        must(not parent or parent in by_id, "the parent of %r is missing in its trace" % names[0])
        span = by_id.get(parent)
    return names


def journey():
    # A mail provider is set, so `demo` needs the address that it may write to.
    shown = levqor("demo", "--email", "buyer@example.com")
    must("PAYMENT_STATE_PAID" in shown, "the demo shows no paid order: " + shown)
    must(len(mails) == 2, "the mail provider got %d mails, not 2" % len(mails))

    def sent():
        return [(id, one) for id, spans in traces().items() for one in spans if one["name"] == "POST /emails"]

    until("two spans of calls to the mail provider", lambda: len(sent()) >= 2)
    # A parent span ends after its children, so it is exported after them.
    time.sleep(2)
    calls = sent()
    must(len(calls) == 2, "the provider was called twice, and the receiver has %d spans of it" % len(calls))
    ids = {id for id, _ in calls}
    must(len(ids) == 1, "the two mails are in %d traces, not in one" % len(ids))
    spans = traces()[ids.pop()]
    send = "levqor.mail.v1.MailService/SendMessage"
    deliver = "levqor.notifications.v1.NotificationsService/DeliverMessage"
    ingest = "levqor.billing.v1.BillingService/IngestStripeEvent"
    expected = [
        "gateway server POST /webhooks/stripe",
        "gateway client " + ingest,
        "billing server " + ingest,
        "billing consumer process Stripe event",
        "billing consumer deliver " + send,
        "billing client " + send,
        "notifications server " + send,
        "notifications consumer deliver " + deliver,
        "notifications client " + deliver,
        "notifications server " + deliver,
        "notifications client POST /emails",
    ]
    for _, call in calls:
        found = way(call, spans)
        must(found == expected, "the way to the mail provider is\n  %s\nnot\n  %s" % ("\n  ".join(found), "\n  ".join(expected)))
    roots = [name(span) for span in spans if not span.get("parentSpanId")]
    must(len(roots) == 1, "the journey's trace has %d roots: %s" % (len(roots), roots))
    failed = [name(span) for span in spans if span["status"]["code"] == "ERROR"]
    must(not failed, "spans of a journey that went well are errors: %s" % failed)
    print("one trace of %d spans, from Stripe's POST to the mail provider" % len(spans))


def bugsink(path):
    status, _, body = ask(BUGSINK + "/api/canonical/0/" + path, TOKEN)
    must(status == 200, "Bugsink answers %d to %s: %s" % (status, path, body))
    return json.loads(body)["results"] if "?" in path else json.loads(body)


def one_issue(operation, kind, trace_id):
    """That there is one issue of an operation, with one event, which tells what we know."""

    def of_operation():
        return [issue for issue in bugsink("issues/?project=1") if issue["transaction"] == operation]

    until("an issue of %s" % operation, of_operation)
    time.sleep(1)
    issues = of_operation()
    must(len(issues) == 1, "%s has %d issues, not one: %s" % (operation, len(issues), issues))
    must(issues[0]["calculated_type"] == kind, "the issue of %s is %r, not %r" % (operation, issues[0]["calculated_type"], kind))
    events = bugsink("events/?issue=" + issues[0]["id"])
    must(len(events) == 1, "the issue of %s has %d events, not one" % (operation, len(events)))
    event = bugsink("events/%s/" % events[0]["id"])["data"]
    for what, found, wanted in [
        ("trace id", event["contexts"]["trace"]["trace_id"], trace_id),
        ("service", event["tags"]["service"], "billing"),
        ("environment", event["environment"], "counterparts"),
        ("release", event["release"], levqor("--version").replace(" ", "@")),
    ]:
        must(found == wanted, "the event of %s has the %s %r, not %r" % (operation, what, found, wanted))
    return event


def failed_spans(trace_id, operation):
    """That the trace of a failed request tells of the failure where it was, and above."""
    wanted = {"billing server " + operation, "gateway client " + operation}

    def failed():
        spans = traces().get(trace_id, [])
        return {name(span) for span in spans if span["status"]["code"] == "ERROR"} >= wanted

    until("the spans of %s as errors, in the trace %s" % (operation, trace_id), failed)


def sql(statement):
    with open(os.path.join(os.environ["LEVQOR_DATA_DIR"], "run.json")) as file:
        folder = json.load(file)["postgres"]
    command = ["psql", "-h", folder, "-U", "levqor", "-d", "levqor_billing", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True)
    must(done.returncode == 0, "%s: %s" % (statement, done.stderr))


def error(staff):
    sql("ALTER TABLE orders RENAME TO mislaid")
    status, headers, body = ask(DOOR + "/v1/orders", staff)
    sql("ALTER TABLE mislaid RENAME TO orders")
    must(status == 500, "without its table, billing answers %d: %s" % (status, body))
    event = one_issue(LIST, "INTERNAL", headers["x-trace-id"])
    must("SQLSTATE 42P01" in event["extra"]["error"], "the event does not name the SQLSTATE: %s" % event["extra"])
    failed_spans(headers["x-trace-id"], LIST)
    print("an error in a handler is one issue with one event, of the trace that the answer names")


def panic(staff):
    made = {"id": "evt_counterparts", "object": "event", "api_version": "2026-09-30.endive", "livemode": False}
    made |= {"created": int(time.time()), "type": "customer.created", "data": {"object": {"id": "cus_1", "object": "customer"}}}
    body = json.dumps(made)
    signed = "%d.%s" % (made["created"], body)
    secret = os.environ["STRIPE_WEBHOOK_SECRET"].encode()
    signature = "t=%d,v1=%s" % (made["created"], hmac.new(secret, signed.encode(), hashlib.sha256).hexdigest())
    status, _, answer = ask(DOOR + "/webhooks/stripe", body=body.encode(), headers={"stripe-signature": signature}.items())
    must(status == 200, "an event of Stripe's is answered %d: %s" % (status, answer))

    def replay(key):
        headers = {"content-type": "application/json", "idempotency-key": key}
        return ask(DOOR + "/v1/stripe-events/evt_counterparts:replay", staff, b"{}", headers.items())

    status, headers, answer = replay("the-first")
    must(status == 500, "where billing panics, the answer is %d: %s" % (status, answer))
    event = one_issue(REPLAY, "panic", headers["x-trace-id"])
    said = event["exception"]["values"][0]["value"]
    must("runtime/src/fail_point.rs" in said, "the event does not say where: %s" % said)
    failed_spans(headers["x-trace-id"], REPLAY)
    status, _, answer = replay("the-second")
    must(status == 200, "after the panic billing does not serve: %d %s" % (status, answer))
    print("a panic in a handler is one issue with one event, of the trace that the answer names; the next request is served")


def main():
    provider = http.server.ThreadingHTTPServer(("127.0.0.1", int(MAIL_PORT)), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    journey()
    staff = levqor("token", "--role", "staff").split()[-1]
    error(staff)
    panic(staff)
    # A panic may cause further failures later.
    ask(DOOR + "/v1/orders", staff)
    told = sorted(issue["calculated_value"] for issue in bugsink("issues/?project=1"))
    expected = ["This is a test by %s: reports of errors arrive." % service for service in sorted(os.listdir("services"))]
    expected += ["a panic, at ", "the database refused a statement"]
    as_expected = len(told) == len(expected) and all(one.startswith(of) for one, of in zip(told, expected))
    must(as_expected, "Bugsink's issues are %s, not %s" % (told, expected))
    print("each service's weekly test of its error reports has arrived, and nothing else was reported")


main()
