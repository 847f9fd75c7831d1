//! Personal data and secrets go through every journey. None of them may be found in the data that left a process.

use levqor_runtime::{
    context::{Role, User},
    fail_point,
};
use serde_json::{Value, json};

use crate::{
    mail::{
        self, FakeMail,
        webhooks::{WEBHOOK_SECRET, Webhook},
    },
    roles::{Roles, token},
    stripe::{checkout, event},
};

const EMAIL: &str = "zebulon.canary@quackenbush.example";
const NAME: &str = "Zebulon Quackenbush";
const CARD: &str = "4000056655665556";
const KEY: &str = concat!("sk_", "live_canary0123456789abcdef");
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlY2FuYXJ5";
const CHAT: &str = "my parrot swallowed the invoice";

/// Parts of these values. A part is found even if the value was cut, quoted or changed in case.
const TRACES: &[&str] = &[
    "zebulon",
    "quackenbush",
    "canary",
    CARD,
    "4000 0566 5566 5556",
    "c2lnbmf0dxjly2fuyxj5",
    "parrot",
    "swallowed",
];

/// Valid and invalid requests of a customer's browser.
fn ask(roles: &Roles) {
    let user = User {
        sub: format!("auth0|{EMAIL}"),
        email: EMAIL.parse().ok(),
        email_verified: true,
        role: Role::Customer,
    };
    let theirs = token(&user);
    assert_eq!(roles.get("/v1/orders", &theirs).0, 200);
    for (path, bearer, status) in [
        (format!("/v1/orders?recipient={EMAIL}"), theirs.as_str(), 400),
        (format!("/v1/orders?page_size={NAME}"), &theirs, 400),
        (format!("/v1/orders/{EMAIL}"), &theirs, 400),
        (format!("/v1/messages?recipient={EMAIL}"), &theirs, 403),
        (format!("/{CHAT}/{EMAIL}/{CARD}"), &theirs, 404),
        ("/v1/orders".to_owned(), JWT, 401),
        ("/v1/orders".to_owned(), KEY, 401),
    ] {
        assert_eq!(roles.get(&path, bearer).0, status, "{path}");
    }
    for (header, value) in [
        ("x-request-id", CARD),
        ("x-request-id", JWT),
        ("x-request-id", KEY),
        ("idempotency-key", KEY),
        ("tracestate", "zebulon=quackenbush"),
        ("baggage", "user=zebulon"),
        ("x-user-email", EMAIL),
        ("user-agent", CHAT),
        ("cookie", NAME),
        ("grpc-timeout", NAME),
        ("forwarded", EMAIL),
    ] {
        let traced = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let (status, _, body) = roles.send(|http, url| {
            http.get(format!("{url}/v1/orders"))
                .bearer_auth(&theirs)
                .header(header, value)
                .header(traced.0, traced.1)
        });
        assert_eq!(status, 200, "{header}: {body}");
    }
    let body = json!({"email": EMAIL, "name": NAME, "card": CARD, "chat": CHAT}).to_string();
    roles.send(|http, url| {
        http.post(format!("{url}/v1/stripe-events/{EMAIL}:replay"))
            .bearer_auth(&theirs)
            .header("content-type", "application/json")
            .body(body)
    });
}

/// Webhooks of Stripe, genuine and forged.
fn webhooks(roles: &Roles) {
    let mut session = checkout("1", "alice");
    session["customer_details"] = json!({"email": EMAIL, "name": NAME});
    session["metadata"]["note"] = json!(format!("{CHAT} {CARD} {KEY}"));
    let completed = event("1", "checkout.session.completed", &session);
    assert_eq!(roles.deliver(&completed).0, 200);
    roles.wait_for_mails(EMAIL);
    // A forged event; a signed body that is no JSON; a signed event with a malformed session.
    let forged = roles.send(|http, url| {
        let post =
            http.post(format!("{url}/webhooks/stripe")).header("stripe-signature", format!("t=1,v1={KEY}"));
        post.body(completed.to_string())
    });
    assert_eq!(forged.0, 400);
    let garbage = format!("{{\"id\": \"{EMAIL}\", {CHAT}");
    let signature = crate::stripe::sign(&garbage);
    let refused = roles.send(|http, url| {
        http.post(format!("{url}/webhooks/stripe")).header("stripe-signature", signature).body(garbage)
    });
    assert_eq!(refused.0, 400);
    session["amount_total"] = json!(format!("{NAME} {CARD}"));
    assert_eq!(roles.deliver(&event("2", "checkout.session.completed", &session)).0, 200);
}

