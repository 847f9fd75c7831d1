//! Amounts of money in the form that customers read.

use std::str::{self, FromStr};

use levqor_runtime::currency::iso_digits;

use super::locale::Locale;

/// An ISO 4217 code in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency([u8; 3]);

/// The text is not a currency code.
#[derive(Debug, thiserror::Error)]
#[error("not a currency code")]
pub struct NotACurrency;

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(NotACurrency) }
    }
}

/// An amount that was paid or is due. It is never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// The currency.
    pub currency: Currency,
    /// The amount, in the minor unit of the currency.
    pub minor_units: u64,
}

impl Amount {
    /// The amount as readers of this locale know it: `£1,234.50`, `¥1,500`, `CHF 99.00`.
    #[must_use]
    pub fn shown(&self, locale: &Locale) -> String {
        let Self { currency: Currency(code), minor_units } = self;
        locale.money(str::from_utf8(code).unwrap_or_default(), *minor_units, iso_digits(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::locale::EN_GB;

    fn amount(currency: &str, minor_units: u64) -> String {
        Amount { currency: currency.parse().expect("a currency"), minor_units }.shown(&EN_GB)
    }

    #[test]
    fn amounts_read_as_customers_know_them() {
        assert_eq!(amount("GBP", 9_900), "£99.00");
        assert_eq!(amount("GBP", 5), "£0.05");
        assert_eq!(amount("EUR", 123_456_789), "€1,234,567.89");
        assert_eq!(amount("USD", 0), "$0.00");
        assert_eq!(amount("CHF", 100_050), "CHF 1,000.50");
    }

    #[test]
    fn not_every_currency_has_two_digits() {
        assert_eq!(amount("JPY", 1_500), "¥1,500");
        assert_eq!(amount("KRW", 99), "KRW 99");
        assert_eq!(amount("ISK", 15_000), "ISK 15,000");
        assert_eq!(amount("UGX", 380_000), "UGX 380,000");
        assert_eq!(amount("KWD", 1_234), "KWD 1.234");
    }

    #[test]
    fn the_largest_amount_is_still_right() {
        assert_eq!(amount("GBP", u64::MAX), "£184,467,440,737,095,516.15");
    }

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        for text in ["", "GB", "gbp", "GBPP", "G1P", "£££"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }
}
