//! The API: the caller, its version and idempotency key, and the answer.

use serde_json::{Value, json};

use super::{
    KEY, catalogue, changes, event::Origin, expand, failure::Failure, form, lists, versions, world::World,
};

/// How long an answer is kept for its idempotency key.
const KEPT_SECONDS: i64 = 86400;

/// What can be listed and fetched: path, kind, filters.
const COLLECTIONS: &[(&str, &str, &[&str])] = &[
    ("customers", "customer", &["email"]),
    ("checkout/sessions", "checkout.session", &["customer", "payment_intent", "status", "subscription"]),
    ("payment_intents", "payment_intent", &["customer"]),
    ("charges", "charge", &["customer", "payment_intent"]),
    ("refunds", "refund", &["charge", "payment_intent"]),
    ("subscriptions", "subscription", &["customer"]),
    ("invoices", "invoice", &["customer", "status", "subscription"]),
    ("prices", "price", &["active", "product", "type"]),
    ("products", "product", &["active"]),
    ("webhook_endpoints", "webhook_endpoint", &[]),
    ("promotion_codes", "promotion_code", &["active", "code"]),
    ("disputes", "dispute", &["charge", "payment_intent"]),
];

/// A request, as it came.
#[derive(Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// With `/v1/`.
    pub(super) path: String,
    /// From the query and the body.
    pub(super) params: Value,
    pub(super) bearer: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) version: Option<String>,
}

/// The answer.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) request_id: String,
    /// Whether it was kept from an earlier request with the same key.
    pub(super) replayed: bool,
}

/// An answer that is kept for its idempotency key.
pub(super) struct Kept {
    at: i64,
    asked: String,
    answer: Answer,
}

/// Answers a request.
pub(super) fn answer(world: &mut World, request: &Request) -> Answer {
    let request_id = world.id("req");
    let failed = |failure: &Failure| Answer {
        status: failure.status,
        body: failure.body(),
        request_id: request_id.clone(),
        replayed: false,
    };
    if request.bearer != KEY {
        return failed(&Failure::key());
    }
    let key = request.idempotency_key.as_ref().filter(|_| request.method == "POST");
    let asked = format!("{} {} {}", request.method, request.path, request.params);
    let now = world.now();
    if let Some((key, kept)) =
        key.and_then(|key| world.kept.get_key_value(key)).filter(|(_, kept)| now - kept.at < KEPT_SECONDS)
    {
        if kept.asked != asked {
            return failed(&Failure::key_reused(key));
        }
        return Answer { replayed: true, ..kept.answer.clone() };
    }
    world.origin =
        Some(Origin { request_id: request_id.clone(), idempotency_key: request.idempotency_key.clone() });
    let done = carry_out(world, request);
    world.origin = None;
    let answer = match &done {
        Ok(body) => {
            Answer { status: 200, body: body.clone(), request_id: request_id.clone(), replayed: false }
        }
        Err(failure) => failed(failure),
    };
    // A request that was refused before it had an effect may be corrected and sent again.
    let begun = !matches!(&done, Err(failure) if failure.status == 400 || failure.status == 404);
    if let Some(key) = key.filter(|_| begun) {
        world.kept.insert(key.clone(), Kept { at: now, asked, answer: answer.clone() });
    }
    answer
}

/// Stores a failure of Stripe itself under the request's idempotency key: a second try gets the same answer.
pub(super) fn keep_failure(world: &mut World, request: &Request) -> Answer {
    let answer = Answer {
        status: 500,
        body: Failure::internal().body(),
        request_id: world.id("req"),
        replayed: false,
    };
    if let Some(key) = request.idempotency_key.as_ref().filter(|_| request.method == "POST") {
        let asked = format!("{} {} {}", request.method, request.path, request.params);
        world.kept.insert(key.clone(), Kept { at: world.now(), asked, answer: answer.clone() });
    }
    answer
}

fn carry_out(world: &mut World, request: &Request) -> Result<Value, Failure> {
    let version = request.version.as_deref().unwrap_or(versions::ACCOUNT);
    if !versions::is_known(version) {
        return Err(Failure::invalid(format!("Invalid Stripe API version: {version}")));
    }
    let nowhere = || Failure::path(&request.method, &request.path);
    let path = request.path.strip_prefix("/v1/").ok_or_else(nowhere)?;
    let mut shown = if request.method == "GET" {
        read(world, path, &request.params).ok_or_else(nowhere)??
    } else {
        let steps: Vec<_> = path.split('/').collect();
        let id = changes::make(world, &request.method, &steps, &request.params).ok_or_else(nowhere)??;
        shown(world, &id)
    };
    expand::expand(world, &mut shown, &request.params)?;
    Ok(versions::render(&shown, version))
}