fn tell(roles: &Roles, webhook: &Webhook) -> u16 {
    let Webhook { id, timestamp, signature, body } = webhook.clone();
    let (status, ..) = roles.send(|http, url| {
        let post = http.post(format!("{url}/webhooks/resend")).header("svix-id", id);
        post.header("svix-timestamp", timestamp).header("svix-signature", signature).body(body)
    });
    status
}

/// Webhooks of the mail provider, genuine and forged.
fn mail_webhooks(roles: &Roles, provider: &FakeMail) {
    let said = json!({
        "to": [EMAIL],
        "subject": format!("Welcome, {NAME}!"),
        "bounce": {"type": "Permanent", "subType": NAME, "message": format!("550 {EMAIL}: {CHAT}")},
        "failed": {"reason": format!("{EMAIL} {CARD}")},
        "tags": {"note": format!("{CHAT} {KEY}")},
    });
    let bounced = provider.tell(0, "email.bounced", 1, &said);
    for webhook in [&bounced, &bounced, &provider.tell(0, "email.complained", 2, &said)] {
        assert_eq!(tell(roles, webhook), 200);
    }
    // About a mail that is not ours; of an unknown type; no JSON.
    assert_eq!(tell(roles, &Webhook::of(&bounced.body.replace(&provider.accepted()[0].id, EMAIL))), 200);
    assert_eq!(tell(roles, &Webhook::of(&json!({"type": EMAIL, "data": said}).to_string())), 200);
    assert_eq!(tell(roles, &Webhook::of(&format!("{{\"to\": \"{EMAIL}\", {CHAT}"))), 200);
    for forged in [
        Webhook { signature: format!("v1,{KEY}"), ..bounced.clone() },
        Webhook { id: EMAIL.to_owned(), ..bounced.clone() },
        Webhook { timestamp: NAME.to_owned(), ..bounced },
    ] {
        assert_eq!(tell(roles, &forged), 400);
    }
    let quarantined = |received: &levqor_runtime::testing::recorder::ReceivedTelemetry| {
        let dead = |event: &&serde_json::Value| event.to_string().contains("a deferred call is dead");
        (received.events.iter().filter(dead).count() >= 2).then_some(())
    };
    roles.recorder.until("what is not understood is raised", quarantined);
}

/// Internal failures whose texts contain the data: PostgreSQL quotes it in its message, and in its detail.
fn failures(roles: &Roles) {
    let refuse = |table: &str, what: &str| {
        format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE NOTICE 'about {what}';
             RAISE EXCEPTION 'cannot store {what}' USING DETAIL = '{what}', HINT = '{what}'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse();"
        )
    };
    let what = format!("{EMAIL} {NAME} {CARD} {JWT} {KEY} {CHAT}");
    roles.sabotage("notifications", &refuse("messages", &what));
    let mut session = checkout("3", "alice");
    session["customer_details"] = json!({"email": EMAIL, "name": NAME});
    assert_eq!(roles.deliver(&event("3", "checkout.session.completed", &session)).0, 200);
    let internal = |received: &levqor_runtime::testing::recorder::ReceivedTelemetry| {
        received.events.iter().any(|event| event["tags"]["service"] == "notifications").then_some(())
    };
    roles.recorder.until("the internal error of notifications", internal);
}

