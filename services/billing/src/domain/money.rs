//! Amounts of money: minor units and a currency, never a float. Only this file converts Stripe's units into ours.

use levqor_runtime::currency::iso_digits;

/// JSON numbers hold every smaller integer exactly. Larger amounts are not stored, because clients could not read them.
const FIRST_NOT_SHOWABLE: i64 = 1 << 53;

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Money {
    /// ISO 4217, upper case.
    pub(crate) currency: String,
    /// In the minor unit of ISO 4217: pence, cents, whole yen. Never negative in a payment.
    pub(crate) minor_units: i64,
}

impl Money {
    /// Converts an amount of Stripe's: the currency in lower case, and the amount in Stripe's unit, which is not always ISO's
    /// minor unit. Returns `None` if it is malformed, not whole in ISO's unit, or too large to be shown.
    pub(crate) fn of_stripe(currency: &str, amount: i64) -> Option<Self> {
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        let currency = currency.to_ascii_uppercase();
        let (stripe, iso) = (stripe_digits(&currency), iso_digits(currency.as_bytes()));
        let minor_units = if stripe <= iso {
            amount.checked_mul(10_i64.pow(iso - stripe))?
        } else {
            let scale = 10_i64.pow(stripe - iso);
            (amount % scale == 0).then_some(amount / scale)?
        };
        (0..FIRST_NOT_SHOWABLE).contains(&minor_units).then_some(Self { currency, minor_units })
    }

    /// An amount in pence, the unit of the catalogue's prices.
    pub(crate) fn pence(minor_units: i64) -> Self {
        Self { currency: "GBP".to_owned(), minor_units }
    }

    /// The amount in Stripe's unit. The opposite of `of_stripe`.
    pub(crate) fn in_stripe(&self) -> i64 {
        let (stripe, iso) = (stripe_digits(&self.currency), iso_digits(self.currency.as_bytes()));
        if stripe <= iso {
            self.minor_units / 10_i64.pow(iso - stripe)
        } else {
            self.minor_units.saturating_mul(10_i64.pow(stripe - iso))
        }
    }

    /// Whether a JSON number can hold the amount. Rows of the database are checked too.
    pub(crate) fn is_showable(&self) -> bool {
        (0..FIRST_NOT_SHOWABLE).contains(&self.minor_units)
    }
}

/// The number of digits of Stripe's unit: <https://docs.stripe.com/currencies#zero-decimal> and the special cases below it. The
/// króna (ISK) and the Ugandan shilling (UGX) have no minor unit, but Stripe counts them in hundredths. The forint (HUF) and the
/// new Taiwan dollar (TWD) are whole only in payouts.
fn stripe_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor_units(currency: &str, amount: i64) -> Option<i64> {
        Money::of_stripe(currency, amount).map(|money| money.minor_units)
    }

    #[test]
    fn only_amounts_that_can_be_paid_are_money() {
        assert_eq!(Money::of_stripe("gbp", 0), Some(Money { currency: "GBP".to_owned(), minor_units: 0 }));
        for (currency, amount) in [("gbp", -1), ("", 1), ("gb", 1), ("pound", 1), ("g£", 1)] {
            assert_eq!(Money::of_stripe(currency, amount), None, "{currency}");
        }
    }

    #[test]
    fn stripes_units_are_read_by_stripes_table_and_kept_in_isos() {
        for (currency, stripe, iso) in [
            ("gbp", 9900, 9900),
            ("jpy", 1500, 1500),
            ("vnd", 59_900, 59_900),
            // Stripe's special cases: no minor unit, but counted in hundredths.
            ("isk", 1_500_000, 15_000),
            ("ugx", 38_000_000, 380_000),
            // Whole only in payouts: a charge has two digits.
            ("huf", 1_000_050, 1_000_050),
            ("twd", 80_000, 80_000),
            // Whole at Stripe, but not in ISO.
            ("mga", 500, 50_000),
            ("kwd", 1230, 1230),
            ("tnd", 1230, 1230),
        ] {
            assert_eq!(minor_units(currency, stripe), Some(iso), "{currency}");
        }
        assert_eq!(minor_units("isk", 1_500_050), None, "there are no hundredths of a króna");
    }

    #[test]
    fn an_amount_that_cannot_be_shown_is_not_money() {
        assert_eq!(minor_units("gbp", (1 << 53) - 1), Some((1 << 53) - 1));
        for (currency, amount) in [("gbp", 1 << 53), ("gbp", i64::MAX), ("mga", 1 << 50), ("mga", i64::MAX)] {
            assert_eq!(minor_units(currency, amount), None, "{currency} {amount}");
        }
    }
}
