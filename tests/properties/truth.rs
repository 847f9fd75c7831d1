//! The states that a case's orders must have by the data of the fake Stripe. It uses none of our code.

use chrono::DateTime;
use serde_json::{Value, json};

use super::case::Case;
use crate::fakes::stripe::{Stripe, World};

/// Asserts that the orders of an outcome are what Stripe says they are. Only a service that fetches from Stripe has to know when the
/// money came, and the outcome of disputes.
pub(super) fn assert_told(stripe: &Stripe, case: &Case, outcome: &Value, fetched: bool) {
    let world = stripe.world();
    let truth = case.cast.sessions.iter().filter_map(|session| order(&world, case, world.get(session)));
    let mut truth: Vec<_> = truth.collect();
    let told = outcome["orders"].as_array().into_iter().flatten();
    let mut told: Vec<_> = told
        .map(|order| {
            json!([order["payment_state"], order["amount_minor"], order["pay_time"], order["dispute_state"]])
        })
        .collect();
    if !fetched {
        for order in truth.iter_mut().chain(&mut told) {
            (order[2], order[3]) = (Value::Null, Value::Null);
        }
    }
    truth.sort_by_key(Value::to_string);
    told.sort_by_key(Value::to_string);
    assert_eq!(told, truth, "{} does not end as Stripe says", case.lifecycle.name);
    let unpaid = |order: &&Value| order[0] == "PENDING" || order[0] == "CANCELLED";
    let paid = truth.len() - truth.iter().filter(unpaid).count();
    let has_failed = |session: &&&Value| {
        session["status"] == "complete"
            && session["payment_status"] == "unpaid"
            && order(&world, case, session).is_some()
    };
    let sessions: Vec<_> = case.cast.sessions.iter().map(|session| world.get(session)).collect();
    let failed = sessions.iter().filter(has_failed).count();
    let messages: Vec<_> = outcome["messages"].as_array().into_iter().flatten().collect();
    let of_orders =
        |message: &&&Value| message["template"].as_str().is_some_and(|name| name.starts_with("order_"));
    let told_of_orders = messages.iter().filter(of_orders).count();
    assert_eq!(
        told_of_orders,
        2 * paid + failed,
        "{}: two for each order that is paid, and one for each debit that failed",
        case.lifecycle.name
    );
    if fetched {
        assert_subscriptions_told(&world, case, outcome);
        assert_money_told(&world, case, outcome);
    }
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

/// Asserts that each subscription has Stripe's state, price and times.
fn assert_subscriptions_told(world: &World, case: &Case, outcome: &Value) {
    const TIMES: [(&str, &str); 3] =
        [("start_time", "start_date"), ("cancel_time", "cancel_at"), ("end_time", "ended_at")];
    let time = |at: &Value| if at.is_null() { Value::Null } else { instant(at) };
    let truth = objects(world, case, "subscription").map(|of| {
        let item = &of["items"]["data"][0];
        let plan = item["price"]["id"].as_str().unwrap_or_default().replace("price_", "").to_uppercase();
        let state = of["status"].as_str().unwrap_or_default().to_uppercase();
        let times = TIMES.map(|(_, theirs)| time(&of[theirs]));
        json!([state, plan, time(&item["current_period_start"]), time(&item["current_period_end"]), times])
    });
    let told = outcome["subscriptions"].as_array().into_iter().flatten().map(|row| {
        let times = TIMES.map(|(ours, _)| row[ours].clone());
        json!([row["state"], row["plan"], row["period_start_time"], row["period_end_time"], times])
    });
    assert_same(case, told, truth);
}

/// Asserts that each refund and each dispute of an order has Stripe's amount and state.
fn assert_money_told(world: &World, case: &Case, outcome: &Value) {
    let rows = |table: &str| outcome[table].as_array().cloned().unwrap_or_default();
    let told = rows("refunds").into_iter().map(|row| json!([row["state"], row["amount_minor"]]));
    assert_same(case, told, objects(world, case, "refund").map(|of| json!([upper(of), of["amount"]])));
    let told = rows("disputes").into_iter().map(|row| json!([row["state"], row["amount_minor"]]));
    let truth = objects(world, case, "dispute").map(|of| json!([dispute_state(of), of["amount"]]));
    assert_same(case, told, truth);
}

/// Stripe's state of an object, in our spelling.
fn upper(of: &Value) -> String {
    of["status"].as_str().unwrap_or_default().to_uppercase()
}

/// Our name for the state of a dispute.
fn dispute_state(of: &Value) -> String {
    if of["status"] == "needs_response" { "OPEN".to_owned() } else { upper(of) }
}

/// The case's objects of a kind.
fn objects<'w>(world: &'w World, case: &'w Case, kind: &'w str) -> impl Iterator<Item = &'w Value> {
    case.cast.objects.iter().map(|id| world.get(id)).filter(move |object| object["object"] == kind)
}

fn assert_same(case: &Case, told: impl Iterator<Item = Value>, truth: impl Iterator<Item = Value>) {
    let (mut told, mut truth): (Vec<_>, Vec<_>) = (told.collect(), truth.collect());
    told.sort_by_key(Value::to_string);
    truth.sort_by_key(Value::to_string);
    assert_eq!(told, truth, "{} does not end as Stripe says", case.lifecycle.name);
}

/// The state of a paid order after the refunds of its charge.
fn after_refunds(charge: &Value) -> &'static str {
    match (charge["amount_refunded"].as_i64(), charge["amount"].as_i64()) {
        (Some(0) | None, _) => "PAID",
        (back, all) if back == all => "REFUNDED",
        _ => "PARTIALLY_REFUNDED",
    }
}

/// State, amount, instant of payment and state of the dispute of the order that a session must have led to.
fn order(world: &World, case: &Case, session: &Value) -> Option<Value> {
    if session["metadata"]["mode"] != "dfy" {
        return None;
    }
    let charge =
        || Some(world.get(world.get(session["payment_intent"].as_str()?)["latest_charge"].as_str()?));
    let (state, instant) = match (session["status"].as_str()?, session["payment_status"].as_str()?) {
        (_, "paid") => (after_refunds(charge()?), instant(&charge()?["created"])),
        // What costs nothing has no charge: it counts from when the checkout was complete, here at once.
        ("complete", "no_payment_required") => ("PAID", instant(&session["created"])),
        ("complete", _) => ("CANCELLED", Value::Null),
        // An order is opened only for a buyer with an address.
        ("expired", _) if session["customer_details"]["email"].is_string() => ("CANCELLED", Value::Null),
        _ => return None,
    };
    let dispute =
        objects(world, case, "dispute").find(|of| of["payment_intent"] == session["payment_intent"]);
    let disputed = dispute.map_or_else(|| "NONE".to_owned(), dispute_state);
    Some(json!([state, session["amount_total"], instant, disputed]))
}

fn instant(created: &Value) -> Value {
    let instant = DateTime::from_timestamp(created.as_i64().expect("seconds"), 0).expect("an instant");
    json!(instant.to_rfc3339())
}