/// Reads and actions of staff on this data. The first of them panics.
fn operate(roles: &Roles) {
    let admin = User { sub: "admin".to_owned(), email: None, email_verified: false, role: Role::Admin };
    let admin = token(&admin);
    let read = |path: &str| {
        let (status, _, body) = roles.get(path, &admin);
        assert_eq!(status, 200, "{path}: {body}");
        body
    };
    let json = |path: &str| serde_json::from_str::<Value>(&read(path)).expect("JSON");
    let mut shown = String::new();
    for (path, items, id, parts) in [
        ("/v1/stripe-events", "stripe_events", "event_id", &[""][..]),
        ("/v1/orders", "orders", "order_id", &[""]),
        ("/v1/messages", "messages", "message_id", &["", "/preview"]),
        ("/v1/provider-events", "provider_events", "provider_event_id", &[""]),
    ] {
        let list = json(path);
        let ids = list[items].as_array().expect(items).iter().map(|item| item[id].as_str().expect(id));
        for (id, part) in ids.flat_map(|id| parts.iter().map(move |part| (id, part))) {
            shown.push_str(&read(&format!("{path}/{id}{part}")));
        }
    }
    assert!(shown.contains(EMAIL) && shown.contains(NAME), "staff are not shown what is personal");
    let post = |path: &str, body: Value| {
        let form = ("content-type", "application/json");
        let (status, ..) = roles.send(|http, url| {
            http.post(format!("{url}{path}"))
                .bearer_auth(&admin)
                .header(form.0, form.1)
                .body(body.to_string())
        });
        status
    };
    assert_eq!(post("/v1/stripe-events/evt_1:replay", json!({})), 500, "it does not panic");
    assert_eq!(post("/v1/stripe-events/evt_2:replay", json!({})), 200);
    let dead = json("/v1/services/notifications/deferred-calls?state=STATE_DEAD");
    let dead = dead["deferred_calls"][0]["deferred_call_id"].as_str().expect("a dead call");
    let replay = format!("/v1/services/notifications/deferred-calls/{dead}:replay");
    assert_eq!(post(&replay, json!({})), 200);
    let messages = json("/v1/messages");
    let message = messages["messages"][0]["message_id"].as_str().expect("a message");
    let resolve = format!("/v1/messages/{message}:resolve");
    assert_eq!(post(&resolve, json!({"resolution": CHAT, "note": EMAIL})), 400);
}

#[test]
fn nothing_personal_and_no_secret_leaves_whatever_goes_wrong() {
    let provider = FakeMail::start();
    let roles = Roles::start(&[
        ("LEVQOR_LOG", "debug,levqor=trace"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ("RESEND_API_KEY", mail::API_KEY),
        ("RESEND_API_BASE", &provider.url()),
        ("RESEND_WEBHOOK_SECRET", WEBHOOK_SECRET),
        (fail_point::VARIABLE, "replay.committed=panic"),
    ]);
    ask(&roles);
    webhooks(&roles);
    mail_webhooks(&roles, &provider);
    operate(&roles);
    failures(&roles);
    let pages = ["gateway", "billing", "notifications"].map(|role| roles.page(role)).concat();
    let (recorder, said) = roles.stop();
    let received = recorder.received();
    assert!(
        received.spans.len() > 100 && received.logs.len() > 20 && !received.events.is_empty(),
        "too little was exported"
    );
    for service in ["levqor-gateway", "levqor-billing", "levqor-notifications"] {
        assert!(
            received.last_metric(service, "rpc.client.call.duration").is_some(),
            "no metrics of {service}"
        );
    }
    assert!(said.lines().count() > 20, "too little was logged");
    assert!(
        received.events.iter().any(|event| event.to_string().contains("a panic, at ")),
        "no panic was reported"
    );
    for (what, text) in [("exported", &received.everything), ("logged", &said), ("shown", &pages)] {
        let text = text.to_lowercase();
        for &trace in TRACES {
            if let Some(at) = text.find(trace) {
                let (from, to) = (at.saturating_sub(300), (at + 200).min(text.len()));
                panic!("{trace:?} was {what}: …{}…", text.get(from..to).unwrap_or_default());
            }
        }
    }
}
