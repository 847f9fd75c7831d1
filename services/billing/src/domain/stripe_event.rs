//! Stripe's events: the envelope that is read before an event is stored, and the types that have an effect.

mod documented;
mod event_object;
mod news;
mod ownership;
mod state;

use chrono::{DateTime, SubsecRound, Utc};
use levqor_runtime::error::{Invalid, Violations};
use serde_json::Value;

pub(crate) use self::{
    documented::documented,
    event_object::{EventObject, SessionEvent},
    news::News,
    ownership::{ActsOn, NotOurs},
    state::{State, Verdict},
};
use super::{
    json::{Wanted, id, instant, reference, word},
    stripe_id::StripeId,
};

/// A journaled event, without its body.
#[derive(Clone)]
pub(crate) struct StripeEvent {
    pub(crate) envelope: Envelope,
    pub(crate) state: State,
    /// Why the event is not ours, if it is ignored for that.
    pub(crate) not_ours: Option<NotOurs>,
    pub(crate) receive_time: DateTime<Utc>,
    pub(crate) process_time: Option<DateTime<Utc>>,
    pub(crate) attempts: i32,
    pub(crate) failure: Option<String>,
    pub(crate) body_purged: bool,
}

/// A field whose own fields are not wanted, if it has any.
const WHOLE: Wanted = Wanted(&[]);
/// The fields of the event's object that the envelope needs.
const OBJECT: Wanted =
    Wanted(&[("id", WHOLE), ("object", WHOLE), ("type", WHOLE), ("customer", Wanted(&[("id", WHOLE)]))]);
/// The fields of an event that the envelope needs.
const EVENT: Wanted = Wanted(&[
    ("id", WHOLE),
    ("type", WHOLE),
    ("created", WHOLE),
    ("api_version", WHOLE),
    ("livemode", WHOLE),
    ("data", Wanted(&[("object", OBJECT)])),
    ("related_object", OBJECT),
    ("account", WHOLE),
    ("context", WHOLE),
]);

/// The fields of an event that are read before it is stored. All other fields are read when the event is processed.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Envelope {
    pub(crate) event_id: StripeId,
    pub(crate) event_type: String,
    pub(crate) create_time: DateTime<Utc>,
    /// Absent in thin events.
    pub(crate) api_version: Option<String>,
    /// Whether the event is of live mode. Absent if the field is missing or malformed.
    pub(crate) livemode: Option<bool>,
    /// The account that the event happened in, if Stripe says that it is not the endpoint's own.
    pub(crate) account: Option<StripeId>,
    pub(crate) object_id: Option<StripeId>,
    pub(crate) stripe_customer_id: Option<StripeId>,
}

impl Envelope {
    /// Reads a snapshot event (`data.object`) or a thin event (`related_object`). The caller has checked the signature.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Invalid> {
        let event = std::str::from_utf8(body).ok().and_then(|text| EVENT.read(text).ok());
        Self::of(&event.unwrap_or_default())
    }

    fn of(event: &Value) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        if !event.is_object() {
            violations.add("body", "expected a JSON object");
            return violations.finish(None);
        }
        let event_id = id(event, "id");
        if event_id.is_none() {
            violations.add("body.id", "expected an id");
        }
        let event_type = word(event, "type").map(str::to_owned);
        if event_type.is_none() {
            violations.add("body.type", "expected the name of a type");
        }
        // Thin events have fractions of seconds, and their snapshot twins have none: both then give the same time.
        let create_time = instant(&event["created"]).map(|time| time.trunc_subsecs(0));
        if create_time.is_none() {
            violations.add("body.created", "expected seconds since 1970, or RFC 3339");
        }
        let envelope =
            event_id.zip(event_type).zip(create_time).map(|((event_id, event_type), create_time)| {
                let object = event.get("data").and_then(|data| data.get("object"));
                let object = object.or_else(|| event.get("related_object")).unwrap_or(&Value::Null);
                Self {
                    event_id,
                    event_type,
                    create_time,
                    api_version: word(event, "api_version").map(str::to_owned),
                    livemode: event["livemode"].as_bool(),
                    account: ownership::other_account(event),
                    object_id: id(object, "id"),
                    stripe_customer_id: customer_of(object),
                }
            });
        violations.finish(envelope)
    }

    /// Only one worker at a time processes the events of one key: the customer's id, else the object's, else the event's.
    pub(crate) fn lease_key(&self) -> &StripeId {
        self.stripe_customer_id.as_ref().or(self.object_id.as_ref()).unwrap_or(&self.event_id)
    }

    /// Why the event is not ours. `None` if it is ours.
    pub(crate) fn not_ours(&self, acts_on: ActsOn) -> Option<NotOurs> {
        NotOurs::of(self.livemode, self.account.is_some(), acts_on)
    }

    /// The state in which the event is stored: pending, or ignored because it is not ours or this version does not handle its
    /// type.
    pub(crate) fn first_state(&self, acts_on: ActsOn) -> State {
        let is_pending = self.not_ours(acts_on).is_none() && self.object().is_some();
        if is_pending { State::Pending } else { State::Ignored }
    }

    /// The kind of object that the event is about. `None` if this version does not handle its type.
    pub(crate) fn object(&self) -> Option<EventObject> {
        EventObject::of_type(&self.event_type)
    }
}

