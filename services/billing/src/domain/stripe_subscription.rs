//! Stripe's subscription, reduced to the few fields that billing reads, for every API version.

use chrono::{DateTime, Utc};
use levqor_runtime::email::Email;
use serde_json::Value;

use super::{
    catalogue::{CataloguePrice, PRICES},
    json::{id, instant, reference, text, word},
    not_understood::NotUnderstood,
    plan::{AddOn, Package, Plan, Sold, Term},
    stripe_id::StripeId,
    subscription::{State, SubscriptionId},
};

/// The value of `metadata.mode` of a subscription that we sell.
pub(crate) const SUBSCRIPTION: &str = "subscription";

/// The prices that the settings name.
pub(crate) type KnownPrices = [(CataloguePrice, StripeId)];

/// One thing subscribed to.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Item {
    /// Stripe's id of the item, which a change names.
    pub(crate) id: Option<StripeId>,
    price_id: Option<StripeId>,
    amount: Option<i64>,
    interval: Option<String>,
}

/// A subscription.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct StripeSubscription {
    pub(crate) id: StripeId,
    pub(crate) state: State,
    pub(crate) items: Vec<Item>,
    /// What our checkout wrote into the metadata: our id, and the package that was bought.
    pub(crate) subscription_id: Option<SubscriptionId>,
    pub(crate) bought: Option<Package>,
    pub(crate) customer_id: Option<StripeId>,
    /// Present only if Stripe was asked to expand the customer.
    pub(crate) customer_email: Option<Email>,
    pub(crate) customer_name: String,
    pub(crate) livemode: Option<bool>,
    pub(crate) start_time: Option<DateTime<Utc>>,
    pub(crate) trial_end_time: Option<DateTime<Utc>>,
    pub(crate) period_start_time: Option<DateTime<Utc>>,
    pub(crate) period_end_time: Option<DateTime<Utc>>,
    /// Whether it is to end with its period, whenever that is. Stripe's portal may set a time alone.
    pub(crate) cancel_at_period_end: bool,
    /// When it will end, if that is decided.
    pub(crate) cancel_time: Option<DateTime<Utc>>,
    pub(crate) end_time: Option<DateTime<Utc>>,
}

impl StripeSubscription {
    /// The id that Stripe is asked to expand to the object.
    pub(crate) const EXPAND: &'static [&'static str] = &["customer"];

    /// Reads a subscription from Stripe's response, or from an event.
    pub(crate) fn read(object: &Value) -> Result<Self, NotUnderstood> {
        let first = object.pointer("/items/data/0").unwrap_or(&Value::Null);
        // Since 2025-03-31.basil, items have the periods; before, the subscription has one.
        let time =
            |field: &str| object.get(field).and_then(instant).or_else(|| first.get(field).and_then(instant));
        let period_end_time = time("current_period_end");
        let cancel_at_period_end = object.get("cancel_at_period_end").and_then(Value::as_bool) == Some(true);
        let customer = object.get("customer").unwrap_or(&Value::Null);
        let state = word(object, "status").and_then(State::of_stripe);
        Ok(Self {
            id: id(object, "id").ok_or(NotUnderstood::Subscription("id"))?,
            state: state.ok_or(NotUnderstood::Subscription("status"))?,
            items: items(object),
            subscription_id: label(object, "subscription_id").and_then(|id| id.parse().ok()),
            bought: bought(object),
            customer_id: reference(object, "customer"),
            customer_email: word(customer, "email").and_then(|email| email.parse().ok()),
            customer_name: text(customer, "name").unwrap_or_default(),
            livemode: object.get("livemode").and_then(Value::as_bool),
            // localstripe has `start` only, and later versions of Stripe `start_date` only.
            start_time: time("start_date").or_else(|| time("start")).or_else(|| time("created")),
            trial_end_time: time("trial_end"),
            period_start_time: time("current_period_start"),
            period_end_time,
            cancel_at_period_end,
            cancel_time: time("cancel_at").or(period_end_time.filter(|_| cancel_at_period_end)),
            end_time: time("ended_at"),
        })
    }

    /// The package of the subscription, by the ids of its prices. If the settings do not have these ids, by the metadata of our
    /// checkout together with the amounts. `None`: the subscription is not ours.
    pub(crate) fn package(&self, prices: &KnownPrices) -> Option<Package> {
        let sold: Vec<_> = self.items.iter().filter_map(|item| self.sold(item, prices)).collect();
        let mut plans = sold.iter().filter_map(|sold| match sold {
            Sold::Plan(plan, term) => Some((*plan, *term)),
            Sold::AddOn(_) => None,
        });
        let add_ons = sold.iter().filter_map(|sold| match sold {
            Sold::AddOn(add_on) => Some(*add_on),
            Sold::Plan(..) => None,
        });
        let (plan, term) = plans.next_back()?;
        Some(Package::new(plan, term, add_ons.collect()))
    }

    fn sold(&self, item: &Item, prices: &KnownPrices) -> Option<Sold> {
        let by_id = prices.iter().find(|(_, id)| item.price_id.as_ref() == Some(id));
        if let Some((price, _)) = by_id {
            return Sold::of(price);
        }
        self.bought.as_ref()?;
        let fits = |price: &CataloguePrice| {
            item.amount == Some(price.amount) && item.interval.as_deref() == price.interval.stripe()
        };
        PRICES.iter().filter(|price| fits(price)).find_map(Sold::of)
    }

    /// The item of a thing that is sold. A change names it.
    pub(crate) fn item_of(&self, prices: &KnownPrices, is: impl Fn(Sold) -> bool) -> Option<&StripeId> {
        let mut items = self.items.iter();
        items.find(|item| self.sold(item, prices).is_some_and(&is))?.id.as_ref()
    }
}

