//! `expand[]`: objects in place of their ids, up to four deep.

use serde_json::{Value, json};

use super::{failure::Failure, world::World};

/// Shows the objects that the paths name.
pub(super) fn expand(world: &World, answer: &mut Value, params: &Value) -> Result<(), Failure> {
    let paths = params["expand"].as_array().cloned().unwrap_or_default();
    for path in paths.iter().filter_map(Value::as_str) {
        let steps: Vec<_> = path.split('.').collect();
        if steps.len() > 4 {
            return Err(Failure::invalid("You cannot expand more than 4 levels of a property.").at("expand"));
        }
        walk(world, answer, &steps).map_err(|()| {
            Failure::invalid(format!("This property cannot be expanded ({path}).")).at("expand")
        })?;
    }
    Ok(())
}

fn walk(world: &World, at: &mut Value, steps: &[&str]) -> Result<(), ()> {
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    if let Value::Array(items) = at {
        return items.iter_mut().try_for_each(|item| walk(world, item, steps));
    }
    include(world, at, step);
    let next = at.get_mut(*step).ok_or(())?;
    if let Some(object) = next.as_str().and_then(|id| world.find(id)) {
        *next = object.clone();
    } else if next.is_string() {
        return Err(());
    }
    if next.is_null() { Ok(()) } else { walk(world, next, rest) }
}

/// What objects hold only when they are asked for it.
fn include(world: &World, object: &mut Value, field: &str) {
    let url = |tail: &str| format!("/v1/{tail}");
    match (object["object"].as_str(), field) {
        (Some("checkout.session"), "line_items") => {
            let url =
                url(&format!("checkout/sessions/{}/line_items", object["id"].as_str().unwrap_or_default()));
            object["line_items"] =
                json!({"object": "list", "data": object["_line_items"], "has_more": false, "url": url});
        }
        (Some("invoice"), "payments") => {
            object["payments"] = json!({"object": "list", "data": payments(object), "has_more": false, "url": url("invoice_payments")});
        }
        (Some("charge"), "refunds") => {
            let refunds: Vec<_> =
                world.of_kind("refund").filter(|refund| refund["charge"] == object["id"]).collect();
            object["refunds"] =
                json!({"object": "list", "data": refunds, "has_more": false, "url": url("refunds")});
        }
        _ => {}
    }
}

/// An invoice's payments: at most the one that its payment intent makes.
pub(super) fn payments(invoice: &Value) -> Vec<Value> {
    let Some(intent) = invoice["_payment_intent"].as_str() else { return Vec::new() };
    let paid = invoice["status"] == "paid";
    vec![json!({
        "id": intent.replace("pi_", "inpay_"), "object": "invoice_payment",
        "amount_paid": paid.then(|| invoice["amount_paid"].clone()), "amount_requested": invoice["total"],
        "created": invoice["created"], "currency": invoice["currency"], "invoice": invoice["id"],
        "is_default": true, "livemode": false, "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": if paid { "paid" } else { "open" },
        "status_transitions": {"canceled_at": null, "paid_at": invoice["status_transitions"]["paid_at"]},
    })]
}
