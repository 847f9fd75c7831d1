//! The catalogue: the 14 prices, and what can be wrong with a price at Stripe.

use std::fmt;

use serde_json::Value;

use super::json::word;

/// All prices are in pounds.
const CURRENCY: &str = "gbp";
/// Stripe's words for periods.
const INTERVALS: [&str; 4] = ["day", "week", "month", "year"];

/// How often a price is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interval {
    /// Once.
    Once,
    /// Every month.
    Month,
    /// Every year, for ten times the monthly price.
    Year,
}

impl Interval {
    /// Stripe's word for the interval. `None` if the price is paid once.
    pub(crate) const fn stripe(self) -> Option<&'static str> {
        match self {
            Self::Once => None,
            Self::Month => Some("month"),
            Self::Year => Some("year"),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Once => "once",
            Self::Month => "a month",
            Self::Year => "a year",
        })
    }
}

/// One price of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CataloguePrice {
    /// The setting that names the price at Stripe.
    pub(crate) setting: &'static str,
    /// The product's name.
    pub(crate) product: &'static str,
    /// In pence.
    pub(crate) amount: i64,
    /// How often it is paid.
    pub(crate) interval: Interval,
}

const fn price(
    setting: &'static str,
    product: &'static str,
    amount: i64,
    interval: Interval,
) -> CataloguePrice {
    CataloguePrice { setting, product, amount, interval }
}

/// The discount of the offer to Starter customers on the price of Professional: currency and minor units.
pub(crate) const UPSELL_DISCOUNT: (&str, i64) = ("GBP", 15_000);

/// "Done for you" work of each tier. Orders are compared with these prices.
pub(crate) const DFY_STARTER: CataloguePrice =
    price("STRIPE_PRICE_DFY_STARTER", "DFY Starter", 9900, Interval::Once);
pub(crate) const DFY_PROFESSIONAL: CataloguePrice =
    price("STRIPE_PRICE_DFY_PROFESSIONAL", "DFY Professional", 24_900, Interval::Once);
pub(crate) const DFY_ENTERPRISE: CataloguePrice =
    price("STRIPE_PRICE_DFY_ENTERPRISE", "DFY Enterprise", 59_900, Interval::Once);

/// Every price, in the order in which operators see them.
pub(crate) const PRICES: &[CataloguePrice] = &[
    price("STRIPE_PRICE_STARTER", "Starter", 1900, Interval::Month),
    price("STRIPE_PRICE_STARTER_YEAR", "Starter", 19_000, Interval::Year),
    price("STRIPE_PRICE_GROWTH", "Growth", 7900, Interval::Month),
    price("STRIPE_PRICE_GROWTH_YEAR", "Growth", 79_000, Interval::Year),
    price("STRIPE_PRICE_PRO", "Pro", 4900, Interval::Month),
    price("STRIPE_PRICE_PRO_YEAR", "Pro", 49_000, Interval::Year),
    price("STRIPE_PRICE_BUSINESS", "Business", 14_900, Interval::Month),
    price("STRIPE_PRICE_BUSINESS_YEAR", "Business", 149_000, Interval::Year),
    DFY_STARTER,
    DFY_PROFESSIONAL,
    DFY_ENTERPRISE,
    price("STRIPE_PRICE_ADDON_PRIORITY_SUPPORT", "Priority Support add-on", 9900, Interval::Month),
    price("STRIPE_PRICE_ADDON_SLA_99_9", "SLA 99.9 % add-on", 19_900, Interval::Month),
    price("STRIPE_PRICE_ADDON_WHITE_LABEL", "White-label add-on", 29_900, Interval::Month),
];

/// Stripe's mode: live or test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Livemode {
    /// Real money.
    Live,
    /// Test money.
    Test,
}

impl fmt::Display for Livemode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Live => "live",
            Self::Test => "test",
        })
    }
}

/// The fault of a price at Stripe, in words for operators. The text contains only numbers and known words of Stripe's
/// response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PriceFault {
    /// Stripe does not have the price.
    Missing,
    /// The price is not active, so it cannot be bought.
    Inactive,
    /// The amount differs.
    Amount {
        /// Stripe's amount in minor units, or a word if it is not a fixed amount.
        found: String,
        /// The catalogue's amount.
        expected: i64,
    },
    /// The currency differs. `None` if Stripe's text is not a currency code.
    Currency(Option<String>),
    /// The interval differs.
    Interval {
        /// Stripe's interval.
        found: String,
        /// The catalogue's interval.
        expected: Interval,
    },
    /// The price's mode differs from the key's.
    Livemode {
        /// The price's mode.
        found: Livemode,
        /// The key's mode.
        expected: Livemode,
    },
    /// Stripe's response is not this price.
    NotAPrice,
}

impl fmt::Display for PriceFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("Stripe does not have it (404)"),
            Self::Inactive => formatter.write_str("it is not active"),
            Self::Amount { found, expected } => {
                write!(formatter, "its amount is {found}, not {expected} pence")
            }
            Self::Currency(Some(found)) => write!(formatter, "its currency is {found}, not {CURRENCY}"),
            Self::Currency(None) => write!(formatter, "its currency is not {CURRENCY}"),
            Self::Interval { found, expected } => write!(formatter, "it is paid {found}, not {expected}"),
            Self::Livemode { found, expected } => {
                write!(formatter, "it is in {found} mode, but STRIPE_SECRET_KEY is in {expected} mode")
            }
            Self::NotAPrice => formatter.write_str("Stripe's answer is not this price"),
        }
    }
}

