//! Amounts of money: minor units and a currency, never a float. Stripe's units become ours here, once, and nowhere else.

use levqor_runtime::currency::iso_digits;

/// JSON numbers hold every integer below this one exactly; an amount that no client can read is not stored.
const FIRST_NOT_SHOWABLE: i64 = 1 << 53;

/// An amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Money {
    /// ISO 4217, upper case.
    pub(crate) currency: String,
    /// In ISO 4217's minor unit: pence, cents, whole yen; never negative where a customer pays.
    pub(crate) minor_units: i64,
}

impl Money {
    /// An amount to be paid, as Stripe writes it: the currency in lower case, and the amount in Stripe's own unit, which is
    /// not always ISO's minor unit. None where it is not an amount, is not whole in ISO's unit, or is too large to be shown.
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

    /// Whether a JSON number can hold the amount. Rows of the database are asked this too.
    pub(crate) fn is_showable(&self) -> bool {
        (0..FIRST_NOT_SHOWABLE).contains(&self.minor_units)
    }
}

/// How many digits Stripe's unit has: <https://docs.stripe.com/currencies#zero-decimal> and the special cases below it. The
/// króna (ISK) and the Ugandan shilling (UGX) have no minor unit, and Stripe still counts them in hundredths; the forint (HUF)
/// and the new Taiwan dollar (TWD) are whole in payouts only.
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
            // Stripe's special cases: no minor unit, and still counted in hundredths.
            ("isk", 1_500_000, 15_000),
            ("ugx", 38_000_000, 380_000),
            // Whole in payouts only: a charge has two digits.
            ("huf", 1_000_050, 1_000_050),
            ("twd", 80_000, 80_000),
            // Whole at Stripe, and not by ISO.
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
