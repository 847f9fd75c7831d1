//! Whether a checkout session asked for the list price. The plan in its metadata is not enough: anybody who can create a session
//! in the account can write any metadata.

use serde_json::Value;

use super::{json::word, money::Money, not_understood::NotUnderstood};

/// All prices of the catalogue are in this currency.
const CURRENCY: &str = "gbp";

/// The amounts of a checkout session, in Stripe's units. An amount that is present but not an integer is malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskingPrice {
    charged: Amounts,
    /// The discount in `total_details`, in the currency of the charge.
    discount: Option<i64>,
    /// If Stripe converted the price for the customer: the amounts before the conversion.
    converted_from: Option<Amounts>,
}

/// A subtotal (before discounts and tax) and a total, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Amounts {
    currency: Option<String>,
    /// Absent in old API versions.
    subtotal: Amount,
    total: Amount,
}

/// One amount, as far as it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Absent,
    Malformed,
    Of(i64),
}

impl Amount {
    fn read(object: &Value, field: &str) -> Self {
        match object.get(field) {
            None | Some(Value::Null) => Self::Absent,
            Some(value) => value.as_i64().filter(|amount| *amount >= 0).map_or(Self::Malformed, Self::Of),
        }
    }

    const fn known(self) -> Option<i64> {
        match self {
            Self::Of(amount) => Some(amount),
            Self::Absent | Self::Malformed => None,
        }
    }
}

impl Amounts {
    fn read(object: &Value, currency: &str) -> Self {
        Self {
            currency: word(object, currency).map(str::to_ascii_lowercase),
            subtotal: Amount::read(object, "amount_subtotal"),
            total: Amount::read(object, "amount_total"),
        }
    }
}

impl AskingPrice {
    /// Reads the amounts of a session.
    pub(crate) fn read(session: &Value) -> Self {
        let details = session.get("total_details").unwrap_or(&Value::Null);
        let discount = match Amount::read(details, "amount_discount") {
            Amount::Absent => Some(0),
            Amount::Malformed => None,
            Amount::Of(discount) => Some(discount),
        };
        let conversion = session.get("currency_conversion").filter(|conversion| !conversion.is_null());
        Self {
            charged: Amounts::read(session, "currency"),
            discount,
            converted_from: conversion.map(|conversion| Amounts::read(conversion, "source_currency")),
        }
    }

    /// The amount that the customer was charged.
    pub(crate) fn total(&self) -> Option<Money> {
        let Amounts { currency, total, .. } = &self.charged;
        Money::of_stripe(currency.as_deref()?, total.known()?)
    }

    /// Checks that the session asked for the list price, in pence. The subtotal must equal the list price, and the total must be
    /// at least the subtotal minus the discount. Tax is not compared. Amounts that cannot be compared are refused.
    pub(crate) fn compare(&self, list_price: i64) -> Result<(), NotUnderstood> {
        let listed = self.converted_from.as_ref().unwrap_or(&self.charged);
        if listed.currency.as_deref() != Some(CURRENCY) {
            return Err(NotUnderstood::Price("currency is not gbp"));
        }
        let total = listed.total.known().ok_or(NotUnderstood::Price("amount_total is not known"))?;
        let discount = self.discount.ok_or(NotUnderstood::Price("amount_discount is malformed"))?;
        let subtotal = match listed.subtotal {
            Amount::Of(subtotal) => subtotal,
            // Old API versions have no subtotal. Without a discount, the total is compared with the list price.
            Amount::Absent if discount == 0 => total,
            Amount::Absent => return Err(NotUnderstood::Price("amount_subtotal is not known")),
            Amount::Malformed => return Err(NotUnderstood::Price("amount_subtotal is malformed")),
        };
        if subtotal != list_price {
            return Err(NotUnderstood::Price("amount_subtotal is not the plan's list price"));
        }
        let discount = self.listed_discount(discount, subtotal);
        let explained = discount.is_some_and(|discount| discount <= subtotal && total >= subtotal - discount);
        if !explained || !self.charge_is_explained() {
            return Err(NotUnderstood::Price(
                "amount_total is less than amount_subtotal without the discount",
            ));
        }
        Ok(())
    }

    /// Whether the charged total is at least its own subtotal minus the discount. Unknown amounts count as explained.
    fn charge_is_explained(&self) -> bool {
        let Amounts { subtotal, total, .. } = &self.charged;
        let known = subtotal.known().zip(total.known()).zip(self.discount);
        known.is_none_or(|((subtotal, total), discount)| total >= subtotal.saturating_sub(discount))
    }

