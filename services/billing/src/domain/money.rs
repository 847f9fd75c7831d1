//! Amounts of money: minor units and a currency, never a float.

/// An amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Money {
    /// ISO 4217, upper case.
    pub(crate) currency: String,
    /// Pence, cents; never negative where a customer pays.
    pub(crate) minor_units: i64,
}

impl Money {
    /// An amount to be paid. Stripe spells currencies in lower case. None for what cannot be one.
    pub(crate) fn payable(currency: &str, minor_units: i64) -> Option<Self> {
        let iso = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_alphabetic());
        (iso && minor_units >= 0).then(|| Self { currency: currency.to_ascii_uppercase(), minor_units })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_amounts_that_can_be_paid_are_money() {
        assert_eq!(Money::payable("gbp", 0), Some(Money { currency: "GBP".to_owned(), minor_units: 0 }));
        for (currency, minor_units) in [("gbp", -1), ("", 1), ("gb", 1), ("pound", 1), ("g£", 1)] {
            assert_eq!(Money::payable(currency, minor_units), None, "{currency}");
        }
    }
}