/// The customer that an object belongs to, or is.
fn customer_of(object: &Value) -> Option<StripeId> {
    let kind = word(object, "object").or_else(|| word(object, "type"));
    if kind == Some("customer") { id(object, "id") } else { reference(object, "customer") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::select};
    use serde_json::json;

    fn read(event: &Value) -> Result<Envelope, Vec<String>> {
        Envelope::read(event.to_string().as_bytes())
            .map_err(|invalid| invalid.0.into_iter().map(|violation| violation.field).collect())
    }

    #[test]
    fn a_snapshot_event_names_its_object_and_customer() {
        let event = json!({
            "id": "evt_1", "type": "checkout.session.completed", "created": 1_700_000_000, "livemode": true,
            "api_version": "2024-06-20", "data": {"object": {"id": "cs_1", "object": "checkout.session", "customer": "cus_1"}},
        });
        let envelope = read(&event).expect("an envelope");
        assert_eq!(envelope.create_time.timestamp(), 1_700_000_000);
        assert_eq!(envelope.object_id, "cs_1".parse().ok());
        assert_eq!(envelope.lease_key().as_str(), "cus_1");
        assert_eq!(envelope.object(), Some(EventObject::Session(SessionEvent::Completed)));
    }

    #[test]
    fn a_thin_event_is_read_too() {
        let event = json!({
            "id": "evt_2", "object": "v2.core.event", "type": "v1.checkout.session.expired",
            "created": "2026-01-02T03:04:05.678901234Z",
            "related_object": {"id": "cs_2", "type": "checkout.session", "url": "/v1/checkout/sessions/cs_2"},
        });
        let envelope = read(&event).expect("an envelope");
        assert_eq!(envelope.create_time.timestamp_micros(), 1_767_323_045_000_000);
        assert_eq!((envelope.api_version.as_deref(), envelope.livemode), (None, None));
        assert_eq!(envelope.lease_key().as_str(), "cs_2");
        assert_eq!(envelope.object(), Some(EventObject::Session(SessionEvent::Expired)));
        let customer = json!({
            "id": "evt_2", "type": "v2.core.account.updated", "created": "2026-01-02T03:04:05Z",
            "related_object": {"id": "cus_2", "type": "customer"},
        });
        assert_eq!(read(&customer).expect("an envelope").stripe_customer_id, "cus_2".parse().ok());
    }

    #[test]
    fn a_mode_that_is_missing_or_no_boolean_is_not_taken_for_test_mode() {
        for (livemode, expected) in [
            (json!(true), Some(true)),
            (json!(false), Some(false)),
            (json!(null), None),
            (json!("true"), None),
            (json!(1), None),
            (json!({}), None),
        ] {
            let event = json!({"id": "evt_1", "type": "t", "created": 1, "livemode": livemode});
            assert_eq!(read(&event).expect("an envelope").livemode, expected, "{livemode}");
        }
    }

    #[test]
    fn the_lease_key_is_the_customer_or_the_object_or_the_event() {
        let key = |object: Value| {
            let event = json!({"id": "evt_3", "type": "t", "created": 1, "data": {"object": object}});
            read(&event).expect("an envelope").lease_key().to_string()
        };
        assert_eq!(key(json!({"id": "cus_9", "object": "customer"})), "cus_9");
        assert_eq!(key(json!({"id": "in_1", "object": "invoice", "customer": {"id": "cus_9"}})), "cus_9");
        assert_eq!(key(json!({"id": "in_1", "object": "invoice", "customer": null})), "in_1");
        assert_eq!(key(json!({"object": "balance"})), "evt_3");
    }

    /// JSON of any shape. Some of its names are those that the envelope reads.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "(evt_1|cus_1|customer|2026-01-02T03:04:05Z|.{0,9})".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            let names = ["id", "type", "created", "api_version", "livemode", "data", "object", "customer"];
            let name = select([&names[..], &["related_object", "account", "context", "other"]].concat());
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(name, inner, 0..8).prop_map(|fields| fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn skipped_fields_do_not_change_the_result(
            mut event in json(),
            about in select(vec![None, Some("data"), Some("related_object")]),
            object in json(),
        ) {
            if let Value::Object(fields) = &mut event && let Some(about) = about {
                fields.extend([("id".into(), "evt_1".into()), ("type".into(), "t".into()), ("created".into(), 1.into())]);
                fields.remove("data");
                fields.extend([(about.to_owned(), if about == "data" { json!({ "object": object }) } else { object })]);
            }
            let fields = |read: Result<Envelope, Invalid>| {
                read.map_err(|Invalid(violations)| violations.into_iter().map(|v| v.field).collect::<Vec<_>>())
            };
            prop_assert_eq!(
                fields(Envelope::read(event.to_string().as_bytes())), fields(Envelope::of(&event))
            );
        }
    }

    #[test]
    fn fields_that_are_not_read_must_be_json_too() {
        let read = |other: &[u8]| {
            let start: &[u8] = br#"{"id":"evt_1","type":"t","created":1,"other":"#;
            Envelope::read(&[start, other].concat()).is_ok()
        };
        for good in ["1e999}", "\"\\ud800\"}", "[[[{\"id\":[]}]]]}"] {
            assert!(read(good.as_bytes()), "{good}");
        }
        for bad in ["[1,]}", "{\"a\":}", "nul}", "\"\u{1}\"}", "1", "1}}"] {
            assert!(!read(bad.as_bytes()), "{bad}");
        }
        assert!(!read(b"\"\xff\"}"));
    }

    #[test]
    fn every_missing_field_is_named_at_once() {
        assert_eq!(
            read(&json!({})).err(),
            Some(["id", "type", "created"].map(|f| format!("body.{f}")).to_vec())
        );
        assert_eq!(read(&json!([])).err(), Some(vec!["body".to_owned()]));
        let long = json!({"id": "e".repeat(256), "type": "t", "created": u64::MAX});
        assert_eq!(read(&long).err(), Some(["id", "created"].map(|f| format!("body.{f}")).to_vec()));
        assert!(Envelope::read(b"\xff{").is_err());
    }
}