impl CataloguePrice {
    /// Lists everything that is wrong with the price at Stripe.
    pub(crate) fn faults(&self, id: &str, object: &Value, key: Livemode) -> Vec<PriceFault> {
        if word(object, "id") != Some(id) || word(object, "object") != Some("price") {
            return vec![PriceFault::NotAPrice];
        }
        let mut faults = Vec::new();
        if object.get("active").and_then(Value::as_bool) != Some(true) {
            faults.push(PriceFault::Inactive);
        }
        let amount = object.get("unit_amount").and_then(Value::as_i64);
        if amount != Some(self.amount) {
            let found = amount.map_or_else(|| "not fixed".to_owned(), |amount| amount.to_string());
            faults.push(PriceFault::Amount { found, expected: self.amount });
        }
        let currency = word(object, "currency").unwrap_or_default();
        if !currency.eq_ignore_ascii_case(CURRENCY) {
            let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_alphabetic());
            faults.push(PriceFault::Currency(is_code.then(|| currency.to_owned())));
        }
        faults.extend(self.interval_fault(object));
        let found = match object.get("livemode").and_then(Value::as_bool) {
            Some(true) => Some(Livemode::Live),
            Some(false) => Some(Livemode::Test),
            None => None,
        };
        if let Some(found) = found.filter(|found| *found != key) {
            faults.push(PriceFault::Livemode { found, expected: key });
        }
        faults
    }

    fn interval_fault(&self, object: &Value) -> Option<PriceFault> {
        let recurring = object.get("recurring").filter(|recurring| !recurring.is_null());
        let found = match (recurring, self.interval.stripe()) {
            (None, None) => return None,
            (None, Some(_)) => "once".to_owned(),
            (Some(recurring), expected) => {
                let interval = word(recurring, "interval");
                let interval = INTERVALS.into_iter().find(|known| interval == Some(known));
                let count = recurring.get("interval_count").and_then(Value::as_i64).unwrap_or(1);
                let metered = word(recurring, "usage_type") == Some("metered");
                if interval.is_some() && interval == expected && count == 1 && !metered {
                    return None;
                }
                let by_use = if metered { ", by use" } else { "" };
                format!("every {count} {}{by_use}", interval.unwrap_or("(not known)"))
            }
        };
        Some(PriceFault::Interval { found, expected: self.interval })
    }
}

impl fmt::Display for CataloguePrice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pounds, pence) = (self.amount / 100, self.amount % 100);
        write!(formatter, "{}, £{pounds}.{pence:02} {}", self.product, self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(setting: &str) -> CataloguePrice {
        *PRICES.iter().find(|price| price.setting == setting).expect("a price")
    }

    fn stripe(amount: i64, interval: Option<&str>) -> Value {
        let recurring = interval.map(|interval| json!({"interval": interval, "interval_count": 1}));
        json!({"id": "price_1", "object": "price", "active": true, "currency": "gbp", "unit_amount": amount,
               "recurring": recurring, "livemode": false})
    }

    fn said(price: CataloguePrice, object: &Value) -> Vec<String> {
        price.faults("price_1", object, Livemode::Test).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_year_costs_ten_months() {
        for year in PRICES.iter().filter(|price| price.interval == Interval::Year) {
            let month = of(year.setting.strip_suffix("_YEAR").expect("a year's setting"));
            assert_eq!((year.amount, year.product), (10 * month.amount, month.product));
        }
        assert_eq!(PRICES.iter().map(|price| price.amount).sum::<i64>(), 480_000);
    }

    #[test]
    fn a_price_as_it_should_be_has_no_faults() {
        assert!(said(of("STRIPE_PRICE_STARTER_YEAR"), &stripe(19_000, Some("year"))).is_empty());
        assert!(said(of("STRIPE_PRICE_DFY_STARTER"), &stripe(9900, None)).is_empty());
        assert_eq!(of("STRIPE_PRICE_STARTER_YEAR").to_string(), "Starter, £190.00 a year");
    }

    #[test]
    fn each_fault_has_its_name() {
        let starter = of("STRIPE_PRICE_STARTER");
        let good = stripe(1900, Some("month"));
        for (field, value, fault) in [
            ("active", json!(false), "it is not active"),
            ("unit_amount", json!(2900), "its amount is 2900, not 1900 pence"),
            ("unit_amount", Value::Null, "its amount is not fixed, not 1900 pence"),
            ("currency", json!("usd"), "its currency is usd, not gbp"),
            ("currency", json!("ada@example.com"), "its currency is not gbp"),
            ("recurring", Value::Null, "it is paid once, not a month"),
            ("recurring", json!({"interval": "year"}), "it is paid every 1 year, not a month"),
            ("recurring", json!({"interval": "ada"}), "it is paid every 1 (not known), not a month"),
            (
                "recurring",
                json!({"interval": "month", "interval_count": 3}),
                "it is paid every 3 month, not a month",
            ),
            (
                "recurring",
                json!({"interval": "month", "usage_type": "metered"}),
                "it is paid every 1 month, by use, not a month",
            ),
            ("livemode", json!(true), "it is in live mode, but STRIPE_SECRET_KEY is in test mode"),
            ("id", json!("price_2"), "Stripe's answer is not this price"),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert_eq!(said(starter, &bad), [fault]);
        }
        let dfy = said(of("STRIPE_PRICE_DFY_STARTER"), &stripe(1900, Some("month")));
        assert_eq!(dfy, ["its amount is 1900, not 9900 pence", "it is paid every 1 month, not once"]);
    }
}
