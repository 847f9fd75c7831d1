//! The state of the fake: its objects in the newest form, the events that every change of them made, and its clock.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use levqor_runtime::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    api::Kept,
    catalogue,
    event::{Event, Origin},
    failure::Failure,
    form,
    trouble::{Fault, Trouble},
    webhooks::{Attempt, Endpoint, Job},
};

/// Stripe's state.
pub(crate) struct World {
    now: i64,
    made: u64,
    objects: BTreeMap<String, Value>,
    /// Ids in the order in which their objects were made.
    order: Vec<String>,
    pub(super) events: Vec<Event>,
    /// The request that is at work, if it is one and not a buyer or the clock.
    pub(super) origin: Option<Origin>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) outbox: UnboundedSender<Job>,
    pub(super) attempts: Vec<Attempt>,
    /// Deliveries that are still to be made.
    pub(super) under_way: usize,
    /// Answers kept by idempotency key.
    pub(super) kept: BTreeMap<String, Kept>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) trouble: Trouble,
    pub(super) requests: Vec<String>,
    /// How far the clock that answers are dated by is off, in seconds.
    pub(crate) date_off: i64,
    /// Whether the key lacks the right to read the account.
    pub(crate) account_hidden: bool,
    /// For how many days events can be listed.
    pub(crate) event_days: i64,
}

impl World {
    pub(super) fn new(outbox: UnboundedSender<Job>) -> Self {
        let mut world = Self {
            now: Clock::default().now().timestamp(),
            made: 0,
            objects: BTreeMap::new(),
            order: Vec::new(),
            events: Vec::new(),
            origin: None,
            endpoints: Vec::new(),
            outbox,
            attempts: Vec::new(),
            under_way: 0,
            kept: BTreeMap::new(),
            faults: VecDeque::new(),
            trouble: Trouble::default(),
            requests: Vec::new(),
            date_off: 0,
            account_hidden: false,
            event_days: 30,
        };
        catalogue::stock(&mut world);
        world
    }

    /// Stripe's time, in whole seconds. Only tests change it.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// Moves the time; subscriptions are renewed, and sessions expire, only when a test says so.
    pub(crate) fn advance(&mut self, seconds: i64) {
        self.now += seconds;
    }

    /// A new id.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{:08}", self.made)
    }

    /// Keeps a new object, without an event. Returns its id.
    pub(super) fn add(&mut self, object: Value) -> String {
        let id = object["id"].as_str().expect("objects have ids").to_owned();
        self.order.push(id.clone());
        self.objects.insert(id.clone(), object);
        id
    }

    /// Keeps a new object, and sends its event. Returns its id.
    pub(super) fn create(&mut self, object: Value, event: &str) -> String {
        let id = self.add(object);
        self.emit(event, &id);
        id
    }

    /// An object, if it is there.
    pub(super) fn find(&self, id: &str) -> Option<&Value> {
        self.objects.get(id)
    }

    /// An object as it is now, in the newest shape.
    pub(crate) fn get(&self, id: &str) -> &Value {
        self.find(id).unwrap_or_else(|| panic!("there is no {id}"))
    }

    /// Ids of the objects of a kind, newest first.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.order.iter().rev().map(|id| self.get(id)).filter(move |object| object["object"] == kind)
    }

    /// The id of the newest object of a kind.
    pub(crate) fn newest(&self, kind: &str) -> String {
        let newest = self.of_kind(kind).next().unwrap_or_else(|| panic!("there is no {kind}"));
        newest["id"].as_str().expect("objects have ids").to_owned()
    }

    /// Sets fields of an object, without an event.
    pub(super) fn edit(&mut self, id: &str, fields: Value) {
        let object = self.objects.get_mut(id).unwrap_or_else(|| panic!("there is no {id}"));
        let Value::Object(fields) = fields else { panic!("fields are an object") };
        object.as_object_mut().expect("an object").extend(fields);
    }

    /// Sets fields of an object, and tells it.
    pub(super) fn update(&mut self, id: &str, fields: Value, event: &str) {
        let before = self.get(id).clone();
        self.edit(id, fields);
        self.push(event, id, Some(before));
    }

    /// Tells what an object is like now.
    pub(super) fn emit(&mut self, event: &str, id: &str) {
        self.push(event, id, None);
    }

    fn push(&mut self, kind: &str, id: &str, before: Option<Value>) {
        let event = Event {
            id: self.id("evt"),
            kind: kind.to_owned(),
            created: self.now,
            object: self.get(id).clone(),
            before,
            origin: self.origin.clone(),
            pending: 0,
        };
        self.events.push(event);
        self.post(self.events.len() - 1);
    }

    /// Hands the event with this number to every endpoint that wants it.
    fn post(&mut self, number: usize) {
        let event = &mut self.events[number];
        for (endpoint, wants) in self.endpoints.iter_mut().enumerate() {
            if let Some(delays) = wants.fate(&event.kind) {
                event.pending += 1;
                self.under_way += delays.len();
                for delay in delays {
                    // The channel has no receiver only when the fake is being stopped.
                    let _ = self.outbox.send(Job { event: number, endpoint, delay, made: Instant::now() });
                }
            }
        }
    }

    /// How many objects and events there are: later ones are `since` this mark.
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.order.len(), self.events.len())
    }

    /// The ids of the objects, and the numbers of the events, that were made since a mark, in order.
    pub(crate) fn since(&self, (objects, events): (usize, usize)) -> (Vec<String>, Vec<usize>) {
        (self.order[objects..].to_vec(), (events..self.events.len()).collect())
    }

    /// The type and the id of the event with this number.
    pub(crate) fn event(&self, number: usize) -> (&str, &str) {
        (&self.events[number].kind, &self.events[number].id)
    }

    /// The ids of the events that were made so far, in order.
    pub(crate) fn event_ids(&self) -> Vec<String> {
        self.events.iter().map(|event| event.id.clone()).collect()
    }

    /// The requests to the API over HTTP up to now, as `GET /v1/…`.
    pub(crate) fn requests(&self) -> &[String] {
        &self.requests
    }

    /// A parameter that names an object of this kind.
    pub(super) fn named(&self, kind: &str, params: &Value, param: &str) -> Result<Option<String>, Failure> {
        let Some(id) = form::text(params, param) else { return Ok(None) };
        match self.find(id) {
            Some(object) if object["object"] == kind && object["deleted"] != json!(true) => {
                Ok(Some(id.to_owned()))
            }
            _ => Err(Failure::missing(kind, id, param)),
        }
    }
}
