//! What Stripe itself says that a case's orders must have come to, without asking any code of ours.

use chrono::DateTime;
use serde_json::{Value, json};

use super::case::Case;
use crate::fakes::stripe::{Stripe, World};

/// Asserts that the orders of an outcome are what Stripe says they are. Only who fetches knows when money came.
pub(super) fn assert_told(stripe: &Stripe, case: &Case, outcome: &Value, fetched: bool) {
    let world = stripe.world();
    let truth = case.cast.sessions.iter().filter_map(|session| order(&world, world.get(session)));
    let mut truth: Vec<_> = truth.collect();
    let told = outcome["orders"].as_array().into_iter().flatten();
    let mut told: Vec<_> =
        told.map(|order| json!([order["state"], order["amount_minor"], order["pay_time"]])).collect();
    if !fetched {
        truth.iter_mut().chain(&mut told).for_each(|order| order[2] = Value::Null);
    }
    truth.sort_by_key(Value::to_string);
    told.sort_by_key(Value::to_string);
    assert_eq!(told, truth, "{} does not end as Stripe says", case.lifecycle.name);
    let paid = truth.iter().filter(|order| order[0] == "PAID").count();
    let messages: Vec<_> = outcome["messages"].as_array().into_iter().flatten().collect();
    assert_eq!(messages.len(), 2 * paid, "{}: two for each order that is paid", case.lifecycle.name);
    for message in messages {
        let told = |part: &str| message[part].as_str().unwrap_or_default();
        let one = json!([[
            told("sender"),
            told("recipient"),
            told("subject"),
            told("body_text"),
            told("body_html")
        ]]);
        assert_eq!((told("state"), &message["mails"]), ("SENT", &one), "{}: {message}", case.lifecycle.name);
        assert_eq!(message["names_its_mail"], true, "{}: {message}", case.lifecycle.name);
    }
}

/// State, amount and instant of payment of the order that a session must have led to.
fn order(world: &World, session: &Value) -> Option<Value> {
    if session["metadata"]["mode"] != "dfy" {
        return None;
    }
    let charge =
        || Some(world.get(world.get(session["payment_intent"].as_str()?)["latest_charge"].as_str()?));
    let (state, instant) = match (session["status"].as_str()?, session["payment_status"].as_str()?) {
        (_, "paid") => ("PAID", instant(&charge()?["created"])),
        // What costs nothing has no charge: it counts from when the checkout was complete, here at once.
        ("complete", "no_payment_required") => ("PAID", instant(&session["created"])),
        ("complete", _) => ("CANCELLED", Value::Null),
        // An order is opened only for somebody.
        ("expired", _) if session["customer_details"]["email"].is_string() => ("CANCELLED", Value::Null),
        _ => return None,
    };
    Some(json!([state, session["amount_total"], instant]))
}

fn instant(created: &Value) -> Value {
    let instant = DateTime::from_timestamp(created.as_i64().expect("seconds"), 0).expect("an instant");
    json!(instant.to_rfc3339())
}