    /// The discount in the currency of the list price. Stripe gives it only in the currency of the charge, so it is converted at
    /// the rate of the two subtotals. It is rounded up, because Stripe rounds too. `None` if there is no rate.
    fn listed_discount(&self, discount: i64, subtotal: i64) -> Option<i64> {
        if self.converted_from.is_none() || discount == 0 {
            return Some(discount);
        }
        let charged = i128::from(self.charged.subtotal.known().filter(|charged| *charged > 0)?);
        let discount = i128::from(discount);
        if discount > charged {
            return None;
        }
        let listed = (discount * i128::from(subtotal) + charged - 1) / charged;
        i64::try_from(listed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LIST_PRICE: i64 = 59_900;

    fn compare(session: &Value) -> Result<(), NotUnderstood> {
        AskingPrice::read(session).compare(LIST_PRICE)
    }

    fn pounds(subtotal: i64, total: i64, discount: i64) -> Value {
        json!({"currency": "gbp", "amount_subtotal": subtotal, "amount_total": total,
               "total_details": {"amount_discount": discount, "amount_tax": 0}})
    }

    #[test]
    fn the_list_price_is_asked_for_with_or_without_discount_and_tax() {
        for (subtotal, total, discount) in
            [(59_900, 59_900, 0), (59_900, 71_880, 0), (59_900, 29_950, 29_950), (59_900, 0, 59_900)]
        {
            assert_eq!(compare(&pounds(subtotal, total, discount)), Ok(()), "{subtotal} {total} {discount}");
        }
    }

    #[test]
    fn amounts_must_match_the_plan() {
        let refused = |subtotal, total, discount| compare(&pounds(subtotal, total, discount)).is_err();
        assert!(refused(1, 1, 0), "a penny");
        assert!(refused(0, 0, 0), "nothing");
        assert!(refused(9900, 9900, 0), "another plan's price");
        assert!(refused(59_900, 1, 0), "the total is less, and nothing explains it");
        assert!(refused(59_900, 29_949, 29_950), "a penny is missing");
        assert!(refused(59_900, 0, 59_901), "a discount of more than the price");
        assert!(refused(119_800, 119_800, 0), "two of them");
        let mut dong = pounds(59_900, 59_900, 0);
        dong["currency"] = json!("vnd");
        assert_eq!(compare(&dong), Err(NotUnderstood::Price("currency is not gbp")));
    }

    #[test]
    fn incomparable_values_are_refused_and_fields_that_old_versions_lack_are_optional() {
        let without = |field: &str| {
            let mut session = pounds(59_900, 59_900, 0);
            session.as_object_mut().expect("an object").remove(field);
            session
        };
        assert_eq!(compare(&without("amount_subtotal")), Ok(()));
        assert_eq!(compare(&without("total_details")), Ok(()));
        assert!(compare(&without("amount_total")).is_err());
        assert!(compare(&without("currency")).is_err());
        let mut penny = without("amount_subtotal");
        penny["amount_total"] = json!(1);
        assert!(compare(&penny).is_err());
        let mut discounted = without("amount_subtotal");
        discounted["total_details"] = json!({"amount_discount": 100});
        assert!(compare(&discounted).is_err());
        for (field, odd) in [
            ("amount_subtotal", json!("59900")),
            ("amount_total", json!(59_900.5)),
            ("total_details", json!({"amount_discount": -1})),
        ] {
            let mut session = pounds(59_900, 59_900, 0);
            session[field] = odd;
            assert!(compare(&session).is_err(), "{field}");
        }
    }

    #[test]
    fn a_converted_price_is_compared_before_its_conversion() {
        let mut krona = json!({
            "currency": "isk", "amount_subtotal": 10_382_000, "amount_total": 10_382_000,
            "currency_conversion": {"amount_subtotal": 59_900, "amount_total": 59_900, "fx_rate": "173.3",
                                    "source_currency": "gbp"},
        });
        assert_eq!(compare(&krona), Ok(()));
        let total = AskingPrice::read(&krona).total();
        assert_eq!(total, Some(Money { currency: "ISK".to_owned(), minor_units: 103_820 }));
        // A tenth off, in krónur. Stripe rounds to whole krónur.
        krona["total_details"] = json!({"amount_discount": 1_038_200});
        krona["amount_total"] = json!(9_343_800);
        krona["currency_conversion"]["amount_total"] = json!(53_910);
        assert_eq!(compare(&krona), Ok(()));
        krona["currency_conversion"]["amount_total"] = json!(1);
        assert!(compare(&krona).is_err());
        krona["currency_conversion"]["amount_total"] = json!(53_910);
        krona["amount_total"] = json!(100);
        assert!(compare(&krona).is_err());
        krona["amount_total"] = json!(9_343_800);
        for (field, odd) in [
            ("source_currency", json!("vnd")),
            ("amount_subtotal", json!(100)),
            ("amount_total", Value::Null),
        ] {
            let mut odd_one = krona.clone();
            odd_one["currency_conversion"][field] = odd;
            assert!(compare(&odd_one).is_err(), "{field}");
        }
    }
}
