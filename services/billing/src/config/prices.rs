//! The settings that name Stripe's prices: one setting per price of the catalogue.

use std::{borrow::Cow, collections::BTreeMap};

use levqor_runtime::config::{Reader, Setting};

use crate::domain::{
    catalogue::{CataloguePrice, PRICES},
    stripe_id::StripeId,
};

/// The prices that are set.
pub(crate) type Prices = Vec<(CataloguePrice, StripeId)>;

pub(super) fn settings() -> impl Iterator<Item = Setting> {
    PRICES.iter().map(setting)
}

fn setting(price: &CataloguePrice) -> Setting {
    let meaning = format!("Stripe's id of the price (`price_…`) of {price}.");
    Setting { name: Cow::Borrowed(price.setting), default: None, meaning: Cow::Owned(meaning), secret: false }
}

/// Reads the prices that are set. Returns `None` only after it noted a problem.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Prices> {
    let (mut prices, mut names) = (Some(Prices::new()), BTreeMap::new());
    for &price in PRICES {
        let setting = setting(&price);
        if !reader.is_set(&setting) {
            continue;
        }
        let expected = "the id of a price, price_…";
        let id: Option<StripeId> = reader.optional(&setting, expected);
        let id = id.filter(|id| {
            let genuine = id.as_str().starts_with("price_") && id.is_plain();
            if !genuine {
                reader.problem(&setting, format!("expected {expected}"));
            }
            genuine
        });
        let twin = id.as_ref().and_then(|id| names.insert(id.as_str().to_owned(), price.setting));
        if let Some(twin) = twin {
            reader.problem(&setting, format!("is the same price as {twin}"));
        }
        prices = prices.zip(id).map(|(mut prices, id)| {
            prices.push((price, id));
            prices
        });
    }
    prices
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::Env;

    use super::*;

    fn read_all(pairs: &[(&str, &str)]) -> Result<usize, Vec<String>> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let prices = read(&mut reader);
        let told =
            |problem: levqor_runtime::config::Problem| format!("{}: {}", problem.setting, problem.expected);
        reader
            .finish(prices)
            .map(|prices| prices.len())
            .map_err(|problems| problems.0.into_iter().map(told).collect())
    }

    #[test]
    fn set_prices_are_read_and_missing_ones_are_allowed() {
        assert_eq!(read_all(&[]), Ok(0));
        assert_eq!(read_all(&[("STRIPE_PRICE_STARTER", "price_1"), ("STRIPE_PRICE_PRO", "price_2")]), Ok(2));
        assert_eq!(settings().count(), 14);
    }

    #[test]
    fn an_invalid_price_and_a_price_named_twice_are_mistakes() {
        let said = read_all(&[
            ("STRIPE_PRICE_STARTER", "prod_1"),
            ("STRIPE_PRICE_GROWTH", "price_1"),
            ("STRIPE_PRICE_PRO", "price_1"),
            ("STRIPE_PRICE_BUSINESS", "price_1/../.."),
        ]);
        let expected = [
            "STRIPE_PRICE_STARTER: expected the id of a price, price_…",
            "STRIPE_PRICE_PRO: is the same price as STRIPE_PRICE_GROWTH",
            "STRIPE_PRICE_BUSINESS: expected the id of a price, price_…",
        ];
        assert_eq!(said, Err(expected.map(str::to_owned).to_vec()));
    }
}
