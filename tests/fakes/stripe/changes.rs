//! The requests that change something: each checks its parameters, changes the objects, and names the one to show.

use serde_json::{Value, json};

use super::{
    checkout,
    failure::Failure,
    form::{flag, int, text},
    params, proration, shapes, shop,
    subscription::Item,
    world::World,
};

const CUSTOMER: &[&str] = &["address", "description", "email", "metadata", "name", "phone"];

/// Makes the change of a `POST` or `DELETE`. Returns the id of the object to show.
pub(super) fn make(
    world: &mut World,
    method: &str,
    path: &[&str],
    params: &Value,
) -> Option<Result<String, Failure>> {
    Some(match (method, path) {
        ("POST", ["customers"]) => create_customer(world, params),
        ("POST", ["customers", id]) => update_customer(world, id, params),
        ("DELETE", ["customers", id]) => delete_customer(world, id),
        ("POST", ["checkout", "sessions"]) => checkout::create(world, params),
        ("POST", ["checkout", "sessions", id, "expire"]) => checkout::expire(world, id),
        ("POST", ["refunds"]) => refund(world, params),
        ("POST", ["subscriptions"]) => create_subscription(world, params),
        ("POST", ["subscriptions", id]) => update_subscription(world, id, params),
        ("DELETE", ["subscriptions", id]) => cancel_subscription(world, id),
        ("POST", ["invoices", id, "pay"]) => pay(world, id),
        ("POST", ["prices", id]) => update_price(world, id, params),
        ("POST", ["billing_portal", "sessions"]) => shop::portal_session(world, params),
        ("POST", ["invoices", "create_preview"]) => proration::preview(world, params),
        ("POST", ["promotion_codes"]) => shop::promotion_code(world, params),
        ("POST", ["webhook_endpoints"]) => shop::webhook_endpoint(world, params),
        _ => return None,
    })
}

/// The id, if it is that of an object of this kind.
fn of_kind(world: &World, kind: &str, id: &str) -> Result<String, Failure> {
    let found = world.named(kind, &json!({"id": id}), "id")?;
    found.ok_or_else(|| Failure::missing(kind, id, "id"))
}

fn create_customer(world: &mut World, params: &Value) -> Result<String, Failure> {
    params::known(params, &[CUSTOMER, &["expand"]].concat())?;
    check_email(params)?;
    let mut customer = shapes::customer(world, &Value::Null, &Value::Null);
    if let Value::Object(fields) = params::changes(&customer, params, CUSTOMER) {
        customer.as_object_mut().into_iter().for_each(|customer| customer.extend(fields.clone()));
    }
    Ok(world.create(customer, "customer.created"))
}

fn update_customer(world: &mut World, id: &str, params: &Value) -> Result<String, Failure> {
    params::known(params, &[CUSTOMER, &["expand"]].concat())?;
    check_email(params)?;
    let id = of_kind(world, "customer", id)?;
    let fields = params::changes(world.get(&id), params, CUSTOMER);
    world.update(&id, fields, "customer.updated");
    Ok(id)
}

fn delete_customer(world: &mut World, id: &str) -> Result<String, Failure> {
    let id = of_kind(world, "customer", id)?;
    world.emit("customer.deleted", &id);
    world.edit(&id, json!({"deleted": true}));
    Ok(id)
}

fn check_email(params: &Value) -> Result<(), Failure> {
    match text(params, "email").filter(|email| !email.contains('@')) {
        Some(email) => {
            Err(Failure::invalid(format!("Invalid email address: {email}")).code("email_invalid").at("email"))
        }
        None => Ok(()),
    }
}

fn refund(world: &mut World, params: &Value) -> Result<String, Failure> {
    params::known(params, &["amount", "charge", "expand", "metadata", "payment_intent", "reason"])?;
    let charge = match world.named("payment_intent", params, "payment_intent")? {
        Some(intent) => world.get(&intent)["latest_charge"].as_str().map(str::to_owned),
        None => world.named("charge", params, "charge")?,
    };
    let charge = charge.ok_or_else(|| {
        Failure::invalid(
            "One of the following params should be provided for this request: payment_intent or charge.",
        )
    })?;
    let of = world.get(&charge);
    if of["status"] != "succeeded" {
        return Err(Failure::invalid(format!("Charge {charge} cannot be refunded.")));
    }
    if world.is_taken_back(&charge) {
        return Err(Failure::invalid(format!(
            "Charge {charge} has been charged back; cannot issue a refund."
        ))
        .code("charge_disputed"));
    }
    let left = of["amount"].as_i64().unwrap_or_default() - of["amount_refunded"].as_i64().unwrap_or_default();
    if left == 0 {
        return Err(Failure::invalid(format!("Charge {charge} has already been refunded."))
            .code("charge_already_refunded"));
    }
    let amount = if params["amount"].is_null() { left } else { int(&params["amount"]).unwrap_or_default() };
    if amount <= 0 || amount > left {
        let message =
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
        return Err(Failure::invalid(message).at("amount"));
    }
    let fields = params::changes(&json!({"metadata": {}}), params, &["metadata", "reason"]);
    Ok(world.refund(&charge, amount, fields))
}