fn label(object: &Value, field: &str) -> Option<String> {
    word(object.get("metadata")?, field).map(|text| text.trim().to_lowercase())
}

/// The package in the metadata, which our checkout and staff's payment links write.
fn bought(object: &Value) -> Option<Package> {
    label(object, "mode").filter(|mode| mode == SUBSCRIPTION)?;
    let plan = Plan::of_label(&label(object, "plan")?)?;
    let term = Term::of_label(&label(object, "term")?)?;
    let add_ons = label(object, "add_ons").unwrap_or_default();
    let add_ons = add_ons.split(',').filter_map(|name| name.trim().to_uppercase().parse::<AddOn>().ok());
    Some(Package::new(plan, term, add_ons.collect()))
}

/// The items, each with its price. Old API versions have plans instead of prices, and very old ones a single plan.
fn items(object: &Value) -> Vec<Item> {
    let data = object.pointer("/items/data").and_then(Value::as_array);
    let items = data.map_or_else(|| std::slice::from_ref(object), Vec::as_slice);
    let item = |item: &Value| {
        let shown = |field: &str| item.get(field).filter(|price| !price.is_null());
        let price = shown("price").or_else(|| shown("plan"))?;
        let interval = price.pointer("/recurring/interval").or_else(|| price.get("interval"));
        Some(Item {
            id: id(item, "id").filter(|id| id.as_str().starts_with("si_")),
            price_id: id(price, "id"),
            amount: price.get("unit_amount").or_else(|| price.get("amount")).and_then(Value::as_i64),
            interval: interval.and_then(Value::as_str).map(str::to_owned),
        })
    };
    items.iter().filter_map(item).collect()
}

/// The snapshot event that reports a change.
pub(crate) struct Happened {
    pub(crate) event_id: StripeId,
    pub(crate) time: DateTime<Utc>,
}

impl Happened {
    /// Reads the event's id and time.
    pub(crate) fn read(event: &Value) -> Result<Self, NotUnderstood> {
        let event_id = id(event, "id").ok_or(NotUnderstood::Field("id"))?;
        let time = event.get("created").and_then(instant).ok_or(NotUnderstood::Field("created"))?;
        Ok(Self { event_id, time })
    }
}

/// A change that an event reports. The object's current state may not show it, because the change may have been undone since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Another package.
    Changed {
        /// The package before.
        from: Package,
        /// The package after.
        to: Package,
        /// When the period ends.
        renewal_time: Option<DateTime<Utc>>,
    },
    /// It is to end at this time.
    Ending(DateTime<Utc>),
    /// Its planned end was cancelled.
    Resumed {
        /// The package that continues.
        package: Package,
        /// When the period ends.
        renewal_time: Option<DateTime<Utc>>,
    },
}