fn shown(world: &World, id: &str) -> Value {
    let object = world.get(id);
    if object["deleted"] == true {
        return json!({"id": id, "object": object["object"], "deleted": true});
    }
    object.clone()
}

/// One object, or a list of them; None where the path leads nowhere.
fn read(world: &World, path: &str, params: &Value) -> Option<Result<Value, Failure>> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["account"] if world.account_hidden => return Some(Err(Failure::not_allowed())),
        ["account"] => return Some(Ok(world.get(catalogue::ACCOUNT_ID).clone())),
        ["events"] => return Some(events(world, params)),
        ["events", id] => return Some(event(world, id)),
        ["invoice_payments"] => return Some(invoice_payments(world, params)),
        ["checkout", "sessions", id, "line_items"] => return Some(line_items(world, id, params)),
        _ => {}
    }
    COLLECTIONS.iter().find_map(|(collection, kind, filters)| {
        let rest = path.strip_prefix(collection)?;
        match rest.strip_prefix('/') {
            None if rest.is_empty() => Some(list(world, collection, kind, filters, params)),
            Some(id) if !id.contains('/') => {
                Some(match world.find(id).filter(|object| object["object"] == **kind) {
                    Some(_) => Ok(shown(world, id)),
                    None => Err(Failure::missing(kind, id, "id")),
                })
            }
            _ => None,
        }
    })
}

fn list(
    world: &World,
    collection: &str,
    kind: &str,
    filters: &[&str],
    params: &Value,
) -> Result<Value, Failure> {
    let fits = |object: &&Value| {
        let fields = filters.iter().all(|field| lists::matches(object, params, field));
        // Subscriptions that ended are listed only when they are asked for.
        let status = kind != "subscription"
            || match form::text(params, "status") {
                None => object["status"] != "canceled",
                Some("all") => true,
                Some(status) => object["status"] == status,
            };
        let created = object["created"].as_i64().unwrap_or_default();
        fields && status && object["deleted"] != true && lists::in_time(created, params)
    };
    let found = world.of_kind(kind).filter(fits).cloned().collect();
    lists::page(found, params, &format!("/v1/{collection}"))
}

fn events(world: &World, params: &Value) -> Result<Value, Failure> {
    let types = params["types"].as_array();
    let fits = |kind: &str| {
        form::text(params, "type").is_none_or(|wanted| matches_type(kind, wanted))
            && types.is_none_or(|types| types.iter().filter_map(Value::as_str).any(|wanted| wanted == kind))
    };
    let since = world.now() - world.event_days * 86400;
    let recent = world.events.iter().rev().filter(|event| event.created >= since);
    let found = recent.filter(|event| fits(&event.kind) && lists::in_time(event.created, params));
    lists::page(found.map(|event| event.render(versions::ACCOUNT)).collect(), params, "/v1/events")
}

/// `invoice.paid` is a type, and `invoice.*` several.
fn matches_type(kind: &str, wanted: &str) -> bool {
    wanted.strip_suffix('*').map_or(kind == wanted, |start| kind.starts_with(start))
}

fn event(world: &World, id: &str) -> Result<Value, Failure> {
    let event = world.events.iter().find(|event| event.id == id);
    event.map(|event| event.render(versions::ACCOUNT)).ok_or_else(|| Failure::missing("event", id, "id"))
}

fn invoice_payments(world: &World, params: &Value) -> Result<Value, Failure> {
    let invoices = world
        .of_kind("invoice")
        .filter(|invoice| form::text(params, "invoice").is_none_or(|id| invoice["id"] == id));
    lists::page(invoices.flat_map(expand::payments).collect(), params, "/v1/invoice_payments")
}

fn line_items(world: &World, id: &str, params: &Value) -> Result<Value, Failure> {
    let session = world.find(id).ok_or_else(|| Failure::missing("checkout.session", id, "id"))?;
    let lines = session["_line_items"].as_array().cloned().unwrap_or_default();
    lists::page(lines, params, &format!("/v1/checkout/sessions/{id}/line_items"))
}