fn create_subscription(world: &mut World, params: &Value) -> Result<String, Failure> {
    params::known(params, &["customer", "expand", "items", "metadata"])?;
    let customer =
        world.named("customer", params, "customer")?.ok_or_else(|| Failure::required("customer"))?;
    let mut items: Vec<Item> = Vec::new();
    for (n, item) in params["items"].as_array().into_iter().flatten().enumerate() {
        let at = format!("items[{n}][price]");
        let price = world.named("price", item, "price")?.ok_or_else(|| Failure::required(&at))?;
        items.push((price, int(&item["quantity"]).unwrap_or(1)));
    }
    if items.is_empty() {
        return Err(Failure::required("items"));
    }
    let metadata = params.get("metadata").cloned().unwrap_or_else(|| json!({}));
    Ok(world.subscribe(&customer, &items, &metadata))
}

fn update_subscription(world: &mut World, id: &str, params: &Value) -> Result<String, Failure> {
    const PARAMS: &[&str] = &[
        "cancel_at",
        "cancel_at_period_end",
        "expand",
        "items",
        "metadata",
        "payment_behavior",
        "proration_behavior",
    ];
    params::known(params, PARAMS)?;
    if params.get("cancel_at").is_some() && params.get("cancel_at_period_end").is_some() {
        return Err(Failure::invalid("Please pass only one of cancel_at and cancel_at_period_end."));
    }
    let id = of_kind(world, "subscription", id)?;
    if world.get(&id)["status"] == "canceled" {
        return Err(Failure::missing("subscription", &id, "id"));
    }
    let mut fields = params::changes(world.get(&id), params, &["cancel_at_period_end", "metadata"]);
    // The flag does not unset a time that was set alone, as the portal does.
    let was_set = world.get(&id)["cancel_at_period_end"] == true;
    if let Some(at_end) = flag(&params["cancel_at_period_end"]).filter(|at_end| *at_end || was_set) {
        let end = world.get(&id)["items"]["data"][0]["current_period_end"].clone();
        fields["cancel_at"] = if at_end { end } else { Value::Null };
        fields["canceled_at"] = if at_end { json!(world.now()) } else { Value::Null };
    }
    if let Some(at) = params.get("cancel_at").map(int) {
        fields["cancel_at"] = json!(at);
        fields["canceled_at"] = json!(at.map(|_| world.now()));
    }
    if let Some(changed) = params["items"].as_array() {
        let customer = world.get(&id)["customer"].as_str().unwrap_or_default().to_owned();
        let at_once = text(params, "proration_behavior") == Some("always_invoice");
        let whole = text(params, "payment_behavior") == Some("error_if_incomplete");
        if at_once && whole && world.get(&customer)["_declines"] == true {
            return Err(Failure::declined());
        }
        let (before, after) = (world.get(&id)["items"].clone(), changed_items(world, &id, changed)?);
        let lines = world.prorations(&before, &after);
        let at_once = proration::is_at_once(params, &before, &after);
        fields["items"] = after;
        world.update(&id, fields, "customer.subscription.updated");
        world.prorate(&id, lines, at_once);
        return Ok(id);
    }
    world.update(&id, fields, "customer.subscription.updated");
    Ok(id)
}

/// The subscription's items, after those that are named have got another price.
pub(super) fn changed_items(world: &mut World, id: &str, changed: &[Value]) -> Result<Value, Failure> {
    let mut items = world.get(id)["items"].clone();
    let interval = items["data"][0]["price"]["recurring"]["interval"].clone();
    for (n, change) in changed.iter().enumerate() {
        if flag(&change["deleted"]) == Some(true) {
            let data = items["data"].as_array_mut().ok_or_else(Failure::internal)?;
            data.retain(|item| item["id"] != change["id"]);
            continue;
        }
        let price = world
            .named("price", change, "price")?
            .ok_or_else(|| Failure::required(&format!("items[{n}][price]")))?;
        let quantity = int(&change["quantity"]).unwrap_or(1);
        let wanted = change["id"].as_str().unwrap_or_default();
        let goes_on = world.get(&price)["recurring"]["interval"] == interval;
        let start = items["data"][0]["current_period_start"].as_i64().filter(|_| goes_on);
        let start = start.unwrap_or(world.now());
        let mut new = world.item(id, &(price, quantity), start);
        let data = items["data"].as_array_mut().ok_or_else(Failure::internal)?;
        match data.iter_mut().find(|item| item["id"] == wanted) {
            Some(item) => {
                new["id"] = item["id"].clone();
                *item = new;
            }
            None if wanted.is_empty() => data.push(new),
            None => return Err(Failure::missing("subscription_item", wanted, &format!("items[{n}][id]"))),
        }
    }
    Ok(items)
}

fn cancel_subscription(world: &mut World, id: &str) -> Result<String, Failure> {
    let id = of_kind(world, "subscription", id)?;
    if world.get(&id)["status"] == "canceled" {
        return Err(Failure::missing("subscription", &id, "id"));
    }
    world.cancel(&id, "cancellation_requested");
    Ok(id)
}

fn pay(world: &mut World, id: &str) -> Result<String, Failure> {
    let id = of_kind(world, "invoice", id)?;
    world.pay_invoice(&id)?;
    Ok(id)
}

fn update_price(world: &mut World, id: &str, params: &Value) -> Result<String, Failure> {
    params::known(params, &["active", "expand", "lookup_key", "metadata", "nickname"])?;
    let id = of_kind(world, "price", id)?;
    let fields = params::changes(world.get(&id), params, &["active", "lookup_key", "metadata", "nickname"]);
    world.update(&id, fields, "price.updated");
    Ok(id)
}