impl Step {
    /// The changes that the body of a `customer.subscription.updated` event reports: it compares the object with
    /// `previous_attributes`.
    pub(crate) fn all(event: &Value, prices: &KnownPrices) -> Vec<Self> {
        let (Some(object), Some(before)) =
            (event.pointer("/data/object"), event.pointer("/data/previous_attributes"))
        else {
            return Vec::new();
        };
        let Ok(now) = StripeSubscription::read(object) else { return Vec::new() };
        let mut steps = Vec::new();
        if before.get("items").is_some() || before.get("plan").is_some() {
            let mut was = object.clone();
            if let (Some(was), Some(before)) = (was.as_object_mut(), before.as_object()) {
                was.extend(before.clone());
            }
            let was = StripeSubscription::read(&was).ok().and_then(|was| was.package(prices));
            let is = now.package(prices);
            let renewal_time = now.period_end_time;
            let changed = was.zip(is).filter(|(from, to)| from != to);
            steps.extend(changed.map(|(from, to)| Self::Changed { from, to, renewal_time }));
        }
        let ends = |value: Option<&Value>| value.is_some_and(|value| !value.is_null() && *value != false);
        let undecided =
            |field| before.get(field).is_some_and(|value| !ends(Some(value))) && ends(object.get(field));
        if now.state != State::Canceled && (undecided("cancel_at_period_end") || undecided("cancel_at")) {
            steps.extend(now.cancel_time.map(Self::Ending));
        }
        let decided = |field| before.get(field).is_some_and(|value| ends(Some(value)));
        let was_ending = decided("cancel_at_period_end") || decided("cancel_at");
        if was_ending && now.cancel_time.is_none() && now.state.entitles() {
            let renewal_time = now.period_end_time;
            steps.extend(now.package(prices).map(|package| Self::Resumed { package, renewal_time }));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known() -> Vec<(CataloguePrice, StripeId)> {
        let id = |price: &CataloguePrice| price.setting.to_lowercase().parse().expect("an id");
        PRICES.iter().map(|price| (*price, id(price))).collect()
    }

    fn growth() -> Value {
        json!({
            "id": "sub_1", "status": "active", "customer": {"id": "cus_1", "email": "Ada@Example.com", "name": "Ada"},
            "items": {"data": [{"id": "si_1", "price": {"id": "stripe_price_growth", "unit_amount": 7900, "recurring": {"interval": "month"}},
                                "current_period_start": 1_790_000_000, "current_period_end": 1_792_592_000}]},
            "metadata": {}, "start_date": 1_790_000_000, "cancel_at_period_end": false, "livemode": false,
        })
    }

    #[test]
    fn a_subscription_of_every_version_is_read() {
        let new = StripeSubscription::read(&growth()).expect("a subscription");
        assert_eq!(new.package(&known()), Some(Package::new(Plan::Growth, Term::Monthly, Vec::new())));
        assert_eq!(new.customer_email, "ada@example.com".parse().ok());
        // Before basil the subscription itself has the period, and localstripe shows plans, not prices.
        let old = json!({
            "id": "sub_1", "status": "active", "customer": "cus_1", "current_period_start": 1_790_000_000,
            "current_period_end": 1_792_592_000, "start": 1_790_000_000, "cancel_at_period_end": true,
            "items": {"data": [{"id": "si_1", "plan": {"id": "stripe_price_growth", "amount": 7900, "interval": "month"}}]},
        });
        let old = StripeSubscription::read(&old).expect("a subscription");
        assert_eq!(old.package(&known()), new.package(&known()));
        assert_eq!((old.period_end_time, old.start_time), (new.period_end_time, new.start_time));
        assert_eq!((new.cancel_time, old.cancel_time), (None, new.period_end_time));
    }

    #[test]
    fn a_subscription_with_a_foreign_price_or_only_labels_has_no_package() {
        let mut other = growth();
        other["items"]["data"][0]["price"]["id"] = json!("price_other");
        let read = |object: &Value| StripeSubscription::read(object).expect("a subscription");
        assert_eq!(read(&other).package(&known()), None);
        other["metadata"] = json!({"mode": "subscription", "plan": "growth", "term": "monthly"});
        assert!(read(&other).package(&[]).is_some(), "the labels, and the amount of the catalogue");
        other["items"]["data"][0]["price"]["unit_amount"] = json!(1);
        assert_eq!(read(&other).package(&[]), None, "anybody can write a label");
    }

    #[test]
    fn an_event_names_the_change() {
        let event = |object: &Value, before: Value| json!({"data": {"object": object, "previous_attributes": before}});
        let mut pro = growth();
        pro["items"]["data"][0]["price"] = json!({"id": "stripe_price_pro"});
        let before = json!({"items": growth()["items"]});
        let package = |plan| Package::new(plan, Term::Monthly, Vec::new());
        let renewal_time = DateTime::from_timestamp(1_792_592_000, 0);
        let changed = Step::Changed { from: package(Plan::Growth), to: package(Plan::Pro), renewal_time };
        assert_eq!(Step::all(&event(&pro, before), &known()), [changed]);
        // A renewal changes the items too, but not the package.
        assert!(Step::all(&event(&growth(), json!({"items": growth()["items"]})), &known()).is_empty());
        let mut ending = growth();
        ending["cancel_at_period_end"] = json!(true);
        ending["cancel_at"] = json!(1_792_592_000);
        let before = json!({"cancel_at_period_end": false, "cancel_at": null});
        let end = DateTime::from_timestamp(1_792_592_000, 0).expect("an instant");
        assert_eq!(Step::all(&event(&ending, before), &known()), [Step::Ending(end)]);
        let before = json!({"cancel_at_period_end": true, "cancel_at": 1_792_592_000});
        let resumed = Step::Resumed { package: package(Plan::Growth), renewal_time };
        assert_eq!(Step::all(&event(&growth(), before.clone()), &known()), [resumed]);
        let mut ended = growth();
        ended["status"] = json!("canceled");
        assert!(Step::all(&event(&ended, before), &known()).is_empty(), "it does not go on");
        // It ends at another time than before.
        let before = json!({"cancel_at_period_end": true});
        ending["cancel_at_period_end"] = json!(false);
        assert!(Step::all(&event(&ending, before), &known()).is_empty());
    }

    #[test]
    fn fields_that_decide_are_required() {
        for field in ["id", "status"] {
            let mut odd = growth();
            odd[field] = json!("nonsense\u{0}");
            assert_eq!(StripeSubscription::read(&odd).err(), Some(NotUnderstood::Subscription(field)));
        }
    }
}
