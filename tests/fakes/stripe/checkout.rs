//! Creates checkout sessions: which parameters Stripe accepts, and which it refuses.

use serde_json::{Value, json};

use super::{
    failure::Failure,
    form::{flag, int, text},
    params, shapes,
    world::World,
};

/// The parameters of a session: those of our checkouts, and similar ones.
const PARAMS: &[&str] = &[
    "allow_promotion_codes",
    "automatic_tax",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "consent_collection",
    "customer",
    "customer_creation",
    "customer_email",
    "customer_update",
    "discounts",
    "expand",
    "expires_at",
    "invoice_creation",
    "line_items",
    "locale",
    "metadata",
    "mode",
    "payment_intent_data",
    "payment_method_types",
    "subscription_data",
    "success_url",
    "tax_id_collection",
    "ui_mode",
];
/// The parameters that the session shows unchanged.
const SHOWN: &[&str] = &[
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_creation",
    "customer_email",
    "locale",
    "success_url",
    "metadata",
];

/// Makes a session. Returns its id.
pub(super) fn create(world: &mut World, params: &Value) -> Result<String, Failure> {
    params::known(params, PARAMS)?;
    let mode = text(params, "mode").ok_or_else(|| Failure::required("mode"))?;
    if !["payment", "subscription"].contains(&mode) {
        return Err(
            Failure::invalid("Invalid mode: must be one of payment, setup, or subscription").at("mode")
        );
    }
    text(params, "success_url").ok_or_else(|| Failure::required("success_url"))?;
    exclusive(params, "customer", "customer_email")?;
    exclusive(params, "allow_promotion_codes", "discounts")?;
    let customer = world.named("customer", params, "customer")?;
    let lines = lines(world, mode, params)?;
    let total = lines.iter().filter_map(|line| line["amount_total"].as_i64()).sum();
    let mut session = shapes::session(world, mode, total);
    for field in SHOWN.iter().copied().filter(|field| !params[field].is_null()) {
        session[field] = params[field].clone();
    }
    session["allow_promotion_codes"] = json!(flag(&params["allow_promotion_codes"]));
    if let Some(at) = int(&params["expires_at"]) {
        session["expires_at"] = json!(at);
    }
    if !params["consent_collection"].is_null() {
        session["consent_collection"] = params["consent_collection"].clone();
        session["consent"] = json!({"promotions": null, "terms_of_service": null});
    }
    let known =
        customer.map_or_else(|| params["customer_email"].clone(), |id| world.get(&id)["email"].clone());
    if !known.is_null() {
        // Before the buyer opens the page, no more is known.
        session["customer_details"] = json!({
            "address": null, "business_name": null, "email": known, "individual_name": null, "name": null,
            "phone": null, "tax_exempt": "none", "tax_ids": null,
        });
    }
    session["_line_items"] = json!(lines);
    session["_updates_name"] = json!(params["customer_update"]["name"] == "auto");
    if !params["discounts"].is_null() {
        let code = world.named("promotion_code", &params["discounts"][0], "promotion_code")?;
        session["discounts"] = json!([{"coupon": null, "promotion_code": code}]);
    }
    for (own, given) in
        [("_intent_metadata", "payment_intent_data"), ("_subscription_metadata", "subscription_data")]
    {
        if !params[given]["metadata"].is_null() {
            session[own] = params[given]["metadata"].clone();
        }
    }
    Ok(world.add(session))
}

/// Ends an open session. Returns its id.
pub(super) fn expire(world: &mut World, id: &str) -> Result<String, Failure> {
    let session = world.find(id).filter(|object| object["object"] == "checkout.session");
    let status = &session.ok_or_else(|| Failure::missing("checkout.session", id, "id"))?["status"];
    if status != "open" {
        return Err(Failure::invalid(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {}.",
            status.as_str().unwrap_or_default()
        )));
    }
    world.expire(id);
    Ok(id.to_owned())
}

fn exclusive(params: &Value, one: &str, other: &str) -> Result<(), Failure> {
    if params[one].is_null() || params[other].is_null() {
        return Ok(());
    }
    Err(Failure::invalid(format!("You may only specify one of these parameters: {one}, {other}.")).at(one))
}

fn lines(world: &mut World, mode: &str, params: &Value) -> Result<Vec<Value>, Failure> {
    let given = params["line_items"].as_array().filter(|lines| !lines.is_empty());
    let given = given.ok_or_else(|| Failure::required("line_items"))?;
    let mut lines = Vec::new();
    for (n, line) in given.iter().enumerate() {
        let at = format!("line_items[{n}][price]");
        let price = text(line, "price").ok_or_else(|| Failure::required(&at))?;
        let price = world.find(price).filter(|object| object["object"] == "price");
        let price = price
            .cloned()
            .ok_or_else(|| Failure::missing("price", text(line, "price").unwrap_or_default(), &at))?;
        if price["active"] != true {
            return Err(Failure::invalid(
                "The price specified is inactive. This field only accepts active prices.",
            )
            .at(&at));
        }
        if mode == "payment" && price["type"] == "recurring" {
            return Err(Failure::invalid(
                "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.",
            ));
        }
        let quantity = int(&line["quantity"]).unwrap_or(1);
        let amount = price["unit_amount"].as_i64().unwrap_or_default() * quantity;
        let product = world.get(price["product"].as_str().unwrap_or_default())["name"].clone();
        lines.push(json!({
            "id": world.id("li"), "object": "item", "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0,
            "amount_total": amount, "currency": price["currency"], "description": product, "metadata": {},
            "price": price, "quantity": quantity,
        }));
    }
    let mut intervals = lines
        .iter()
        .map(|line| &line["price"]["recurring"]["interval"])
        .filter(|interval| !interval.is_null());
    let first = intervals.next();
    if mode == "subscription" && first.is_none() {
        return Err(Failure::invalid(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
        )
        .at("line_items"));
    }
    if intervals.any(|interval| Some(interval) != first) {
        return Err(Failure::invalid(
            "Checkout does not support multiple prices with different billing intervals.",
        )
        .at("line_items"));
    }
    Ok(lines)
}
