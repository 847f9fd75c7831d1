//! Lifecycles of purchases, as they happen at Stripe. Each is a list of steps; steps of other cases may come between them.

use serde_json::{Value, json};

use crate::fakes::stripe::{Buyer, Stripe, World, id};

/// The time at Stripe when each lifecycle begins. All begin at the same time, so that their times can be compared.
const BEGIN: i64 = 1_790_000_000;
const DAY: i64 = 86400;

/// What happens at Stripe in one step.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Our site, or staff, ask Stripe for something.
    Site(fn(&Stripe, &mut Cast)),
    /// The buyer is at the last checkout.
    Buyer(fn(&mut World, &str, Buyer<'_>)),
    /// Time and the banks go on with the last checkout.
    Time(fn(&mut World, &str)),
}

/// A step, and its name in the printed sequence.
type Named = (&'static str, Step);

/// A lifecycle.
pub(super) struct Lifecycle {
    pub(super) name: &'static str,
    /// How often a case has this lifecycle, in proportion to the weights of the others.
    pub(super) weight: u32,
    pub(super) steps: &'static [Named],
}

/// Who and what takes part in a case.
pub(super) struct Cast {
    /// A part of the name of this case's buyer, which no other name has.
    pub(super) token: String,
    now: i64,
    customer: String,
    pub(super) sessions: Vec<String>,
    /// An invoice or payment intent that later steps go on with.
    other: String,
    /// Ids of all objects, in order.
    pub(super) objects: Vec<String>,
    /// Numbers of all events, in order.
    pub(super) events: Vec<usize>,
}

impl Cast {
    pub(super) fn new() -> Self {
        Self {
            token: format!("x{}x", levqor_runtime::id::request_id().to_lowercase()),
            now: BEGIN,
            customer: String::new(),
            sessions: Vec::new(),
            other: String::new(),
            objects: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Plays a step at this case's own time; the numbers of its events.
    pub(super) fn play(&mut self, stripe: &Stripe, step: Step) -> Vec<usize> {
        let mark = {
            let mut world = stripe.world();
            let away = self.now - world.now();
            world.advance(away);
            world.mark()
        };
        self.act(stripe, step);
        let world = stripe.world();
        let (objects, events) = world.since(mark);
        self.now = world.now();
        self.objects.extend(objects);
        self.events.extend(&events);
        events
    }

    fn act(&mut self, stripe: &Stripe, step: Step) {
        let session = self.sessions.last().map(String::as_str).unwrap_or_default();
        let (name, email) = (format!("Buyer {}", self.token), format!("Buyer-{}@Example.com", self.token));
        match step {
            Step::Site(act) => act(stripe, self),
            Step::Buyer(act) => act(&mut stripe.world(), session, Buyer { name: &name, email: &email }),
            Step::Time(act) => act(&mut stripe.world(), session),
        }
    }

    fn open(&mut self, stripe: &Stripe, plan: &str, more: Value) {
        self.sessions.push(stripe.done_for_you(plan, more));
    }
}

/// Every lifecycle. Subscriptions make many events, so they have a lower weight.
pub(super) const LIFECYCLES: &[Lifecycle] = &[
    Lifecycle { name: "a guest pays by card", weight: 4, steps: &[OPEN, PAY] },
    Lifecycle { name: "a customer pays by card", weight: 4, steps: &[REGISTER, OPEN_AS_CUSTOMER, PAY] },
    Lifecycle { name: "a guest becomes a customer", weight: 4, steps: &[OPEN_AND_REGISTER, PAY] },
    Lifecycle { name: "a debit succeeds", weight: 4, steps: &[OPEN, DEBIT, DAYS, DEBIT_SUCCEEDS] },
    Lifecycle {
        name: "a debit succeeds at once",
        weight: 4,
        steps: &[REGISTER, OPEN_AS_CUSTOMER, DEBIT, DEBIT_SUCCEEDS],
    },
    Lifecycle {
        name: "a debit fails",
        weight: 4,
        steps: &[REGISTER, OPEN_AS_CUSTOMER, DEBIT, DAYS, DEBIT_FAILS],
    },
    Lifecycle { name: "a guest's debit fails at once", weight: 4, steps: &[OPEN, DEBIT, DEBIT_FAILS] },
    Lifecycle {
        name: "a failed debit and a second purchase",
        weight: 4,
        steps: &[REGISTER, OPEN_AS_CUSTOMER, DEBIT, DEBIT_FAILS, OPEN_AS_CUSTOMER, PAY],
    },
    Lifecycle { name: "a guest leaves", weight: 4, steps: &[OPEN, DAYS, EXPIRE] },
    Lifecycle { name: "a customer leaves", weight: 4, steps: &[REGISTER, OPEN_AS_CUSTOMER, DAYS, EXPIRE] },
    Lifecycle { name: "free", weight: 4, steps: &[OPEN_AND_REGISTER, PAY_NOTHING] },
    Lifecycle { name: "declined, then paid", weight: 4, steps: &[OPEN, BE_DECLINED, PAY] },
    Lifecycle { name: "declined, then left", weight: 4, steps: &[OPEN, BE_DECLINED, DAYS, EXPIRE] },
    Lifecycle {
        name: "several purchases of one customer in one second",
        weight: 4,
        steps: &[
            REGISTER,
            OPEN_AS_CUSTOMER,
            PAY,
            OPEN_AS_CUSTOMER,
            DEBIT,
            DEBIT_FAILS,
            OPEN_AS_CUSTOMER,
            EXPIRE,
            OPEN_AS_CUSTOMER,
            PAY_NOTHING,
        ],
    },
    Lifecycle {
        name: "refunded in two parts, beside a refund that fails",
        weight: 4,
        steps: &[
            REGISTER,
            OPEN_AS_CUSTOMER,
            PAY,
            DAYS,
            REFUND_SOME,
            REFUND_SLOWLY,
            REFUND_FAILS,
            REFUND_REST,
        ],
    },
    Lifecycle {
        name: "a subscription fails and recovers",
        weight: 1,
        steps: &[OPEN_SUBSCRIPTION, PAY, CARD_FAILS, RENEW, RETRY, CARD_WORKS, RETRY, RENEW],
    },
    Lifecycle {
        name: "a subscription is given up",
        weight: 1,
        steps: &[OPEN_SUBSCRIPTION, PAY, CARD_FAILS, RENEW, RETRY, RETRY, RETRY],
    },
    Lifecycle { name: "a dispute is won", weight: 4, steps: &[OPEN, PAY, DAYS, DISPUTE, DAYS, WIN] },
    Lifecycle {
        name: "a customer's dispute is lost",
        weight: 4,
        steps: &[REGISTER, OPEN_AS_CUSTOMER, PAY, REFUND_SOME, DISPUTE, LOSE],
    },
    Lifecycle {
        name: "a subscription is changed, cancelled, resumed and ends",
        weight: 3,
        steps: &[OPEN_SUBSCRIPTION, PAY, CHANGE, CANCEL, RESUME, DAYS, CHANGE_BACK, CANCEL, END],
    },
    Lifecycle {
        name: "a subscription is unpaid, paused, on trial and active",
        weight: 3,
        steps: &[OPEN_SUBSCRIPTION, PAY, BE_UNPAID, BE_PAUSED, BE_TRIALING, BE_ACTIVE],
    },
    Lifecycle { name: "money without a checkout", weight: 4, steps: &[REGISTER, PAY_DIRECTLY, REFUND_REST] },
    Lifecycle { name: "something else is sold", weight: 4, steps: &[OPEN_SOMETHING_ELSE, PAY] },
    Lifecycle {
        name: "nobody knows what is sold",
        weight: 4,
        steps: &[OPEN_NOBODY_KNOWS_WHAT, DEBIT, DEBIT_FAILS],
    },
];

const REGISTER: Named = (
    "a customer registers",
    Step::Site(|stripe, cast| {
        let email = format!("Buyer-{}@Example.com", cast.token);
        cast.customer = id(&stripe.post("/v1/customers", json!({"email": email, "name": cast.token})));
    }),
);
const OPEN: Named =
    ("a guest opens a checkout", Step::Site(|stripe, cast| cast.open(stripe, "starter", json!({}))));
const OPEN_AS_CUSTOMER: Named = (
    "the customer opens a checkout",
    Step::Site(|stripe, cast| {
        let plan = ["professional", "enterprise", "starter"][cast.sessions.len() % 3];
        cast.open(stripe, plan, json!({"customer": cast.customer}));
    }),
);
const OPEN_AND_REGISTER: Named = (
    "a guest opens a checkout that makes a customer",
    Step::Site(|stripe, cast| cast.open(stripe, "enterprise", json!({"customer_creation": "always"}))),
);
const OPEN_SOMETHING_ELSE: Named = (
    "a guest opens a checkout of something else",
    Step::Site(|stripe, cast| cast.open(stripe, "starter", json!({"metadata": {"mode": "credits"}}))),
);
const OPEN_NOBODY_KNOWS_WHAT: Named = (
    "a guest opens a checkout that does not say what it sells",
    Step::Site(|stripe, cast| cast.open(stripe, "starter", json!({"metadata": {}}))),
);
const OPEN_SUBSCRIPTION: Named = (
    "a guest opens a checkout of a subscription",
    Step::Site(|stripe, cast| {
        let session = stripe.post(
            "/v1/checkout/sessions",
            json!({
                "mode": "subscription", "success_url": "https://example.com", "line_items": [{"price": "price_growth"}],
                "metadata": {"mode": "subscription", "plan": "growth", "term": "monthly"},
                "subscription_data": {"metadata": {"mode": "subscription", "plan": "growth", "term": "monthly"}},
            }),
        );
        cast.sessions.push(id(&session));
    }),
);
const PAY: Named = ("pays by card", Step::Buyer(World::pay_by_card));
const BE_DECLINED: Named = ("is declined", Step::Buyer(World::be_declined));
const DEBIT: Named = ("pays by debit", Step::Buyer(World::pay_by_debit));
const DEBIT_SUCCEEDS: Named = ("the debit succeeds", Step::Time(World::debit_succeeds));
const DEBIT_FAILS: Named = ("the debit fails", Step::Time(World::debit_fails));
const PAY_NOTHING: Named = ("pays nothing", Step::Buyer(World::pay_nothing));
const EXPIRE: Named = ("the checkout expires", Step::Time(World::expire));
const DAYS: Named = ("days pass", Step::Time(|world, _| world.advance(5 * DAY)));
const REFUND_SOME: Named = (
    "a part is refunded",
    Step::Site(|stripe, cast| {
        cast.other = linked(stripe, &cast.sessions[0], "payment_intent");
        stripe.post("/v1/refunds", json!({"payment_intent": cast.other, "amount": 900}));
    }),
);
const REFUND_SLOWLY: Named =
    ("another part is on its way", Step::Site(|stripe, cast| stripe.world().refund_slowly(&cast.other, 500)));
const REFUND_FAILS: Named =
    ("the bank sends that part back", Step::Site(|stripe, cast| stripe.world().refund_fails(&cast.other)));
const REFUND_REST: Named = (
    "the rest is refunded",
    Step::Site(|stripe, cast| drop(stripe.post("/v1/refunds", json!({"payment_intent": cast.other})))),
);
const PAY_DIRECTLY: Named = (
    "pays without a checkout",
    Step::Site(|stripe, cast| cast.other = stripe.world().pay_directly(&cast.customer, 5000)),
);
const RENEW: Named = (
    "the subscription is renewed",
    Step::Site(|stripe, cast| {
        let subscription = linked(stripe, &cast.sessions[0], "subscription");
        cast.other = stripe.world().renew(&subscription).expect("an invoice");
    }),
);
const DISPUTE: Named = (
    "the payment is disputed",
    Step::Site(|stripe, cast| {
        let intent = linked(stripe, cast.sessions.last().expect("a session"), "payment_intent");
        cast.other = stripe.world().dispute(&intent);
    }),
);
const WIN: Named =
    ("the dispute is won", Step::Site(|stripe, cast| stripe.world().decide(&cast.other, "won")));
const LOSE: Named =
    ("the dispute is lost", Step::Site(|stripe, cast| stripe.world().decide(&cast.other, "lost")));
const CHANGE: Named =
    ("the subscription is changed", Step::Site(|stripe, cast| change(stripe, cast, "price_pro")));
const CHANGE_BACK: Named =
    ("the subscription is changed back", Step::Site(|stripe, cast| change(stripe, cast, "price_growth")));
const CANCEL: Named = ("is to end with its period", Step::Site(|stripe, cast| cancel(stripe, cast, true)));
const RESUME: Named = ("is renewed after all", Step::Site(|stripe, cast| cancel(stripe, cast, false)));
const END: Named = (
    "the period ends",
    Step::Site(|stripe, cast| {
        let subscription = linked(stripe, &cast.sessions[0], "subscription");
        drop(stripe.world().renew(&subscription));
    }),
);
const BE_UNPAID: Named = ("is unpaid", Step::Site(|stripe, cast| set_status(stripe, cast, "unpaid")));
const BE_PAUSED: Named = ("is paused", Step::Site(|stripe, cast| set_status(stripe, cast, "paused")));
const BE_TRIALING: Named = ("is on trial", Step::Site(|stripe, cast| set_status(stripe, cast, "trialing")));
const BE_ACTIVE: Named = ("is active", Step::Site(|stripe, cast| set_status(stripe, cast, "active")));
const RETRY: Named =
    ("the invoice is tried again", Step::Site(|stripe, cast| stripe.world().retry(&cast.other)));
const CARD_FAILS: Named =
    ("the card stops working", Step::Site(|stripe, cast| set_declines(stripe, cast, true)));
const CARD_WORKS: Named =
    ("the card works again", Step::Site(|stripe, cast| set_declines(stripe, cast, false)));

fn set_declines(stripe: &Stripe, cast: &Cast, declines: bool) {
    let customer = linked(stripe, &cast.sessions[0], "customer");
    stripe.world().set_card_declines(&customer, declines);
}

fn change(stripe: &Stripe, cast: &Cast, price: &str) {
    let subscription = linked(stripe, &cast.sessions[0], "subscription");
    let item = stripe.world().get(&subscription)["items"]["data"][0]["id"].clone();
    stripe
        .post(&format!("/v1/subscriptions/{subscription}"), json!({"items": [{"id": item, "price": price}]}));
}

fn cancel(stripe: &Stripe, cast: &Cast, ends: bool) {
    let subscription = linked(stripe, &cast.sessions[0], "subscription");
    stripe.post(&format!("/v1/subscriptions/{subscription}"), json!({"cancel_at_period_end": ends}));
}

fn set_status(stripe: &Stripe, cast: &Cast, status: &str) {
    let subscription = linked(stripe, &cast.sessions[0], "subscription");
    stripe.world().set_subscription_status(&subscription, status);
}

/// The object that a session refers to.
fn linked(stripe: &Stripe, session: &str, field: &str) -> String {
    stripe.world().get(session)[field].as_str().expect("an id").to_owned()
}
