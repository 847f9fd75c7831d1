"""What localstripe and Levqor make of customers, subscriptions and refunds together. localstripe has no checkout: a proxy before it
answers for the checkout sessions, whose payment localstripe has."""

import hashlib
import hmac
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

LEVQOR, LOCALSTRIPE = sys.argv[1:]
SECRET, KEY = "whsec_localstripe", "sk_test_localstripe"
sessions = {}


def must(holds, sentence):
    if not holds:
        sys.exit("localstripe: " + sentence)


def ports(count):
    """Free ones below those that Linux gives to outgoing connections."""
    held = [socket.socket() for _ in range(count)]
    number = 10000 + os.getpid() % 15000
    for one in held:
        while True:
            number += 1
            try:
                one.bind(("127.0.0.1", number))
                break
            except OSError:
                continue
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


STRIPE_PORT, PROXY_PORT, DOOR_PORT = ports(3)
STRIPE, DOOR = "http://127.0.0.1:%d" % STRIPE_PORT, "http://127.0.0.1:%d" % DOOR_PORT


def ask(url, token=None, body=None, method=None, headers=()):
    """Status and body of an answer, whatever it is."""
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers))
    if token:
        request.add_header("authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def stripe(path, method=None, **form):
    """An object of localstripe's, after a change where there is a form."""
    body = urllib.parse.urlencode(form).encode() if form else None
    status, text = ask(STRIPE + "/v1/" + path, KEY, body, method)
    must(status == 200, "localstripe answers %d to %s: %s" % (status, path, text))
    return json.loads(text)


def levqor(path, token, body=None):
    """What the gateway answers, which must be a success."""
    headers = {"content-type": "application/json"} if body is not None else {}
    body = json.dumps(body).encode() if body is not None else None
    status, text = ask(DOOR + path, token, body, headers=headers.items())
    must(status == 200, "%s is answered %d: %s" % (path, status, text))
    return json.loads(text)


def until(what, look, seconds=30):
    begun = time.monotonic()
    while not (found := look()):
        must(time.monotonic() - begun < seconds, "waited %d s in vain for %s" % (seconds, what))
        time.sleep(0.2)
    return found


def tell(kind, thing):
    """An event that localstripe does not send itself, about an object as it shows it."""
    event = {"id": "evt_%s_%d" % (kind.replace(".", "_"), time.monotonic_ns()), "object": "event", "type": kind}
    event |= {"api_version": "2017-08-15", "created": int(time.time()), "livemode": False, "data": {"object": thing}}
    body = json.dumps(event)
    signed = "%d.%s" % (event["created"], body)
    tag = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    headers = {"stripe-signature": "t=%d,v1=%s" % (event["created"], tag)}
    status, text = ask(DOOR + "/webhooks/stripe", body=body.encode(), headers=headers.items())
    must(status == 200, "an event of the type %s is answered %d: %s" % (kind, status, text))


class Proxy(http.server.BaseHTTPRequestHandler):
    """Checkout sessions, and for all else localstripe."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urllib.parse.urlsplit(self.path).path
        if path == "/v1/checkout/sessions" and self.command == "POST":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            id = "cs_test_%d" % (len(sessions) + 1)
            metadata = {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")}
            sessions[id] = {
                "id": id, "object": "checkout.session", "mode": form["mode"], "status": "open", "payment_status": "unpaid",
                "customer": form["customer"], "metadata": metadata, "amount_total": 9900, "amount_subtotal": 9900,
                "currency": "gbp", "livemode": False, "url": "https://checkout.stripe.com/" + id,
            }
            return self.write(200, json.dumps(sessions[id]))
        if path == "/v1/checkout/sessions":
            asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)).get("payment_intent")
            found = [one for one in sessions.values() if asked in (None, one.get("payment_intent"))]
            return self.write(200, json.dumps({"object": "list", "data": found, "has_more": False}))
        if path.startswith("/v1/checkout/sessions/"):
            found = sessions.get(path.split("/")[-1])
            return self.write(200 if found else 404, json.dumps(found or {"error": {"type": "invalid_request_error"}}))
        kept = {name: value for name, value in self.headers.items() if name.lower() in ("authorization", "content-type")}
        status, text = ask(STRIPE + self.path, None, body or None, self.command, kept.items())
        self.write(status, text)

    do_GET = do_POST = do_DELETE = answer

    def write(self, status, text):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def customers(ada):
    """A checkout makes a customer at localstripe, once."""
    wish = {"dfy": {"tier": "TIER_STARTER"}, "terms_version": "1"}
    first = levqor("/v1/checkout-sessions", ada, wish)
    levqor("/v1/checkout-sessions", ada, wish)
    made = stripe("customers?limit=10")["data"]
    must(len(made) == 1 and made[0]["email"] == "ada@example.com", "two checkouts made the customers %s" % made)
    must("customer_id" in made[0]["metadata"], "the customer has no id of ours: %s" % made[0])
    print("two checkouts of one person made one customer")
    return made[0]["id"], first


def refunds(customer, checkout, ada, staff):
    """Staff and somebody at Stripe give money back; both are in the order, each once."""
    method = stripe("payment_methods", type="card", **{
        "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123",
    })
    stripe("payment_methods/%s/attach" % method["id"], customer=customer)
    stripe("customers/" + customer, **{"invoice_settings[default_payment_method]": method["id"]})
    payment = stripe(
        "payment_intents", amount="9900", currency="gbp", customer=customer, payment_method=method["id"], confirm="true"
    )
    must(payment["status"] == "succeeded", "the payment is %s" % payment["status"])
    session = sessions[checkout["stripe_checkout_session_id"]]
    session |= {"status": "complete", "payment_status": "paid", "payment_intent": payment["id"], "url": None}
    session["customer_details"] = {"email": "ada@example.com", "name": "Ada"}
    tell("checkout.session.completed", session)
    path = "/v1/orders/" + checkout["order_id"]

    def order():
        return levqor(path, ada)["order"]

    until("a paid order", lambda: order()["payment_state"] == "PAYMENT_STATE_PAID")
    levqor(path + ":refund", staff, {"amount_minor_units": 900, "reason": "It came late."})
    until("the refund at localstripe", lambda: stripe("refunds?payment_intent=" + payment["id"])["data"])
    stripe("refunds", payment_intent=payment["id"], amount="1000")
    charge = stripe("payment_intents/" + payment["id"])["latest_charge"]
    charge = charge if isinstance(charge, str) else charge["id"]
    tell("charge.refunded", stripe("charges/" + charge))

    def refunded():
        refunds = levqor("/v1/refunds", staff)["refunds"]
        return sorted((one["state"], one["amount"]["minor_units"], one["origin"]) for one in refunds)

    expected = [("STATE_SUCCEEDED", 900, "ORIGIN_STAFF"), ("STATE_SUCCEEDED", 1000, "ORIGIN_STRIPE")]
    until("the refunds %s, and not %s" % (expected, refunded()), lambda: refunded() == expected)
    must(len(stripe("refunds?payment_intent=" + payment["id"])["data"]) == 2, "a refund was made twice")
    must(order()["payment_state"] == "PAYMENT_STATE_PARTIALLY_REFUNDED", "the order is %s" % order()["payment_state"])
    print("refunds of staff and of somebody at Stripe are in the order, each once")


def subscriptions(customer, ada):
    """A subscription of localstripe's is mirrored from its old shape, cancelled and resumed through us, and ends."""
    product = stripe("products", name="Growth", type="service")["id"]
    stripe("plans", id="price_growth", amount="7900", currency="gbp", interval="month", product=product)
    made = stripe("subscriptions", customer=customer, **{"items[0][plan]": "price_growth"})["id"]

    def shown(path="/v1/subscription", body=None):
        status, text = ask(DOOR + path, ada, body, headers={"content-type": "application/json"}.items())
        one = json.loads(text).get("subscription", {}) if status == 200 else {"state": text}
        return one.get("state"), one.get("plan"), bool(one.get("cancel_time"))

    until("a subscription", lambda: shown() == ("STATE_ACTIVE", "PLAN_GROWTH", False))
    must(shown("/v1/subscription:cancel", b"{}")[2], "the subscription does not end with its period")
    must(stripe("subscriptions/" + made)["cancel_at_period_end"] is True, "localstripe was not asked to cancel it")
    must(shown("/v1/subscription:resume", b"{}") == ("STATE_ACTIVE", "PLAN_GROWTH", False), "it is not resumed")
    must(stripe("subscriptions/" + made)["cancel_at_period_end"] is False, "localstripe was not asked to resume it")
    stripe("subscriptions/" + made, method="DELETE")
    until("its end", lambda: shown()[0] == "STATE_CANCELED")
    print("a subscription was mirrored, cancelled, resumed and ended")


def mirrored_name(customer):
    """The name that billing has of a customer. No RPC shows it."""
    with open(os.path.join(os.environ["LEVQOR_DATA_DIR"], "run.json")) as file:
        folder = json.load(file)["postgres"]
    query = "SELECT name FROM customers WHERE stripe_customer_id = '%s'" % customer
    command = ["psql", "-h", folder, "-U", "levqor", "-d", "levqor_billing", "-At", "-v", "ON_ERROR_STOP=1", "-c", query]
    done = subprocess.run(command, capture_output=True, text=True)
    must(done.returncode == 0, "%s: %s" % (query, done.stderr))
    return done.stdout.strip()


def journal(customer, staff):
    """localstripe's own events of 2017 were understood, also those of a customer, whose name is mirrored."""
    stripe("customers/" + customer, name="Ada Lovelace")

    def settled():
        events = levqor("/v1/stripe-events?page_size=200", staff)["stripe_events"]
        return {(one["type"], one["state"]) for one in events}

    wanted = ["customer.created", "customer.updated", "customer.subscription.created", "customer.subscription.deleted"]
    wanted = {(kind, "STATE_PROCESSED") for kind in wanted}
    until("the events %s" % wanted, lambda: wanted <= settled())
    until("the customer's name, and not %r" % mirrored_name(customer), lambda: mirrored_name(customer) == "Ada Lovelace")
    wrong = {one for one in settled() if one[1] not in ("STATE_PROCESSED", "STATE_IGNORED")}
    must(not wrong, "these events were not understood: %s" % wrong)
    messages = [one["template"] for one in levqor("/v1/messages?page_size=200", staff)["messages"]]
    counts = [messages.count(name) for name in ("order_welcome", "refund_made", "subscription_started", "subscription_cancelled")]
    must(counts == [1, 2, 1, 1], "the mails are %s" % sorted(messages))
    print("every event of localstripe's was understood, and each mail was sent once")


def token(*arguments):
    done = subprocess.run([LEVQOR, "token", *arguments], capture_output=True, text=True)
    must(done.returncode == 0, "there is no token: " + done.stderr)
    return done.stdout.split()[-1]


def try_it(log):
    until("levqor up", lambda: "Ctrl-C stops everything" in open(log).read(), 60)
    hook = urllib.parse.urlencode({"url": DOOR + "/webhooks/stripe", "secret": SECRET}).encode()
    must(ask(STRIPE + "/_config/webhooks/levqor", body=hook)[0] == 200, "localstripe takes no webhook")
    ada, staff = token("--role", "customer", "--email", "ada@example.com"), token("--role", "staff")
    customer, checkout = customers(ada)
    refunds(customer, checkout, ada, staff)
    subscriptions(customer, ada)
    journal(customer, staff)


def main():
    work = tempfile.mkdtemp(prefix="levqor-localstripe-")
    os.chmod(work, 0o711)
    folder, log = os.path.join(work, "levqor"), os.path.join(work, "log")
    # Where root's PostgreSQL goes that cannot reach the data directory, as src/up/database.rs names it.
    moved = "/var/lib/levqor/" + hashlib.sha256(folder.encode()).hexdigest()[:12]
    os.environ |= {
        "LEVQOR_DATA_DIR": folder, "LEVQOR_HTTP_ADDR": "127.0.0.1:%d" % DOOR_PORT, "LEVQOR_TERMS_VERSION": "1",
        "STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET, "STRIPE_API_BASE": "http://127.0.0.1:%d" % PROXY_PORT,
        "STRIPE_PRICE_GROWTH": "price_growth", "STRIPE_PRICE_DFY_STARTER": "price_dfystarter",
    }
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", PROXY_PORT), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    started = []
    try:
        with open(log, "w") as said, open(os.path.join(work, "localstripe"), "w") as other:
            fake = [LOCALSTRIPE, "--from-scratch", "--port", str(STRIPE_PORT)]
            started.append(subprocess.Popen(fake, stdout=other, stderr=other, stdin=subprocess.DEVNULL))
            until("localstripe", lambda: socket.socket().connect_ex(("127.0.0.1", STRIPE_PORT)) == 0)
            started.append(subprocess.Popen([LEVQOR, "up"], stdout=said, stderr=said, stdin=subprocess.DEVNULL))
            try:
                try_it(log)
            except SystemExit:
                print("the mesh said, at last:\n" + "".join(open(log).readlines()[-20:]), file=sys.stderr)
                raise
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(moved, ignore_errors=True)


main()
