//! A fake Stripe that keeps state: objects, events, webhooks and the API, over HTTP and in the hands of a test.
//!
//! A test acts through `world()`: it plays the buyers and the banks, and sets the clock. Services see the API at `url()` with
//! `KEY`, and the webhooks of the endpoints that the test registers.

mod api;
mod buyer;
mod catalogue;
mod changes;
mod checkout;
mod event;
mod expand;
mod failure;
mod form;
mod lists;
mod params;
mod proration;
mod server;
mod shapes;
mod shop;
mod subscription;
mod tests;
mod trouble;
mod versions;
mod webhooks;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

pub(crate) use buyer::Buyer;
pub(crate) use catalogue::{price_id, price_settings};
pub(crate) use trouble::{Fault, Trouble};
pub(crate) use versions::{ACCOUNT as API_VERSION, VERSIONS};
pub(crate) use webhooks::Endpoint;
pub(crate) use world::World;

/// The key of the account.
pub(crate) const KEY: &str = "sk_test_levqor";

/// The fake, running until it is dropped.
pub(crate) struct Stripe {
    world: Arc<Mutex<World>>,
    server: server::Server,
}

impl Stripe {
    /// Starts one, with the account, its prices, and nothing else.
    pub(crate) fn start() -> Self {
        let (outbox, jobs) = unbounded_channel();
        let world = Arc::new(Mutex::new(World::new(outbox)));
        let server = server::Server::start(Arc::clone(&world), jobs);
        Self { world, server }
    }

    /// The API's base URL, for `STRIPE_API_BASE`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.addr)
    }

    /// What happens at Stripe. Not to be held over an `await`: the API waits for it.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("the world")
    }

    /// Asks the API without HTTP, as the account itself; the object. Panics where it is refused.
    pub(crate) fn post(&self, path: &str, params: Value) -> Value {
        self.try_post(path, params).unwrap_or_else(|refusal| panic!("{path}: {refusal}"))
    }

    /// The same; the refusal where it is refused.
    pub(crate) fn try_post(&self, path: &str, params: Value) -> Result<Value, Value> {
        let request = api::Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            params,
            bearer: KEY.to_owned(),
            ..Default::default()
        };
        let answer = api::answer(&mut self.world(), &request);
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.body) }
    }

    /// A checkout of "done for you" work, open. Returns its id. `more` are more parameters.
    pub(crate) fn done_for_you(&self, plan: &str, more: Value) -> String {
        let mut params = json!({
            "mode": "payment", "success_url": "https://example.com/success",
            "line_items": [{"price": price_id(&format!("DFY_{}", plan.to_uppercase())), "quantity": 1}],
            "metadata": {"mode": "dfy", "plan": plan},
        });
        if let (Value::Object(params), Value::Object(more)) = (&mut params, more) {
            params.extend(more);
        }
        id(&self.post("/v1/checkout/sessions", params))
    }

    /// A guest buys "done for you" work by card; the checkout's id.
    pub(crate) fn buy(&self, plan: &str, buyer: Buyer<'_>) -> String {
        let session = self.done_for_you(plan, json!({}));
        self.world().pay_by_card(&session, buyer);
        session
    }

    /// Goes wrong with the next requests, one each.
    pub(crate) fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.world().faults.extend(faults);
    }

    /// Goes wrong at random from now on.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.world().trouble = trouble;
    }
}

/// An object's id.
pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}
